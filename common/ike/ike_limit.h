#pragma once
/*
 * Half-open IKE SAs: how many in all, behind each mark, and from each remote address (of
 * IPv6: each /64) behind one; and who has to go when there is no room. Whoever counts has to be bounded: one step is made for
 * each holder.
 */
#include "common/ike/ike_ops.h"

struct ike_limit_slot;  /* one address behind one mark */
struct ike_limit_group; /* one mark */

/* Lies inside of what is counted; SLOT NULL: not counted. */
struct ike_limit_item {
	struct ike_limit_slot *slot;
	struct ike_limit_item *prev, *next;
};

struct ike_limit {
	struct ike_limit_slot *slots;   /* uthash, owned */
	struct ike_limit_group *groups; /* uthash, owned */
	size_t total;
};

size_t ike_limit_count(const struct ike_limit *l, const struct ike_path *path);
size_t ike_limit_count_mark(const struct ike_limit *l, uint32_t mark);
/* Counts ITEM; ike_limit_leave has to follow. 0 or -ENOMEM. */
int ike_limit_enter(struct ike_limit *l, const struct ike_path *path,
		    struct ike_limit_item *item) _must_check_;
void ike_limit_leave(struct ike_limit *l, struct ike_limit_item *item); /* once or more often */
/* The oldest of the address that holds most behind MARK, NULL: nobody holds any. */
struct ike_limit_item *ike_limit_oldest(const struct ike_limit *l, uint32_t mark);
/* The mark behind which there are most; 0 when there are none. */
uint32_t ike_limit_largest(const struct ike_limit *l);
