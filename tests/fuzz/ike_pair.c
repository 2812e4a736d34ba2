#include "ike_pair.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/inner6.h"

static void must(bool condition)
{
	if (!condition)
		abort();
}

static uint64_t next_random(uint64_t *seed) /* splitmix64 */
{
	uint64_t z = *seed += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

struct pair_side *pair_other(struct pair_side *side)
{
	return side == &side->pair->a ? &side->pair->b : &side->pair->a;
}

struct ike_path pair_path(const struct pair_side *side)
{
	struct ike_path p = { .local = { addr_v4(0xc0000201), 500 },
			      .remote = { addr_v4(0xc6336401), 500 } };

	if (side == &side->pair->b)
		p = (struct ike_path){ .local = p.remote, .remote = p.local };
	return p;
}

/* ---- children of an SA, as a kernel would hold them ---- */

static struct pair_child *find_child(struct pair_record *r, uint32_t spi_in)
{
	for (size_t i = 0; i < r->child_count; i++)
		if (r->children[i].spi_in == spi_in)
			return &r->children[i];
	return NULL;
}

static void add_child(struct pair_record *r, const struct ike_child *child, bool in_only)
{
	must(child->spi_in >= IKE_ESP_SPI_MIN && !find_child(r, child->spi_in));
	must(child->key_in.len == IKE_KEY_SIZE && child->key_out.len == IKE_KEY_SIZE);
	must(child->ts_local.count > 0 && child->ts_local.count <= IKE_TS_MAX);
	must(child->ts_remote.count > 0 && child->ts_remote.count <= IKE_TS_MAX);
	must(r->child_count < PAIR_CHILDREN);
	r->children[r->child_count++] = (struct pair_child){ child->spi_in, in_only };
}

/* ---- ops ---- */

/* The callee may close or drop any SA, this one included. */
static void meddle(struct pair_side *side, struct ike_sa *sa)
{
	struct pair *pair = side->pair;
	struct ike_sa *oldest = side->host->by_spi;

	if (pair->meddle == PAIR_MEDDLE_NOT || pair->meddle_in-- > 0)
		return;
	switch (pair->meddle) {
	case PAIR_MEDDLE_NOT:
		break;
	case PAIR_MEDDLE_DROP:
		ike_host_drop(side->host, sa, IKE_END_TIMEOUT);
		break;
	case PAIR_MEDDLE_CLOSE:
		ike_host_close(side->host, sa);
		break;
	case PAIR_MEDDLE_DROP_OLDEST:
		if (oldest->state != IKE_STATE_DEAD)
			ike_host_drop(side->host, oldest, IKE_END_LOCAL);
		break;
	}
	pair->meddle = PAIR_MEDDLE_NOT;
}

static void op_send(void *user, const struct ike_path *path, const uint8_t *msg, size_t len)
{
	struct pair_side *from = user, *to = pair_other(from);
	struct pair *pair = from->pair;
	struct pair_datagram *g = &pair->queue[(pair->head + pair->count) % PAIR_QUEUE];

	must(len >= IKE_HEADER_SIZE && len <= sizeof(g->msg));
	if (pair->tap)
		pair->tap(pair->tap_data, to, msg, len);
	if (pair->count == PAIR_QUEUE)
		return;
	pair->count++;
	g->to = to;
	g->path = *path;
	g->path.local = path->remote;
	g->path.remote = path->local;
	g->len = len;
	memcpy(g->msg, msg, len);
}

static uint64_t op_now(void *user)
{
	return ((struct pair_side *)user)->pair->now;
}

static void op_random(void *user, void *out, size_t len)
{
	uint64_t *seed = &((struct pair_side *)user)->pair->seed;
	uint8_t *p = out;

	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)next_random(seed);
}

static int op_admit(void *user, struct ike_sa *sa, const struct ike_peer *peer, bool want_lease,
		    struct ike_lease *lease, struct ike_ts_list *local)
{
	struct pair_side *side = user;
	struct pair_record *r;

	(void)peer;
	must(!ike_sa_data(sa));
	must(side->count < PAIR_RECORDS);
	r = &side->records[side->count++];
	*r = (struct pair_record){ .side = side, .sa = sa };
	ike_sa_set_data(sa, r);
	local->count = 1;
	local->items[0] = (struct prefix){ .addr.family = AF_INET };
	if (want_lease)
		*lease = (struct ike_lease){ .address = addr_v4(0x64400007), .dns_count = 1,
					     .dns = { addr_v4(0x64400001) } };
	if (side->pair->conf.address6) {
		local->items[local->count++] = (struct prefix){ .addr.family = AF_INET6 };
		lease->address6 = inner6_addr(&lease->address);
	}
	meddle(side, sa);
	if (side->count == PAIR_RECORDS)
		return -EBUSY;
	return side->pair->conf.refusal;
}

