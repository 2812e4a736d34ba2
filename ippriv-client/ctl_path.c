#include "ippriv-client/ctl_path.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

/* Bandwidth is what a relay says of itself, so a big word buys no more than a Gbit/s (kB/s). */
enum { WEIGHT_MAX = 125000 };

enum { BITS_NET = 16, BITS_ADDRESS = 32 };

enum { ENTRY, MIDDLE, EXIT };

/* The exit is drawn first, since not every relay is one. */
static const size_t order[CTL_PATH_HOPS] = { EXIT, ENTRY, MIDDLE };

struct drawing {
	const struct dir_list *list;
	unsigned int bits; /* two relays whose addresses share that many are one */
	size_t taken_count;
	const struct dir_entry *taken[CTL_PATH_HOPS];
	uint8_t fit[DIR_LIST_ENTRIES]; /* by relay: one bit for each hop that it may be */
};

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

struct wish {
	unsigned int bits;
	size_t failed; /* so many that failed last are not wanted */
	bool suspects; /* nor are those who may have */
	bool web;      /* an exit that is of use to most programs */
};

static bool fits(const struct dir_entry *e, size_t hop, const struct pins *pins)
{
	return (hop != EXIT || e->flags & DIR_FLAG_EXIT) &&
	       (!pins || pins_allow(&pins[hop], e));
}

static bool lets_web_out(const struct dir_entry *e)
{
	return dir_entry_allows(e, IPPROTO_TCP, 80) && dir_entry_allows(e, IPPROTO_TCP, 443) &&
	       dir_entry_allows(e, IPPROTO_UDP, 53);
}

/* Whether relay I may be the hop after those that are taken, as far as they go. */
static bool eligible(const struct drawing *d, size_t i, size_t hop)
{
	if (!(d->fit[i] & 1u << hop))
		return false;
	for (size_t k = 0; k < d->taken_count; k++)
		if (same_group(d->taken[k], &d->list->entries[i], d->bits))
			return false;
	return true;
}

/* Somebody for HOP who is not in the group of OTHER (NULL: whoever). */
static const struct dir_entry *somebody(const struct drawing *d, size_t hop,
					const struct dir_entry *other)
{
	for (size_t i = 0; i < d->list->count; i++) {
		const struct dir_entry *e = &d->list->entries[i];

		if (eligible(d, i, hop) && (!other || !same_group(e, other, d->bits)))
			return e;
	}
	return NULL;
}

/* Whether the hops that are not taken can still be filled. */
static bool can_go_on(const struct drawing *d)
{
	const struct dir_entry *first, *second;

	if (d->taken_count == CTL_PATH_HOPS)
		return true;
	second = somebody(d, MIDDLE, NULL);
	if (!second || d->taken_count == CTL_PATH_HOPS - 1)
		return second;
	first = somebody(d, ENTRY, NULL);
	/* Two of different groups, or one of them has an alternative. */
	return first && (!same_group(first, second, d->bits) || somebody(d, MIDDLE, first) ||
			 somebody(d, ENTRY, second));
}

/* Whether relay I may be HOP and leaves somebody for the others. */
static bool possible(struct drawing *d, size_t i, size_t hop)
{
	bool yes;

	if (!eligible(d, i, hop))
		return false;
	d->taken[d->taken_count++] = &d->list->entries[i];
	yes = can_go_on(d);
	d->taken_count--;
	return yes;
}

static const struct dir_entry *draw(struct drawing *d, size_t hop, random_source random,
				    void *ctx)
{
	uint64_t sum = 0, at;

	for (size_t i = 0; i < d->list->count; i++)
		if (possible(d, i, hop))
			sum += weight(&d->list->entries[i]);
	if (sum == 0)
		return NULL;
	at = random_below(random, ctx, sum);
	for (size_t i = 0; i < d->list->count; i++) {
		const struct dir_entry *e = &d->list->entries[i];

		if (!possible(d, i, hop))
			continue;
		if (at < weight(e))
			return e;
		at -= weight(e);
	}
	return NULL;
}

