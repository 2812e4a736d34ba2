#pragma once
/* Counts half-open IKE SAs, in all and per remote address and mark. */
#include "common/ike/ike_ops.h"

struct ike_limit_slot;

struct ike_limit {
	struct ike_limit_slot *slots; /* uthash, owned */
	size_t total;
};

size_t ike_limit_count(const struct ike_limit *l, const struct ike_path *path);
/* Counts one more; the result goes to ike_limit_leave. NULL when there is no memory. */
struct ike_limit_slot *ike_limit_enter(struct ike_limit *l, const struct ike_path *path);
void ike_limit_leave(struct ike_limit *l, struct ike_limit_slot *slot);
