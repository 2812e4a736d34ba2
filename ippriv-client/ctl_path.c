#include "ippriv-client/ctl_path.h"

#include <errno.h>
#include <string.h>

/* Bandwidth is what a relay says of itself, so a big word buys no more than a Gbit/s (kB/s). */
enum { WEIGHT_MAX = 125000 };

enum { BITS_NET = 16, BITS_ADDRESS = 32 };

/* What the relays of one drawing must be. */
struct rules {
	const struct ctl_path_avoid *avoid; /* NULL: nobody */
	unsigned int bits;  /* two relays whose addresses share that many are one */
	size_t taken_count;
	const struct dir_entry *taken[CTL_PATH_HOPS];
};

uint64_t ctl_path_below(ctl_path_random random, void *ctx, uint64_t bound)
{
	uint64_t most = UINT64_MAX - UINT64_MAX % bound;
	uint64_t v;

	do
		random(ctx, &v, sizeof(v));
	while (v >= most);
	return v % bound;
}

static uint64_t weight(const struct dir_entry *e)
{
	if (e->bandwidth == 0)
		return 1;
	return e->bandwidth < WEIGHT_MAX ? e->bandwidth : WEIGHT_MAX;
}

static bool same_group(const struct dir_entry *a, const struct dir_entry *b, unsigned int bits)
{
	return addr_to_v4(&a->address) >> (32 - bits) == addr_to_v4(&b->address) >> (32 - bits);
}

static bool avoided(const struct ctl_path_avoid *avoid, const struct dir_entry *e)
{
	for (size_t i = 0; avoid && i < avoid->count; i++)
		if (memcmp(&avoid->relays[i], &e->identity, sizeof(e->identity)) == 0)
			return true;
	return false;
}

static bool eligible(const struct rules *rules, const struct dir_entry *e, bool exit)
{
	if (exit && !(e->flags & DIR_FLAG_EXIT))
		return false;
	if (avoided(rules->avoid, e))
		return false;
	for (size_t i = 0; i < rules->taken_count; i++)
		if (same_group(rules->taken[i], e, rules->bits))
			return false;
	return true;
}

static const struct dir_entry *draw(const struct dir_list *list, const struct rules *rules,
				    bool exit, ctl_path_random random, void *ctx)
{
	uint64_t sum = 0, at;

	for (size_t i = 0; i < list->count; i++)
		if (eligible(rules, &list->entries[i], exit))
			sum += weight(&list->entries[i]);
	if (sum == 0)
		return NULL;
	at = ctl_path_below(random, ctx, sum);
	for (size_t i = 0; i < list->count; i++) {
		const struct dir_entry *e = &list->entries[i];

		if (!eligible(rules, e, exit))
			continue;
		if (at < weight(e))
			return e;
		at -= weight(e);
	}
	return NULL;
}

/*
 * The exit first, since not every relay is one. No dead end can follow: when the exit is drawn
 * from a list of three groups or more, each of the others still has somebody.
 */
static int choose(const struct dir_list *list, struct rules *rules, ctl_path_random random,
		  void *ctx, struct ctl_path *out)
{
	static const size_t order[CTL_PATH_HOPS] = { CTL_PATH_HOPS - 1, 0, 1 };

	for (size_t i = 0; i < CTL_PATH_HOPS; i++) {
		const struct dir_entry *e = draw(list, rules, i == 0, random, ctx);

		if (!e)
			return i == 0 ? -ESRCH : -ENOENT;
		rules->taken[rules->taken_count++] = e;
		out->hops[order[i]] = *e;
	}
	return 0;
}

int ctl_path_choose(const struct dir_list *list, const struct ctl_path_avoid *avoid,
		    ctl_path_random random, void *ctx, struct ctl_path *out)
{
	const struct rules wishes[] = {
		{ .avoid = avoid, .bits = BITS_NET },
		{ .avoid = NULL, .bits = BITS_NET },
		{ .avoid = avoid, .bits = BITS_ADDRESS },
		{ .avoid = NULL, .bits = BITS_ADDRESS },
	};
	struct ctl_path path = { 0 };
	int r = -ENOENT;

	for (size_t i = 0; i < ARRAY_SIZE(wishes); i++) {
		struct rules rules = wishes[i];

		r = choose(list, &rules, random, ctx, &path);
		if (r < 0)
			continue;
		path.shares_net = rules.bits != BITS_NET;
		for (size_t k = 0; k < CTL_PATH_HOPS; k++)
			path.avoid_broken |= avoided(avoid, &path.hops[k]);
		*out = path;
		return 0;
	}
	return list->count < CTL_PATH_HOPS ? -ENOENT : r;
}
