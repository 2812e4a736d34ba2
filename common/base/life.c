#include "common/base/life.h"

static uint64_t up_to_a_tenth(uint64_t n, random_source source, void *ctx)
{
	return random_below(source, ctx, n / 10 + 1);
}

struct life life_early(const struct life_rule *rule, random_source source, void *ctx)
{
	const uint64_t seconds = rule->seconds, bytes = rule->bytes;

	return (struct life){
		.soft_seconds = seconds - seconds / 5 + up_to_a_tenth(seconds, source, ctx),
		.hard_seconds = seconds + seconds / 2,
		.soft_bytes = bytes - bytes / 5 + up_to_a_tenth(bytes, source, ctx),
		.hard_bytes = bytes + bytes / 2,
	};
}

struct life life_late(const struct life_rule *rule, random_source source, void *ctx)
{
	const uint64_t seconds = rule->seconds + up_to_a_tenth(rule->seconds, source, ctx);
	const uint64_t bytes = rule->bytes + up_to_a_tenth(rule->bytes, source, ctx);

	return (struct life){
		.soft_seconds = seconds,
		.hard_seconds = seconds + (seconds + 1) / 2,
		.soft_bytes = bytes,
		.hard_bytes = bytes + (bytes + 1) / 2,
	};
}
