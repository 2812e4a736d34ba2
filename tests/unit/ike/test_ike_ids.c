/* Message IDs (RFC 7296 sections 2.1 to 2.3): a window of one, and their end. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "duo_assert.h"
#include "peer.h"

static struct duo duo;
static struct duo_record *i, *r;

static void setup(void)
{
	duo_init(&duo, 31);
	duo_start(&duo, NULL);
	duo_establish(&duo, &i, &r);
}

static void teardown(void)
{
	duo_fini(&duo);
}

TestSuite(ike_ids, .init = setup, .fini = teardown);

/* How many datagrams B sent for a request of A's with this ID and nothing inside. */
static size_t answers(uint32_t id)
{
	struct peer_message m;
	size_t before = duo.b.sent;

	peer_begin(&m, i->sa, IKE_EXCHANGE_INFORMATIONAL, false, id);
	peer_send(&m, i);
	return duo.b.sent - before;
}

Test(ike_ids, only_the_next_one_and_the_last_one)
{
	uint32_t next = r->sa->peer_id;

	cr_assert_eq(next, 2);
	cr_assert_eq(answers(next + 1), 0, "the window is one");
	cr_assert_eq(answers(next + 2), 0);
	cr_assert_eq(answers(UINT32_MAX), 0);
	cr_assert_eq(answers(0), 0, "late");
	cr_assert_eq(answers(next), 1);
	cr_assert_eq(answers(next), 1, "the same answer again");
	cr_assert_eq(answers(next + 1), 1);
	cr_assert_eq(answers(next), 0, "late");
	cr_assert_eq(r->sa->peer_id, next + 2);
	duo_assert_up(r);
}

/* The same answer, to the bit, whatever the repeated request says. */
Test(ike_ids, an_answer_is_given_once)
{
	struct ike_payloads p;
	struct peer_message m;
	uint8_t first[256];
	size_t len = 0;

	peer_begin_request(&m, i->sa, IKE_EXCHANGE_INFORMATIONAL);
	cr_assert_eq(peer_ask(&m, i, &p), 1);
	len = r->sa->response_len;
	cr_assert_leq(len, sizeof(first));
	memcpy(first, r->sa->response, len);
	peer_begin(&m, i->sa, IKE_EXCHANGE_INFORMATIONAL, false, i->sa->next_id - 1);
	ike_build_delete(&m.b, false, 0);
	cr_assert_eq(peer_ask(&m, i, &p), 1);
	cr_assert_eq(r->sa->response_len, len);
	cr_assert_arr_eq(r->sa->response, first, len);
	cr_assert_eq(p.delete_count, 0);
	duo_assert_up(r);
}

Test(ike_ids, answers_to_what_was_not_asked)
{
	struct ike_sa before;
	struct peer_message m;

	before = *r->sa;
	for (uint32_t id = 0; id < 4; id++) {
		peer_begin(&m, i->sa, IKE_EXCHANGE_INFORMATIONAL, true, id);
		ike_build_delete(&m.b, false, 0);
		peer_send(&m, i);
	}
	cr_assert_eq(memcmp(&before, r->sa, sizeof(before)), 0);
	duo.faults.lose = 100;
	ike_host_probe(duo.b.host, r->sa);
	duo.faults.lose = 0;
	before = *r->sa;
	for (uint32_t id = 0; id < 4; id++) { /* 0 is right, the exchange is not */
		peer_begin(&m, i->sa, id == 0 ? IKE_EXCHANGE_AUTH : IKE_EXCHANGE_INFORMATIONAL,
			   true, id);
		peer_send(&m, i);
	}
	cr_assert_eq(memcmp(&before, r->sa, sizeof(before)), 0);
}

/* ---- near the end ---- */

static void advance(uint32_t a_asks, uint32_t b_asks)
{
	i->sa->next_id = r->sa->peer_id = a_asks;
	r->sa->next_id = i->sa->peer_id = b_asks;
}

static void probe(struct duo_side *side, struct duo_record *record)
{
	ike_host_probe(side->host, record->sa);
	duo_settle(&duo);
}

/* Either side's IDs run out: there is a new IKE SA, with the same child, and they start anew. */
static void renewed(bool a_asks)
{
	uint32_t low = UINT32_MAX - 0x100000;
	struct ike_sa_info before, after;

	ike_sa_info(i->sa, &before);
	advance(a_asks ? low - 2 : 7, a_asks ? 7 : low - 2);
	probe(a_asks ? &duo.a : &duo.b, a_asks ? i : r);
	ike_sa_info(i->sa, &after);
	cr_assert_eq(after.spi_i, before.spi_i, "not yet");
	for (int k = 0; k < 3; k++)
		probe(a_asks ? &duo.a : &duo.b, a_asks ? i : r);
	duo_run(&duo, duo.now + 5000);
	duo_assert_up(i);
	duo_assert_up(r);
	ike_sa_info(i->sa, &after);
	cr_assert(after.spi_i != before.spi_i && after.spi_r != before.spi_r);
	cr_assert_eq(after.child_in, before.child_in);
	cr_assert(i->sa->next_id < 10 && i->sa->peer_id < 10);
	cr_assert(r->sa->next_id < 10 && r->sa->peer_id < 10);
	probe(&duo.a, i);
	probe(&duo.b, r);
	duo_assert_up(i);
	duo_assert_up(r);
}

Test(ike_ids, the_initiators_run_out) { renewed(true); }
Test(ike_ids, the_responders_run_out) { renewed(false); }

/* A peer that refuses every new IKE SA loses the one it has, before an ID comes twice. */
static bool no_rekeying(struct duo *d, struct duo_side *from, uint8_t *msg, size_t *len)
{
	(void)d;
	(void)from;
	(void)len;
	return msg[18] != IKE_EXCHANGE_CREATE_CHILD_SA;
}

Test(ike_ids, closed_when_there_is_no_other_way)
{
	advance(7, UINT32_MAX - 0x100 - 1);
	duo.tap = no_rekeying;
	probe(&duo.b, r);
	duo_run(&duo, duo.now + 5000);
	duo_assert_gone(r, IKE_END_PROTOCOL, 0);
	duo_assert_gone(i, IKE_END_PROTOCOL, 0);
}

/* One that goes on all the same: its last ID is never taken, nor 0 again, which an attacker has. */
Test(ike_ids, never_wrap)
{
	duo.faults.lose = 100; /* of B's Delete nothing is heard */
	advance(UINT32_MAX - 3, 7);
	cr_assert_eq(answers(UINT32_MAX - 3), 2, "the answer, and a Delete");
	cr_assert_eq(r->sa->state, IKE_STATE_CLOSING);
	cr_assert_eq(answers(UINT32_MAX - 2), 1);
	cr_assert_eq(answers(UINT32_MAX - 1), 1);
	cr_assert_eq(answers(UINT32_MAX), 0);
	cr_assert_eq(answers(0), 0);
	cr_assert_eq(answers(1), 0);
	cr_assert_eq(r->sa->peer_id, UINT32_MAX);
}
