#include "common/base/bucket.h"

static uint64_t owed_at(const struct bucket *b, const struct bucket_rate *r, uint64_t now)
{
	uint64_t passed = now > b->since ? now - b->since : 0;

	return passed > b->owed / r->tokens ? 0 : b->owed - passed * r->tokens;
}

/* What may be owed for a token to be there. */
static uint64_t limit(const struct bucket_rate *r)
{
	return (uint64_t)(r->burst - 1) * r->period;
}

bool bucket_has(const struct bucket *b, const struct bucket_rate *r, uint64_t now)
{
	return owed_at(b, r, now) <= limit(r);
}

bool bucket_take(struct bucket *b, const struct bucket_rate *r, uint64_t now)
{
	if (!bucket_has(b, r, now))
		return false;
	b->owed = owed_at(b, r, now) + r->period;
	if (now > b->since)
		b->since = now;
	return true;
}

uint64_t bucket_next(const struct bucket *b, const struct bucket_rate *r)
{
	uint64_t over = b->owed > limit(r) ? b->owed - limit(r) : 0;

	return b->since + (over + r->tokens - 1) / r->tokens;
}
