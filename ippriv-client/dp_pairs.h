#pragma once
/*
 * The SAs of one layer: the pair in use, and those that a rekeying has replaced and that still take
 * late packets. Of several outbound SAs the kernel uses the newest. Counts all that ever were.
 */
#include "ippriv-client/dp_plan.h"

enum { DP_PAIRS_MAX = 6 };

struct dp_pairs_sa {
	bool stands;
	struct kern_op op;    /* key wiped */
	struct dp_count seen; /* at the last look */
};

struct dp_pairs_pair {
	uint32_t spi_in; /* its name, whether or not that SA stands */
	struct dp_pairs_sa in, out;
};

struct dp_pairs {
	const struct kern *kern; /* borrowed */
	struct kern_netns *ns;
	uint32_t id;
	size_t count;
	struct dp_pairs_pair pairs[DP_PAIRS_MAX]; /* oldest first */
	struct dp_stats gone; /* what SAs have counted that are not there any more */
};

/* As dp_pair_add and so on, see dp.h. */
int dp_pairs_add(struct dp_pairs *p, const struct dp_path *path, const struct dp_pair *pair,
		 bool in_only) _must_check_;
int dp_pairs_switch(struct dp_pairs *p, const struct dp_path *path,
		    const struct dp_pair *pair) _must_check_;
/* Its outbound SA goes. 0 or -errno of the kernel. */
int dp_pairs_mute(struct dp_pairs *p, uint32_t spi_in);
/* 0 or -errno of the kernel; the pair is forgotten in any case. */
int dp_pairs_del(struct dp_pairs *p, uint32_t spi_in);
/* Whether one of them receives. */
bool dp_pairs_hear(const struct dp_pairs *p);
int dp_pairs_clear(struct dp_pairs *p);
struct dp_stats dp_pairs_stats(struct dp_pairs *p);
/*
 * Leaves one SA each way, the newest, and lays them and POLICIES (DP_PLAN_POLICIES) on another path.
 */
int dp_pairs_move(struct dp_pairs *p, struct kern_op *policies,
		  const struct dp_path *to) _must_check_;
