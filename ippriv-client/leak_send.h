#pragma once
/* Packets of the probes: pure builders, and a few sockets. */
#include "ippriv-client/leak_probe.h"

enum { LEAK_PAYLOAD_MAX = 2800 };

/* LABEL over and over into OUT, LEN bytes. */
void leak_payload(const char *label, uint8_t *out, size_t len);
/*
 * A DNS query (RFC 1035 section 4.1) for the A record of LABEL.ZONE, one label each. Its length, 0
 * when SIZE is too small.
 */
size_t leak_query(const char *label, const char *zone, uint8_t *out, size_t size);
/* An IPv4 packet with UDP and LABEL in it. Its length, 0 when SIZE is too small. */
size_t leak_datagram(const struct addr *src, const struct addr *dst, uint16_t port,
		     const char *label, uint8_t *out, size_t size);
/* An ICMP echo request (RFC 792) with LABEL in it. Its length, 0 when SIZE is too small. */
size_t leak_echo(const char *label, uint8_t *out, size_t size);

/* A nonblocking socket in OUT, or -errno. */
int leak_socket(struct leak_sockets *out, int family, int type, int protocol);
/* Connects the last socket of OUT and sends DATA (none with LEN 0). 0 or -errno. */
int leak_say(const struct leak_sockets *out, const struct addr *to, uint16_t port, const void *data,
	     size_t len);
