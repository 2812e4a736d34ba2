#include "ippriv-node/ctl_pairs.h"

#include <errno.h>
#include <string.h>

enum { EARLY = 1000 }; /* milliseconds by which the kernel may tell: its clock has seconds */

static struct ctl_pair *find(struct ctl_pairs *p, uint32_t spi_in)
{
	for (size_t i = 0; i < p->count; i++)
		if (p->items[i].spi_in == spi_in)
			return &p->items[i];
	return NULL;
}

/* *SECONDS: after so many the kernel asks for another one. */
static int install(const struct ctl_pairs_env *env, const struct dp_way *way,
		   const struct ike_child *child, unsigned int halves, uint64_t *seconds)
{
	struct dp_keys keys;
	int err;

	ctl_keys_from_child(child, &env->life, &keys);
	*seconds = keys.life.soft_seconds;
	err = dp_pair_add(env->dp, way, &keys, halves);
	crypto_wipe(&keys, sizeof(keys));
	return err;
}

/* Counters begin anew when an SA moves. */
static void add_up(uint64_t *total, uint64_t *seen, uint64_t now)
{
	*total += now < *seen ? now : now - *seen;
	*seen = now;
}

static void look(struct ctl_pairs *p, struct ctl_pair *pair, const struct ctl_pairs_env *env,
		 const struct dp_way *way)
{
	struct dp_stats now, *seen = &pair->seen, *total = &p->total;

	if (pair->halves & DP_HALF_IN && dp_pair_stats(env->dp, way, pair->spi_in, pair->spi_out,
						       DP_HALF_IN, &now) == 0) {
		add_up(&total->bytes_in, &seen->bytes_in, now.bytes_in);
		add_up(&total->packets_in, &seen->packets_in, now.packets_in);
	}
	if (pair->halves & DP_HALF_OUT && dp_pair_stats(env->dp, way, pair->spi_in, pair->spi_out,
							DP_HALF_OUT, &now) == 0) {
		add_up(&total->bytes_out, &seen->bytes_out, now.bytes_out);
		add_up(&total->packets_out, &seen->packets_out, now.packets_out);
	}
}

static int drop_halves(struct ctl_pair *pair, const struct ctl_pairs_env *env, const struct dp_way *way,
		       unsigned int halves)
{
	int err;

	if (!(pair->halves & halves))
		return 0;
	err = dp_pair_del(env->dp, way, pair->spi_in, pair->spi_out, pair->halves & halves);
	pair->halves &= ~halves;
	return err;
}

int ctl_pairs_add(struct ctl_pairs *p, const struct ctl_pairs_env *env, const struct dp_way *way,
		  const struct ike_child *child, bool in_only)
{
	unsigned int halves = in_only ? DP_HALF_IN : DP_HALF_BOTH;
	uint64_t seconds;
	int err;

	if (p->count == CTL_PAIRS_MOST)
		return -EBUSY;
	err = install(env, way, child, halves, &seconds);
	if (err < 0)
		return err;
	p->items[p->count++] = (struct ctl_pair){
		.spi_in = child->spi_in, .spi_out = child->spi_out, .halves = halves,
		.soft_at = io_loop_now(env->loop) + seconds * 1000,
	};
	return 0;
}

int ctl_pairs_switch(struct ctl_pairs *p, const struct ctl_pairs_env *env,
		     const struct dp_way *way, const struct ike_child *child)
{
	struct ctl_pair *pair = find(p, child->spi_in);
	uint64_t seconds;
	int err;

	if (!pair)
		return -ENOENT;
	if (pair->halves & DP_HALF_OUT)
		return 0;
	err = install(env, way, child, DP_HALF_OUT, &seconds);
	if (err < 0)
		return err;
	pair->halves |= DP_HALF_OUT;
	return 0;
}

void ctl_pairs_mute(struct ctl_pairs *p, const struct ctl_pairs_env *env, const struct dp_way *way, uint32_t spi_in)
{
	struct ctl_pair *pair = find(p, spi_in);

	if (!pair)
		return;
	look(p, pair, env, way);
	(void)drop_halves(pair, env, way, DP_HALF_OUT);
}

struct dp_stats ctl_pairs_stats(struct ctl_pairs *p, const struct ctl_pairs_env *env, const struct dp_way *way)
{
	for (size_t i = 0; i < p->count; i++)
		look(p, &p->items[i], env, way);
	return p->total;
}

void ctl_pairs_del(struct ctl_pairs *p, const struct ctl_pairs_env *env, const struct dp_way *way, uint32_t spi_in)
{
	struct ctl_pair *pair = find(p, spi_in), *end = &p->items[p->count];

	if (!pair)
		return;
	look(p, pair, env, way);
	(void)drop_halves(pair, env, way, DP_HALF_BOTH);
	memmove(pair, pair + 1, (size_t)(end - pair - 1) * sizeof(*pair));
	p->count--;
}

int ctl_pairs_down(struct ctl_pairs *p, const struct ctl_pairs_env *env, const struct dp_way *way)
{
	int first = 0;

	for (size_t i = 0; i < p->count; i++) {
		int err = drop_halves(&p->items[i], env, way, DP_HALF_BOTH);

		first = first ? first : err;
	}
	p->count = 0;
	return first;
}

/* The newest one that has this half, or NULL. */
static struct ctl_pair *newest(struct ctl_pairs *p, unsigned int half)
{
	for (size_t i = p->count; i > 0; i--)
		if (p->items[i - 1].halves & half)
			return &p->items[i - 1];
	return NULL;
}

int ctl_pairs_lean(struct ctl_pairs *p, const struct ctl_pairs_env *env, const struct dp_way *way, uint32_t *spi_in,
		   uint32_t *spi_out)
{
	struct ctl_pair *in = newest(p, DP_HALF_IN), *out = newest(p, DP_HALF_OUT);

	if (!in || !out)
		return -ENOENT;
	for (size_t i = 0; i < p->count; i++) {
		struct ctl_pair *pair = &p->items[i];

		look(p, pair, env, way);
		(void)drop_halves(pair, env, way, (pair == in ? 0 : DP_HALF_IN) |
						 (pair == out ? 0 : DP_HALF_OUT));
	}
	*spi_in = in->spi_in;
	*spi_out = out->spi_out;
	return 0;
}

bool ctl_pairs_have(const struct ctl_pairs *p, uint32_t spi)
{
	for (size_t i = 0; i < p->count; i++)
		if (p->items[i].spi_in == spi || p->items[i].spi_out == spi)
			return true;
	return false;
}

bool ctl_pairs_hear(const struct ctl_pairs *p)
{
	for (size_t i = 0; i < p->count; i++)
		if (p->items[i].halves & DP_HALF_IN)
			return true;
	return false;
}

bool ctl_pairs_need(const struct ctl_pairs *p, uint32_t spi)
{
	bool in = false, out = false;

	for (size_t i = p->count; i > 0; i--) {
		const struct ctl_pair *pair = &p->items[i - 1];

		if (pair->spi_in == spi && pair->halves & DP_HALF_IN)
			return !in;
		if (pair->spi_out == spi && pair->halves & DP_HALF_OUT)
			return !out;
		in = in || pair->halves & DP_HALF_IN;
		out = out || pair->halves & DP_HALF_OUT;
	}
	return false;
}

uint32_t ctl_pairs_overdue(const struct ctl_pairs *p, const struct ctl_pairs_env *env)
{
	const struct ctl_pair *pair = p->count ? &p->items[p->count - 1] : NULL;

	return pair && io_loop_now(env->loop) + EARLY >= pair->soft_at ? pair->spi_in : 0;
}