static bool choose(struct drawing *d, random_source random, void *ctx, struct ctl_path *out)
{
	for (size_t i = 0; i < CTL_PATH_HOPS; i++) {
		const struct dir_entry *e = draw(d, order[i], random, ctx);

		if (!e)
			return false;
		d->taken[d->taken_count++] = e;
		out->hops[order[i]] = *e;
	}
	return true;
}

static void fit_all(struct drawing *d, const struct wish *wish, const struct ctl_avoid *avoid,
		    const struct pins *pins)
{
	for (size_t i = 0; i < d->list->count; i++) {
		const struct dir_entry *e = &d->list->entries[i];

		if (ctl_avoid_names(avoid, &e->identity, wish->failed, wish->suspects))
			continue;
		for (size_t hop = 0; hop < CTL_PATH_HOPS; hop++)
			if (fits(e, hop, pins) && (hop != EXIT || !wish->web || lets_web_out(e)))
				d->fit[i] |= (uint8_t)(1u << hop);
	}
}

static bool anybody(const struct dir_list *list, size_t hop, const struct pins *pins)
{
	for (size_t i = 0; i < list->count; i++)
		if (fits(&list->entries[i], hop, pins))
			return true;
	return false;
}

/* What a path is chosen from, and the path. */
struct choosing {
	const struct dir_list *list;
	const struct ctl_avoid *avoid;
	const struct pins *pins;
	random_source random;
	void *ctx;
	struct ctl_path path;
};

static bool grant(struct choosing *c, const struct wish *wish)
{
	struct drawing d = { .list = c->list, .bits = wish->bits };

	fit_all(&d, wish, c->avoid, c->pins);
	c->path.shares_net = wish->bits != BITS_NET;
	return choose(&d, c->random, c->ctx, &c->path);
}

static bool grant_any(struct choosing *c, unsigned int bits)
{
	const size_t failed = ctl_avoid_failed(c->avoid);
	const struct wish first[] = {
		{ bits, failed, true, true },
		{ bits, failed, false, true },
		{ bits, failed, true, false },
		{ bits, failed, false, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(first); i++)
		if (grant(c, &first[i]))
			return true;
	for (size_t n = failed; n-- > 0;)
		if (grant(c, &(struct wish){ bits, n, false, true }) ||
		    grant(c, &(struct wish){ bits, n, false, false }))
			return true;
	return false;
}

int ctl_path_choose(const struct dir_list *list, const struct ctl_avoid *avoid,
		    const struct pins pins[CTL_PATH_HOPS], random_source random, void *ctx,
		    struct ctl_path *out)
{
	struct choosing c = {
		.list = list, .avoid = avoid, .pins = pins, .random = random, .ctx = ctx,
	};

	if (grant_any(&c, BITS_NET) || grant_any(&c, BITS_ADDRESS)) {
		*out = c.path;
		return 0;
	}
	if (list->count < CTL_PATH_HOPS)
		return -ENOENT;
	if (!anybody(list, EXIT, NULL))
		return -ESRCH;
	for (size_t hop = 0; pins && hop < CTL_PATH_HOPS; hop++)
		if (pins[hop].count > 0)
			return -ENXIO;
	return -ENOENT;
}

const char *ctl_path_why(const struct dir_list *list, const struct pins pins[CTL_PATH_HOPS])
{
	static const char *const nobody[CTL_PATH_HOPS] = {
		"no relay in the list is one that `entry` names",
		"no relay in the list is one that `middle` names",
		"no exit in the list is one that `exit` names",
	};

	for (size_t hop = 0; hop < CTL_PATH_HOPS; hop++)
		if (!anybody(list, hop, pins))
			return nobody[hop];
	return "what `entry`, `middle` and `exit` name makes no three different relays";
}
