/*
 * A peer with the right keys does all it can think of, in any order, for days: rekeyings with SPIs
 * that there are not, child SAs without end, Deletes at bad times, moves to everywhere. The other
 * side may end that one SA; it must not grow, must not send more than it is sent, and must be as it
 * was before when that peer is gone. Run it under -DASAN=ON.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "common/ike/ike_proposal.h"
#include "duo_assert.h"
#include "peer.h"

enum { SEEDS = 60, STEPS = 400 };

static struct duo duo;
static struct duo_record *bad, *victim;
static struct peer_message m;
static size_t sas_most, children_most, asked, from_victim;

static uint64_t pick(uint64_t below)
{
	return duo_random(&duo.fault_seed) % below;
}

static bool count_tap(struct duo *d, struct duo_side *from, uint8_t *msg, size_t *len)
{
	(void)d;
	(void)msg;
	(void)len;
	if (victim && from == victim->side)
		from_victim++;
	else
		asked++;
	return true;
}

/* An SPI of one of the victim's child SAs, or none that there is. */
static uint32_t some_spi(void)
{
	const struct ike_children *c = victim->sa->children;
	const struct ike_slot *slot = c ? &c->slots[pick(IKE_CHILDREN_MAX)] : NULL;

	if (!slot || pick(4) == 0)
		return (uint32_t)pick(1000);
	return pick(2) ? slot->spi_out : slot->spi_in;
}

/* The next request that the victim takes, unless the two disagree on which SA is in use. */
static void begin(uint8_t exchange)
{
	if (bad->sa->spi_i == victim->sa->spi_i)
		bad->sa->next_id = victim->sa->peer_id;
	peer_begin_request(&m, bad->sa, exchange);
}

static void finish(void)
{
	struct ike_path path = victim->sa->path;

	if (pick(4) == 0) {
		path.remote.addr.bytes[3] = (uint8_t)pick(4);
		path.remote.port = (uint16_t)(4500 + pick(3));
		path.floated = true;
	}
	asked++;
	peer_send_by(&m, bad, &path);
	if (pick(3))
		duo_settle(&duo);
}

/* ---- what it may say ---- */

static void notify_any(void)
{
	static const uint16_t types[] = {
		IKE_NOTIFY_COOKIE2, IKE_NOTIFY_UPDATE_SA_ADDRESSES, IKE_NOTIFY_NO_NATS_ALLOWED,
		IKE_NOTIFY_NAT_DETECTION_SOURCE_IP, IKE_NOTIFY_NAT_DETECTION_DESTINATION_IP,
		IKE_NOTIFY_INVALID_IKE_SPI, IKE_NOTIFY_CHILD_SA_NOT_FOUND, IKE_NOTIFY_REKEY_SA,
		IKE_NOTIFY_TEMPORARY_FAILURE, IKE_NOTIFY_INITIAL_CONTACT, IKE_NOTIFY_COOKIE,
		IKE_NOTIFY_NO_ADDITIONAL_SAS, IKE_NOTIFY_FRAGMENTATION_SUPPORTED,
	};
	static const uint8_t data[80];

	begin(IKE_EXCHANGE_INFORMATIONAL);
	for (uint64_t k = 0; k <= pick(4); k++)
		ike_build_notify(&m.b, types[pick(ARRAY_SIZE(types))], data, pick(sizeof(data)));
	finish();
}

static void move(void)
{
	uint8_t hash[20] = { (uint8_t)pick(3) };

	begin(IKE_EXCHANGE_INFORMATIONAL);
	ike_build_notify(&m.b, IKE_NOTIFY_UPDATE_SA_ADDRESSES, NULL, 0);
	if (pick(2)) {
		ike_build_notify(&m.b, IKE_NOTIFY_NAT_DETECTION_SOURCE_IP, hash, sizeof(hash));
		ike_build_notify(&m.b, IKE_NOTIFY_NAT_DETECTION_DESTINATION_IP, hash, sizeof(hash));
	}
	finish();
}

static void delete_children(void)
{
	begin(IKE_EXCHANGE_INFORMATIONAL);
	for (uint64_t k = 0; k <= pick(3); k++)
		ike_build_delete(&m.b, true, some_spi());
	finish();
}

