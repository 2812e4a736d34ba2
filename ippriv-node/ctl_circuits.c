#include "ippriv-node/ctl_circuits.h"

#include <errno.h>
#include <stdlib.h>

#include "common/base/bucket.h"
#include "common/base/inner6.h"
#include "common/base/log.h"
#include "ippriv-node/ctl_circuit.h"
#include "ippriv-node/ctl_peer.h"
#include "ippriv-node/ctl_pool.h"

enum {
	ASK_TRIES = 4,    /* transmissions to a silent circuit whose place is wanted */
	ASK_FOR = 15000,  /* milliseconds that such a question may take, with time to spare */
};

/* For each share that may be full; looking for the most silent one costs a look at all. */
static const struct bucket_rate look_rate = { .tokens = 10, .period = 1000, .burst = 10 };

struct ctl_circuits {
	struct ctl_circuits_conf conf;
	struct ctl_circuit_env env;
	struct ctl_pool *pool;
	struct ctl_quota *quota;
	struct ctl_circuit *table;
	uint32_t next_number;
	struct bucket looks[CTL_QUOTA_FULLS];
	uint64_t admitted, refused; /* since the start */
};

static uint64_t now_of(const struct ctl_circuits *circuits)
{
	return io_loop_now(circuits->conf.loop);
}

static void on_roamed(void *user, struct ctl_circuit *c, const struct addr *outer)
{
	struct ctl_circuits *circuits = user;

	if (!addr_equal(&c->counted, outer) &&
	    ctl_quota_move(circuits->quota, &c->counted, outer, now_of(circuits)) == 0)
		c->counted = *outer;
}

static void on_over(void *user, struct ctl_circuit *c, bool clean)
{
	struct ctl_circuits *circuits = user;

	if (clean)
		ctl_pool_return(circuits->pool, &c->dp.assigned);
	ctl_quota_give(circuits->quota, &c->counted, c->dp.via.index, now_of(circuits));
	HASH_DEL(circuits->table, c);
	free(c);
}

static struct ctl_circuit *find(struct ctl_circuits *circuits, uint32_t number)
{
	struct ctl_circuit *c;

	HASH_FIND(hh, circuits->table, &number, sizeof(number), c);
	return c;
}

/* A number that no circuit has; there are fewer circuits than numbers. */
static uint32_t free_number(struct ctl_circuits *circuits)
{
	uint32_t number;

	do {
		number = circuits->next_number++;
		if (circuits->next_number > DP_CIRCUIT_LAST)
			circuits->next_number = DP_CIRCUIT_FIRST;
	} while (find(circuits, number));
	return number;
}

/* Where the client is: straight ahead, or behind an overlay peer whose pool has its address. */
static int find_via(struct ctl_circuits *circuits, const struct ike_path *path,
		    struct dp_peer *out)
{
	uint32_t index = dp_mark_to_index(path->mark);
	const struct addr *from = &path->remote.addr;
	const struct dp_self *self = &circuits->conf.self;

	if (index == 0) {
		*out = (struct dp_peer){ 0 };
		return prefix_contains(&self->pools, from) ? -EACCES : 0;
	}
	if (!addr_equal(&path->local.addr, &self->address) ||
	    ctl_peers_link(circuits->conf.peers, index, out) < 0 ||
	    !prefix_contains(&out->pool, from))
		return -EACCES;
	return 0;
}

/* An address from the pool, a number and a place in the table. */
static int register_circuit(struct ctl_circuits *circuits, struct ctl_circuit *c)
{
	uint32_t start;
	int err;

	crypto_random(&start, sizeof(start));
	err = ctl_pool_lease(circuits->pool, start, &c->dp.assigned);
	if (err < 0)
		return err;
	c->dp.way.number = free_number(circuits);
	HASH_ADD(hh, circuits->table, dp.way.number, sizeof(c->dp.way.number), c);
	if (!c->hh.tbl) {
		ctl_pool_return(circuits->pool, &c->dp.assigned);
		return -ENOMEM;
	}
	return 0;
}

