#pragma once
/* A token bucket: how often something may happen. Pure, owns nothing. */
#include <stdbool.h>
#include <stdint.h>

/* TOKENS in PERIOD milliseconds, and BURST at once after nobody took any for a while. None is 0. */
struct bucket_rate {
	uint32_t tokens, period, burst;
};

/* Zeros: full. */
struct bucket {
	uint64_t owed;  /* PERIOD for each token taken; TOKENS of it are forgiven each millisecond */
	uint64_t since; /* when OWED was right */
};

/* NOW in milliseconds. Whether there is a token: for who has to look into several before. */
bool bucket_has(const struct bucket *b, const struct bucket_rate *r, uint64_t now);
/* Takes one; false: there is none. */
bool bucket_take(struct bucket *b, const struct bucket_rate *r, uint64_t now);
/* Since when, or from when on, there is one, unless somebody takes another. */
uint64_t bucket_next(const struct bucket *b, const struct bucket_rate *r);
