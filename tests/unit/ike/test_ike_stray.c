/* INVALID_IKE_SPI: a peer that has lost its IKE SAs is found soon, and by nobody's word alone. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "duo_assert.h"
#include "peer.h"

static struct duo duo;
static struct duo_record *i;
static size_t answers; /* in clear, that B sent */

static bool count_answers(struct duo *d, struct duo_side *from, uint8_t *msg, size_t *len)
{
	(void)len;
	answers += from == &d->b && msg[16] == IKE_PAYLOAD_NOTIFY &&
		   msg[18] != IKE_EXCHANGE_SA_INIT;
	return true;
}

static void setup(void)
{
	struct ike_init_conf conf;

	duo_init(&duo, 21);
	duo_start(&duo, NULL);
	conf = duo_client(&duo);
	i = duo_connect(&duo, &conf);
	duo_assert_up(i);
	duo.tap = count_answers;
	answers = 0;
}

static void teardown(void)
{
	duo_fini(&duo);
}

TestSuite(ike_stray, .init = setup, .fini = teardown);

/* What a crash leaves at B: nothing. */
static void forget_all(void)
{
	ike_host_drop(duo.b.host, duo_last(&duo.b)->sa, IKE_END_LOCAL);
	cr_assert_eq(duo_counters(&duo.b).sas, 0);
}

Test(ike_stray, restarted_peer_is_found_soon)
{
	uint64_t asked = duo.now;

	forget_all();
	ike_host_probe(duo.a.host, i->sa);
	duo_run(&duo, asked + 3000);
	duo_assert_up(i);
	cr_assert_eq(answers, 1 + IKE_STRAY_TRIES, "each request gets its answer");
	duo_run(&duo, asked + 4000);
	duo_assert_gone(i, IKE_END_TIMEOUT, 0);
}

/* Whatever patience there is with a peer that is silent: this one speaks. */
Test(ike_stray, patience_is_for_silence)
{
	ike_host_set_patience(duo.a.host, i->sa, 30000, 600000);
	forget_all();
	ike_host_probe(duo.a.host, i->sa);
	duo_run(&duo, duo.now + 4000);
	duo_assert_gone(i, IKE_END_TIMEOUT, 0);
}

Test(ike_stray, close_is_over_soon)
{
	forget_all();
	ike_host_close(duo.a.host, i->sa);
	duo_run(&duo, duo.now + 4000);
	duo_assert_gone(i, IKE_END_LOCAL, 0);
}

Test(ike_stray, answer_bears_what_the_request_bore)
{
	struct duo_datagram *request, *answer;

	forget_all();
	duo.recording = true;
	ike_host_probe(duo.a.host, i->sa);
	duo_settle(&duo);
	cr_assert_eq(duo.logged, 2);
	request = duo.log[0];
	answer = duo.log[1];
	cr_assert_eq(answer->len, 36);
	cr_assert_arr_eq(answer->msg, request->msg, 16, "both SPIs");
	cr_assert_eq(answer->msg[16], IKE_PAYLOAD_NOTIFY);
	cr_assert_arr_eq(answer->msg + 17, request->msg + 17, 2, "version, exchange");
	cr_assert_eq(answer->msg[19], IKE_FLAG_RESPONSE);
	cr_assert_arr_eq(answer->msg + 20, request->msg + 20, 4, "message ID");
	cr_assert_arr_eq(answer->msg + 28, ((uint8_t[]){ 0, 0, 0, 8, 0, 0, 0, 4 }), 8);
}

/* The responder of an SA asks its initiator, which is a client: a client answers nobody. */
Test(ike_stray, clients_say_nothing)
{
	struct duo_record *r = duo_last(&duo.b);
	size_t sent;

	ike_host_drop(duo.a.host, i->sa, IKE_END_LOCAL);
	sent = duo.a.sent;
	ike_host_probe(duo.b.host, r->sa);
	duo_run(&duo, duo.now + 60000);
	cr_assert_eq(duo.a.sent, sent);
	duo_assert_gone(r, IKE_END_TIMEOUT, 0);
}

/* ---- what gets no answer ---- */

static size_t answers_to(const struct ike_header *h, uint8_t next, size_t len)
{
	struct ike_path path = duo_path_to(&duo.b);
	uint8_t msg[200] = { 0 };
	size_t before = duo.b.sent;
	struct ike_build b;

	ike_build_init(&b, msg, sizeof(msg), h);
	msg[16] = next;
	msg[27] = (uint8_t)len;
	ike_host_input(duo.b.host, &path, msg, len);
	duo_settle(&duo);
	return duo.b.sent - before;
}

