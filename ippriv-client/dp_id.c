#include "ippriv-client/dp_id.h"

#include <errno.h>
#include <stdbool.h>

#include "common/kern/kern_ops.h"

void dp_id_init(struct dp_id *ids, uint32_t seed)
{
	ids->count = 0;
	ids->next = seed & KERN_ID_MASK;
}

static bool in_use(const struct dp_id *ids, uint32_t id)
{
	for (size_t i = 0; i < ids->count; i++)
		if (ids->used[i] == id)
			return true;
	return false;
}

int dp_id_take(struct dp_id *ids, uint32_t *out)
{
	uint32_t id;

	if (ids->count == DP_ID_MAX)
		return -ENOSPC;
	do {
		if (ids->next == 0)
			ids->next = 1;
		id = KERN_REQID_CLIENT | ids->next;
		ids->next = (ids->next + 1) & KERN_ID_MASK;
	} while (in_use(ids, id));
	ids->used[ids->count++] = id;
	*out = id;
	return 0;
}

void dp_id_give(struct dp_id *ids, uint32_t id)
{
	for (size_t i = 0; i < ids->count; i++) {
		if (ids->used[i] == id) {
			ids->used[i] = ids->used[--ids->count];
			return;
		}
	}
}
