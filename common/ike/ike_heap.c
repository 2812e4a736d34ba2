#include "common/ike/ike_heap.h"

#include <errno.h>
#include <stdlib.h>

int ike_heap_reserve(struct ike_heap *h, size_t count)
{
	size_t size = h->size ? h->size : 64;
	struct ike_heap_item **items;

	if (count <= h->size)
		return 0;
	while (size < count)
		size *= 2;
	items = reallocarray(h->items, size, sizeof(*items));
	if (!items)
		return -ENOMEM;
	h->items = items;
	h->size = size;
	return 0;
}

static void put(struct ike_heap *h, struct ike_heap_item *item, size_t place)
{
	h->items[place - 1] = item;
	item->place = place;
}

static void sift(struct ike_heap *h, struct ike_heap_item *item)
{
	size_t place = item->place;

	while (place > 1 && h->items[place / 2 - 1]->at > item->at) {
		put(h, h->items[place / 2 - 1], place);
		place /= 2;
	}
	for (;;) {
		size_t child = 2 * place;

		if (child < h->count && h->items[child]->at < h->items[child - 1]->at)
			child++;
		if (child > h->count || h->items[child - 1]->at >= item->at)
			break;
		put(h, h->items[child - 1], place);
		place = child;
	}
	put(h, item, place);
}

void ike_heap_set(struct ike_heap *h, struct ike_heap_item *item, uint64_t at)
{
	item->at = at;
	if (item->place == 0)
		put(h, item, ++h->count);
	sift(h, item);
}

void ike_heap_remove(struct ike_heap *h, struct ike_heap_item *item)
{
	struct ike_heap_item *last;

	if (item->place == 0)
		return;
	last = h->items[--h->count];
	if (last != item) {
		put(h, last, item->place);
		sift(h, last);
	}
	item->place = 0;
}

struct ike_heap_item *ike_heap_first(const struct ike_heap *h)
{
	return h->count > 0 ? h->items[0] : NULL;
}

void ike_heap_fini(struct ike_heap *h)
{
	free(h->items);
	*h = (struct ike_heap){ 0 };
}
