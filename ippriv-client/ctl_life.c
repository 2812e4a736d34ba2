#include "ippriv-client/ctl_life.h"

static uint64_t draw(uint64_t limit, random_source random, void *ctx)
{
	return limit - limit / 5 + random_below(random, ctx, limit / 10 + 1);
}

struct dp_life ctl_life_draw(const struct ctl_life *life, random_source random, void *ctx)
{
	return (struct dp_life){
		.soft_seconds = draw(life->seconds, random, ctx),
		.hard_seconds = life->seconds + life->seconds / 2,
		.soft_bytes = draw(life->bytes, random, ctx),
		.hard_bytes = life->bytes + life->bytes / 2,
	};
}
