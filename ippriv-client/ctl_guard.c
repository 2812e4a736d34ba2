#include "ippriv-client/ctl_guard.h"

#include <errno.h>
#include <string.h>

enum { DAY = 86400, DRAWS = 32 };

static int choose(const struct ctl_guard_from *from, const struct ctl_avoid *avoid,
		  const struct pins *pins, struct ctl_path *out)
{
	return ctl_path_choose(from->list, avoid, pins, from->random, from->ctx, out);
}

/* A time that is too far away was written when the clock was wrong. */
static bool expire(struct guards *g, uint64_t now)
{
	size_t kept = 0;
	bool changed;

	for (size_t i = 0; i < g->count; i++)
		if (g->items[i].until > now && g->items[i].until - now <= 2 * CTL_GUARD_DAYS * DAY)
			g->items[kept++] = g->items[i];
	changed = kept != g->count;
	g->count = kept;
	return changed;
}

static bool is_listed(const struct ctl_guard_from *from, const struct crypto_pub *relay)
{
	return dir_list_find(from->list, relay);
}

/*
 * It may have failed behind others, or be suspected: else each relay that dies behind a guard, or that is
 * before one and holds up what goes there, would cost the client a guard.
 */
static bool is_usable(const struct ctl_guard_from *from, const struct crypto_pub *relay)
{
	return is_listed(from, relay) && !ctl_avoid_is_entry(from->avoid, relay);
}

/* Where there is room for another one: at the end, or in the place of one that is not listed. */
static struct guard *place_of(struct guards *g, const struct ctl_guard_from *from)
{
	if (g->count < GUARDS_MOST)
		return &g->items[g->count++];
	for (size_t i = 0; i < g->count; i++)
		if (!is_listed(from, &g->items[i].relay))
			return &g->items[i];
	return NULL;
}

/* Drawn as the entry of a path, with the chances that entries have. NULL: there is no other. */
static struct guard *add_one(struct guards *g, const struct ctl_guard_from *from)
{
	const uint64_t least = CTL_GUARD_DAYS * DAY;
	const struct crypto_pub *relay;
	struct ctl_path path;
	struct guard *place;

	for (size_t i = 0; i < DRAWS; i++) {
		if (choose(from, from->avoid, from->pins, &path) < 0)
			return NULL;
		relay = &path.hops[0].identity;
		if (guards_has(g, relay) || !is_usable(from, relay))
			continue;
		place = place_of(g, from);
		if (place)
			*place = (struct guard){
				.relay = *relay,
				.until = from->now + least +
					 random_below(from->random, from->ctx, least),
			};
		return place;
	}
	return NULL;
}

static void pin_down(struct pins *entry, const struct guard *guard)
{
	entry->pins[entry->count++] = (struct pin){ .is_key = true, .key = guard->relay };
}

/* ENTRY: WANT that can be used; where there is none, all that failed. True: G has changed. */
static bool fill(struct pins *entry, struct guards *g, size_t want, const struct ctl_guard_from *from)
{
	const struct guard *added;
	bool changed = false;

	entry->count = 0;
	for (size_t i = 0; i < g->count && entry->count < want; i++)
		if (is_usable(from, &g->items[i].relay))
			pin_down(entry, &g->items[i]);
	while (entry->count < want && (added = add_one(g, from))) {
		pin_down(entry, added);
		changed = true;
	}
	for (size_t i = 0; entry->count == 0 && i < g->count; i++)
		if (is_listed(from, &g->items[i].relay))
			pin_down(entry, &g->items[i]);
	return changed;
}

/*
 * Suspicion is to lead to the other guards. Where all are suspected it would count for nobody any more, not for
 * middles either: so it is forgotten of the guards.
 */
static struct ctl_avoid avoid_for(const struct ctl_guard_from *from, const struct pins *entry)
{
	struct ctl_avoid avoid = *from->avoid;
	const size_t failed = ctl_avoid_failed(&avoid);

	for (size_t i = 0; i < entry->count; i++)
		if (!ctl_avoid_names(&avoid, &entry->pins[i].key, failed, true))
			return avoid;
	for (size_t i = 0; i < entry->count; i++)
		if (!ctl_avoid_is_entry(&avoid, &entry->pins[i].key))
			ctl_avoid_drop(&avoid, &entry->pins[i].key);
	return avoid;
}

/* Whether that path is no worse than one without guards. */
static bool is_good(const struct ctl_guard_from *from, const struct ctl_path *path)
{
	struct ctl_path other;

	return !path->shares_net || choose(from, from->avoid, from->pins, &other) < 0 || other.shares_net;
}

int ctl_guard_choose(struct guards *guards, size_t used, const struct ctl_guard_from *from,
		     struct ctl_path *out, bool *changed)
{
	struct pins pins[CTL_PATH_HOPS];
	struct ctl_avoid avoid;
	int r;

	*changed = expire(guards, from->now);
	memcpy(pins, from->pins, sizeof(pins));
	if (pins[0].count > 0)
		return choose(from, from->avoid, pins, out);
	for (size_t want = used; want <= GUARDS_MOST; want++) {
		*changed |= fill(&pins[0], guards, want, from);
		avoid = avoid_for(from, &pins[0]);
		r = choose(from, &avoid, pins, out);
		if (r == 0 ? is_good(from, out) : r != -ENXIO)
			return r;
		if (pins[0].count < want)
			break;
	}
	return choose(from, from->avoid, from->pins, out);
}
