#pragma once
/* Comparing netlink messages byte for byte, and ill-treating a parser. */
#include <stddef.h>
#include <stdint.h>

/* Fails with the first byte that differs. */
void nl_bytes_expect(const uint8_t *got, size_t got_len, const uint8_t *want, size_t want_len,
		     const char *name);
#define EXPECT_BYTES(got, len, want) nl_bytes_expect(got, len, want, sizeof(want), #want)

/*
 * Gives PARSE the message MSG cut to every length (as it is, and with a header that agrees), with
 * every byte changed in several ways, and with every 16-bit length in it set to extremes, each in a
 * buffer of exactly that size. OUT of OUT_SIZE bytes must be untouched after an error, which must
 * be one that parsers give. Fails when MSG itself is refused. Returns how many of the cut messages
 * with a header that agrees were taken: those cut where an attribute ends, with or without its
 * padding.
 */
size_t nl_bytes_torture(const uint8_t *msg, size_t len,
			int (*parse)(const void *msg, size_t len, void *out), size_t out_size);
