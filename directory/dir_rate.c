#include "directory/dir_rate.h"

#include <errno.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

enum { MINUTE = 60000 /* milliseconds, and what one request costs */ };

struct bucket {
	struct addr from;
	uint64_t credit; /* PER_MINUTE more each millisecond, a request costs MINUTE */
	uint64_t seen;
	UT_hash_handle hh;
};

struct dir_rate {
	uint32_t per_minute;
	struct bucket *buckets; /* the one not seen for longest comes first */
};

int dir_rate_new(uint32_t per_minute, struct dir_rate **out)
{
	struct dir_rate *rate = calloc(1, sizeof(*rate));

	if (!rate)
		return -ENOMEM;
	rate->per_minute = per_minute;
	*out = rate;
	return 0;
}

void dir_rate_free(struct dir_rate *rate)
{
	struct bucket *b, *next;

	if (!rate)
		return;
	HASH_ITER(hh, rate->buckets, b, next) {
		HASH_DEL(rate->buckets, b);
		free(b);
	}
	free(rate);
}

/* Takes the bucket of KEY out of the table, or the oldest's memory, or new memory; full then. */
static struct bucket *take_out(struct dir_rate *rate, const struct addr *key, uint64_t now)
{
	struct bucket *b;

	HASH_FIND(hh, rate->buckets, key, sizeof(*key), b);
	if (b) {
		HASH_DEL(rate->buckets, b);
		return b;
	}
	if (HASH_COUNT(rate->buckets) >= DIR_RATE_ADDRESSES) {
		b = rate->buckets;
		HASH_DEL(rate->buckets, b);
	} else {
		b = malloc(sizeof(*b));
	}
	if (!b)
		return NULL;
	memset(b, 0, sizeof(*b));
	b->from = *key;
	b->credit = (uint64_t)rate->per_minute * MINUTE;
	b->seen = now;
	return b;
}

bool dir_rate_take(struct dir_rate *rate, const struct addr *from, uint64_t now)
{
	const uint64_t most = (uint64_t)rate->per_minute * MINUTE;
	struct addr key = { .family = from->family };
	struct bucket *b;
	bool allowed;

	if (rate->per_minute == 0)
		return true;
	memcpy(key.bytes, from->bytes, from->family == AF_INET6 ? 8 : addr_size(from));
	b = take_out(rate, &key, now);
	if (!b)
		return false;
	if (now - b->seen >= MINUTE || (now - b->seen) * rate->per_minute >= most - b->credit)
		b->credit = most;
	else
		b->credit += (now - b->seen) * rate->per_minute;
	b->seen = now;
	allowed = b->credit >= MINUTE;
	if (allowed)
		b->credit -= MINUTE;
	HASH_ADD(hh, rate->buckets, from, sizeof(b->from), b);
	if (!b->hh.tbl) { /* no memory for the table */
		free(b);
		return false;
	}
	return allowed;
}
