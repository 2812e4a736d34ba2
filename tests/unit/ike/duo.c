#include "duo.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

uint64_t duo_random(uint64_t *seed) /* splitmix64 */
{
	uint64_t z = *seed += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static bool percent(struct duo *d, unsigned int p)
{
	return p > 0 && duo_random(&d->fault_seed) % 100 < p;
}

/* ---- queue ---- */

static struct duo_datagram *make_datagram(struct duo_side *to, const struct ike_path *path,
					  const void *msg, size_t len)
{
	struct duo_datagram *g = calloc(1, sizeof(*g));

	cr_assert(g && len <= sizeof(g->msg));
	g->to = to;
	g->path = *path;
	g->len = len;
	memcpy(g->msg, msg, len);
	return g;
}

/* In order of time, then of sending. */
static void enqueue(struct duo *d, struct duo_datagram *g, uint64_t at)
{
	cr_assert_eq(ike_heap_reserve(&d->queue, d->queue.count + 1), 0);
	g->at = at;
	ike_heap_set(&d->queue, &g->place, at << 24 | (d->numbers++ & 0xffffff));
}

static struct duo_datagram *next_datagram(const struct duo *d)
{
	struct ike_heap_item *first = ike_heap_first(&d->queue);

	return first ? (struct duo_datagram *)((char *)first -
					       offsetof(struct duo_datagram, place)) : NULL;
}

static void deliver(struct duo *d)
{
	struct duo_datagram *g = next_datagram(d);

	ike_heap_remove(&d->queue, &g->place);
	if (g->at > d->now)
		d->now = g->at;
	ike_host_input(g->to->host, &g->path, g->msg, g->len);
	free(g);
}

struct ike_path duo_path(void)
{
	return (struct ike_path){ .local = { addr_v4(0xc0000201), 500 },
				  .remote = { addr_v4(0xc6336401), 500 } };
}

struct ike_path duo_path_to(const struct duo_side *to)
{
	struct ike_path p = duo_path();

	if (to == &to->duo->b)
		p = (struct ike_path){ .local = p.remote, .remote = p.local };
	return p;
}

void duo_inject(struct duo_side *to, const struct ike_path *path, const void *msg, size_t len)
{
	enqueue(to->duo, make_datagram(to, path, msg, len), to->duo->now);
}

/* ---- ops ---- */

static void put_on_wire(struct duo *d, struct duo_side *to, const struct ike_path *path,
			const uint8_t *msg, size_t len)
{
	unsigned int span = d->faults.delay_max - d->faults.delay_min + 1;
	struct duo_datagram *g;

	if (percent(d, d->faults.lose))
		return;
	g = make_datagram(to, path, msg, len);
	if (percent(d, d->faults.corrupt))
		g->msg[duo_random(&d->fault_seed) % len] ^= 1u << duo_random(&d->fault_seed) % 8;
	enqueue(d, g, d->now + d->faults.delay_min + duo_random(&d->fault_seed) % span);
}

static void op_send(void *user, const struct ike_path *path, const uint8_t *msg, size_t len)
{
	struct duo_side *from = user;
	struct duo *d = from->duo;
	struct duo_side *to = from == &d->a ? &d->b : &d->a;
	struct ike_path seen = *path;
	uint8_t copy[DUO_MESSAGE_MAX];

	cr_assert_leq(len, sizeof(copy));
	seen.local = path->remote;
	seen.remote = path->local;
	from->sent++;
	memcpy(copy, msg, len);
	if (d->route && !d->route(d, from, &seen))
		return;
	if (d->recording && d->logged < ARRAY_SIZE(d->log))
		d->log[d->logged++] = make_datagram(to, &seen, msg, len);
	if (d->tap && !d->tap(d, from, copy, &len))
		return;
	put_on_wire(d, to, &seen, copy, len);
	if (percent(d, d->faults.duplicate))
		put_on_wire(d, to, &seen, copy, len);
}

static uint64_t op_now(void *user)
{
	return ((struct duo_side *)user)->duo->now;
}

static void op_random(void *user, void *out, size_t len)
{
	struct duo_side *side = user;
	uint8_t *p = out;
	uint32_t spi;

	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)duo_random(&side->duo->seed);
	if (len == sizeof(spi) && side->duo->spi_space > 0) {
		spi = (uint32_t)(duo_random(&side->duo->seed) % side->duo->spi_space);
		memcpy(out, &spi, sizeof(spi));
	}
}

