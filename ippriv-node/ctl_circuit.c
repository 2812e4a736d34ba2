#include "ippriv-node/ctl_circuit.h"

#include <errno.h>
#include <stdlib.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "common/base/log.h"
#include "ippriv-node/ctl_keys.h"
#include "ippriv-node/ctl_peer.h"
#include "ippriv-node/ctl_pool.h"
#include "ippriv-node/ctl_quota.h"

enum { AGE_AGAIN = 1000 }; /* milliseconds until those that are still closing are looked at again */

struct circuit {
	struct ctl_session session; /* first: a session is its circuit */
	struct ctl_circuits *owner;
	struct dp_circuit dp;
	bool up, established;
	uint32_t spi_in, spi_out;
	uint64_t since;
	UT_hash_handle hh; /* by dp.number */
};

struct ctl_circuits {
	struct ctl_circuits_conf conf;
	struct ctl_pool *pool;
	struct ctl_quota *quota;
	struct io_timer *age;
	struct circuit *table; /* oldest first */
	uint32_t next_number;
};

static struct circuit *circuit_of(struct ctl_session *session)
{
	return (struct circuit *)session;
}

static int circuit_child_up(struct ctl_session *session, const struct ike_child *child)
{
	struct circuit *c = circuit_of(session);
	struct dp_keys keys;
	int err;

	ctl_keys_from_child(child, &keys);
	err = dp_circuit_up(c->owner->conf.dp, &c->dp, &keys);
	crypto_wipe(&keys, sizeof(keys));
	if (err < 0)
		return err;
	c->up = true;
	c->spi_in = child->spi_in;
	c->spi_out = child->spi_out;
	return 0;
}

static void circuit_established(struct ctl_session *session)
{
	struct circuit *c = circuit_of(session);

	c->established = true;
	log_info("circuit %u is up", c->dp.number);
}

static void circuit_free(struct circuit *c)
{
	struct ctl_circuits *owner = c->owner;
	int err = 0;

	if (c->up)
		err = dp_circuit_down(owner->conf.dp, &c->dp, c->spi_in, c->spi_out);
	if (err == 0)
		ctl_pool_return(owner->pool, &c->dp.assigned);
	ctl_quota_give(owner->quota, &c->dp.outer, c->dp.via.index, io_loop_now(owner->conf.loop));
	HASH_DEL(owner->table, c);
	free(c);
}

static void circuit_ended(struct ctl_session *session, enum ike_end why)
{
	struct circuit *c = circuit_of(session);

	log_info("circuit %u is gone: %s", c->dp.number, ike_end_name(why));
	circuit_free(c);
}

static const struct ctl_session_ops circuit_ops = {
	.child_up = circuit_child_up,
	.established = circuit_established,
	.ended = circuit_ended,
};

/* A number that no circuit has; there are fewer circuits than numbers. */
static uint32_t free_number(struct ctl_circuits *circuits)
{
	struct circuit *taken;
	uint32_t number;

	do {
		number = circuits->next_number++;
		if (circuits->next_number > DP_CIRCUIT_LAST)
			circuits->next_number = DP_CIRCUIT_FIRST;
		HASH_FIND(hh, circuits->table, &number, sizeof(number), taken);
	} while (taken);
	return number;
}

/* Where the client is: straight ahead, or behind an overlay peer whose pool has its address. */
static int find_via(struct ctl_circuits *circuits, const struct ike_path *path,
		    struct dp_peer *out)
{
	uint32_t index = dp_mark_to_index(path->mark);
	const struct addr *from = &path->remote.addr;

	if (index == 0) {
		*out = (struct dp_peer){ 0 };
		return prefix_contains(&circuits->conf.self.pools, from) ? -EACCES : 0;
	}
	if (ctl_peers_link(circuits->conf.peers, index, out) < 0 ||
	    !prefix_contains(&out->pool, from))
		return -EACCES;
	return 0;
}

static void arm_age(struct ctl_circuits *circuits)
{
	uint64_t now = io_loop_now(circuits->conf.loop), at;

	if (!circuits->table)
		return;
	at = circuits->table->since + circuits->conf.most_age;
	io_timer_start(circuits->age, at > now ? at - now : AGE_AGAIN);
}

static void on_age(void *data)
{
	struct ctl_circuits *circuits = data;
	uint64_t now = io_loop_now(circuits->conf.loop);
	struct circuit *c, *next;

	HASH_ITER(hh, circuits->table, c, next) {
		if (now - c->since < circuits->conf.most_age)
			break;
		log_info("circuit %u is too old", c->dp.number);
		ctl_ike_close(circuits->conf.ike, &c->session);
	}
	arm_age(circuits);
}

