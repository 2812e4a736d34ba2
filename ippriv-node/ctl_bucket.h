#pragma once
/* A token bucket that needs one number. Pure. */
#include <stdbool.h>
#include <stdint.h>

/* So many tokens a second, up to a million; BURST of them when nobody took any for a while. */
struct ctl_rate {
	uint32_t rate, burst; /* 1 or more */
};

/* Zeros: full. It is full at that time, in microseconds, one token emptier for each before it. */
struct ctl_bucket {
	uint64_t full_at;
};

/* NOW in milliseconds. Whether there is a token; take takes it. */
bool ctl_bucket_has(const struct ctl_bucket *b, const struct ctl_rate *r, uint64_t now);
void ctl_bucket_take(struct ctl_bucket *b, const struct ctl_rate *r, uint64_t now);