static struct duo_record *add_record(struct duo_side *side)
{
	struct duo_record *r = calloc(1, sizeof(*r));

	cr_assert(r);
	if (side->count == side->size) {
		side->size = side->size ? side->size * 2 : 16;
		side->records = reallocarray(side->records, side->size, sizeof(*side->records));
		cr_assert(side->records);
	}
	r->side = side;
	side->records[side->count++] = r;
	return r;
}

static void call_hook(struct duo_record *r, enum duo_event event)
{
	if (r->side->hook)
		r->side->hook(r, event);
}

static int op_admit(void *user, struct ike_sa *sa, const struct ike_peer *peer, bool want_lease,
		    struct ike_lease *lease, struct ike_ts_list *local)
{
	struct duo_side *side = user;
	struct duo_record *r = add_record(side);

	r->sa = sa;
	ike_sa_set_data(sa, r);
	r->admits++;
	r->peer = *peer;
	r->want_lease = want_lease;
	*local = side->local;
	if (want_lease)
		*lease = side->lease;
	call_hook(r, DUO_ADMIT);
	return side->admit_result;
}

struct duo_child *duo_child(struct duo_record *record, uint32_t spi_in)
{
	for (size_t i = 0; i < DUO_CHILDREN; i++)
		if (record->children[i].child.spi_in == spi_in)
			return &record->children[i];
	return NULL;
}

size_t duo_children(const struct duo_record *record)
{
	size_t count = 0;

	for (size_t i = 0; i < DUO_CHILDREN; i++)
		count += record->children[i].child.spi_in != 0;
	return count;
}

static void install(struct duo_record *r, const struct ike_child *child, bool in_only)
{
	struct duo_child *place = duo_child(r, 0);

	cr_assert_null(duo_child(r, child->spi_in));
	cr_assert_not_null(place, "too many child SAs at a time");
	*place = (struct duo_child){ .child = *child, .out = !in_only };
	if (!in_only)
		r->sending = child->spi_in;
}

static int op_child_add(void *user, struct ike_sa *sa, const struct ike_child *child,
			uint32_t replaces, bool in_only)
{
	struct duo_record *r = ike_sa_data(sa);
	struct duo_side *side = user;

	cr_assert_eq(r->sa, sa);
	cr_assert_not_null(duo_child(r, replaces), "what it replaces is there");
	call_hook(r, DUO_CHILD_ADD);
	if (side->child_add_result < 0)
		return side->child_add_result;
	r->adds++;
	install(r, child, in_only);
	return 0;
}

static int op_child_switch(void *user, struct ike_sa *sa, const struct ike_child *child)
{
	struct duo_record *r = ike_sa_data(sa);
	struct duo_child *c = duo_child(r, child->spi_in);
	struct duo_side *side = user;

	cr_assert_eq(r->sa, sa);
	cr_assert(c && !c->out);
	cr_assert_arr_eq(c->child.key_in.bytes, child->key_in.bytes, 36);
	cr_assert_arr_eq(c->child.key_out.bytes, child->key_out.bytes, 36);
	call_hook(r, DUO_CHILD_SWITCH);
	if (side->child_switch_result < 0)
		return side->child_switch_result;
	r->switches++;
	c->out = true;
	r->sending = child->spi_in;
	return 0;
}

static void op_child_mute(void *user, struct ike_sa *sa, uint32_t spi_in)
{
	struct duo_record *r = ike_sa_data(sa);
	struct duo_child *c = duo_child(r, spi_in);

	cr_assert_eq(r->side, user);
	cr_assert_eq(r->sa, sa);
	cr_assert(c && c->out, "there is something to mute");
	cr_assert_neq(spi_in, r->sending, "what is in use goes on sending");
	c->out = false;
	r->mutes++;
	call_hook(r, DUO_CHILD_MUTE);
}

