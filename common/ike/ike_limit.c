#include "common/ike/ike_limit.h"

#include <errno.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

struct limit_key {
	uint8_t address[16];
	uint32_t family, mark;
};

struct ike_limit_group {
	uint32_t mark;
	size_t count;
	struct ike_limit_slot *slots; /* oldest first */
	UT_hash_handle hh;
};

struct ike_limit_slot {
	struct limit_key key;
	struct ike_limit_group *group;
	size_t count;
	struct ike_limit_item *items; /* oldest first */
	struct ike_limit_slot *prev, *next;
	UT_hash_handle hh;
};

static struct ike_limit_slot *find_slot(const struct ike_limit *l, const struct ike_path *path,
					struct limit_key *key)
{
	const struct addr from = addr_counted(&path->remote.addr);
	struct ike_limit_slot *slot;

	*key = (struct limit_key){ .family = from.family, .mark = path->mark };
	memcpy(key->address, from.bytes, sizeof(key->address));
	HASH_FIND(hh, l->slots, key, sizeof(*key), slot);
	return slot;
}

static struct ike_limit_group *find_group(const struct ike_limit *l, uint32_t mark)
{
	struct ike_limit_group *group;

	HASH_FIND(hh, l->groups, &mark, sizeof(mark), group);
	return group;
}

size_t ike_limit_count(const struct ike_limit *l, const struct ike_path *path)
{
	struct limit_key key;
	const struct ike_limit_slot *slot = find_slot(l, path, &key);

	return slot ? slot->count : 0;
}

size_t ike_limit_count_mark(const struct ike_limit *l, uint32_t mark)
{
	const struct ike_limit_group *group = find_group(l, mark);

	return group ? group->count : 0;
}

static struct ike_limit_group *group_new(struct ike_limit *l, uint32_t mark)
{
	struct ike_limit_group *group = calloc(1, sizeof(*group));

	if (!group)
		return NULL;
	group->mark = mark;
	HASH_ADD(hh, l->groups, mark, sizeof(group->mark), group);
	if (!group->hh.tbl) {
		free(group);
		return NULL;
	}
	return group;
}

static void group_free_empty(struct ike_limit *l, struct ike_limit_group *group)
{
	if (group->slots)
		return;
	HASH_DEL(l->groups, group);
	free(group);
}

static struct ike_limit_slot *slot_new(struct ike_limit *l, const struct limit_key *key)
{
	struct ike_limit_group *group = find_group(l, key->mark);
	struct ike_limit_slot *slot;

	if (!group)
		group = group_new(l, key->mark);
	if (!group)
		return NULL;
	slot = calloc(1, sizeof(*slot));
	if (slot) {
		slot->key = *key;
		slot->group = group;
		HASH_ADD(hh, l->slots, key, sizeof(slot->key), slot);
		if (slot->hh.tbl) {
			DL_APPEND(group->slots, slot);
			return slot;
		}
	}
	free(slot);
	group_free_empty(l, group);
	return NULL;
}

int ike_limit_enter(struct ike_limit *l, const struct ike_path *path, struct ike_limit_item *item)
{
	struct limit_key key;
	struct ike_limit_slot *slot = find_slot(l, path, &key);

	if (!slot)
		slot = slot_new(l, &key);
	if (!slot)
		return -ENOMEM;
	item->slot = slot;
	DL_APPEND(slot->items, item);
	slot->count++;
	slot->group->count++;
	l->total++;
	return 0;
}

void ike_limit_leave(struct ike_limit *l, struct ike_limit_item *item)
{
	struct ike_limit_slot *slot = item->slot;
	struct ike_limit_group *group;

	if (!slot)
		return;
	group = slot->group;
	DL_DELETE(slot->items, item);
	item->slot = NULL;
	l->total--;
	group->count--;
	if (--slot->count > 0)
		return;
	DL_DELETE(group->slots, slot);
	HASH_DEL(l->slots, slot);
	free(slot);
	group_free_empty(l, group);
}

struct ike_limit_item *ike_limit_oldest(const struct ike_limit *l, uint32_t mark)
{
	const struct ike_limit_group *group = find_group(l, mark);
	const struct ike_limit_slot *slot, *most = NULL;

	if (!group)
		return NULL;
	DL_FOREACH(group->slots, slot)
		if (!most || slot->count > most->count)
			most = slot;
	return most->items;
}

uint32_t ike_limit_largest(const struct ike_limit *l)
{
	const struct ike_limit_group *group, *next, *most = NULL;

	HASH_ITER(hh, l->groups, group, next)
		if (!most || group->count > most->count)
			most = group;
	return most ? most->mark : 0;
}
