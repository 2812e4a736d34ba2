#pragma once
/* IP addresses, prefixes and endpoints as plain values. */
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct addr {
	uint8_t family;    /* AF_INET, AF_INET6, or 0 = none */
	uint8_t bytes[16]; /* network order; IPv4 uses the first four, the others are zero */
};

struct prefix {
	struct addr addr;
	uint8_t len; /* bits */
};

struct endpoint {
	struct addr addr;
	uint16_t port; /* host order */
};

/* ADDR_TEXT holds any of them as text, with its NUL. */
enum { ADDR_TEXT = 64 };

struct addr addr_v4(uint32_t host_order);
/* The IPv4 address in host order; 0 when A is no IPv4 address. */
uint32_t addr_to_v4(const struct addr *a);
/* Bytes of an address of A's family: 4, 16, or 0. */
size_t addr_size(const struct addr *a);
bool addr_equal(const struct addr *a, const struct addr *b);
/* 127.0.0.0/8 or ::1. */
bool addr_is_loopback(const struct addr *a);
/* As which A counts where addresses have shares: a subscriber has a whole IPv6 /64, so its first. */
struct addr addr_counted(const struct addr *a);
/* Parses "192.0.2.1" or "2001:db8::1". 0 or -EINVAL. */
int addr_parse(const char *text, struct addr *out);
/* Parses "192.0.2.0/24" (host bits must be zero) or a lone address as /32 or /128. 0 or -EINVAL. */
int prefix_parse(const char *text, struct prefix *out);
/* Parses "192.0.2.1:500" or "[2001:db8::1]:500". 0 or -EINVAL. */
int endpoint_parse(const char *text, struct endpoint *out);
bool prefix_contains(const struct prefix *p, const struct addr *a);
bool prefix_equal(const struct prefix *a, const struct prefix *b);
/* Whether INNER lies whole in OUTER. */
bool prefix_within(const struct prefix *inner, const struct prefix *outer);
/* The last address of P, whose host bits are all ones. */
struct addr prefix_last(const struct prefix *p);
/* Bit I of A, 0 is the first on the wire. */
bool addr_bit(const struct addr *a, size_t i);
/* The host prefix of A: /32 or /128. */
struct prefix prefix_host(const struct addr *a);
/* Text into OUT (ADDR_TEXT bytes); returns OUT. */
const char *addr_text(const struct addr *a, char out[ADDR_TEXT]);
const char *prefix_text(const struct prefix *p, char out[ADDR_TEXT]);
const char *endpoint_text(const struct endpoint *e, char out[ADDR_TEXT]);
/* To and from socket addresses. endpoint_to_sockaddr returns the length, 0 for no family. */
socklen_t endpoint_to_sockaddr(const struct endpoint *e, struct sockaddr_storage *out);
int endpoint_from_sockaddr(const struct sockaddr *sa, struct endpoint *out);
