#include "common/ike/ike_limit.h"

#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

struct limit_key {
	uint8_t address[16];
	uint32_t family, mark;
};

struct ike_limit_slot {
	struct limit_key key;
	size_t count;
	UT_hash_handle hh;
};

static struct limit_key key_of(const struct ike_path *path)
{
	struct limit_key key = { .family = path->remote.addr.family, .mark = path->mark };

	memcpy(key.address, path->remote.addr.bytes, addr_size(&path->remote.addr));
	return key;
}

static struct ike_limit_slot *find(const struct ike_limit *l, const struct limit_key *key)
{
	struct ike_limit_slot *slot;

	HASH_FIND(hh, l->slots, key, sizeof(*key), slot);
	return slot;
}

size_t ike_limit_count(const struct ike_limit *l, const struct ike_path *path)
{
	struct limit_key key = key_of(path);
	struct ike_limit_slot *slot = find(l, &key);

	return slot ? slot->count : 0;
}

struct ike_limit_slot *ike_limit_enter(struct ike_limit *l, const struct ike_path *path)
{
	struct limit_key key = key_of(path);
	struct ike_limit_slot *slot = find(l, &key);

	if (!slot) {
		slot = calloc(1, sizeof(*slot));
		if (!slot)
			return NULL;
		slot->key = key;
		HASH_ADD(hh, l->slots, key, sizeof(slot->key), slot);
		if (!slot->hh.tbl) {
			free(slot);
			return NULL;
		}
	}
	slot->count++;
	l->total++;
	return slot;
}

void ike_limit_leave(struct ike_limit *l, struct ike_limit_slot *slot)
{
	l->total--;
	if (--slot->count > 0)
		return;
	HASH_DEL(l->slots, slot);
	free(slot);
}
