/* The first layer through NATs: detection, port 4500, keepalives; and nothing of it further in. */
#include <criterion/criterion.h>
#include <string.h>

#include "common/ike/ike_sa_priv.h"
#include "duo_assert.h"
#include "natbox.h"

static struct duo duo;
static struct natbox box;
static struct duo_record *i, *r; /* the client's, the relay's */
static struct ike_sa_info ii, ri;

static void start(const char *address)
{
	struct ike_host_conf conf = { .first_layer = true };

	duo_init(&duo, 1);
	duo_start(&duo, &conf);
	natbox_start(&box, &duo, address);
}

static void teardown(void)
{
	if (duo.a.host)
		duo_fini(&duo);
}

TestSuite(ike_float, .fini = teardown);

static struct ike_init_conf first_layer(void)
{
	struct ike_init_conf conf = duo_client(&duo);

	conf.path = natbox_first_path(&box);
	conf.first_layer = true;
	return conf;
}

static void connect_with(const struct ike_init_conf *conf)
{
	i = duo_connect(&duo, conf);
	r = duo_last(&duo.b);
	duo_assert_up(i);
	duo_assert_up(r);
	ike_sa_info(i->sa, &ii);
	ike_sa_info(r->sa, &ri);
}

static void connect_first(void)
{
	struct ike_init_conf conf = first_layer();

	connect_with(&conf);
}

static void assert_seen(bool client_nat, bool relay_nat, bool encap)
{
	cr_assert_eq(ii.nat_local, client_nat);
	cr_assert_eq(ii.nat_remote, relay_nat);
	cr_assert_eq(ri.nat_local, relay_nat);
	cr_assert_eq(ri.nat_remote, client_nat);
	cr_assert_eq(ii.encap, encap);
	cr_assert_eq(ri.encap, encap);
	cr_assert(ii.mobike && ri.mobike);
	cr_assert(ii.path.floated && ri.path.floated);
	cr_assert_eq(ii.path.remote.port, 4500);
	cr_assert_eq(ri.path.local.port, 4500);
}

Test(ike_float, no_nat_floats_without_encap)
{
	start("192.0.2.1");
	connect_first();
	assert_seen(false, false, false);
	cr_assert_eq(ri.path.remote.port, 4500);
}

Test(ike_float, nat_at_the_client)
{
	start("10.0.0.2");
	natbox_translate(&box, "203.0.113.9");
	connect_first();
	assert_seen(true, false, true);
	cr_assert(addr_equal(&ri.path.remote.addr, &box.outside));
	cr_assert_eq(ri.path.remote.port, 40001); /* the mapping of 4500, not that of 500 */
}

Test(ike_float, one_to_one_nat_at_the_relay)
{
	start("192.0.2.1");
	box.entry_inside = addr_v4(0x0a000001);
	connect_first();
	assert_seen(false, true, true);
}

Test(ike_float, nats_at_both)
{
	start("10.0.0.2");
	natbox_translate(&box, "203.0.113.9");
	box.entry_inside = addr_v4(0x0a000001);
	connect_first();
	assert_seen(true, true, true);
}

Test(ike_float, forced_encap)
{
	struct ike_init_conf conf;

	start("192.0.2.1");
	conf = first_layer();
	conf.force_encap = true;
	connect_with(&conf);
	cr_assert(ii.encap && ri.encap && ri.nat_remote);
	cr_assert_not(ii.nat_local);
	duo_run(&duo, duo.now + 300000);
	cr_assert_eq(duo.a.keepalives, 0);
}

Test(ike_float, cookie_asks_for_the_same_request)
{
	struct ike_init_conf conf;

	start("10.0.0.2");
	natbox_translate(&box, "203.0.113.9");
	conf = first_layer();
	conf.force_encap = true;
	for (int k = 0; k < 10; k++) /* over half of what one address may hold: cookies */
		duo_initiate(&duo, &conf);
	duo_settle(&duo);
	cr_assert_gt(duo_counters(&duo.b).cookies_sent, 0);
	for (size_t k = 0; k < duo.a.count; k++)
		duo_assert_up(duo.a.records[k]);
}

Test(ike_float, relay_without_nat_traversal)
{
	struct ike_init_conf conf;

	duo_init(&duo, 1);
	duo_start(&duo, NULL);
	natbox_start(&box, &duo, "192.0.2.1");
	conf = first_layer();
	conf.force_encap = true;
	connect_with(&conf);
	cr_assert(!ii.path.floated && !ri.path.floated && !ii.encap && !ri.encap);
	cr_assert(!ii.mobike && !ri.mobike && !ri.nat_remote);
}

Test(ike_float, port_4500_cannot_be_had)
{
	start("192.0.2.1");
	duo.a.float_result = -1;
	connect_first();
	cr_assert(!ii.path.floated && !ri.path.floated && !ii.mobike && !ri.mobike);
	cr_assert(!ii.encap && !ri.encap);
}

