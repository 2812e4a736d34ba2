/* CREATE_CHILD_SA that is not granted, or not answered as it should be; and what is tried again. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "common/ike/ike_proposal.h"
#include "common/ike/ike_sa_priv.h"
#include "duo.h"
#include "duo_assert.h"
#include "duo_rekey.h"
#include "peer.h"

static struct duo duo;
static struct ike_host_conf quick = { .retransmit_first = 100, .child_linger = 1000 };
static struct duo_record *i, *r;
static struct peer_message m;
static struct ike_payloads p;

static void setup(void)
{
	duo_init(&duo, 3);
	duo_start(&duo, &quick);
	duo_establish(&duo, &i, &r);
}

static void teardown(void)
{
	duo_fini(&duo);
}

TestSuite(ike_rekey_refused, .init = setup, .fini = teardown);

/* ---- requests made by hand, by the initiator ---- */

struct parts {
	uint32_t spi;        /* of REKEY_SA, 0: none */
	uint16_t group;      /* of KE, 0: none */
	size_t ke_len;
	bool dh;             /* the proposal has D-H */
	uint32_t ts_lo;      /* TSi begins here */
	bool no_nonce;
	uint8_t encr;
};

static struct parts good_child(void)
{
	return (struct parts){ .spi = i->sending, .group = IKE_DH_ID_CURVE25519, .ke_len = 32,
			       .dh = true, .encr = IKE_ENCR_ID_AES_GCM_16 };
}

static void build_child(const struct parts *q)
{
	static const uint8_t spi[4] = { 9, 9, 9, 9 }, nonce[32] = { 1 };
	const struct ike_children *c = i->sa->children;
	struct ike_proposal offer[IKE_PROPOSAL_ESP_OFFERS];
	struct prefix ts = c->ts_local.items[0];
	uint8_t pub[64] = { 9 };

	peer_begin_request(&m, i->sa, IKE_EXCHANGE_CREATE_CHILD_SA);
	if (q->spi)
		ike_build_notify_esp(&m.b, IKE_NOTIFY_REKEY_SA, q->spi);
	ike_proposal_esp(spi, false, offer);
	if (q->dh)
		ike_proposal_esp_offer_dh(offer);
	if (q->dh)
		offer[0].transform_count--; /* D-H is not optional */
	offer[0].transforms[0].id = q->encr;
	ike_build_sa(&m.b, offer, 1);
	if (!q->no_nonce)
		ike_build_nonce(&m.b, nonce, sizeof(nonce));
	if (q->group)
		ike_build_ke(&m.b, q->group, pub, q->ke_len);
	if (q->ts_lo)
		ts = prefix_host(&(struct addr){ .family = AF_INET, .bytes = { 1, 2, 3, 4 } });
	ike_build_ts(&m.b, IKE_PAYLOAD_TSI, &ts, 1);
	ike_build_ts(&m.b, IKE_PAYLOAD_TSR, c->ts_remote.items, c->ts_remote.count);
}

static void assert_refused(uint16_t notify)
{
	cr_assert_eq(peer_ask(&m, i, &p), 1);
	cr_assert_eq(p.proposal_count, 0);
	cr_assert_eq(p.notify_count, 1);
	cr_assert_eq(p.notifies[0].type, notify, "%u", p.notifies[0].type);
	cr_assert_eq(r->adds, 0);
}

static void refused(const struct parts *q, uint16_t notify)
{
	build_child(q);
	assert_refused(notify);
	duo_assert_up(r);
	cr_assert_eq(duo_children(r), 1);
}

Test(ike_rekey_refused, granted_with_key_exchange)
{
	struct parts q = good_child();

	build_child(&q);
	cr_assert_eq(peer_ask(&m, i, &p), 1);
	cr_assert_eq(p.proposal_count, 1);
	cr_assert_eq(p.proposals[0].transform_count, 3);
	cr_assert_eq(p.ke_group, IKE_DH_ID_CURVE25519);
	cr_assert_eq(r->adds, 1);
	cr_assert_eq(r->switches, 0, "the old one is in use until it is deleted");
	cr_assert_eq(r->sending, r->child.spi_in);
}

