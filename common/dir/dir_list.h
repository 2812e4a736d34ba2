#pragma once
/*
 * The signed list of relays: what k of n authorities have signed. Pure codec. Wire format:
 *
 *   "IPpL" | version 1 | published 8 | fresh until 8 | valid until 8 (seconds since the epoch)
 *   | entry count 2 | entries (dir_desc.h), sorted by identity, no identity twice
 *   | signature count 1 | { authority key 32 | signature 64 }*, sorted by key
 *
 * Every signature covers everything before the signature count, so authorities can sign the same
 * bytes apart and anyone can join their signatures.
 */
#include "common/dir/dir_desc.h"

enum {
	DIR_LIST_ENTRIES = 4096,
	DIR_LIST_AUTHORITIES = 16,
	DIR_LIST_MAX = 31 + DIR_LIST_ENTRIES * DIR_ENTRY_MAX +
		       1 + DIR_LIST_AUTHORITIES * (CRYPTO_SIGN_PUB + CRYPTO_SIG),
};

enum { DIR_SKEW = 300 }; /* seconds a clock may be behind the one that dated a document */

struct dir_list {
	uint64_t published, fresh_until, valid_until;
	size_t count;
	struct dir_entry *entries; /* owned */
};

/* Who may sign, and how many must. */
struct dir_trust {
	size_t count, threshold; /* threshold 1..count */
	struct crypto_pub keys[DIR_LIST_AUTHORITIES];
};

void dir_list_fini(struct dir_list *list);
/*
 * Sorts LIST->entries; signs with each of KEYS (none: a body for others to sign). OUT is malloc'ed
 * for the caller. 0, -ENOMEM, or -EINVAL when an entry, the times, a count make no sense or an
 * identity or a key stands twice.
 */
int dir_list_build(struct dir_list *list, const struct crypto_sign_key *keys, size_t key_count,
		   uint8_t **out, size_t *len) _must_check_;
/*
 * Parses, verifies, judges. NOW in seconds since the epoch; NEWEST is the published time of the
 * newest list accepted before (0: none). OUT is filled on success only.
 * -EMSGSIZE truncated, -EBADMSG malformed, -EOPNOTSUPP another version, -EKEYREJECTED fewer than
 * threshold valid signatures of trusted authorities (each counted once), -ESTALE expired
 * (valid_until passed) or published more than DIR_SKEW in the future, -EALREADY older than NEWEST
 * (a replay), -EINVAL when TRUST makes no sense.
 */
int dir_list_parse(const uint8_t *data, size_t len, const struct dir_trust *trust, uint64_t now,
		   uint64_t newest, struct dir_list *out) _must_check_;
/* One line for a person about what dir_list_parse (or the descriptor parser) returned. */
const char *dir_error_text(int err);
/* The entry of IDENTITY in a sorted list, or NULL. Borrowed from LIST. */
const struct dir_entry *dir_list_find(const struct dir_list *list,
				      const struct crypto_pub *identity);
