#pragma once
/*
 * The entries that a client keeps to for months, as a small file that outlives it: a line each of "KEY UNTIL",
 * in the order in which they were drawn. Who draws an entry for each circuit meets every relay there in time,
 * so also one who watches the exit as well (Wright et al., Defending anonymous communications against passive
 * logging attacks, 2003).
 */
#include "common/crypto/crypto.h"

enum { GUARDS_MOST = 8, GUARDS_TEXT = GUARDS_MOST * 88 /* bytes of the longest file */ };

struct guards {
	size_t count;
	struct guard {
		struct crypto_pub relay;
		uint64_t until; /* wall clock, seconds */
	} items[GUARDS_MOST];
};

/* Whether RELAY is one of them. */
bool guards_has(const struct guards *g, const struct crypto_pub *relay);
/* Pure. 0, or -EBADMSG for anything that build would not write. */
int guards_parse(const char *text, struct guards *out) _must_check_;
size_t guards_build(const struct guards *g, char out[GUARDS_TEXT + 1]);

/* The file "guards" in FOLDER. 0 (also when there is none), or -errno with a line in WHY. */
int guards_load(const char *folder, struct guards *out, char *why, size_t size) _must_check_;
int guards_save(const char *folder, const struct guards *g) _must_check_;