Test(ike_rekey_refused, granted_without_key_exchange)
{
	struct parts q = good_child();

	q.dh = false;
	q.group = 0;
	build_child(&q);
	cr_assert_eq(peer_ask(&m, i, &p), 1);
	cr_assert_eq(p.proposals[0].transform_count, 2);
	cr_assert_null(p.ke.data);
	cr_assert_eq(r->adds, 1);
}

Test(ike_rekey_refused, second_child)
{
	struct parts q = good_child();

	q.spi = 0;
	refused(&q, IKE_NOTIFY_NO_ADDITIONAL_SAS);
}

Test(ike_rekey_refused, unknown_child)
{
	struct parts q = good_child();

	q.spi ^= 0x100;
	refused(&q, IKE_NOTIFY_CHILD_SA_NOT_FOUND);
	cr_assert_eq(p.notifies[0].protocol, IKE_PROTOCOL_ESP);
	cr_assert_eq(p.notifies[0].spi.len, 4);
}

Test(ike_rekey_refused, other_group)
{
	struct parts q = good_child();

	q.group = 19;
	q.ke_len = 64;
	refused(&q, IKE_NOTIFY_INVALID_KE_PAYLOAD);
	cr_assert_eq(p.notifies[0].data.len, 2);
	cr_assert_eq(p.notifies[0].data.data[1], IKE_DH_ID_CURVE25519);
}

Test(ike_rekey_refused, no_cipher_in_common)
{
	struct parts q = good_child();

	q.encr = 12;
	refused(&q, IKE_NOTIFY_NO_PROPOSAL_CHOSEN);
}

Test(ike_rekey_refused, other_selectors)
{
	struct parts q = good_child();

	q.ts_lo = 1;
	refused(&q, IKE_NOTIFY_TS_UNACCEPTABLE);
}

Test(ike_rekey_refused, the_outside_refuses)
{
	struct parts q = good_child();

	duo.b.child_add_result = -ENOBUFS;
	refused(&q, IKE_NOTIFY_TEMPORARY_FAILURE);
	duo.b.child_add_result = 0;
	build_child(&q);
	cr_assert_eq(peer_ask(&m, i, &p), 1);
	cr_assert_eq(r->adds, 1);
}

static void fatal(const struct parts *q)
{
	build_child(q);
	assert_refused(IKE_NOTIFY_INVALID_SYNTAX);
	duo_assert_gone(r, IKE_END_PROTOCOL, IKE_NOTIFY_INVALID_SYNTAX);
}

Test(ike_rekey_refused, no_nonce)
{
	struct parts q = good_child();

	q.no_nonce = true;
	fatal(&q);
}

Test(ike_rekey_refused, short_public_value)
{
	struct parts q = good_child();

	q.ke_len = 31;
	fatal(&q);
}

/* A new one each time, which is never taken into use: they are few, and no faster than so. */
Test(ike_rekey_refused, too_often)
{
	unsigned int granted = 0;

	for (int k = 0; k < 100; k++) {
		struct parts q = good_child();

		build_child(&q);
		cr_assert_eq(peer_ask(&m, i, &p), 1);
		granted += p.proposal_count;
		if (p.proposal_count == 0)
			cr_assert_eq(p.notifies[0].type, IKE_NOTIFY_TEMPORARY_FAILURE);
		cr_assert_leq(duo_children(r), 2);
	}
	cr_assert_eq(granted, 1);
}

Test(ike_rekey_refused, ike_too_often)
{
	uint64_t began = duo.now;
	size_t most = 0;

	for (int k = 0; k < 200; k++) {
		ike_host_rekey(duo.a.host, i->sa);
		duo_settle(&duo);
		if (duo_counters(&duo.b).sas > most)
			most = duo_counters(&duo.b).sas;
		duo_run(&duo, duo.now + 50);
	}
	cr_assert_leq(r->replacements, IKE_REKEY_BURST + (duo.now - began) / IKE_REKEY_PERIOD + 1);
	cr_assert_geq(r->replacements, IKE_REKEY_BURST);
	cr_assert_leq(most, 3);
	duo_run(&duo, duo.now + 30000);
	duo_settle(&duo);
	duo_rekey_assert_rest(&duo, i, r);
}

/* ---- our own requests ---- */

static void rekey_child(struct duo_record *who)
{
	ike_host_rekey_child(who->side->host, who->sa, who->sending);
}

