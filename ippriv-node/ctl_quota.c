#include "ippriv-node/ctl_quota.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

#include "ippriv-node/dp.h"

enum {
	TOKEN = 1000 / CTL_QUOTA_RATE,   /* milliseconds for one */
	FULL = CTL_QUOTA_BURST * TOKEN, /* from empty to full */
};

struct quota_key {
	uint8_t address[16];
	uint32_t family, index;
};

struct holder {
	struct quota_key key;
	uint32_t count;
	/* The bucket is full at that time, and one token emptier for each TOKEN before it. */
	uint64_t full_at;
	struct holder *prev, *next; /* in IDLE when COUNT is 0 */
	uint64_t idle_since;
	UT_hash_handle hh;
};

struct ctl_quota {
	uint32_t peer_most;
	uint32_t peers[DP_PEER_MAX + 1]; /* circuits by overlay index */
	struct holder *table;            /* owned */
	struct holder *idle;             /* idle longest first */
};

int ctl_quota_new(uint32_t most, struct ctl_quota **out)
{
	struct ctl_quota *q = calloc(1, sizeof(*q));

	if (!q)
		return -ENOMEM;
	q->peer_most = (most + 1) / 2;
	*out = q;
	return 0;
}

static void forget(struct ctl_quota *q, struct holder *h)
{
	DL_DELETE(q->idle, h);
	HASH_DEL(q->table, h);
	free(h);
}

void ctl_quota_free(struct ctl_quota *q)
{
	struct holder *h, *next;

	if (!q)
		return;
	HASH_ITER(hh, q->table, h, next) {
		HASH_DEL(q->table, h);
		free(h);
	}
	free(q);
}

static struct holder *find(const struct ctl_quota *q, const struct addr *outer, uint32_t index,
			   struct quota_key *key)
{
	struct holder *h;

	*key = (struct quota_key){ .family = outer->family, .index = index };
	memcpy(key->address, outer->bytes, sizeof(key->address));
	HASH_FIND(hh, q->table, key, sizeof(*key), h);
	return h;
}

/* New holders are idle until they take their first. */
static struct holder *holder_new(struct ctl_quota *q, const struct quota_key *key, uint64_t now)
{
	struct holder *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->key = *key;
	h->idle_since = h->full_at = now;
	HASH_ADD(hh, q->table, key, sizeof(h->key), h);
	if (!h->hh.tbl) {
		free(h);
		return NULL;
	}
	DL_APPEND(q->idle, h);
	return h;
}

int ctl_quota_take(struct ctl_quota *q, const struct addr *outer, uint32_t index, uint64_t now)
{
	struct quota_key key;
	struct holder *h;

	/* Whoever was idle for so long has a full bucket: as good as unknown. */
	while (q->idle && now - q->idle->idle_since >= FULL)
		forget(q, q->idle);
	if (index > 0 && q->peers[index] >= q->peer_most)
		return -EBUSY;
	h = find(q, outer, index, &key);
	if (!h)
		h = holder_new(q, &key, now);
	if (!h)
		return -ENOMEM;
	if (h->full_at < now)
		h->full_at = now;
	if (h->count >= CTL_QUOTA_ADDRESS || h->full_at + TOKEN > now + FULL)
		return -EBUSY;
	h->full_at += TOKEN;
	if (h->count++ == 0)
		DL_DELETE(q->idle, h);
	q->peers[index]++;
	return 0;
}

void ctl_quota_give(struct ctl_quota *q, const struct addr *outer, uint32_t index, uint64_t now)
{
	struct quota_key key;
	struct holder *h = find(q, outer, index, &key);

	q->peers[index]--;
	if (--h->count > 0)
		return;
	h->idle_since = now;
	DL_APPEND(q->idle, h);
}

size_t ctl_quota_known(const struct ctl_quota *q)
{
	return HASH_COUNT(q->table);
}