static void op_child_del(void *user, struct ike_sa *sa, uint32_t spi_in)
{
	struct duo_record *r = ike_sa_data(sa);
	struct duo_child *c = duo_child(r, spi_in);

	cr_assert_eq(r->side, user);
	cr_assert_eq(r->sa, sa);
	cr_assert_not_null(c);
	cr_assert_neq(spi_in, r->sending, "what is in use stays");
	*c = (struct duo_child){ 0 };
	r->dels++;
	call_hook(r, DUO_CHILD_DEL);
}

static void op_replaced(void *user, struct ike_sa *old, struct ike_sa *sa)
{
	struct duo_record *r = ike_sa_data(sa);

	cr_assert_eq(r->side, user);
	cr_assert_eq(r->sa, old);
	r->sa = sa;
	r->replacements++;
	call_hook(r, DUO_REPLACED);
}

static int op_child_up(void *user, struct ike_sa *sa, const struct ike_child *child,
		       const struct ike_lease *lease)
{
	struct duo_record *r = ike_sa_data(sa);

	r->ups++;
	r->child = *child;
	install(r, child, false);
	r->has_lease = lease != NULL;
	if (lease)
		r->lease = *lease;
	call_hook(r, DUO_CHILD_UP);
	return ((struct duo_side *)user)->child_up_result;
}

/* Port 4500 is channel 1. */
static int op_float_path(void *user, struct ike_sa *sa, struct ike_path *path)
{
	(void)sa;
	path->local.port = path->remote.port = 4500;
	path->channel = 1;
	path->floated = true;
	return ((struct duo_side *)user)->float_result;
}

static void op_keepalive(void *user, const struct ike_path *path)
{
	struct ike_path seen = { .local = path->remote, .remote = path->local,
				 .channel = path->channel, .floated = true };
	struct duo_side *from = user;

	cr_assert(path->floated);
	if (from->duo->route)
		from->duo->route(from->duo, from, &seen);
	from->keepalives++;
	from->keepalive_at = from->duo->now;
}

static int op_moved(void *user, struct ike_sa *sa, const struct ike_path *from, bool from_encap)
{
	struct duo_record *r = ike_sa_data(sa);

	cr_assert_eq(r->side, user);
	ike_sa_info(sa, &r->moved_to);
	r->moves++;
	r->moved_from = *from;
	r->moved_from_encap = from_encap;
	return ((struct duo_side *)user)->moved_result;
}

static void op_established(void *user, struct ike_sa *sa)
{
	struct duo_record *r = ike_sa_data(sa);

	cr_assert_eq(r->side, user);
	r->established++;
	call_hook(r, DUO_ESTABLISHED);
}

static void op_ended(void *user, struct ike_sa *sa, enum ike_end why)
{
	struct duo_record *r = ike_sa_data(sa);
	struct ike_sa_info info;

	cr_assert_eq(r->side, user);
	ike_sa_info(sa, &info);
	cr_assert_eq(info.state, IKE_STATE_DEAD);
	r->notify = info.notify;
	r->ended++;
	r->why = why;
	call_hook(r, DUO_ENDED);
	r->sa = NULL;
}

static const struct ike_ops ops = {
	.send = op_send, .now = op_now, .random = op_random, .admit = op_admit,
	.child_up = op_child_up, .child_add = op_child_add,
	.child_switch = op_child_switch, .child_mute = op_child_mute, .child_del = op_child_del, .replaced = op_replaced,
	.float_path = op_float_path, .keepalive = op_keepalive,
	.moved = op_moved, .established = op_established, .ended = op_ended,
};

/* ---- life ---- */

