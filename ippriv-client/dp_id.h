#pragma once
/* Numbers for layers: each one is the reqid and if_id of one layer. Pure. */
#include <stddef.h>
#include <stdint.h>

#include "common/base/cleanup.h"

enum { DP_ID_MAX = 1024 };

struct dp_id {
	uint32_t next;
	size_t count;
	uint32_t used[DP_ID_MAX];
};

/* SEED: any random number, so that a new run does not start where an old one did. */
void dp_id_init(struct dp_id *ids, uint32_t seed);
/* A number in KERN_REQID_CLIENT's range (never its lowest) that is not in use. 0 or -ENOSPC. */
int dp_id_take(struct dp_id *ids, uint32_t *out) _must_check_;
void dp_id_give(struct dp_id *ids, uint32_t id);
