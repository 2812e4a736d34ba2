#include "ippriv-node/ctl_tunnel.h"

#include <stdlib.h>

#include "common/base/log.h"

static struct ctl_tunnel *tunnel_of(struct ctl_session *session)
{
	return (struct ctl_tunnel *)session;
}

static int child_add(struct ctl_session *session, const struct ike_child *child, bool in_only)
{
	struct ctl_tunnel *t = tunnel_of(session);

	return ctl_pairs_add(&t->pairs, &t->env->pairs, &t->way, child, in_only);
}

static int child_up(struct ctl_session *session, const struct ike_child *child)
{
	struct ctl_tunnel *t = tunnel_of(session);
	int err = t->env->selectors(t->env->user, t, child);

	return err < 0 ? err : child_add(session, child, false);
}

static int child_switch(struct ctl_session *session, const struct ike_child *child)
{
	struct ctl_tunnel *t = tunnel_of(session);

	return ctl_pairs_switch(&t->pairs, &t->env->pairs, &t->way, child);
}

static void child_mute(struct ctl_session *session, uint32_t spi_in)
{
	struct ctl_tunnel *t = tunnel_of(session);

	ctl_pairs_mute(&t->pairs, &t->env->pairs, &t->way, spi_in);
}

static void child_del(struct ctl_session *session, uint32_t spi_in)
{
	struct ctl_tunnel *t = tunnel_of(session);

	ctl_pairs_del(&t->pairs, &t->env->pairs, &t->way, spi_in);
}

static void established(struct ctl_session *session)
{
	struct ctl_tunnel *t = tunnel_of(session);

	t->established = true;
	log_info("overlay tunnel with %s is up", t->nickname);
	t->env->established(t->env->user, t);
}

static void ended(struct ctl_session *session, enum ike_end why)
{
	struct ctl_tunnel *t = tunnel_of(session);

	log_info("overlay tunnel with %s %s: %s", t->nickname,
		 t->established ? "is gone" : "did not come up", ike_end_name(why));
	(void)ctl_tunnel_stats(t); /* the last look */
	(void)ctl_pairs_down(&t->pairs, &t->env->pairs, &t->way);
	t->env->over(t->env->user, t);
}

static const struct ctl_session_ops tunnel_ops = {
	.child_up = child_up,
	.child_add = child_add,
	.child_switch = child_switch,
	.child_mute = child_mute,
	.child_del = child_del,
	.established = established,
	.ended = ended,
};

struct ctl_tunnel *ctl_tunnel_new(const struct ctl_tunnel_env *env, struct ctl_peer *peer,
				  const char *nickname, const struct dp_peer *dp)
{
	struct ctl_tunnel *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->session.ops = &tunnel_ops;
	t->env = env;
	t->peer = peer;
	t->nickname = nickname;
	t->way = dp_tunnel_way(env->pairs.dp, dp);
	t->since = io_loop_now(env->pairs.loop);
	return t;
}

void ctl_tunnel_close(struct ctl_tunnel *t, struct ctl_ike *ike)
{
	t->closing = true;
	ctl_ike_close(ike, &t->session);
}

struct dp_stats ctl_tunnel_stats(struct ctl_tunnel *t)
{
	return ctl_pairs_stats(&t->pairs, &t->env->pairs, &t->way);
}

void ctl_tunnel_look(struct ctl_tunnel *t, struct ctl_ike *ike)
{
	struct dp_stats stats;

	if (!t->established || t->closing)
		return;
	stats = ctl_tunnel_stats(t);
	switch (ike_alive_look(&t->alive, stats.packets_in, stats.packets_out,
			       io_loop_now(t->env->pairs.loop), IKE_ALIVE_SILENCE)) {
	case IKE_ALIVE_NOTHING:
		break;
	case IKE_ALIVE_HEARD:
		ctl_ike_heard(ike, &t->session);
		break;
	case IKE_ALIVE_ASK:
		log_debug("nothing comes from relay %s: asking", t->nickname);
		ctl_ike_probe(ike, &t->session, IKE_ALIVE_TRIES);
		break;
	}
}

void ctl_tunnel_expire(struct ctl_tunnel *t, struct ctl_ike *ike, uint32_t spi, bool hard)
{
	if (!hard) {
		ctl_ike_rekey_child(ike, &t->session, spi);
	} else if (ctl_pairs_need(&t->pairs, spi)) {
		log_info("overlay tunnel with %s was not rekeyed in time", t->nickname);
		ctl_tunnel_close(t, ike);
	}
}

void ctl_tunnel_lost(struct ctl_tunnel *t, struct ctl_ike *ike)
{
	uint32_t spi = ctl_pairs_overdue(&t->pairs, &t->env->pairs);

	if (spi != 0)
		ctl_ike_rekey_child(ike, &t->session, spi);
}
