#pragma once
/* What nft(8) sends: the type of a message, then in hexadecimal what follows nlmsghdr. */
#include <stddef.h>
#include <stdint.h>

struct golden {
	uint16_t type;
	const char *body;
};

/*
 * BATCH has the same messages, with the same attributes byte for byte. Only the order of a message's
 * own attributes is free: for a chain nft writes its type before its hook, libnftnl behind.
 */
void golden_expect(const uint8_t *batch, size_t len, const struct golden *golden, size_t count);
