#include "ippriv-node/ctl_bucket.h"

static uint64_t token(const struct ctl_rate *r)
{
	return 1000000 / r->rate;
}

static uint64_t full_at(const struct ctl_bucket *b, uint64_t now)
{
	return b->full_at > now * 1000 ? b->full_at : now * 1000;
}

bool ctl_bucket_has(const struct ctl_bucket *b, const struct ctl_rate *r, uint64_t now)
{
	return full_at(b, now) + token(r) <= now * 1000 + token(r) * r->burst;
}

void ctl_bucket_take(struct ctl_bucket *b, const struct ctl_rate *r, uint64_t now)
{
	b->full_at = full_at(b, now) + token(r);
}
