#include "ippriv-client/ctl_hop.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/log.h"
#include "ippriv-client/ctl_roam.h"
#include "ippriv-client/ctl_six.h"

enum {
	EARLY = 1000, /* milliseconds by which the kernel may tell: its clock has seconds */
	SPREAD = 20,  /* this part of its life an SA is used on when a rekeying is put off */
};

/* Every relay assigns from these: RFC 6598's shared address space. */
static const struct prefix pools = { { AF_INET, { 100, 64 } }, 10 };

/* The first hop is spoken to by the host's sockets, the others from inside the layer before. */
static int open_channel(struct ctl_hop *hop)
{
	struct ctl_circuit *c = hop->circuit;
	size_t i = ctl_hop_index(hop);
	const struct dir_entry *relay = &c->conf.path.hops[i];
	int fd = -1, r;

	if (i == 0) {
		r = ctl_roam_way(c, &hop->path);
		c->away = r < 0;
		if (r < 0)
			return r;
	} else {
		fd = dp_circuit_socket(c->dp, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
				       0);
		if (fd < 0)
			return fd;
		hop->path.remote = (struct endpoint){ relay->address, relay->port };
		hop->path.local.addr = c->hops[i - 1].lease.address;
	}
	r = c->conf.ops->channel_open(c->conf.user, fd, &hop->path);
	hop->open = r == 0;
	return r;
}

/* While the hop answers. */
static void prepare(struct ctl_hop *hop)
{
	struct ctl_circuit *c = hop->circuit;
	int r = dp_circuit_prepare(c->dp);

	if (r < 0)
		ctl_circuit_fail(c, CTL_CIRCUIT_NO_HOP, "preparing layer %zu: %s (%s)",
				 ctl_hop_index(hop) + 1, dp_error(c->conf.dp), strerror(-r));
}

void ctl_hop_start(struct ctl_hop *hop)
{
	struct ctl_circuit *c = hop->circuit;
	size_t i = ctl_hop_index(hop);
	const struct prefix any = { .addr = addr_v4(0) };
	struct ike_init_conf init = {
		.auth = c->conf.path.hops[i].flags & DIR_FLAG_PSK ? IKE_AUTH_PSK : IKE_AUTH_NULL,
		.peer = c->conf.path.hops[i].identity,
		.want_lease = true,
		.ts_local = { 1, { any } },
		.ts_remote = { 1, { any } },
		.first_layer = i == 0,
		.force_encap = i == 0 && c->conf.rules.force_encap,
	};
	int r;

	ctl_six_ask(hop, &init);
	r = open_channel(hop);
	if (r == 0) {
		init.path = hop->path;
		r = ike_host_initiate(c->conf.host, &init, hop, &hop->sa);
	}
	if (r < 0)
		ctl_circuit_fail(c, CTL_CIRCUIT_NO_HOP, "cannot speak to hop %zu: %s", i + 1,
				 strerror(-r));
	else
		prepare(hop);
}

bool ctl_hop_leave(struct ctl_hop *hop)
{
	struct ike_host *host = hop->circuit->conf.host;

	if (hop->sa && ctl_hop_index(hop) >= hop->circuit->broken)
		ike_host_drop(host, hop->sa, IKE_END_LOCAL);
	else if (hop->sa && !hop->closing) {
		hop->closing = true;
		ike_host_close(host, hop->sa);
	}
	return hop->sa == NULL;
}

void ctl_hop_fini(struct ctl_hop *hop)
{
	struct ctl_circuit *c = hop->circuit;

	dp_circuit_cut(c->dp, ctl_hop_index(hop));
	hop->up = false;
	if (hop->moving)
		c->conf.ops->channel_close(c->conf.user, hop->next.channel);
	if (hop->open)
		c->conf.ops->channel_close(c->conf.user, hop->path.channel);
	hop->moving = hop->open = false;
}

void ctl_hop_poll(struct ctl_hop *hop)
{
	struct ctl_circuit *c = hop->circuit;
	uint64_t sent = hop->alive.out;
	struct dp_stats stats;

	if (!hop->up || !hop->sa || dp_circuit_stats(c->dp, ctl_hop_index(hop), &stats) < 0)
		return;
	switch (ike_alive_look(&hop->alive, stats.in.packets, stats.out.packets,
			       c->conf.ops->now(c->conf.user), c->conf.rules.silence)) {
	case IKE_ALIVE_NOTHING:
		break;
	case IKE_ALIVE_HEARD:
		ike_host_heard(c->conf.host, hop->sa);
		break;
	case IKE_ALIVE_ASK:
		if (!c->away && c->patient_until == 0)
			ike_host_probe_briefly(c->conf.host, hop->sa, IKE_ALIVE_TRIES);
		break;
	}
	if (hop->sa && stats.out.packets != sent)
		ike_host_spoke(c->conf.host, hop->sa);
}

