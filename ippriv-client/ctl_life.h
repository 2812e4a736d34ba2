#pragma once
/* How long SAs of ESP live. Pure: randomness comes in. */
#include "common/base/random.h"
#include "ippriv-client/dp.h"

/* What a pair of SAs may be used for before another one has to be in its place. */
struct ctl_life {
	uint32_t seconds;
	uint64_t bytes;
};

/*
 * The limits of one pair. It is to be replaced after 0.8 to 0.9 of LIFE, drawn at random so that
 * the layers of a circuit, whose SAs came up together, are not rekeyed together; a responder waits
 * for longer. When nobody has managed to, it ends after 1.5 of LIFE.
 */
struct dp_life ctl_life_draw(const struct ctl_life *life, random_source random, void *ctx);
