#pragma once
/* A token bucket: how often something may happen. Pure, owns nothing. */
#include <stdbool.h>
#include <stdint.h>

struct ike_bucket {
	uint32_t tokens, burst; /* there, at most */
	uint32_t interval;      /* milliseconds until there is another one */
	uint64_t filled_at;     /* when TOKENS was right */
};

/* A full one. BURST and INTERVAL are not 0. */
struct ike_bucket ike_bucket_full(uint32_t burst, uint32_t interval, uint64_t now);
/* Takes a token; false: there is none. */
bool ike_bucket_take(struct ike_bucket *b, uint64_t now);
/* When there is one again; right after there was none. */
uint64_t ike_bucket_next(const struct ike_bucket *b);
