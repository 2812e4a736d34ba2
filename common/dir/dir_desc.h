#pragma once
/*
 * A relay's descriptor: what it says of itself, signed by itself; and its entry in the list.
 * Pure codec. Wire format, integers in network order:
 *
 *   entry       identity 32 | IPv4 address 4 | IKE port 2 | flags 2 | bandwidth 4 (kB/s)
 *               | nickname length 1 (1..16), nickname | rule count 1 (0..8), rules 6 each
 *               | IPv6 address 16 when the flag says so                at most DIR_ENTRY_MAX
 *   rule        accept 1 (0 or 1) | protocol 1 (0 any) | port low 2 | port high 2
 *   descriptor  "IPpD" | version 1 | published 8 (seconds since the epoch) | entry | signature 64
 *
 * The signature covers everything before it. Exit rules in an entry are a summary by port (what is
 * reachable on the public Internet); the relay enforces its whole policy itself.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/addr.h"
#include "common/base/buf.h"
#include "common/base/cleanup.h"
#include "common/base/ike_port.h"
#include "common/crypto/crypto.h"

enum {
	DIR_IKE_PORT = IKE_PORT, /* the only one: what relays let through to each other names it */
	DIR_NICKNAME = 16,
	DIR_RULES = 8,
	DIR_ENTRY_MAX = 128,
	DIR_DESC_MAX = 4 + 1 + 8 + DIR_ENTRY_MAX + CRYPTO_SIG,
	DIR_DESC_LIFE = 3600 * 24, /* seconds a descriptor may be old when it is taken */
};

enum dir_flag {
	DIR_FLAG_EXIT = 1 << 0, /* allows some traffic out */
	DIR_FLAG_IPV6 = 1 << 1, /* an IPv6 address follows */
	DIR_FLAG_PSK = 1 << 2,  /* a stock IKEv2 daemon: clients prove themselves by IKE_AUTH_PSK */
	DIR_FLAG_EXIT6 = 1 << 3, /* an exit that lets IPv6 out as well, to the same ports */
};

struct dir_rule {
	bool accept;
	uint8_t proto; /* 0 any, else IP protocol number */
	uint16_t port_lo, port_hi;
};

struct dir_entry {
	struct crypto_pub identity;
	struct addr address; /* IPv4 */
	uint16_t port;       /* IKE, DIR_IKE_PORT */
	uint16_t flags;
	uint32_t bandwidth;  /* kB/s, as the relay says */
	char nickname[DIR_NICKNAME + 1]; /* [A-Za-z0-9-]{1,16} */
	size_t rule_count;
	struct dir_rule rules[DIR_RULES];
	struct addr address6;
};

struct dir_desc {
	uint64_t published;
	struct dir_entry entry;
};

/* An IPv4 address where a host of the public Internet can be (or of RFC 5737, for tests). */
bool dir_address_good(const struct addr *a);
/*
 * Whether the values make sense: nickname's alphabet, addresses where a host of the public
 * Internet can be (or RFC 5737, for tests), DIR_IKE_PORT, known flags (EXIT6 with EXIT), low <= high.
 * 0 or -EINVAL.
 */
int dir_entry_check(const struct dir_entry *e) _must_check_;
/* One entry; the rest stays in R. -EMSGSIZE truncated, -EBADMSG malformed or makes no sense. */
int dir_entry_parse(struct rbuf *r, struct dir_entry *out) _must_check_;
void dir_entry_build(struct wbuf *w, const struct dir_entry *e);
/* Signs. 0 with *LEN, or -EINVAL when the entry makes no sense or KEY is not its identity. */
int dir_desc_build(const struct dir_desc *d, const struct crypto_sign_key *key,
		   uint8_t out[DIR_DESC_MAX], size_t *len) _must_check_;
/*
 * Parses and verifies; nothing may follow. -EMSGSIZE truncated, -EBADMSG malformed, -EOPNOTSUPP
 * another version, -EKEYREJECTED bad signature.
 */
int dir_desc_parse(const uint8_t *data, size_t len, struct dir_desc *out) _must_check_;
/*
 * Whether the summary lets PROTO to PORT out (first match; no match, or no DIR_FLAG_EXIT: reject).
 * Protocols without ports ask with port 0.
 */
bool dir_entry_allows(const struct dir_entry *e, uint8_t proto, uint16_t port);
