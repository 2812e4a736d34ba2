#include "ippriv-node/ctl_quota.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

#include "common/base/bucket.h"
#include "ippriv-node/dp.h"

/* Milliseconds from an empty bucket of an address to a full one. */
enum { FULL = 1000 * CTL_QUOTA_BURST / CTL_QUOTA_RATE };

static const struct bucket_rate address_rate = { CTL_QUOTA_RATE, 1000, CTL_QUOTA_BURST };

struct quota_key {
	uint8_t address[16];
	uint32_t family, index;
};

struct holder {
	struct quota_key key;
	uint32_t count;
	struct bucket bucket;
	struct holder *prev, *next; /* in IDLE when COUNT is 0 */
	uint64_t idle_since;
	UT_hash_handle hh;
};

/* The relay as a whole, or what comes through one overlay peer. */
struct share {
	uint32_t most, count;
	struct bucket_rate rate;
	struct bucket bucket;
};

struct ctl_quota {
	struct share all;
	struct share peers[DP_PEER_MAX + 1]; /* by overlay index */
	struct holder *table;                /* owned */
	struct holder *idle;                 /* idle longest first */
};

static struct share share_of(uint32_t most, uint32_t rate)
{
	return (struct share){ .most = most, .rate = { rate, 1000, rate * CTL_QUOTA_AHEAD } };
}

int ctl_quota_new(const struct ctl_quota_conf *conf, struct ctl_quota **out)
{
	struct ctl_quota *q = calloc(1, sizeof(*q));

	if (!q)
		return -ENOMEM;
	q->all = q->peers[0] = share_of(conf->most, conf->rate);
	for (size_t i = 1; i <= DP_PEER_MAX; i++)
		q->peers[i] = share_of(conf->peer_most, conf->peer_rate);
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

static struct quota_key key_of(const struct addr *outer, uint32_t index)
{
	const struct addr a = addr_counted(outer);
	struct quota_key key = { .family = a.family, .index = index };

	memcpy(key.address, a.bytes, sizeof(key.address));
	return key;
}

static struct holder *find(const struct ctl_quota *q, const struct addr *outer, uint32_t index,
			   struct quota_key *key)
{
	struct holder *h;

	*key = key_of(outer, index);
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
	h->idle_since = now;
	HASH_ADD(hh, q->table, key, sizeof(h->key), h);
	if (!h->hh.tbl) {
		free(h);
		return NULL;
	}
	DL_APPEND(q->idle, h);
	return h;
}

static bool has_room(const struct share *s, uint64_t now)
{
	return s->count < s->most && bucket_has(&s->bucket, &s->rate, now);
}

static void share_take(struct share *s, uint64_t now)
{
	bucket_take(&s->bucket, &s->rate, now);
	s->count++;
}

static struct holder *find_or_make(struct ctl_quota *q, const struct addr *outer, uint32_t index,
				   uint64_t now)
{
	struct quota_key key;
	struct holder *h;

	/* Whoever was idle for so long has a full bucket: as good as unknown. */
	while (q->idle && now - q->idle->idle_since >= FULL)
		forget(q, q->idle);
	h = find(q, outer, index, &key);
	return h ? h : holder_new(q, &key, now);
}

static void holder_take(struct ctl_quota *q, struct holder *h)
{
	if (h->count++ == 0)
		DL_DELETE(q->idle, h);
}

static void holder_give(struct ctl_quota *q, struct holder *h, uint64_t now)
{
	if (--h->count > 0)
		return;
	h->idle_since = now;
	DL_APPEND(q->idle, h);
}

int ctl_quota_take(struct ctl_quota *q, const struct addr *outer, uint32_t index, uint64_t now)
{
	struct share *peer = &q->peers[index];
	struct holder *h;

	if (!has_room(&q->all, now) || !has_room(peer, now))
		return -EBUSY;
	h = find_or_make(q, outer, index, now);
	if (!h)
		return -ENOMEM;
	if (h->count >= CTL_QUOTA_ADDRESS || !bucket_take(&h->bucket, &address_rate, now))
		return -EBUSY;
	share_take(&q->all, now);
	share_take(peer, now);
	holder_take(q, h);
	return 0;
}

enum ctl_quota_full ctl_quota_full(const struct ctl_quota *q, const struct addr *outer,
				   uint32_t index)
{
	const struct share *peer = &q->peers[index];
	struct quota_key key;
	const struct holder *h = find(q, outer, index, &key);

	if (h && h->count >= CTL_QUOTA_ADDRESS)
		return CTL_QUOTA_FULL_ADDRESS;
	if (peer->count >= peer->most)
		return index ? CTL_QUOTA_FULL_PEER : CTL_QUOTA_FULL_RELAY;
	return q->all.count >= q->all.most ? CTL_QUOTA_FULL_RELAY : CTL_QUOTA_ROOM;
}

bool ctl_quota_same(const struct addr *a, const struct addr *b)
{
	const struct addr one = addr_counted(a), other = addr_counted(b);

	return addr_equal(&one, &other);
}

void ctl_quota_give(struct ctl_quota *q, const struct addr *outer, uint32_t index, uint64_t now)
{
	struct quota_key key;

	q->all.count--;
	q->peers[index].count--;
	holder_give(q, find(q, outer, index, &key), now);
}

int ctl_quota_move(struct ctl_quota *q, const struct addr *from, const struct addr *to,
		   uint64_t now)
{
	struct holder *there = find_or_make(q, to, 0, now);
	struct quota_key key;

	if (!there)
		return -ENOMEM;
	if (there->count >= CTL_QUOTA_ADDRESS)
		return -EBUSY;
	holder_take(q, there);
	holder_give(q, find(q, from, 0, &key), now);
	return 0;
}

size_t ctl_quota_known(const struct ctl_quota *q)
{
	return HASH_COUNT(q->table);
}
