/* Liveness: who is probed when, and how a silent peer is given up. */
#include <criterion/criterion.h>

#include "common/ike/ike_sa_priv.h"
#include "duo.h"
#include "duo_assert.h"

static struct duo duo;
static struct ike_host_conf quick = { .retransmit_first = 100 };

static void setup(void)
{
	duo_init(&duo, 1);
	duo_start(&duo, &quick);
}

static void teardown(void)
{
	duo_fini(&duo);
}

TestSuite(ike_liveness, .init = setup, .fini = teardown);

Test(ike_liveness, quiet_peers_probe_each_other)
{
	struct duo_record *i, *r;

	duo_establish(&duo, &i, &r);
	duo_run(&duo, duo.now + 3600 * 1000);
	duo_assert_up(i);
	duo_assert_up(r);
	cr_assert_gt(duo.a.sent + duo.b.sent, 200);
	cr_assert_lt(duo.a.sent + duo.b.sent, 600);
}

Test(ike_liveness, traffic_heard_saves_the_probe)
{
	struct duo_record *i, *r;
	size_t sent;

	duo_establish(&duo, &i, &r);
	sent = duo.a.sent + duo.b.sent;
	for (int k = 0; k < 10; k++) {
		duo_run(&duo, duo.now + 29000);
		ike_host_heard(duo.a.host, i->sa);
		ike_host_heard(duo.b.host, r->sa);
	}
	cr_assert_eq(duo.a.sent + duo.b.sent, sent);
}

static bool cut(struct duo *d, struct duo_side *from, uint8_t *msg, size_t *len)
{
	(void)d;
	(void)from;
	(void)msg;
	(void)len;
	return false;
}

Test(ike_liveness, dead_peer_is_found)
{
	struct duo_record *i, *r;
	uint64_t start;

	duo_establish(&duo, &i, &r);
	start = duo.now;
	duo.tap = cut;
	/* liveness, then 100 + 200 + … + 3200 ms of tries */
	duo_run(&duo, start + 30000 + 6280);
	duo_assert_up(i);
	duo_assert_up(r);
	duo_run(&duo, start + 30000 + 6400);
	duo_assert_gone(i, IKE_END_TIMEOUT, 0);
	duo_assert_gone(r, IKE_END_TIMEOUT, 0);
	cr_assert_eq(duo.a.sent, 2 + 6);
	duo_assert_nothing_left(&duo);
}

static bool cut_responder(struct duo *d, struct duo_side *from, uint8_t *msg, size_t *len)
{
	(void)msg;
	(void)len;
	return from == &d->a;
}

Test(ike_liveness, a_brief_probe)
{
	struct duo_record *i, *r;
	uint64_t began;
	size_t sent;

	duo_establish(&duo, &i, &r);
	ike_host_probe_briefly(duo.a.host, i->sa, 4);
	duo_settle(&duo);
	cr_assert_null(i->sa->request.data, "answered");
	began = duo.now;
	sent = duo.a.sent;
	duo.tap = cut_responder;
	ike_host_probe_briefly(duo.a.host, i->sa, 4);
	duo_run(&duo, began + 400);
	ike_host_probe_briefly(duo.a.host, i->sa, 4);
	duo_run(&duo, began + 1499);
	cr_assert_eq(i->ended, 0);
	duo_run(&duo, began + 1500);
	cr_assert_eq(i->ended, 1);
	cr_assert_eq(i->why, IKE_END_TIMEOUT);
	cr_assert_eq(duo.a.sent - sent, 4);
}

Test(ike_liveness, a_final_probe)
{
	struct duo_record *i, *r;
	uint64_t began;

	duo_establish(&duo, &i, &r);
	ike_host_set_patience(duo.a.host, i->sa, 30000, 900000);
	ike_host_probe_finally(duo.a.host, i->sa, 4);
	duo_settle(&duo);
	cr_assert_null(i->sa->request.data, "answered");
	duo.tap = cut_responder;
	began = duo.now;
	duo_run(&duo, began + 300000); /* it is tolerated, and asked now and then */
	duo_assert_up(i);
	cr_assert(i->sa->request.data);
	began = duo.now;
	ike_host_probe_finally(duo.a.host, i->sa, 4);
	duo_run(&duo, began + 1499);
	cr_assert_eq(i->ended, 0);
	duo_run(&duo, began + 1500);
	cr_assert_eq(i->ended, 1);
	cr_assert_eq(i->why, IKE_END_TIMEOUT);
}

Test(ike_liveness, a_final_probe_that_is_answered_changes_no_patience)
{
	struct duo_record *i, *r;

	duo_establish(&duo, &i, &r);
	ike_host_set_patience(duo.a.host, i->sa, 30000, 900000);
	ike_host_probe_finally(duo.a.host, i->sa, 4);
	duo_settle(&duo);
	duo.tap = cut_responder;
	duo_run(&duo, duo.now + 890000);
	duo_assert_up(i);
	duo_run(&duo, duo.now + 20000);
	cr_assert_eq(i->why, IKE_END_TIMEOUT);
}

Test(ike_liveness, old_answer_is_no_answer)
{
	struct duo_record *i, *r;
	struct ike_path path;
	uint64_t heard;

	duo_establish(&duo, &i, &r);
	duo.recording = true;
	ike_host_probe(duo.a.host, i->sa);
	duo_settle(&duo);
	heard = i->sa->last_heard;
	cr_assert_null(i->sa->request.data);
	duo.tap = cut_responder;
	ike_host_probe(duo.a.host, i->sa);
	duo_settle(&duo);
	path = duo_path_to(&duo.a);
	duo_inject(&duo.a, &path, duo.log[1]->msg, duo.log[1]->len);
	duo_settle(&duo);
	cr_assert_not_null(i->sa->request.data, "still waiting");
	cr_assert_eq(i->sa->last_heard, heard);
}

Test(ike_liveness, nobody_answers)
{
	struct ike_init_conf conf = duo_client(&duo);
	struct duo_record *i;

	duo.tap = cut;
	i = duo_initiate(&duo, &conf);
	duo_run(&duo, duo.now + 6299);
	cr_assert_eq(i->ended, 0);
	duo_run(&duo, duo.now + 1);
	duo_assert_gone(i, IKE_END_TIMEOUT, 0);
	cr_assert_eq(duo.a.sent, 6);
}