Test(ike_float, lossy_handshakes)
{
	for (uint64_t seed = 1; seed <= 60; seed++) {
		struct ike_host_conf conf = { .first_layer = true, .retransmit_first = 100,
					      .retransmit_tries = 12 };
		struct ike_init_conf client;

		duo_init(&duo, seed);
		duo.faults.lose = duo.faults.duplicate = 25;
		duo.faults.delay_max = 150;
		duo_start(&duo, &conf);
		natbox_start(&box, &duo, "10.0.0.2");
		natbox_translate(&box, "203.0.113.9");
		client = first_layer();
		i = duo_initiate(&duo, &client);
		duo_run(&duo, duo.now + 20000);
		cr_assert(i->sa, "seed %d", (int)seed);
		ike_sa_info(i->sa, &ii);
		cr_assert(ii.state == IKE_STATE_ESTABLISHED && ii.encap && ii.mobike);
		duo_fini(&duo);
	}
	duo.a.host = NULL;
}

/* ---- who may change the path of a half-open SA ---- */

static struct duo_datagram held;

/* Keeps the first IKE_AUTH request from arriving. */
static bool hold_auth(struct duo *d, struct duo_side *from, uint8_t *msg, size_t *len)
{
	if (from != &d->a || msg[18] != IKE_EXCHANGE_AUTH || held.len > 0)
		return true;
	memcpy(held.msg, msg, *len);
	held.len = *len;
	return false;
}

static struct ike_path stranger_path(void)
{
	struct ike_path path = duo_path_to(&duo.b);

	path.local.port = 4500;
	path.channel = 1;
	path.floated = true;
	path.remote = (struct endpoint){ addr_v4(0xcb007163), 4500 };
	return path;
}

static void hold_first_auth(void)
{
	struct ike_init_conf conf;

	held.len = 0;
	start("192.0.2.1");
	duo.tap = hold_auth;
	conf = first_layer();
	i = duo_initiate(&duo, &conf);
	duo_settle(&duo);
	cr_assert_gt(held.len, 0);
}

static void finish(void)
{
	duo_run(&duo, duo.now + 3000);
	r = duo_last(&duo.b);
	duo_assert_up(i);
	duo_assert_up(r);
	ike_sa_info(r->sa, &ri);
	cr_assert(addr_equal(&ri.path.remote.addr, &box.address));
}

Test(ike_float, no_path_changes_before_decryption)
{
	struct ike_path path;

	hold_first_auth();
	path = stranger_path();
	path.remote.addr = box.address; /* the right address, and a port of the forger's choice */
	path.remote.port = 1234;
	held.msg[held.len - 1] ^= 1;
	duo_inject(&duo.b, &path, held.msg, held.len);
	duo_settle(&duo);
	cr_assert_eq(duo_counters(&duo.b).unauthenticated, 1);
	cr_assert_eq(duo_counters(&duo.b).half_open, 1);
	finish();
	cr_assert_eq(ri.path.remote.port, 4500);
}

Test(ike_float, half_open_follows_to_no_other_address)
{
	struct ike_path path;
	uint64_t dropped;

	hold_first_auth();
	path = stranger_path();
	dropped = duo_counters(&duo.b).dropped;
	duo_inject(&duo.b, &path, held.msg, held.len);
	duo_settle(&duo);
	cr_assert_eq(duo_counters(&duo.b).dropped, dropped + 1);
	cr_assert_eq(duo.b.count, 0);
	finish();
}

Test(ike_float, half_open_follows_to_no_mark)
{
	struct ike_path path;

	hold_first_auth();
	path = stranger_path();
	path.remote.addr = box.address;
	path.mark = 7;
	duo_inject(&duo.b, &path, held.msg, held.len);
	duo_settle(&duo);
	cr_assert_eq(duo.b.count, 0);
	finish();
}

/* ---- keepalives ---- */

static void behind_nat(void)
{
	start("10.0.0.2");
	natbox_translate(&box, "203.0.113.9");
	connect_first();
}

Test(ike_float, keepalives_when_idle)
{
	uint64_t last;

	behind_nat();
	ike_host_set_patience(duo.a.host, i->sa, 3600000, 0);
	ike_host_set_patience(duo.b.host, r->sa, 3600000, 0);
	last = duo.now - 20; /* IKE_AUTH left a round trip ago */
	for (unsigned int k = 1; k <= 5; k++) {
		duo_run(&duo, last + 19999);
		cr_assert_eq(duo.a.keepalives, k - 1);
		duo_run(&duo, last + 20000);
		cr_assert_eq(duo.a.keepalives, k);
		cr_assert_eq(duo.a.keepalive_at, last + 20000);
		last = duo.a.keepalive_at;
	}
	cr_assert_eq(duo.b.keepalives, 0);
}