static struct pair_record *record_of(void *user, struct ike_sa *sa)
{
	struct pair_record *r = ike_sa_data(sa);

	must(r && r->side == user && r->sa == sa);
	return r;
}

/* IPv6 is agreed on with an address for it, or not at all. */
static bool has_families(const struct ike_ts_list *list, const struct ike_lease *lease)
{
	bool six = false;

	for (size_t i = 0; i < list->count; i++)
		six |= list->items[i].addr.family == AF_INET6;
	return six || lease->address6.family == 0;
}

static int op_child_up(void *user, struct ike_sa *sa, const struct ike_child *child,
		       const struct ike_lease *lease)
{
	struct pair_record *r = record_of(user, sa);

	must(r->child_count == 0);
	must(!lease || lease->address.family == AF_INET);
	must(!lease || lease->dns_count <= IKE_DNS_MAX);
	must(!lease || has_families(&child->ts_local, lease));
	must(!lease || has_families(&child->ts_remote, lease));
	add_child(r, child, false);
	meddle(user, sa);
	return 0;
}

static int op_child_add(void *user, struct ike_sa *sa, const struct ike_child *child,
			uint32_t replaces, bool in_only)
{
	struct pair_record *r = record_of(user, sa);

	must(find_child(r, replaces));
	if (r->side->pair->conf.refusal)
		return r->side->pair->conf.refusal;
	add_child(r, child, in_only);
	meddle(user, sa);
	return 0;
}

static int op_child_switch(void *user, struct ike_sa *sa, const struct ike_child *child)
{
	struct pair_child *c = find_child(record_of(user, sa), child->spi_in);

	must(c && c->in_only);
	c->in_only = false;
	meddle(user, sa);
	return 0;
}

static void op_child_mute(void *user, struct ike_sa *sa, uint32_t spi_in)
{
	struct pair_child *c = find_child(record_of(user, sa), spi_in);

	must(c && !c->in_only);
	c->in_only = true;
	meddle(user, sa);
}

static void op_child_del(void *user, struct ike_sa *sa, uint32_t spi_in)
{
	struct pair_record *r = record_of(user, sa);
	struct pair_child *c = find_child(r, spi_in);

	must(c);
	*c = r->children[--r->child_count];
	meddle(user, sa);
}

static void op_replaced(void *user, struct ike_sa *old, struct ike_sa *sa)
{
	struct pair_record *r = ike_sa_data(sa);

	must(r && r->side == user && r->sa == old);
	r->sa = sa;
	meddle(user, sa);
}

static int op_float_path(void *user, struct ike_sa *sa, struct ike_path *path)
{
	must(record_of(user, sa) && !path->floated);
	path->local.port = path->remote.port = 4500;
	path->floated = true;
	meddle(user, sa);
	return 0;
}

static void op_keepalive(void *user, const struct ike_path *path)
{
	must(user && path->remote.port != 0);
}

static int op_moved(void *user, struct ike_sa *sa, const struct ike_path *from, bool from_encap)
{
	struct ike_sa_info info;

	must(record_of(user, sa));
	ike_sa_info(sa, &info);
	must(info.encap != from_encap || memcmp(&info.path, from, sizeof(*from)) != 0);
	meddle(user, sa);
	return 0;
}

static void op_established(void *user, struct ike_sa *sa)
{
	must(record_of(user, sa)->child_count > 0);
	meddle(user, sa);
}

static void op_ended(void *user, struct ike_sa *sa, enum ike_end why)
{
	struct pair_record *r = record_of(user, sa);

	must(ike_end_name(why));
	r->sa = NULL;
}

static const struct ike_ops ops = {
	.send = op_send, .now = op_now, .random = op_random, .admit = op_admit,
	.child_up = op_child_up, .child_add = op_child_add, .child_switch = op_child_switch,
	.child_mute = op_child_mute, .child_del = op_child_del, .replaced = op_replaced, .float_path = op_float_path,
	.keepalive = op_keepalive, .moved = op_moved, .established = op_established,
	.ended = op_ended,
};

/* ---- life ---- */

bool pair_deliver(struct pair *pair)
{
	struct pair_datagram *g = &pair->queue[pair->head];
	uint8_t *exact; /* a block of its own, so that a read past its end is seen */

	if (pair->count == 0)
		return false;
	pair->head = (pair->head + 1) % PAIR_QUEUE;
	pair->count--;
	exact = malloc(g->len);
	must(exact);
	memcpy(exact, g->msg, g->len);
	ike_host_input(g->to->host, &g->path, exact, g->len);
	free(exact);
	return true;
}