Test(ike_stray, only_requests_that_look_like_one)
{
	const struct ike_header right = { .spi_i = 1, .spi_r = 2,
					  .exchange = IKE_EXCHANGE_INFORMATIONAL,
					  .flags = IKE_FLAG_INITIATOR, .message_id = 7 };
	struct ike_header h = right;

	cr_assert_eq(answers_to(&right, IKE_PAYLOAD_SK, 57), 1);
	cr_assert_eq(answers_to(&right, IKE_PAYLOAD_SKF, 61), 1);
	cr_assert_eq(answers_to(&right, IKE_PAYLOAD_SK, 56), 0, "too short");
	cr_assert_eq(answers_to(&right, IKE_PAYLOAD_NOTIFY, 57), 0, "or two would answer each other");
	h.flags |= IKE_FLAG_RESPONSE;
	cr_assert_eq(answers_to(&h, IKE_PAYLOAD_SK, 57), 0);
	h = right;
	h.spi_r = 0;
	cr_assert_eq(answers_to(&h, IKE_PAYLOAD_SK, 57), 0);
	h = right;
	h.exchange = IKE_EXCHANGE_SA_INIT;
	cr_assert_eq(answers_to(&h, IKE_PAYLOAD_SK, 57), 0);
	h = right;
	h.spi_r = duo_last(&duo.b)->sa->spi_r; /* there, but of another initiator */
	cr_assert_eq(answers_to(&h, IKE_PAYLOAD_SK, 57), 0);
	h = right;
	h.flags = 0;
	h.spi_i = 99;
	cr_assert_eq(answers_to(&h, IKE_PAYLOAD_SK, 57), 1);
	duo_assert_up(i);
}

Test(ike_stray, a_flood_gets_a_trickle)
{
	struct ike_header h = { .spi_r = 2, .exchange = IKE_EXCHANGE_INFORMATIONAL,
				.flags = IKE_FLAG_INITIATOR };
	size_t got = 0;

	for (h.spi_i = 1; h.spi_i <= 10000; h.spi_i++)
		got += answers_to(&h, IKE_PAYLOAD_SK, 57);
	cr_assert_geq(got, IKE_STRAY_BURST);
	cr_assert_leq(got, IKE_STRAY_BURST + 10000 * 10 / IKE_STRAY_INTERVAL + 1);
}

/* ---- what others say ---- */

static void inject_answer(const struct ike_path *path, uint32_t id, uint8_t exchange,
			  uint16_t notify)
{
	struct ike_header h = { .spi_i = i->sa->spi_i, .spi_r = i->sa->spi_r, .exchange = exchange,
				.flags = IKE_FLAG_RESPONSE, .message_id = id };
	uint8_t msg[64];
	struct ike_build b;
	size_t len;

	ike_build_init(&b, msg, sizeof(msg), &h);
	ike_build_notify(&b, notify, NULL, 0);
	cr_assert_eq(ike_build_finish(&b, &len), 0);
	duo_inject(&duo.a, path, msg, len);
}

/* Forged a hundred times, while the peer is there and answers: nothing ends, nothing is lost. */
Test(ike_stray, forged_with_the_peer_alive)
{
	struct ike_path path = duo_path_to(&duo.a);

	for (int k = 0; k < 100; k++) {
		ike_host_probe(duo.a.host, i->sa);
		for (int n = 0; n < 5; n++)
			inject_answer(&path, i->sa->request.id, IKE_EXCHANGE_INFORMATIONAL,
				      IKE_NOTIFY_INVALID_IKE_SPI);
		duo_settle(&duo);
		cr_assert_null(i->sa->request.data);
	}
	duo_run(&duo, duo.now + 100000);
	duo_assert_up(i);
}

Test(ike_stray, forged_once_for_a_request)
{
	struct ike_path path = duo_path_to(&duo.a);
	size_t sent;

	duo.faults.lose = 100;
	ike_host_probe(duo.a.host, i->sa);
	sent = duo.a.sent;
	for (int n = 0; n < 50; n++) { /* each puts nothing off, and sends nothing */
		duo.now += 10;
		inject_answer(&path, i->sa->request.id, IKE_EXCHANGE_INFORMATIONAL,
			      IKE_NOTIFY_INVALID_IKE_SPI);
		while (duo.queue.count > 0)
			duo_settle(&duo);
	}
	cr_assert_eq(duo.a.sent, sent);
	cr_assert_leq(i->sa->request.next_at, duo.now + 10);
	duo_run(&duo, duo.now + 1000);
	cr_assert_eq(duo.a.sent, sent + 1);
	duo.faults.lose = 0;
	duo_run(&duo, duo.now + 5000);
	duo_assert_up(i);
}

Test(ike_stray, forged_wrongly)
{
	struct ike_path path = duo_path_to(&duo.a), other = path;
	struct ike_request before;

	other.remote.port++;
	duo.faults.lose = 100;
	ike_host_probe(duo.a.host, i->sa);
	before = i->sa->request;
	inject_answer(&other, before.id, IKE_EXCHANGE_INFORMATIONAL, IKE_NOTIFY_INVALID_IKE_SPI);
	inject_answer(&path, before.id + 1, IKE_EXCHANGE_INFORMATIONAL, IKE_NOTIFY_INVALID_IKE_SPI);
	inject_answer(&path, before.id, IKE_EXCHANGE_AUTH, IKE_NOTIFY_INVALID_IKE_SPI);
	inject_answer(&path, before.id, IKE_EXCHANGE_INFORMATIONAL,
		      IKE_NOTIFY_AUTHENTICATION_FAILED);
	duo_settle(&duo);
	cr_assert_eq(memcmp(&before, &i->sa->request, sizeof(before)), 0);
	duo.faults.lose = 0;
	duo_run(&duo, duo.now + 5000);
	duo_assert_up(i);
}