Test(ike_float, esp_saves_keepalives)
{
	behind_nat();
	ike_host_set_patience(duo.a.host, i->sa, 3600000, 0);
	ike_host_set_patience(duo.b.host, r->sa, 3600000, 0);
	for (int k = 0; k < 20; k++) {
		duo_run(&duo, duo.now + 15000);
		ike_host_spoke(duo.a.host, i->sa);
	}
	cr_assert_eq(duo.a.keepalives, 0);
	duo_run(&duo, duo.now + 20000);
	cr_assert_eq(duo.a.keepalives, 1);
}

Test(ike_float, ike_saves_keepalives)
{
	behind_nat();
	ike_host_set_patience(duo.a.host, i->sa, 15000, 0);
	duo_run(&duo, duo.now + 300000);
	cr_assert_eq(duo.a.keepalives, 0);
	duo_assert_up(i);
}

Test(ike_float, no_keepalives_without_a_nat_of_ours)
{
	start("192.0.2.1");
	box.entry_inside = addr_v4(0x0a000001);
	connect_first();
	duo_run(&duo, duo.now + 300000);
	cr_assert_eq(duo.a.keepalives + duo.b.keepalives, 0);
}

Test(ike_float, keepalive_octet_is_not_malformed)
{
	const uint8_t octet = 0xff, other = 0xfe;
	struct ike_path path;

	start("192.0.2.1");
	path = stranger_path();
	ike_host_input(duo.b.host, &path, &octet, 1);
	cr_assert_eq(duo_counters(&duo.b).malformed, 0);
	ike_host_input(duo.b.host, &path, &other, 1);
	cr_assert_eq(duo_counters(&duo.b).malformed, 1);
}

/* ---- further in ---- */

struct transcript {
	size_t count;
	struct { uint8_t msg[DUO_MESSAGE_MAX]; size_t len; bool floated; } items[64];
};

/* All messages of one inner SA, established and probed and closed. */
static void record(struct transcript *t, bool relay_first_layer, bool client_first_layer,
		   uint32_t mark)
{
	struct ike_host_conf conf = { .first_layer = relay_first_layer };
	struct ike_init_conf client;

	duo_init(&duo, 3);
	duo.recording = true;
	duo_start(&duo, &conf);
	client = duo_client(&duo);
	client.path.mark = mark;
	client.first_layer = client_first_layer;
	connect_with(&client);
	duo_run(&duo, duo.now + 100000);
	ike_host_close(duo.a.host, i->sa);
	duo_settle(&duo);
	t->count = duo.logged;
	for (size_t k = 0; k < duo.logged; k++) {
		memcpy(t->items[k].msg, duo.log[k]->msg, duo.log[k]->len);
		t->items[k].len = duo.log[k]->len;
		t->items[k].floated = duo.log[k]->path.floated;
	}
	duo_fini(&duo);
	duo.a.host = NULL;
}

static void assert_same(const struct transcript *a, const struct transcript *b)
{
	cr_assert_gt(a->count, 8);
	cr_assert_eq(a->count, b->count);
	for (size_t k = 0; k < a->count; k++) {
		cr_assert_eq(a->items[k].len, b->items[k].len, "message %zu", k);
		cr_assert_arr_eq(a->items[k].msg, b->items[k].msg, a->items[k].len);
		cr_assert(!a->items[k].floated && !b->items[k].floated);
	}
}

static size_t notifies(const struct transcript *t, size_t k, uint16_t *types)
{
	struct ike_payloads p;

	cr_assert_eq(ike_parse_payloads(t->items[k].msg[16], t->items[k].msg + IKE_HEADER_SIZE,
					t->items[k].len - IKE_HEADER_SIZE, &p), 0);
	for (size_t n = 0; n < p.notify_count; n++)
		types[n] = p.notifies[n].type;
	return p.notify_count;
}

Test(ike_float, inner_layers_know_nothing_of_it)
{
	static struct transcript plain, here, asked;
	uint16_t types[IKE_NOTIFIES_MAX];

	record(&plain, false, false, 7);
	record(&here, true, false, 7);
	assert_same(&plain, &here);
	record(&asked, true, true, 7); /* a mark says that it is inside, whatever the caller wants */
	assert_same(&plain, &asked);
	for (size_t k = 0; k < 2; k++)
		for (size_t n = notifies(&here, k, types); n-- > 0;)
			cr_assert(types[n] != IKE_NOTIFY_NAT_DETECTION_SOURCE_IP &&
				  types[n] != IKE_NOTIFY_NAT_DETECTION_DESTINATION_IP);
}

Test(ike_float, client_that_does_not_ask_gets_nothing)
{
	static struct transcript plain, here;

	record(&plain, false, false, 0); /* a circuit's hop that came without overlay: as before */
	record(&here, true, false, 0);
	assert_same(&plain, &here);
}