void pair_settle(struct pair *pair)
{
	for (int i = 0; i < 4 * PAIR_QUEUE && pair_deliver(pair); i++)
		;
}

static void tick(struct pair_side *side)
{
	if (ike_host_deadline(side->host) > side->pair->now)
		return;
	ike_host_tick(side->host);
	must(ike_host_deadline(side->host) > side->pair->now);
}

void pair_wait(struct pair *pair, uint32_t ms)
{
	pair->now += ms;
	tick(&pair->a);
	tick(&pair->b);
}

struct ike_sa *pair_sa(const struct pair_side *side, bool newest)
{
	struct ike_sa *sa = side->host->by_spi;

	while (sa && newest && sa->hh.next)
		sa = sa->hh.next;
	return sa;
}

struct ike_sa *pair_peer(struct pair_side *side, const struct ike_sa *sa)
{
	struct ike_sa *peer, *next;

	HASH_ITER(hh, pair_other(side)->host->by_spi, peer, next) {
		if (peer->spi_i == sa->spi_i && (peer->spi_r == sa->spi_r || sa->spi_r == 0))
			return peer;
	}
	return NULL;
}

static void start_side(struct pair_side *side, struct pair *pair, bool responder)
{
	struct ike_host_conf conf = {
		.ops = &ops, .user = side, .responder = responder,
		.rekey_after = pair->conf.rekeying ? 60000 : 0,
		.fragment_size = pair->conf.small_fragments ? 160 : 0,
		.ciphers = pair->conf.prefer_chacha,
		.first_layer = pair->conf.first_layer,
		.half_open_max = pair->conf.few ? 4 : 0,
		.half_open_per_path = pair->conf.few ? 3 : 0,
	};
	uint8_t seed[CRYPTO_SIGN_SEED];

	side->pair = pair;
	side->count = 0;
	op_random(side, seed, sizeof(seed));
	crypto_sign_key_from_seed(seed, &side->key);
	conf.key = side->key;
	must(ike_host_new(&conf, &side->host) == 0);
	if (pair->conf.cookies)
		side->host->conf.cookie_threshold = 0;
}

void pair_initiate(struct pair *pair)
{
	struct pair_record *r = &pair->a.records[pair->a.count];
	struct ike_init_conf init = { .path = pair_path(&pair->a), .auth = pair->conf.auth,
				      .peer = pair->b.key.pub,
				      .want_lease = pair->conf.want_lease,
				      .first_layer = pair->conf.first_layer,
				      .force_encap = pair->conf.force_encap };

	if (pair->a.count == PAIR_RECORDS)
		return;
	pair->a.count++;
	init.initial_contact = pair->conf.initial_contact && init.auth == IKE_AUTH_ED25519;
	init.ts_local.count = init.ts_remote.count = 1;
	init.ts_local.items[0] = init.ts_remote.items[0] =
		(struct prefix){ .addr.family = AF_INET };
	if (pair->conf.address6) {
		init.want_address6 = true;
		init.ts_local.items[init.ts_local.count++] =
			init.ts_remote.items[init.ts_remote.count++] =
				(struct prefix){ .addr.family = AF_INET6 };
	}
	*r = (struct pair_record){ .side = &pair->a };
	must(ike_host_initiate(pair->a.host, &init, r, &r->sa) == 0);
}

/* Delivers until A has asked to be authenticated. */
static void reach_auth(struct pair *pair)
{
	const struct ike_sa *sa = pair->a.records[0].sa;

	for (int i = 0; i < 4 && sa->state == IKE_STATE_INIT_SENT; i++)
		must(pair_deliver(pair));
}

void pair_start(struct pair *pair, const struct pair_conf *conf,
		void (*tap)(void *, struct pair_side *, const uint8_t *, size_t), void *tap_data)
{
	must(crypto_init() == 0);
	pair->conf = *conf;
	pair->now = 1000;
	pair->seed = 1;
	pair->meddle = PAIR_MEDDLE_NOT;
	pair->head = pair->count = 0;
	pair->tap = tap;
	pair->tap_data = tap_data;
	start_side(&pair->a, pair, false);
	start_side(&pair->b, pair, true);
	if (conf->phase >= PAIR_PHASE_INIT)
		pair_initiate(pair);
	if (conf->phase >= PAIR_PHASE_AUTH)
		reach_auth(pair);
	if (conf->phase == PAIR_PHASE_ESTABLISHED)
		pair_settle(pair);
}

static void end_side(struct pair_side *side)
{
	side->pair->meddle = PAIR_MEDDLE_NOT;
	ike_host_free(side->host);
	for (size_t i = 0; i < side->count; i++)
		must(!side->records[i].sa);
}

void pair_end(struct pair *pair)
{
	end_side(&pair->a);
	end_side(&pair->b);
}