/* Whether the kernel may have told that the newest pair is to be replaced: for its age, */
static bool is_old(const struct ctl_hop *hop)
{
	const struct ctl_circuit_conf *conf = &hop->circuit->conf;

	return conf->ops->now(conf->user) + EARLY >= hop->since + hop->life.soft_seconds * 1000;
}

/* or for what it has carried. */
static bool has_carried(const struct ctl_hop *hop, uint64_t bytes)
{
	struct dp_stats now;

	return dp_circuit_stats(hop->circuit->dp, ctl_hop_index(hop), &now) == 0 &&
	       (now.in.bytes - hop->from.in.bytes >= bytes ||
		now.out.bytes - hop->from.out.bytes >= bytes);
}

/*
 * The kernel's clock goes on while the host sleeps, ours does not: then all layers of all circuits
 * are past their limits at once, and hops that were asked in one moment could tell that they belong
 * together. The entry knows anyway. Milliseconds by which HOP is asked later.
 */
static uint32_t spread(const struct ctl_hop *hop)
{
	const struct ctl_circuit_rules *rules = &hop->circuit->conf.rules;
	uint64_t most = (uint64_t)rules->life.seconds * 1000 / SPREAD;

	if (ctl_hop_index(hop) == 0 || has_carried(hop, hop->life.soft_bytes / 2))
		return 0;
	return crypto_random_below((uint32_t)(most < rules->liveness ? most : rules->liveness) + 1);
}

void ctl_hop_event(struct ctl_hop *hop, const struct dp_event *event)
{
	struct ctl_circuit *c = hop->circuit;
	size_t i = ctl_hop_index(hop);
	struct ike_sa_info info;

	if (!hop->sa)
		return;
	ike_sa_info(hop->sa, &info);
	if (!event->hard)
		ike_host_rekey_child_later(c->conf.host, hop->sa, event->spi,
					   is_old(hop) ? 0 : spread(hop));
	else if (event->spi == info.child_in || event->spi == info.child_out)
		ctl_circuit_fail(c, c->away ? CTL_CIRCUIT_NO_HOP : i,
				 "hop %zu: the SA has expired before there was another", i + 1);
}

/* LIFE is that of the pair that was added now. */
static void note_pair(struct ctl_hop *hop, const struct life *life)
{
	struct ctl_circuit *c = hop->circuit;

	hop->life = *life;
	hop->since = c->conf.ops->now(c->conf.user);
	if (dp_circuit_stats(c->dp, ctl_hop_index(hop), &hop->from) < 0)
		hop->from = (struct dp_stats){ 0 };
}

void ctl_hop_renew(struct ctl_hop *hop)
{
	struct ike_sa_info info;

	if (!hop->sa || !hop->up || !(is_old(hop) || has_carried(hop, hop->life.soft_bytes)))
		return;
	ike_sa_info(hop->sa, &info);
	if (info.child_in)
		ike_host_rekey_child_later(hop->circuit->conf.host, hop->sa, info.child_in,
					   spread(hop));
}

struct dp_path ctl_hop_layer_path(const struct ike_sa *sa)
{
	struct dp_path path;
	struct ike_sa_info info;

	ike_sa_info(sa, &info);
	path = (struct dp_path){ info.path.local, info.path.remote };
	if (!info.encap)
		path.local.port = path.remote.port = 0;
	return path;
}

static bool covers(const struct ike_ts_list *list, const struct addr *a)
{
	for (size_t i = 0; i < list->count; i++)
		if (prefix_contains(&list->items[i], a))
			return true;
	return false;
}

/* Whether what the hop granted carries the telescope: an address of ours, and a way on. */
static int judge(const struct ctl_hop *hop, const struct ike_child *child,
		 const struct ike_lease *lease)
{
	const struct ctl_circuit *c = hop->circuit;
	size_t i = ctl_hop_index(hop);

	if (!lease || !prefix_contains(&pools, &lease->address) ||
	    !covers(&child->ts_local, &lease->address))
		return -EADDRNOTAVAIL;
	if (i + 1 < CTL_CIRCUIT_HOPS &&
	    !covers(&child->ts_remote, &c->conf.path.hops[i + 1].address))
		return -EHOSTUNREACH;
	return 0;
}