static bool is_of(const struct ctl_circuit *c, enum ctl_quota_full full, const struct addr *outer,
		  uint32_t index)
{
	switch (full) {
	case CTL_QUOTA_FULL_ADDRESS:
		return c->dp.via.index == index && ctl_quota_same(&c->counted, outer);
	case CTL_QUOTA_FULL_PEER:
		return c->dp.via.index == index;
	case CTL_QUOTA_FULL_RELAY:
		return true;
	case CTL_QUOTA_ROOM:
	case CTL_QUOTA_FULLS:
		break;
	}
	return false;
}

/* Since when nothing came of C, UINT64_MAX: it does not count, or is being asked. */
static uint64_t silent_since(const struct ctl_circuits *circuits, const struct ctl_circuit *c,
			     uint64_t now)
{
	struct ike_sa_info info;

	if (!c->established || (c->asked_at != 0 && now - c->asked_at < ASK_FOR))
		return UINT64_MAX;
	ctl_ike_info(circuits->conf.ike, &c->session, &info);
	return info.last_heard;
}

/*
 * There was no place for a circuit of OUTER behind peer INDEX: asks the most silent one of those
 * that have them. IKE does not see a client's ESP, so only an answer tells one that is dead from
 * one that is busy; without an answer it ends, and the newcomer finds a place when it tries again.
 */
static void make_room(struct ctl_circuits *circuits, const struct addr *outer, uint32_t index,
		      uint64_t now)
{
	enum ctl_quota_full full = ctl_quota_full(circuits->quota, outer, index);
	struct ctl_circuit *c, *next, *quiet = NULL;
	uint64_t since = UINT64_MAX;

	if (full == CTL_QUOTA_ROOM || !bucket_take(&circuits->looks[full], &look_rate, now))
		return;
	HASH_ITER(hh, circuits->table, c, next) {
		uint64_t at = is_of(c, full, outer, index) ? silent_since(circuits, c, now) :
							     UINT64_MAX;

		if (at < since) {
			since = at;
			quiet = c;
		}
	}
	if (!quiet || now < since || now - since <= circuits->conf.idle)
		return;
	quiet->asked_at = now;
	log_debug("circuit %u is silent and its place is wanted: asking", quiet->dp.way.number);
	ctl_ike_probe_finally(circuits->conf.ike, &quiet->session, ASK_TRIES);
}

int ctl_circuits_admit(struct ctl_circuits *circuits, const struct ike_path *path, bool encap,
		       struct ike_lease *lease, struct ctl_session **session)
{
	struct dp_way way = ctl_circuit_way(0, path, encap);
	uint64_t now = now_of(circuits);
	struct ctl_circuit *c;
	struct dp_peer via;
	int err;

	err = find_via(circuits, path, &via);
	if (err == 0)
		err = ctl_quota_take(circuits->quota, &way.far, via.index, now);
	if (err == -EBUSY) {
		circuits->refused++;
		make_room(circuits, &way.far, via.index, now);
	}
	if (err < 0)
		return err;
	c = ctl_circuit_new(&circuits->env, &via, &way);
	err = c ? register_circuit(circuits, c) : -ENOMEM;
	if (err < 0) {
		ctl_quota_give(circuits->quota, &way.far, via.index, now);
		free(c);
		return err;
	}
	c->since = now;
	circuits->admitted++;
	*lease = (struct ike_lease){ .address = c->dp.assigned };
	/* Not to who comes straight, who is no client of an exit: it may move, with what it has. */
	if (circuits->conf.six && via.index != 0)
		lease->address6 = inner6_addr(&c->dp.assigned);
	if (circuits->conf.dns.family != 0)
		lease->dns[lease->dns_count++] = circuits->conf.dns;
	*session = &c->session;
	return 0;
}