static void add_child_offer(void)
{
	struct ike_proposal offers[IKE_PROPOSAL_ESP_OFFERS];
	uint8_t spi[4] = { (uint8_t)pick(2), 0, (uint8_t)pick(3), (uint8_t)pick(256) };
	const struct ike_children *c = victim->sa->children;
	uint8_t nonce[IKE_NONCE_MAX];

	memset(nonce, (int)pick(256), sizeof(nonce));
	ike_proposal_esp(spi, pick(2), offers);
	if (pick(3) == 0)
		ike_proposal_esp_offer_dh(offers);
	ike_build_sa(&m.b, offers, 1 + pick(2));
	ike_build_nonce(&m.b, nonce, 16 + pick(241));
	if (pick(2))
		ike_build_ke(&m.b, IKE_DH_ID_CURVE25519, nonce, pick(8) ? 32 : pick(60));
	if (!c || pick(20) == 0)
		return;
	ike_build_ts(&m.b, IKE_PAYLOAD_TSI, c->ts_remote.items, c->ts_remote.count);
	ike_build_ts(&m.b, IKE_PAYLOAD_TSR, c->ts_local.items, c->ts_local.count);
}

static void rekey_child(void)
{
	begin(IKE_EXCHANGE_CREATE_CHILD_SA);
	if (pick(10))
		ike_build_notify_esp(&m.b, IKE_NOTIFY_REKEY_SA, some_spi());
	add_child_offer();
	finish();
}

/* It never knows the new keys, as it makes no key exchange: the old SA is all it has. */
static void rekey_ike(void)
{
	uint8_t spi[8] = { 0, 0, 0, 0, 0, 0, 0, (uint8_t)pick(4) }, pub[32] = { 9 };
	struct ike_proposal p;

	begin(IKE_EXCHANGE_CREATE_CHILD_SA);
	ike_proposal_ike((uint8_t)(1 + pick(2)), &p);
	p.spi = (struct ike_view){ spi, pick(20) ? 8 : 0 };
	ike_build_sa(&m.b, &p, 1);
	ike_build_nonce(&m.b, pub, 16 + pick(17));
	if (pick(20))
		ike_build_ke(&m.b, IKE_DH_ID_CURVE25519, pub, 32);
	finish();
}

/* To what was asked of it: nothing, an error, a child SA or an IKE SA, whatever was asked. */
static void answer(void)
{
	struct ike_sa *sa = victim->sa;

	if (!sa->request.data || bad->side->duo->queue.count > 0)
		return;
	peer_begin(&m, bad->sa, sa->request.exchange, true, sa->request.id);
	if (pick(2))
		ike_build_notify(&m.b, pick(2) ? IKE_NOTIFY_TEMPORARY_FAILURE :
						 IKE_NOTIFY_CHILD_SA_NOT_FOUND, NULL, 0);
	if (pick(2))
		add_child_offer();
	asked++;
	peer_send_by(&m, bad, &sa->path);
	duo_settle(&duo);
}

static void in_pieces(void)
{
	struct ike_header h = peer_header(bad->sa, (uint8_t)(36 + pick(2)));
	static const uint8_t part[1000];
	uint16_t total = (uint16_t)pick(40);

	asked++;
	peer_fragment(bad, &h, 41, (uint16_t)pick(40), total, part, pick(sizeof(part)));
}

/* ---- what else happens ---- */

static void act(struct duo_record *r)
{
	struct ike_sa_info info;

	ike_sa_info(r->sa, &info);
	switch (pick(4)) {
	case 0:
		ike_host_probe(r->side->host, r->sa);
		break;
	case 1:
		ike_host_rekey_child(r->side->host, r->sa, info.child_in);
		break;
	case 2:
		ike_host_rekey(r->side->host, r->sa);
		break;
	case 3:
		ike_host_mapping(r->side->host, r->sa, &info.path.remote);
		break;
	}
}

static void step(void)
{
	static void (*const say[])(void) = { notify_any, move, delete_children, rekey_child,
					     rekey_child, rekey_ike, answer, in_pieces };
	uint64_t what = pick(16);

	if ((what == 2 || what == 5 || what == 13) && pick(6)) /* they are soon the end */
		return;
	if (what < ARRAY_SIZE(say))
		say[what]();
	else if (what == 8)
		act(victim);
	else if (what == 9)
		act(bad);
	else if (what < 13)
		duo_run(&duo, duo.now + pick(3000));
	else if (what == 13)
		duo_run(&duo, duo.now + pick(100000));
	else
		duo_settle(&duo);
}

