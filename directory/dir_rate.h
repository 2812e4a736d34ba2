#pragma once
/*
 * How many requests an address may make: a token bucket each (IPv6 by /64), in a table of bounded
 * size that forgets who has not come for longest. The caller brings the clock.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/base/addr.h"
#include "common/base/cleanup.h"

enum { DIR_RATE_ADDRESSES = 4096 };

struct dir_rate;

/* PER_MINUTE requests on average, as many at once; 0: no limit. 0 or -ENOMEM. */
int dir_rate_new(uint32_t per_minute, struct dir_rate **out) _must_check_;
void dir_rate_free(struct dir_rate *rate);
/* Whether FROM may make a request now; takes one when it may. NOW in milliseconds, monotonic. */
bool dir_rate_take(struct dir_rate *rate, const struct addr *from, uint64_t now);
