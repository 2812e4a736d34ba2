#pragma once
/* How long SAs of ESP may be used. Pure: randomness comes in. */
#include "common/base/random.h"

/* What is said of all of them: when another one is to be in its place. */
struct life_rule {
	uint32_t seconds; /* 1 or more */
	uint64_t bytes;
};

/* The limits of one. 0: there is none. */
struct life {
	uint64_t soft_seconds, hard_seconds; /* since it was added: the kernel tells, and deletes it */
	uint64_t soft_bytes, hard_bytes;
};

/*
 * Drawn for each, so that those that came up together are not rekeyed together. The side that is
 * to ask has it told early, after 0.8 to 0.9 of what RULE says, and the SA ends after 1.5 of it.
 * The other one is told late, after 1 to 1.1, and it ends a half later than that.
 */
struct life life_early(const struct life_rule *rule, random_source source, void *ctx);
struct life life_late(const struct life_rule *rule, random_source source, void *ctx);