static void measure(void)
{
	size_t sas = duo_counters(victim->side).sas, children = duo_children(victim);

	if (sas > sas_most)
		sas_most = sas;
	if (children > children_most)
		children_most = children;
}

static void meet(uint64_t seed, bool hostile_responder, bool first_layer)
{
	const struct ike_host_conf conf = { .rekey_after = seed % 3 ? 0 : 20000,
					    .first_layer = first_layer };
	struct ike_init_conf client;

	victim = NULL;
	duo_init(&duo, seed);
	duo_start(&duo, &conf);
	client = duo_client(&duo);
	client.first_layer = first_layer;
	bad = duo_connect(&duo, &client);
	victim = duo_last(&duo.b);
	duo_assert_up(bad);
	if (hostile_responder) {
		victim = bad;
		bad = duo_last(&duo.b);
	}
	from_victim = asked = 0;
	duo.tap = count_tap;
}

static void attack(bool hostile_responder, bool first_layer)
{
	size_t steps = 0;

	sas_most = children_most = 0;
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		uint64_t before;

		meet(seed, hostile_responder, first_layer);
		before = duo.now;
		for (int k = 0; k < STEPS && bad->sa && victim->sa; k++, steps++) {
			step();
			measure();
		}
		/* two for each, and what it asks by itself: six in each time of patience */
		cr_assert_leq(from_victim, 3 * asked + 6 * (duo.now - before) / 20000 + 20,
			      "seed %zu: %zu for %zu", (size_t)seed, from_victim, asked);
		if (bad->sa)
			ike_host_drop(bad->side->host, bad->sa, IKE_END_LOCAL);
		duo_run(&duo, duo.now + 600000);
		cr_assert_eq(duo_counters(victim->side).sas, 0, "seed %zu", (size_t)seed);
		cr_assert_null(victim->sa);
		duo_fini(&duo);
	}
	cr_assert_leq(sas_most, 30, "%zu", sas_most);
	cr_assert_leq(children_most, IKE_CHILDREN_MAX);
	cr_assert_geq(steps, SEEDS * STEPS / 10, "%zu: it is not over before it began", steps);
	cr_log_info("%zu steps, at most %zu IKE SAs and %zu child SAs", steps, sas_most,
		    children_most);
}

/* ---- somebody else is hit ---- */

static struct addr stranger;
static size_t hits;

static bool count_hits(struct duo *d, struct duo_side *from, struct ike_path *seen)
{
	(void)d;
	if (from != victim->side || !addr_equal(&seen->local.addr, &stranger))
		return true;
	hits++;
	return false;
}

/* UPDATE_SA_ADDRESSES with a forged source, one after EACH ms. */
static void move_to_stranger(bool many_ports, uint64_t each)
{
	struct ike_path path;

	meet(5, false, true);
	cr_assert(victim->sa->paths.mobike);
	path = victim->sa->path;
	path.remote.addr.bytes[3] ^= 0x55;
	stranger = path.remote.addr;
	duo.route = count_hits;
	hits = 0;
	for (size_t k = 1; k <= 1000; k++) {
		path.remote.port = (uint16_t)(4500 + (many_ports ? k : 0));
		begin(IKE_EXCHANGE_INFORMATIONAL);
		ike_build_notify(&m.b, IKE_NOTIFY_UPDATE_SA_ADDRESSES, NULL, 0);
		peer_send_by(&m, bad, &path);
		duo_settle(&duo);
		duo.now += each;
		while (ike_host_deadline(duo.b.host) <= duo.now)
			ike_host_tick(duo.b.host);
		cr_assert_leq(hits, 3 * k + IKE_PATH_CHECK_TRIES, "%zu for %zu", hits, k);
	}
	cr_assert_geq(hits, 1000, "each gets its answer");
	cr_assert_eq(victim->moves, 0, "ESP stays where it was");
	duo_fini(&duo);
}

/* Who is no peer gets an answer and two checks for each at most, and no traffic. */
Test(ike_adversary, moves_to_a_stranger)
{
	for (uint64_t each = 10; each <= 100000; each *= 10) {
		move_to_stranger(false, each);
		move_to_stranger(true, each);
	}
}

Test(ike_adversary, client, .timeout = 120) { attack(false, false); }
Test(ike_adversary, client_of_the_first_layer, .timeout = 120) { attack(false, true); }
Test(ike_adversary, relay, .timeout = 120) { attack(true, false); }
Test(ike_adversary, relay_of_the_first_layer, .timeout = 120) { attack(true, true); }
