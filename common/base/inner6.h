#pragma once
/*
 * IPv6 inside of a telescope: who has an IPv4 address from an exit that lets IPv6 out has this one, too.
 * It is the IPv4 address behind a prefix that is the same everywhere (RFC 4193), so nobody has to keep
 * which are given, and it is unique wherever the IPv4 one is.
 */
#include <string.h>

#include "common/base/addr.h"

enum { INNER6_BITS = 96 }; /* of the prefix; the IPv4 address follows */

#define INNER6_PREFIX { 0xfd, 0x49, 0x50, 0x70, 0x72, 0x69, 0x76 }

/* Of the IPv4 address A. */
static inline struct addr inner6_addr(const struct addr *a)
{
	struct addr six = { .family = AF_INET6, .bytes = INNER6_PREFIX };

	memcpy(six.bytes + INNER6_BITS / 8, a->bytes, 4);
	return six;
}

static inline struct prefix inner6_prefix(const struct prefix *p)
{
	return (struct prefix){ inner6_addr(&p->addr), (uint8_t)(INNER6_BITS + p->len) };
}

/* Where hosts of the public Internet are (RFC 4291 section 2.4): all that goes out or comes in. */
static inline struct prefix inner6_public(void)
{
	return (struct prefix){ { AF_INET6, { 0x20 } }, 3 };
}
