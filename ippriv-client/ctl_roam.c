#include "ippriv-client/ctl_roam.h"

#include <errno.h>
#include <string.h>

#include "common/base/ike_port.h"
#include "common/base/log.h"
#include "ippriv-client/ctl_hop.h"

int ctl_roam_way(const struct ctl_circuit *c, struct ike_path *path)
{
	const struct dir_entry *entry = &c->conf.path.hops[0];
	struct endpoint to[2] = { { entry->address, entry->port }, { entry->address6, entry->port } };
	struct endpoint before = path->remote;
	size_t first = before.addr.family == AF_INET6;
	int r = -ENETUNREACH;

	for (size_t i = 0; i < ARRAY_SIZE(to); i++) {
		struct endpoint *e = &to[i == 0 ? first : !first];
		struct addr source;

		if (e->addr.family == 0)
			continue;
		if (path->floated)
			e->port = IKE_PORT_FLOATED;
		if (addr_equal(&e->addr, &before.addr))
			e->port = before.port;
		r = c->conf.ops->source(c->conf.user, &e->addr, &source);
		if (r < 0)
			continue;
		path->remote = *e;
		path->local.addr = source;
		return 0;
	}
	return r;
}

int ctl_roam_float(struct ike_sa *sa, struct ike_path *path)
{
	struct ctl_hop *hop = ike_sa_data(sa);
	const struct ctl_circuit_conf *conf = &hop->circuit->conf;
	struct ike_path to = hop->path;
	int r;

	if (ctl_hop_index(hop) != 0)
		return -EOPNOTSUPP;
	to.floated = true;
	to.remote.port = IKE_PORT_FLOATED;
	r = conf->ops->channel_open(conf->user, -1, &to);
	if (r < 0)
		return r;
	conf->ops->channel_close(conf->user, hop->path.channel);
	hop->path = *path = to;
	return 0;
}

static void give_up_next(struct ctl_hop *hop)
{
	const struct ctl_circuit_conf *conf = &hop->circuit->conf;

	if (hop->moving)
		conf->ops->channel_close(conf->user, hop->next.channel);
	hop->moving = false;
}

int ctl_roam_moved(struct ike_sa *sa)
{
	struct ctl_hop *hop = ike_sa_data(sa);
	struct ctl_circuit *c = hop->circuit;
	struct ike_sa_info info;
	struct dp_path path;
	int r;

	ike_sa_info(sa, &info);
	if (hop->moving && info.path.channel == hop->next.channel) {
		c->conf.ops->channel_close(c->conf.user, hop->path.channel);
		hop->moving = false;
	}
	hop->path = info.path;
	if (!hop->up)
		return 0;
	path = ctl_hop_layer_path(sa);
	r = dp_circuit_move(c->dp, ctl_hop_index(hop), &path);
	if (r < 0)
		ctl_circuit_refused(hop, "moving", r);
	else
		log_info("circuit %u has followed the host's address", c->conf.id);
	return r;
}

/* IDLE: milliseconds of silence before a probe. */
static void set_patience(struct ctl_circuit *c, uint32_t idle, uint32_t tolerate)
{
	for (size_t i = 0; i < CTL_CIRCUIT_HOPS; i++)
		if (c->hops[i].sa)
			ike_host_set_patience(c->conf.host, c->hops[i].sa, idle, tolerate);
}

static void go_away(struct ctl_circuit *c)
{
	if (c->state == CTL_CIRCUIT_BUILDING) {
		c->moved = true;
		ctl_circuit_fail(c, CTL_CIRCUIT_NO_HOP, "there is no route to its entry any more");
		return;
	}
	if (!c->away) {
		log_info("circuit %u waits: no route to its entry", c->conf.id);
		c->away_since = c->conf.ops->now(c->conf.user);
	}
	c->away = true;
	set_patience(c, UINT32_MAX, UINT32_MAX);
}

/*
 * Hops of many circuits may have been idle for too long by now. Those that were asked in the same
 * moment could tell that the circuits have one owner; only the entry knows that anyway.
 */
static void spread_probes(struct ctl_circuit *c, uint64_t now)
{
	for (size_t i = 1; i < CTL_CIRCUIT_HOPS; i++) {
		uint32_t delay = crypto_random_below(c->conf.rules.liveness + 1);

		if (c->hops[i].sa)
			ike_host_put_off(c->conf.host, c->hops[i].sa, now + delay);
	}
}

/* What waits for its answer is sent again after no more than it has waited for. */
static void come_back(struct ctl_circuit *c)
{
	uint64_t now = c->conf.ops->now(c->conf.user), grace = CTL_ROAM_GRACE_MS;

	if (c->away) {
		log_info("circuit %u goes on", c->conf.id);
		grace += now - c->away_since;
	}
	c->away = false;
	c->patient_until = now + (grace < CTL_ROAM_GRACE_MOST ? grace : CTL_ROAM_GRACE_MOST);
	spread_probes(c, now);
	set_patience(c, c->conf.rules.liveness, UINT32_MAX);
}

static int move(struct ctl_hop *hop, struct ike_path *to)
{
	const struct ctl_circuit_conf *conf = &hop->circuit->conf;
	int r = conf->ops->channel_open(conf->user, -1, to);

	if (r < 0)
		return r;
	give_up_next(hop);
	hop->next = *to;
	hop->moving = true;
	r = ike_host_move(conf->host, hop->sa, to);
	if (r < 0)
		give_up_next(hop);
	return r;
}

void ctl_roam_follow(struct ctl_circuit *c)
{
	struct ctl_hop *hop = &c->hops[0];
	const struct ike_path *now = hop->moving ? &hop->next : &hop->path;
	struct ike_path to = *now;
	bool stays;
	int r;

	if ((c->state != CTL_CIRCUIT_BUILDING && c->state != CTL_CIRCUIT_READY) || !hop->sa)
		return;
	if (ctl_roam_way(c, &to) < 0) {
		go_away(c);
		return;
	}
	stays = addr_equal(&to.local.addr, &now->local.addr) &&
		addr_equal(&to.remote.addr, &now->remote.addr);
	if (stays && !c->away)
		return;
	if (c->state == CTL_CIRCUIT_BUILDING) {
		c->moved = true;
		ctl_circuit_fail(c, CTL_CIRCUIT_NO_HOP, "the host's address has changed");
		return;
	}
	come_back(c);
	if (stays) {
		ike_host_probe(c->conf.host, hop->sa);
		return;
	}
	r = to.floated ? move(hop, &to) : -EOPNOTSUPP;
	if (r < 0)
		ctl_circuit_fail(c, CTL_CIRCUIT_NO_HOP, "the host's address has changed: %s",
				 r == -EOPNOTSUPP ? "the entry does not follow" : strerror(-r));
}

void ctl_roam_poll(struct ctl_circuit *c)
{
	if (c->away || c->patient_until == 0 ||
	    c->conf.ops->now(c->conf.user) < c->patient_until)
		return;
	c->patient_until = 0;
	set_patience(c, c->conf.rules.liveness, 0);
}
