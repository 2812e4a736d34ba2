#pragma once
/* Deadlines in order: a binary heap whose items live in their owners. O(log n). */
#include <stddef.h>
#include <stdint.h>

#include "common/base/cleanup.h"

struct ike_heap_item {
	uint64_t at;  /* milliseconds */
	size_t place; /* 1-based place in the heap, 0: not in it */
};

struct ike_heap {
	struct ike_heap_item **items; /* owned array of borrowed items */
	size_t count, size;
};

/* Makes room for COUNT items in all, so that ike_heap_set cannot fail. 0 or -ENOMEM. */
int ike_heap_reserve(struct ike_heap *h, size_t count) _must_check_;
/* Adds ITEM or moves it to another time. */
void ike_heap_set(struct ike_heap *h, struct ike_heap_item *item, uint64_t at);
void ike_heap_remove(struct ike_heap *h, struct ike_heap_item *item);
/* The earliest item, or NULL. */
struct ike_heap_item *ike_heap_first(const struct ike_heap *h);
void ike_heap_fini(struct ike_heap *h);