/* An address from the pool, a number and a place in the table. */
static int register_circuit(struct ctl_circuits *circuits, struct circuit *c)
{
	uint32_t start;
	int err;

	crypto_random(&start, sizeof(start));
	err = ctl_pool_lease(circuits->pool, start, &c->dp.assigned);
	if (err < 0)
		return err;
	c->dp.number = free_number(circuits);
	HASH_ADD(hh, circuits->table, dp.number, sizeof(c->dp.number), c);
	if (!c->hh.tbl) {
		ctl_pool_return(circuits->pool, &c->dp.assigned);
		return -ENOMEM;
	}
	if (HASH_COUNT(circuits->table) == 1)
		arm_age(circuits);
	return 0;
}

int ctl_circuits_admit(struct ctl_circuits *circuits, const struct ike_path *path,
		       struct ike_lease *lease, struct ctl_session **session)
{
	struct circuit *c;
	int err;

	if (HASH_COUNT(circuits->table) >= circuits->conf.most)
		return -EBUSY;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->session.ops = &circuit_ops;
	c->owner = circuits;
	c->dp.outer = path->remote.addr;
	c->since = io_loop_now(circuits->conf.loop);
	err = find_via(circuits, path, &c->dp.via);
	if (err == 0)
		err = ctl_quota_take(circuits->quota, &c->dp.outer, c->dp.via.index, c->since);
	if (err < 0)
		goto out;
	err = register_circuit(circuits, c);
	if (err < 0) {
		ctl_quota_give(circuits->quota, &c->dp.outer, c->dp.via.index, c->since);
		goto out;
	}
	*lease = (struct ike_lease){ .address = c->dp.assigned };
	if (circuits->conf.dns.family != 0)
		lease->dns[lease->dns_count++] = circuits->conf.dns;
	*session = &c->session;
	c = NULL;
out:
	free(c);
	return err;
}

int ctl_circuits_new(const struct ctl_circuits_conf *conf, struct ctl_circuits **out)
{
	struct ctl_circuits *circuits = calloc(1, sizeof(*circuits));
	int err;

	if (!circuits)
		return -ENOMEM;
	circuits->conf = *conf;
	circuits->next_number =
		DP_CIRCUIT_FIRST + crypto_random_below(DP_CIRCUIT_LAST - DP_CIRCUIT_FIRST);
	err = ctl_pool_new(&conf->self.pool, &circuits->pool);
	if (err == 0)
		err = ctl_quota_new(conf->most, &circuits->quota);
	if (err == 0)
		err = io_timer_new(conf->loop, on_age, circuits, &circuits->age);
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
	if (circuits->age)
		io_timer_free(circuits->age);
	ctl_quota_free(circuits->quota);
	ctl_pool_free(circuits->pool);
	free(circuits);
}

void ctl_circuits_close(struct ctl_circuits *circuits, uint32_t index)
{
	struct circuit *c, *next;

	HASH_ITER(hh, circuits->table, c, next)
		if (index == 0 || c->dp.via.index == index)
			ctl_ike_close(circuits->conf.ike, &c->session);
}

void ctl_circuits_drop(struct ctl_circuits *circuits, uint32_t index, const struct prefix *pool)
{
	struct circuit *c, *next;

	HASH_ITER(hh, circuits->table, c, next)
		if (c->dp.via.index == index && !(pool && prefix_contains(pool, &c->dp.outer)))
			ctl_ike_drop(circuits->conf.ike, &c->session);
}

size_t ctl_circuits_count(const struct ctl_circuits *circuits)
{
	return HASH_COUNT(circuits->table);
}

void ctl_circuits_each(struct ctl_circuits *circuits,
		       void (*cb)(void *data, const struct ctl_circuit_info *info), void *data)
{
	uint64_t now = io_loop_now(circuits->conf.loop);
	struct circuit *c, *next;

	HASH_ITER(hh, circuits->table, c, next) {
		struct ctl_circuit_info info = {
			.number = c->dp.number,
			.assigned = c->dp.assigned,
			.outer = c->dp.outer,
			.via = ctl_peers_name(circuits->conf.peers, c->dp.via.index),
			.established = c->established,
			.age = now - c->since,
		};

		if (c->up && dp_stats(circuits->conf.dp, &c->dp.outer, c->spi_in, c->spi_out,
				      &info.stats) < 0)
			log_debug("no counters for circuit %u", c->dp.number);
		cb(data, &info);
	}
}