Test(ike_rekey_refused, tried_again_until_it_works)
{
	duo.b.child_add_result = -ENOBUFS;
	rekey_child(i);
	duo_run(&duo, duo.now + 20000);
	cr_assert_eq(i->adds, 0);
	duo_rekey_assert(&duo, i, r);
	duo.b.child_add_result = 0;
	duo_run(&duo, duo.now + 60000);
	cr_assert_eq(i->adds, 1);
	cr_assert_eq(r->adds, 1);
	duo_settle(&duo);
	duo_rekey_assert_rest(&duo, i, r);
}

Test(ike_rekey_refused, our_outside_refuses)
{
	duo.a.child_add_result = -ENOBUFS;
	rekey_child(i);
	duo_settle(&duo);
	cr_assert_eq(i->adds, 0);
	cr_assert_eq(r->adds, 1);
	cr_assert_eq(r->dels, 1, "told to delete it");
	duo_rekey_assert(&duo, i, r);
	duo.a.child_add_result = 0;
	duo_run(&duo, duo.now + 60000);
	cr_assert_eq(i->adds, 1);
	duo_settle(&duo);
	duo_rekey_assert_rest(&duo, i, r);
}

Test(ike_rekey_refused, given_up_after_minutes)
{
	duo.b.child_add_result = -ENOBUFS;
	rekey_child(i);
	duo_run(&duo, duo.now + 150000);
	duo_assert_up(i);
	duo_run(&duo, duo.now + 120000);
	duo_assert_gone(i, IKE_END_REFUSED, IKE_NOTIFY_TEMPORARY_FAILURE);
	duo_assert_gone(r, IKE_END_PEER, 0);
}

Test(ike_rekey_refused, switch_fails)
{
	duo.b.child_switch_result = -ENOBUFS;
	rekey_child(i);
	duo_run(&duo, duo.now + 10000);
	duo_assert_gone(r, IKE_END_PROTOCOL, 0);
	duo_assert_gone(i, IKE_END_PEER, 0);
}

/* The peer makes a new one, and says nothing more: after a while it is used. */
Test(ike_rekey_refused, peer_never_deletes_the_old_one)
{
	struct parts q = good_child();

	build_child(&q);
	cr_assert_eq(peer_ask(&m, i, &p), 1);
	duo_run(&duo, duo.now + 59000);
	cr_assert_eq(r->switches, 0);
	duo_run(&duo, duo.now + 1100);
	cr_assert_eq(r->switches, 1);
}

/* ---- time ---- */

Test(ike_rekey_refused, both_sides_rekey_by_themselves)
{
	duo.a.host->conf.rekey_after = duo.b.host->conf.rekey_after = 60000;
	ike_host_rekey(duo.a.host, i->sa);
	duo_settle(&duo);
	duo_run(&duo, duo.now + 3600 * 1000);
	duo_settle(&duo);
	duo_rekey_assert_rest(&duo, i, r);
	cr_assert_geq(i->replacements, 60);
	cr_assert_leq(i->replacements, 75);
	cr_assert_eq(i->replacements, r->replacements);
}

static bool cut(struct duo *d, struct duo_side *from, uint8_t *msg, size_t *len)
{
	(void)d;
	(void)from;
	(void)msg;
	(void)len;
	return false;
}

Test(ike_rekey_refused, patience)
{
	uint64_t began = duo.now;
	size_t sent = duo.a.sent;

	ike_host_set_patience(duo.a.host, i->sa, 5000, 60000);
	duo.tap = cut;
	duo_run(&duo, began + 5000);
	cr_assert_eq(duo.a.sent, sent + 1, "probed sooner than by default");
	duo_run(&duo, began + 59900);
	duo_assert_up(i);
	cr_assert_gt(duo.a.sent, sent + 6);
	duo_run(&duo, began + 60100);
	duo_assert_gone(i, IKE_END_TIMEOUT, 0);
}

Test(ike_rekey_refused, patience_is_rewarded)
{
	ike_host_set_patience(duo.a.host, i->sa, 5000, 120000);
	ike_host_set_patience(duo.b.host, r->sa, 600000, 0);
	duo.tap = cut;
	duo_run(&duo, duo.now + 60000);
	duo.tap = NULL;
	duo_run(&duo, duo.now + 61000);
	duo_settle(&duo);
	duo_assert_up(i);
	duo_rekey_assert_rest(&duo, i, r);
}
