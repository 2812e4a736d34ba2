#include "directory/dir_rate.h"

#include <errno.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "common/base/bucket.h"

struct caller {
	struct addr from;
	struct bucket bucket;
	UT_hash_handle hh;
};

struct dir_rate {
	struct bucket_rate each; /* no tokens: no limit */
	struct caller *callers;  /* the one not seen for longest comes first */
};

int dir_rate_new(uint32_t per_minute, struct dir_rate **out)
{
	struct dir_rate *rate = calloc(1, sizeof(*rate));

	if (!rate)
		return -ENOMEM;
	rate->each = (struct bucket_rate){ per_minute, 60000, per_minute };
	*out = rate;
	return 0;
}

void dir_rate_free(struct dir_rate *rate)
{
	struct caller *c, *next;

	if (!rate)
		return;
	HASH_ITER(hh, rate->callers, c, next) {
		HASH_DEL(rate->callers, c);
		free(c);
	}
	free(rate);
}

/* Takes KEY's entry out of the table, or the oldest's memory, or new memory; full then. */
static struct caller *take_out(struct dir_rate *rate, const struct addr *key)
{
	struct caller *c;

	HASH_FIND(hh, rate->callers, key, sizeof(*key), c);
	if (c) {
		HASH_DEL(rate->callers, c);
		return c;
	}
	if (HASH_COUNT(rate->callers) >= DIR_RATE_ADDRESSES) {
		c = rate->callers;
		HASH_DEL(rate->callers, c);
	} else {
		c = malloc(sizeof(*c));
	}
	if (!c)
		return NULL;
	memset(c, 0, sizeof(*c));
	c->from = *key;
	return c;
}

bool dir_rate_take(struct dir_rate *rate, const struct addr *from, uint64_t now)
{
	const struct addr key = addr_counted(from);
	struct caller *c;
	bool allowed;

	if (rate->each.tokens == 0)
		return true;
	c = take_out(rate, &key);
	if (!c)
		return false;
	allowed = bucket_take(&c->bucket, &rate->each, now);
	HASH_ADD(hh, rate->callers, from, sizeof(c->from), c);
	if (!c->hh.tbl) { /* no memory for the table */
		free(c);
		return false;
	}
	return allowed;
}
