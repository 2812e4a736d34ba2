#include "ippriv-client/ctl_avoid.h"

#include <string.h>

static bool is(const struct ctl_avoided *item, const struct crypto_pub *relay)
{
	return memcmp(&item->relay, relay, sizeof(*relay)) == 0;
}

/* Where RELAY stands; avoid->count: nowhere. */
static size_t find(const struct ctl_avoid *avoid, const struct crypto_pub *relay)
{
	size_t at = 0;

	while (at < avoid->count && !is(&avoid->items[at], relay))
		at++;
	return at;
}

static void remove_at(struct ctl_avoid *avoid, size_t at)
{
	avoid->count--;
	memmove(&avoid->items[at], &avoid->items[at + 1],
		(avoid->count - at) * sizeof(avoid->items[0]));
}

void ctl_avoid_drop(struct ctl_avoid *avoid, const struct crypto_pub *relay)
{
	size_t at = find(avoid, relay);

	if (at < avoid->count)
		remove_at(avoid, at);
}

bool ctl_avoid_is_entry(const struct ctl_avoid *avoid, const struct crypto_pub *relay)
{
	size_t at = find(avoid, relay);

	return at < avoid->count && avoid->items[at].entry;
}

static void put_first(struct ctl_avoid *avoid, const struct crypto_pub *relay, uint64_t now,
		      bool suspect)
{
	const bool entry = ctl_avoid_is_entry(avoid, relay);

	ctl_avoid_drop(avoid, relay);
	if (avoid->count == CTL_AVOID_MOST)
		avoid->count--;
	memmove(&avoid->items[1], &avoid->items[0], avoid->count * sizeof(avoid->items[0]));
	avoid->count++;
	avoid->items[0] = (struct ctl_avoided){ *relay, suspect, entry, now + CTL_AVOID_MS };
}

void ctl_avoid_add(struct ctl_avoid *avoid, const struct crypto_pub *relay, uint64_t now)
{
	put_first(avoid, relay, now, false);
}

void ctl_avoid_entry(struct ctl_avoid *avoid, const struct crypto_pub *relay, uint64_t now)
{
	put_first(avoid, relay, now, false);
	avoid->items[0].entry = true;
}

void ctl_avoid_suspect(struct ctl_avoid *avoid, const struct crypto_pub *relay, uint64_t now)
{
	size_t at = find(avoid, relay);

	if (at == avoid->count || avoid->items[at].suspect)
		put_first(avoid, relay, now, true);
}

void ctl_avoid_expire(struct ctl_avoid *avoid, uint64_t now)
{
	for (size_t i = avoid->count; i-- > 0;)
		if (avoid->items[i].until <= now)
			remove_at(avoid, i);
}

size_t ctl_avoid_failed(const struct ctl_avoid *avoid)
{
	size_t n = 0;

	for (size_t i = 0; i < avoid->count; i++)
		n += !avoid->items[i].suspect;
	return n;
}

bool ctl_avoid_names(const struct ctl_avoid *avoid, const struct crypto_pub *relay, size_t failed,
		     bool suspects)
{
	for (size_t i = 0; i < avoid->count; i++) {
		const struct ctl_avoided *item = &avoid->items[i];

		if (is(item, relay))
			return item->suspect ? suspects : failed > 0;
		if (!item->suspect && failed > 0)
			failed--;
	}
	return false;
}