static struct dp_pair pair_of(const struct ctl_hop *hop, const struct ike_child *child)
{
	return (struct dp_pair){
		.spi_in = child->spi_in,
		.spi_out = child->spi_out,
		.aead = child->encr == IKE_ENCR_AES_GCM_16 ? DP_AEAD_AES_GCM_256 :
							     DP_AEAD_CHACHA20_POLY1305,
		.esn = child->esn,
		.key_in = child->key_in,
		.key_out = child->key_out,
		.life = life_early(&hop->circuit->conf.rules.life, crypto_random_source, NULL),
	};
}

static void pair_wipe(struct dp_pair *pair)
{
	secret_wipe(&pair->key_in);
	secret_wipe(&pair->key_out);
}

int ctl_hop_child_up(struct ike_sa *sa, const struct ike_child *child,
		     const struct ike_lease *lease)
{
	struct ctl_hop *hop = ike_sa_data(sa);
	struct ctl_circuit *c = hop->circuit;
	struct ike_lease own = lease ? *lease : (struct ike_lease){ 0 };
	struct dp_layer layer;
	int r;

	if (c->state != CTL_CIRCUIT_BUILDING)
		return -ECANCELED;
	r = judge(hop, child, lease);
	if (r == 0)
		r = ctl_six_judge(child, &own);
	if (r < 0) {
		snprintf(c->refusal, sizeof(c->refusal), "hop %zu granted what is of no use: %s",
			 ctl_hop_index(hop) + 1, strerror(-r));
		return r;
	}
	layer = (struct dp_layer){ .path = ctl_hop_layer_path(sa), .inner = own.address,
				   .inner6 = own.address6, .pair = pair_of(hop, child) };
	r = dp_circuit_push(c->dp, &layer);
	pair_wipe(&layer.pair);
	if (r < 0) {
		ctl_circuit_refused(hop, "installing", r);
		return r;
	}
	hop->lease = own;
	hop->up = true;
	note_pair(hop, &layer.pair.life);
	return 0;
}

int ctl_hop_child_add(struct ike_sa *sa, const struct ike_child *child, bool in_only)
{
	struct ctl_hop *hop = ike_sa_data(sa);
	struct ctl_circuit *c = hop->circuit;
	struct dp_pair pair;
	int r;

	if (!hop->up)
		return -ENOENT;
	pair = pair_of(hop, child);
	r = dp_pair_add(c->dp, ctl_hop_index(hop), &pair, in_only);
	pair_wipe(&pair);
	if (r == 0)
		note_pair(hop, &pair.life);
	else
		log_warning("circuit %u: another SA to hop %zu: %s (%s)", c->conf.id,
			    ctl_hop_index(hop) + 1, dp_error(c->conf.dp), strerror(-r));
	return r;
}

int ctl_hop_child_switch(struct ike_sa *sa, const struct ike_child *child)
{
	struct ctl_hop *hop = ike_sa_data(sa);
	struct dp_pair pair = pair_of(hop, child);
	int r = dp_pair_switch(hop->circuit->dp, ctl_hop_index(hop), &pair);

	pair_wipe(&pair);
	if (r < 0)
		ctl_circuit_refused(hop, "renewing", r);
	return r;
}

void ctl_hop_child_mute(struct ike_sa *sa, uint32_t spi_in)
{
	struct ctl_hop *hop = ike_sa_data(sa);

	dp_pair_mute(hop->circuit->dp, ctl_hop_index(hop), spi_in);
}

void ctl_hop_child_del(struct ike_sa *sa, uint32_t spi_in)
{
	struct ctl_hop *hop = ike_sa_data(sa);
	size_t i = ctl_hop_index(hop);

	/* A move had left no other, and the hop has given up the one that was left. */
	if (!dp_pair_del(hop->circuit->dp, i, spi_in))
		ctl_circuit_fail(hop->circuit, CTL_CIRCUIT_NO_HOP,
				 "hop %zu: no SA is left to receive with", i + 1);
}

void ctl_hop_replaced(struct ike_sa *sa)
{
	((struct ctl_hop *)ike_sa_data(sa))->sa = sa;
}