static void init_side(struct duo *d, struct duo_side *side)
{
	uint8_t seed[CRYPTO_SIGN_SEED];

	side->duo = d;
	op_random(side, seed, sizeof(seed));
	crypto_sign_key_from_seed(seed, &side->key);
	cr_assert_eq(prefix_parse("0.0.0.0/0", &side->local.items[0]), 0);
	side->local.count = 1;
	side->lease = (struct ike_lease){ .address = addr_v4(0x64400007), .dns_count = 1,
					  .dns = { addr_v4(0x64400001) } };
}

void duo_init(struct duo *d, uint64_t seed)
{
	*d = (struct duo){ .now = 1000, .seed = seed, .fault_seed = ~seed,
			   .faults = { .delay_min = 10, .delay_max = 10 } };
	cr_assert_eq(crypto_init(), 0);
	init_side(d, &d->a);
	init_side(d, &d->b);
}

void duo_start(struct duo *d, const struct ike_host_conf *conf)
{
	struct ike_host_conf c = conf ? *conf : (struct ike_host_conf){ 0 };

	c.ops = &ops;
	c.user = &d->a;
	c.key = d->a.key;
	c.responder = false;
	cr_assert_eq(ike_host_new(&c, &d->a.host), 0);
	c.user = &d->b;
	c.key = d->b.key;
	c.responder = true;
	cr_assert_eq(ike_host_new(&c, &d->b.host), 0);
}

static void fini_side(struct duo_side *side)
{
	ike_host_free(side->host);
	for (size_t i = 0; i < side->count; i++) {
		cr_assert_eq(side->records[i]->ended, 1, "ended is called exactly once");
		free(side->records[i]);
	}
	free(side->records);
}

void duo_fini(struct duo *d)
{
	struct duo_datagram *g;

	fini_side(&d->a);
	fini_side(&d->b);
	while ((g = next_datagram(d))) {
		ike_heap_remove(&d->queue, &g->place);
		free(g);
	}
	while (d->logged > 0)
		free(d->log[--d->logged]);
	ike_heap_fini(&d->queue);
}

struct ike_init_conf duo_client(const struct duo *d)
{
	struct ike_init_conf c = { .path = duo_path(), .auth = IKE_AUTH_NULL,
				   .peer = d->b.key.pub, .want_lease = true };

	c.ts_local.count = c.ts_remote.count = 1;
	c.ts_local.items[0] = c.ts_remote.items[0] = (struct prefix){ .addr.family = AF_INET };
	return c;
}

struct ike_init_conf duo_relay(const struct duo *d)
{
	struct ike_init_conf c = duo_client(d);

	c.auth = IKE_AUTH_ED25519;
	c.want_lease = false;
	return c;
}

struct duo_record *duo_initiate(struct duo *d, const struct ike_init_conf *conf)
{
	struct duo_record *r = add_record(&d->a);

	cr_assert_eq(ike_host_initiate(d->a.host, conf, r, &r->sa), 0);
	return r;
}

struct duo_record *duo_connect(struct duo *d, const struct ike_init_conf *conf)
{
	struct duo_record *r = duo_initiate(d, conf);

	duo_settle(d);
	return r;
}

void duo_settle(struct duo *d)
{
	while (next_datagram(d))
		deliver(d);
}

void duo_run(struct duo *d, uint64_t until)
{
	for (;;) {
		uint64_t a = ike_host_deadline(d->a.host), b = ike_host_deadline(d->b.host);
		const struct duo_datagram *next = next_datagram(d);
		uint64_t q = next ? next->at : UINT64_MAX, timer = a < b ? a : b;

		if ((q < timer ? q : timer) > until)
			break;
		if (q <= timer) {
			deliver(d);
			continue;
		}
		if (timer > d->now)
			d->now = timer;
		ike_host_tick(a <= b ? d->a.host : d->b.host);
		cr_assert_gt(ike_host_deadline(a <= b ? d->a.host : d->b.host), d->now);
	}
	if (d->now < until)
		d->now = until;
}

struct duo_record *duo_last(const struct duo_side *side)
{
	return side->count > 0 ? side->records[side->count - 1] : NULL;
}

struct ike_host_counters duo_counters(const struct duo_side *side)
{
	struct ike_host_counters c;

	ike_host_counters(side->host, &c);
	return c;
}
