#pragma once
/* Numbers out of random bytes, from whatever source: tests bring their own. */
#include <stddef.h>
#include <stdint.h>

/* Fills OUT. */
typedef void (*random_source)(void *ctx, void *out, size_t len);

/* A uniform number below BOUND (at least 1). */
uint64_t random_below(random_source source, void *ctx, uint64_t bound);
