#include "common/base/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct addr addr_v4(uint32_t host_order)
{
	struct addr a = { .family = AF_INET };
	uint32_t be = htonl(host_order);

	memcpy(a.bytes, &be, sizeof(be));
	return a;
}

uint32_t addr_to_v4(const struct addr *a)
{
	uint32_t be;

	if (a->family != AF_INET)
		return 0;
	memcpy(&be, a->bytes, sizeof(be));
	return ntohl(be);
}

size_t addr_size(const struct addr *a)
{
	return a->family == AF_INET ? 4 : a->family == AF_INET6 ? 16 : 0;
}

bool addr_equal(const struct addr *a, const struct addr *b)
{
	return a->family == b->family && memcmp(a->bytes, b->bytes, addr_size(a)) == 0;
}

bool addr_is_loopback(const struct addr *a)
{
	static const struct addr six = { AF_INET6, { [15] = 1 } };

	return a->family == AF_INET ? a->bytes[0] == 127 : addr_equal(a, &six);
}

struct addr addr_counted(const struct addr *a)
{
	struct addr out = { .family = a->family };

	memcpy(out.bytes, a->bytes, a->family == AF_INET6 ? 8 : addr_size(a));
	return out;
}

int addr_parse(const char *text, struct addr *out)
{
	struct addr a = { 0 };

	if (inet_pton(AF_INET, text, a.bytes) == 1)
		a.family = AF_INET;
	else if (inet_pton(AF_INET6, text, a.bytes) == 1)
		a.family = AF_INET6;
	else
		return -EINVAL;
	*out = a;
	return 0;
}

/* Digits only, no sign, no blank, at most MAX. */
static int parse_number(const char *text, unsigned long max, unsigned long *out)
{
	char *end;
	unsigned long v;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	v = strtoul(text, &end, 10);
	if (errno || *end || v > max)
		return -EINVAL;
	*out = v;
	return 0;
}

bool addr_bit(const struct addr *a, size_t i)
{
	return a->bytes[i / 8] >> (7 - i % 8) & 1;
}

int prefix_parse(const char *text, struct prefix *out)
{
	const char *slash = strchr(text, '/');
	char head[ADDR_TEXT];
	struct prefix p = { 0 };
	unsigned long len;

	if (snprintf(head, sizeof(head), "%.*s", slash ? (int)(slash - text) : ADDR_TEXT, text) >=
	    (int)sizeof(head))
		return -EINVAL;
	if (addr_parse(head, &p.addr) < 0)
		return -EINVAL;
	len = addr_size(&p.addr) * 8;
	if (slash && parse_number(slash + 1, len, &len) < 0)
		return -EINVAL;
	p.len = (uint8_t)len;
	for (size_t bit = len; bit < addr_size(&p.addr) * 8; bit++)
		if (addr_bit(&p.addr, bit))
			return -EINVAL;
	*out = p;
	return 0;
}

int endpoint_parse(const char *text, struct endpoint *out)
{
	const char *colon = strrchr(text, ':'), *start = text, *stop = colon;
	struct endpoint e = { 0 };
	char head[ADDR_TEXT];
	unsigned long port;

	if (!colon || parse_number(colon + 1, 65535, &port) < 0)
		return -EINVAL;
	if (*text == '[') {
		if (colon == text || colon[-1] != ']')
			return -EINVAL;
		start++;
		stop--;
	}
	if (stop - start >= (int)sizeof(head))
		return -EINVAL;
	memcpy(head, start, (size_t)(stop - start));
	head[stop - start] = '\0';
	if (addr_parse(head, &e.addr) < 0 || (e.addr.family == AF_INET6) != (*text == '['))
		return -EINVAL;
	e.port = (uint16_t)port;
	*out = e;
	return 0;
}

bool prefix_contains(const struct prefix *p, const struct addr *a)
{
	if (p->addr.family != a->family)
		return false;
	for (unsigned int bit = 0; bit < p->len; bit++)
		if (addr_bit(&p->addr, bit) != addr_bit(a, bit))
			return false;
	return true;
}

struct addr prefix_last(const struct prefix *p)
{
	struct addr a = p->addr;

	for (size_t i = p->len; i < addr_size(&a) * 8; i++)
		a.bytes[i / 8] |= (uint8_t)(0x80 >> i % 8);
	return a;
}

bool prefix_equal(const struct prefix *a, const struct prefix *b)
{
	return a->len == b->len && addr_equal(&a->addr, &b->addr);
}

bool prefix_within(const struct prefix *inner, const struct prefix *outer)
{
	return inner->len >= outer->len && prefix_contains(outer, &inner->addr);
}

struct prefix prefix_host(const struct addr *a)
{
	return (struct prefix){ .addr = *a, .len = (uint8_t)(addr_size(a) * 8) };
}

const char *addr_text(const struct addr *a, char out[ADDR_TEXT])
{
	if (addr_size(a) == 0 || !inet_ntop(a->family, a->bytes, out, ADDR_TEXT))
		snprintf(out, ADDR_TEXT, "none");
	return out;
}

const char *prefix_text(const struct prefix *p, char out[ADDR_TEXT])
{
	char head[ADDR_TEXT];

	addr_text(&p->addr, head);
	snprintf(out, ADDR_TEXT, "%.46s/%u", head, p->len);
	return out;
}

const char *endpoint_text(const struct endpoint *e, char out[ADDR_TEXT])
{
	char head[ADDR_TEXT];

	addr_text(&e->addr, head);
	snprintf(out, ADDR_TEXT, e->addr.family == AF_INET6 ? "[%.46s]:%u" : "%.46s:%u", head,
		 e->port);
	return out;
}

socklen_t endpoint_to_sockaddr(const struct endpoint *e, struct sockaddr_storage *out)
{
	struct sockaddr_in *in = (struct sockaddr_in *)out;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;

	memset(out, 0, sizeof(*out));
	if (e->addr.family == AF_INET) {
		in->sin_family = AF_INET;
		in->sin_port = htons(e->port);
		memcpy(&in->sin_addr, e->addr.bytes, 4);
		return sizeof(*in);
	}
	if (e->addr.family == AF_INET6) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(e->port);
		memcpy(&in6->sin6_addr, e->addr.bytes, 16);
		return sizeof(*in6);
	}
	return 0;
}

int endpoint_from_sockaddr(const struct sockaddr *sa, struct endpoint *out)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)sa;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)sa;
	struct endpoint e = { .addr.family = (uint8_t)sa->sa_family };

	if (sa->sa_family == AF_INET) {
		memcpy(e.addr.bytes, &in->sin_addr, 4);
		e.port = ntohs(in->sin_port);
	} else if (sa->sa_family == AF_INET6) {
		memcpy(e.addr.bytes, &in6->sin6_addr, 16);
		e.port = ntohs(in6->sin6_port);
	} else {
		return -EAFNOSUPPORT;
	}
	*out = e;
	return 0;
}
