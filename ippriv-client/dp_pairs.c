#include "ippriv-client/dp_pairs.h"

#include <errno.h>
#include <string.h>

static int sa_add(struct dp_pairs *p, struct dp_pairs_sa *sa, const struct kern_op *op)
{
	int r = p->kern->add(p->kern->ctx, op);

	if (r < 0)
		return r;
	*sa = (struct dp_pairs_sa){ .stands = true, .op = *op };
	secret_wipe(&sa->op.sa.key);
	return 0;
}

static void count_add(struct dp_count *to, const struct dp_count *more)
{
	to->bytes += more->bytes;
	to->packets += more->packets;
}

/* An SA that has moved may count from zero again. */
static void sa_look(struct dp_pairs *p, struct dp_pairs_sa *sa, struct dp_count *gone)
{
	struct kern_sa_stats stats;

	if (!sa->stands || p->kern->sa_stats(p->kern->ctx, p->ns, &sa->op.sa.dst, sa->op.sa.spi,
					     &stats) < 0)
		return;
	if (stats.packets < sa->seen.packets)
		count_add(gone, &sa->seen);
	sa->seen = (struct dp_count){ stats.bytes, stats.packets };
}

/* One that has reached its hard limit is gone already. */
static int sa_del(struct dp_pairs *p, struct dp_pairs_sa *sa, struct dp_count *gone)
{
	int r;

	if (!sa->stands)
		return 0;
	sa_look(p, sa, gone);
	count_add(gone, &sa->seen);
	r = p->kern->del(p->kern->ctx, &sa->op);
	*sa = (struct dp_pairs_sa){ 0 };
	return r == -ENOENT ? 0 : r;
}

static struct dp_pairs_pair *find(struct dp_pairs *p, uint32_t spi_in)
{
	for (size_t i = 0; i < p->count; i++)
		if (p->pairs[i].spi_in == spi_in)
			return &p->pairs[i];
	return NULL;
}

static void forget(struct dp_pairs *p, struct dp_pairs_pair *pair)
{
	size_t i = (size_t)(pair - p->pairs);

	memmove(pair, pair + 1, (--p->count - i) * sizeof(*pair));
	p->pairs[p->count] = (struct dp_pairs_pair){ 0 };
}

int dp_pairs_add(struct dp_pairs *p, const struct dp_path *path, const struct dp_pair *pair,
		 bool in_only)
{
	struct kern_op ops[DP_PLAN_PAIR];
	struct dp_pairs_pair *new;
	int r;

	if (p->count == DP_PAIRS_MAX)
		return -ENOSPC;
	new = &p->pairs[p->count];
	*new = (struct dp_pairs_pair){ .spi_in = pair->spi_in };
	dp_plan_pair(path, pair, p->id, p->ns, ops);
	r = sa_add(p, &new->in, &ops[0]);
	if (r == 0 && !in_only) {
		r = sa_add(p, &new->out, &ops[1]);
		if (r < 0)
			(void)sa_del(p, &new->in, &p->gone.in);
	}
	kern_plan_wipe(ops, DP_PLAN_PAIR);
	p->count += r == 0;
	return r;
}

int dp_pairs_switch(struct dp_pairs *p, const struct dp_path *path, const struct dp_pair *pair)
{
	struct dp_pairs_pair *known = find(p, pair->spi_in);
	struct kern_op ops[DP_PLAN_PAIR];
	int r;

	if (!known)
		return -ENOENT;
	if (known->out.stands)
		return 0;
	dp_plan_pair(path, pair, p->id, p->ns, ops);
	r = sa_add(p, &known->out, &ops[1]);
	kern_plan_wipe(ops, DP_PLAN_PAIR);
	return r;
}

int dp_pairs_mute(struct dp_pairs *p, uint32_t spi_in)
{
	struct dp_pairs_pair *pair = find(p, spi_in);

	return pair ? sa_del(p, &pair->out, &p->gone.out) : 0;
}

static int pair_del(struct dp_pairs *p, struct dp_pairs_pair *pair)
{
	int r = sa_del(p, &pair->out, &p->gone.out);
	int r2 = sa_del(p, &pair->in, &p->gone.in);

	forget(p, pair);
	return r < 0 ? r : r2;
}

int dp_pairs_del(struct dp_pairs *p, uint32_t spi_in)
{
	struct dp_pairs_pair *pair = find(p, spi_in);

	return pair ? pair_del(p, pair) : 0;
}

bool dp_pairs_hear(const struct dp_pairs *p)
{
	for (size_t i = 0; i < p->count; i++)
		if (p->pairs[i].in.stands)
			return true;
	return false;
}

int dp_pairs_clear(struct dp_pairs *p)
{
	int r = 0;

	while (p->count > 0) {
		int r2 = pair_del(p, &p->pairs[p->count - 1]);

		r = r < 0 ? r : r2;
	}
	return r;
}

struct dp_stats dp_pairs_stats(struct dp_pairs *p)
{
	struct dp_stats sum;

	for (size_t i = 0; i < p->count; i++) {
		sa_look(p, &p->pairs[i].in, &p->gone.in);
		sa_look(p, &p->pairs[i].out, &p->gone.out);
	}
	sum = p->gone;
	for (size_t i = 0; i < p->count; i++) {
		count_add(&sum.in, &p->pairs[i].in.seen);
		count_add(&sum.out, &p->pairs[i].out.seen);
	}
	return sum;
}

/* The newest SA of a direction, or NULL. */
static struct dp_pairs_sa *newest(struct dp_pairs *p, bool in)
{
	for (size_t i = p->count; i-- > 0;) {
		struct dp_pairs_sa *sa = in ? &p->pairs[i].in : &p->pairs[i].out;

		if (sa->stands)
			return sa;
	}
	return NULL;
}

static void thin(struct dp_pairs *p)
{
	struct dp_pairs_sa *in = newest(p, true), *out = newest(p, false);

	for (size_t i = 0; i < p->count; i++) {
		if (&p->pairs[i].in != in)
			(void)sa_del(p, &p->pairs[i].in, &p->gone.in);
		if (&p->pairs[i].out != out)
			(void)sa_del(p, &p->pairs[i].out, &p->gone.out);
	}
	for (size_t i = p->count; i-- > 0;)
		if (!p->pairs[i].in.stands && !p->pairs[i].out.stands)
			forget(p, &p->pairs[i]);
}

int dp_pairs_move(struct dp_pairs *p, struct kern_op *policies, const struct dp_path *to)
{
	const struct kern_path path = { to->local, to->remote };
	struct kern_op ops[DP_PLAN_PAIR + DP_PLAN_POLICIES];
	struct dp_pairs_sa *in, *out;
	int r;

	thin(p);
	in = newest(p, true);
	out = newest(p, false);
	if (!in || !out)
		return -ENOENT;
	sa_look(p, in, &p->gone.in);
	sa_look(p, out, &p->gone.out);
	ops[0] = in->op;
	ops[1] = out->op;
	memcpy(ops + DP_PLAN_PAIR, policies, DP_PLAN_POLICIES * sizeof(*ops));
	r = p->kern->move(p->kern->ctx, ops, ARRAY_SIZE(ops), &path);
	in->op = ops[0];
	out->op = ops[1];
	memcpy(policies, ops + DP_PLAN_PAIR, DP_PLAN_POLICIES * sizeof(*ops));
	sa_look(p, in, &p->gone.in);
	sa_look(p, out, &p->gone.out);
	return r;
}
