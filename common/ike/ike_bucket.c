#include "common/ike/ike_bucket.h"

struct ike_bucket ike_bucket_full(uint32_t burst, uint32_t interval, uint64_t now)
{
	return (struct ike_bucket){ .tokens = burst, .burst = burst, .interval = interval,
				    .filled_at = now };
}

static void fill(struct ike_bucket *b, uint64_t now)
{
	uint64_t more = now > b->filled_at ? (now - b->filled_at) / b->interval : 0;

	if (more >= b->burst - b->tokens) {
		b->tokens = b->burst;
		b->filled_at = now;
	} else {
		b->tokens += (uint32_t)more;
		b->filled_at += more * b->interval;
	}
}

bool ike_bucket_take(struct ike_bucket *b, uint64_t now)
{
	fill(b, now);
	if (b->tokens == 0)
		return false;
	b->tokens--;
	return true;
}

uint64_t ike_bucket_next(const struct ike_bucket *b)
{
	return b->filled_at + b->interval;
}
