#include "ippriv-node/ctl_circuit.h"

#include <errno.h>
#include <stdlib.h>

#include "common/base/log.h"
#include "common/ike/ike_ts.h"

enum { QUESTION_MS = 60000 }; /* before a silent client is given up */

static struct ctl_circuit *circuit_of(struct ctl_session *session)
{
	return (struct ctl_circuit *)session;
}

static uint32_t number_of(const struct ctl_circuit *c)
{
	return c->dp.way.number;
}

static int child_add(struct ctl_session *session, const struct ike_child *child, bool in_only)
{
	struct ctl_circuit *c = circuit_of(session);

	return ctl_pairs_add(&c->pairs, &c->env->pairs, &c->dp.way, child, in_only);
}

static int child_up(struct ctl_session *session, const struct ike_child *child)
{
	struct ctl_circuit *c = circuit_of(session);
	int err = child_add(session, child, false);

	if (err < 0)
		return err;
	/* among the selectors when an IPv6 address was offered and asked for */
	c->dp.six = ike_ts_list_of(&child->ts_remote, AF_INET6).count > 0;
	err = dp_circuit_up(c->env->pairs.dp, &c->dp);
	if (err < 0)
		(void)ctl_pairs_down(&c->pairs, &c->env->pairs, &c->dp.way);
	c->up = err == 0;
	return err;
}

static int child_switch(struct ctl_session *session, const struct ike_child *child)
{
	struct ctl_circuit *c = circuit_of(session);

	return ctl_pairs_switch(&c->pairs, &c->env->pairs, &c->dp.way, child);
}

static void child_mute(struct ctl_session *session, uint32_t spi_in)
{
	struct ctl_circuit *c = circuit_of(session);

	ctl_pairs_mute(&c->pairs, &c->env->pairs, &c->dp.way, spi_in);
}

static void child_del(struct ctl_session *session, uint32_t spi_in)
{
	struct ctl_circuit *c = circuit_of(session);

	if (!ctl_pairs_have(&c->pairs, spi_in))
		return;
	ctl_pairs_del(&c->pairs, &c->env->pairs, &c->dp.way, spi_in);
	if (ctl_pairs_hear(&c->pairs))
		return;
	/* A move had left no other, and the client has given up the one that was left. */
	log_info("circuit %u has nothing left to receive with", number_of(c));
	ctl_ike_close(c->env->ike, session);
}

static bool same_way(const struct dp_way *a, const struct dp_way *b)
{
	return addr_equal(&a->local, &b->local) && addr_equal(&a->far, &b->far) &&
	       a->local_port == b->local_port && a->far_port == b->far_port;
}

static int moved(struct ctl_session *session, const struct ike_path *path, bool encap)
{
	struct ctl_circuit *c = circuit_of(session);
	struct dp_way to = ctl_circuit_way(number_of(c), path, encap);
	uint32_t spi_in, spi_out;
	int err;

	if (c->dp.via.index != 0 || path->mark != 0)
		return -EOPNOTSUPP;
	if (prefix_contains(&c->env->pools, &to.far))
		return -EACCES;
	if (same_way(&c->dp.way, &to))
		return 0;
	err = ctl_pairs_lean(&c->pairs, &c->env->pairs, &c->dp.way, &spi_in, &spi_out);
	if (err == 0)
		err = dp_circuit_move(c->env->pairs.dp, &c->dp, &to, spi_in, spi_out);
	if (err < 0)
		return err;
	c->dp.way = to;
	log_debug("circuit %u goes another way", number_of(c));
	c->env->roamed(c->env->user, c, &to.far);
	return 0;
}

/*
 * The client asks us often enough. We ask at the very end only: one that was away and comes back
 * elsewhere is followed a round trip sooner when no question of ours waits for its answer.
 */
static uint32_t question_after(const struct ctl_circuit_env *env)
{
	if (env->silence < QUESTION_MS || env->silence - QUESTION_MS < env->idle)
		return env->idle;
	return env->silence - QUESTION_MS;
}

static void established(struct ctl_session *session)
{
	struct ctl_circuit *c = circuit_of(session);

	c->established = true;
	ctl_ike_patience(c->env->ike, session, question_after(c->env), c->env->silence);
	log_info("circuit %u is up", number_of(c));
}

static void ended(struct ctl_session *session, enum ike_end why)
{
	struct ctl_circuit *c = circuit_of(session);
	bool clean = true;

	log_info("circuit %u is gone: %s", number_of(c), ike_end_name(why));
	if (c->up && dp_circuit_down(c->env->pairs.dp, &c->dp) < 0)
		clean = false;
	if (ctl_pairs_down(&c->pairs, &c->env->pairs, &c->dp.way) < 0)
		clean = false;
	c->env->over(c->env->user, c, clean);
}

/* A client whose traffic comes in has no reason to send IKE messages, and may fall asleep then. */
static bool alive(struct ctl_session *session)
{
	struct ctl_circuit *c = circuit_of(session);
	uint64_t seen = c->packets_seen;

	c->packets_seen = ctl_pairs_stats(&c->pairs, &c->env->pairs, &c->dp.way).packets_in;
	return c->packets_seen > seen;
}

static const struct ctl_session_ops circuit_ops = {
	.child_up = child_up,
	.child_add = child_add,
	.child_switch = child_switch,
	.child_mute = child_mute,
	.child_del = child_del,
	.moved = moved,
	.alive = alive,
	.established = established,
	.ended = ended,
};

struct dp_way ctl_circuit_way(uint32_t number, const struct ike_path *path, bool encap)
{
	struct dp_way way = { .number = number, .local = path->local.addr,
			      .far = path->remote.addr };

	if (encap) {
		way.local_port = path->local.port;
		way.far_port = path->remote.port;
	}
	return way;
}

struct ctl_circuit *ctl_circuit_new(const struct ctl_circuit_env *env, const struct dp_peer *via,
				    const struct dp_way *way)
{
	struct ctl_circuit *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->session.ops = &circuit_ops;
	c->env = env;
	c->dp.via = *via;
	c->dp.way = *way;
	c->counted = way->far;
	return c;
}

void ctl_circuit_expire(struct ctl_circuit *c, uint32_t spi, bool hard)
{
	if (!hard) {
		ctl_ike_rekey_child(c->env->ike, &c->session, spi);
	} else if (ctl_pairs_need(&c->pairs, spi)) {
		log_info("circuit %u was not rekeyed in time", number_of(c));
		ctl_ike_close(c->env->ike, &c->session);
	}
}

void ctl_circuit_lost(struct ctl_circuit *c)
{
	uint32_t spi = ctl_pairs_overdue(&c->pairs, &c->env->pairs);

	if (spi != 0)
		ctl_ike_rekey_child(c->env->ike, &c->session, spi);
}

void ctl_circuit_mapping(struct ctl_circuit *c, const struct endpoint *remote)
{
	if (c->dp.via.index == 0 && c->dp.way.far_port != 0)
		ctl_ike_mapping(c->env->ike, &c->session, remote);
}
