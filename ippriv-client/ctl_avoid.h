#pragma once
/* The relays that paths are to do without for a while: those that failed, and those that may have. Pure. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/crypto/crypto.h"

enum {
	CTL_AVOID_MOST = 12,
	CTL_AVOID_MS = 300000, /* a relay is avoided that long */
};

/* The one that failed last comes first. */
struct ctl_avoid {
	size_t count;
	struct ctl_avoided {
		struct crypto_pub relay;
		bool suspect; /* perhaps it did not fail itself */
		bool entry;   /* it has failed as one: nobody stood between */
		uint64_t until; /* monotonic milliseconds */
	} items[CTL_AVOID_MOST];
};

/* RELAY has failed at NOW; the one that failed longest ago is forgotten when there are too many. */
void ctl_avoid_add(struct ctl_avoid *avoid, const struct crypto_pub *relay, uint64_t now);
/* It has failed as an entry. */
void ctl_avoid_entry(struct ctl_avoid *avoid, const struct crypto_pub *relay, uint64_t now);
/* It may have. Nothing when it has failed by itself: that counts. */
void ctl_avoid_suspect(struct ctl_avoid *avoid, const struct crypto_pub *relay, uint64_t now);
/* It works. */
void ctl_avoid_drop(struct ctl_avoid *avoid, const struct crypto_pub *relay);
/* Forgets those whose time is over. */
void ctl_avoid_expire(struct ctl_avoid *avoid, uint64_t now);
/* Whether RELAY has failed as an entry. */
bool ctl_avoid_is_entry(const struct ctl_avoid *avoid, const struct crypto_pub *relay);
/* How many have failed by themselves. */
size_t ctl_avoid_failed(const struct ctl_avoid *avoid);
/* Whether RELAY is one of the FAILED that failed last, or, with SUSPECTS, may have failed. */
bool ctl_avoid_names(const struct ctl_avoid *avoid, const struct crypto_pub *relay, size_t failed,
		     bool suspects);
