#include "ippriv-client/ctl_guard.h"

#include <errno.h>
#include <string.h>

enum { DAY = 86400, DRAWS = 32 };

static int choose(const struct ctl_guard_from *from, const struct pins *pins, struct ctl_path *out)
{
	return ctl_path_choose(from->list, from->avoid, pins, from->random, from->ctx, out);
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

static bool is_guard(const struct guards *g, const struct crypto_pub *relay)
{
	for (size_t i = 0; i < g->count; i++)
		if (memcmp(&g->items[i].relay, relay, sizeof(*relay)) == 0)
			return true;
	return false;
}

static bool is_listed(const struct ctl_guard_from *from, const struct crypto_pub *relay)
{
	return dir_list_find(from->list, relay);
}

/* It may be suspected: else each relay that dies behind one would cost the client a guard. */
static bool is_usable(const struct ctl_guard_from *from, const struct crypto_pub *relay)
{
	return is_listed(from, relay) &&
	       !ctl_avoid_names(from->avoid, relay, ctl_avoid_failed(from->avoid), false);
}

/* Drawn as the entry of a path, with the chances that entries have. */
static bool add_one(struct guards *g, const struct ctl_guard_from *from)
{
	const uint64_t least = CTL_GUARD_DAYS * DAY;
	const struct crypto_pub *relay;
	struct ctl_path path;

	for (size_t i = 0; g->count < GUARDS_MOST && i < DRAWS; i++) {
		if (choose(from, from->pins, &path) < 0)
			return false;
		relay = &path.hops[0].identity;
		if (is_guard(g, relay) || !is_usable(from, relay))
			continue;
		g->items[g->count++] = (struct guard){
			.relay = *relay,
			.until = from->now + least + random_below(from->random, from->ctx, least),
		};
		return true;
	}
	return false;
}

static void pin_down(struct pins *entry, const struct guard *guard)
{
	entry->pins[entry->count++] = (struct pin){ .is_key = true, .key = guard->relay };
}

/* ENTRY: WANT of them, or as many as there are. */
static bool fill(struct pins *entry, struct guards *g, size_t want, const struct ctl_guard_from *from)
{
	const size_t before = g->count;

	entry->count = 0;
	for (size_t i = 0; i < g->count && entry->count < want; i++)
		if (is_usable(from, &g->items[i].relay))
			pin_down(entry, &g->items[i]);
	while (entry->count < want && add_one(g, from))
		pin_down(entry, &g->items[g->count - 1]);
	for (size_t i = 0; i < before && entry->count < want; i++)
		if (is_listed(from, &g->items[i].relay) && !is_usable(from, &g->items[i].relay))
			pin_down(entry, &g->items[i]);
	return g->count != before;
}

int ctl_guard_choose(struct guards *guards, size_t used, const struct ctl_guard_from *from,
		     struct ctl_path *out, bool *changed)
{
	struct pins pins[CTL_PATH_HOPS];
	int r = -ENXIO;

	*changed = expire(guards, from->now);
	memcpy(pins, from->pins, sizeof(pins));
	for (size_t want = used; pins[0].count == 0 && want <= GUARDS_MOST; want++) {
		*changed |= fill(&pins[0], guards, want, from);
		r = choose(from, pins, out);
		if (r != -ENXIO || pins[0].count < want)
			break;
		pins[0].count = 0;
	}
	return r == -ENXIO ? choose(from, from->pins, out) : r;
}
