#pragma once
/* A key of at most SECRET_MAX bytes that travels by value and is wiped by its holder. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { SECRET_MAX = 64 };

struct secret {
	uint8_t len; /* bytes in use */
	uint8_t bytes[SECRET_MAX];
};

static inline void secret_wipe(struct secret *s)
{
	explicit_bzero(s, sizeof(*s));
}