int ctl_circuits_new(const struct ctl_circuits_conf *conf, struct ctl_circuits **out)
{
	struct ctl_circuits *circuits = calloc(1, sizeof(*circuits));
	int err;

	if (!circuits)
		return -ENOMEM;
	circuits->conf = *conf;
	circuits->env = (struct ctl_circuit_env){
		.pairs = { .dp = conf->dp, .loop = conf->loop, .life = conf->life },
		.ike = conf->ike, .pools = conf->self.pools,
		.idle = conf->idle, .silence = conf->silence, .roamed = on_roamed,
		.over = on_over, .user = circuits,
	};
	circuits->next_number =
		DP_CIRCUIT_FIRST + crypto_random_below(DP_CIRCUIT_LAST - DP_CIRCUIT_FIRST);
	err = ctl_pool_new(&conf->self.pool, &circuits->pool);
	if (err == 0)
		err = ctl_quota_new(&conf->quota, &circuits->quota);
	if (err < 0) {
		ctl_circuits_free(circuits);
		return err;
	}
	*out = circuits;
	return 0;
}

void ctl_circuits_free(struct ctl_circuits *circuits)
{
	if (!circuits)
		return;
	ctl_quota_free(circuits->quota);
	ctl_pool_free(circuits->pool);
	free(circuits);
}

void ctl_circuits_close(struct ctl_circuits *circuits, uint32_t index)
{
	struct ctl_circuit *c, *next;

	HASH_ITER(hh, circuits->table, c, next)
		if (index == 0 || c->dp.via.index == index)
			ctl_ike_close(circuits->conf.ike, &c->session);
}

void ctl_circuits_drop(struct ctl_circuits *circuits, uint32_t index, const struct prefix *pool)
{
	struct ctl_circuit *c, *next;

	HASH_ITER(hh, circuits->table, c, next)
		if (c->dp.via.index == index && !(pool && prefix_contains(pool, &c->dp.way.far)))
			ctl_ike_drop(circuits->conf.ike, &c->session);
}

void ctl_circuits_expire(struct ctl_circuits *circuits, uint32_t number, uint32_t spi, bool hard)
{
	struct ctl_circuit *c = find(circuits, number);

	if (c)
		ctl_circuit_expire(c, spi, hard);
}

void ctl_circuits_lost(struct ctl_circuits *circuits)
{
	struct ctl_circuit *c, *next;

	HASH_ITER(hh, circuits->table, c, next)
		ctl_circuit_lost(c);
}

void ctl_circuits_mapping(struct ctl_circuits *circuits, uint32_t number,
			  const struct endpoint *remote)
{
	struct ctl_circuit *c = find(circuits, number);

	if (c)
		ctl_circuit_mapping(c, remote);
}

size_t ctl_circuits_count(const struct ctl_circuits *circuits)
{
	return HASH_COUNT(circuits->table);
}

struct ctl_circuits_counts ctl_circuits_counts(const struct ctl_circuits *circuits)
{
	struct ctl_circuits_counts counts = { .admitted = circuits->admitted,
					      .refused = circuits->refused };

	for (const struct ctl_circuit *c = circuits->table; c; c = c->hh.next)
		*(c->dp.via.index == 0 ? &counts.entry : &counts.inner) += 1;
	return counts;
}

void ctl_circuits_each(struct ctl_circuits *circuits,
		       void (*cb)(void *data, const struct ctl_circuit_info *info), void *data)
{
	uint64_t now = now_of(circuits);
	struct ctl_circuit *c, *next;

	HASH_ITER(hh, circuits->table, c, next) {
		struct ctl_circuit_info info = {
			.number = c->dp.way.number,
			.assigned = c->dp.assigned,
			.outer = c->dp.way.far,
			.via = ctl_peers_name(circuits->conf.peers, c->dp.via.index),
			.established = c->established,
			.age = now - c->since,
			.stats = ctl_pairs_stats(&c->pairs, &circuits->env.pairs, &c->dp.way),
		};

		if (c->dp.six)
			info.assigned6 = inner6_addr(&c->dp.assigned);
		ctl_ike_info(circuits->conf.ike, &c->session, &info.ike);
		cb(data, &info);
	}
}
