/* IKE_SA_INIT in the open: what a responder refuses without state, what an initiator believes. */
#include <criterion/criterion.h>
#include <string.h>

#include "common/ike/ike_proposal.h"
#include "common/ike/ike_sa_priv.h"
#include "duo.h"

static struct duo duo;

static void setup(void)
{
	duo_init(&duo, 21);
	duo_start(&duo, NULL);
	duo.recording = true;
}

static void teardown(void)
{
	duo_fini(&duo);
}

TestSuite(ike_init, .init = setup, .fini = teardown);

/* ---- responder ---- */

struct request {
	struct ike_proposal proposal;
	uint16_t group;
	size_t ke_len, nonce_len;
	bool hashes, fragments;
	uint8_t unknown; /* a critical payload of this type at the end */
	uint8_t flags;
	uint32_t message_id;
	uint64_t spi_r;
};

static struct request right_request(void)
{
	struct request q = { .group = 31, .ke_len = 32, .nonce_len = 32, .hashes = true,
			     .flags = IKE_FLAG_INITIATOR };

	ike_proposal_ike(1, &q.proposal);
	return q;
}

static size_t build_request(const struct request *q, uint8_t buf[512])
{
	static const uint8_t hashes[] = { 0, 2, 0, 5 };
	const struct ike_header h = { .spi_i = 77, .spi_r = q->spi_r, .flags = q->flags,
				      .exchange = IKE_EXCHANGE_SA_INIT,
				      .message_id = q->message_id };
	uint8_t filler[256];
	struct ike_build b;
	size_t len;

	memset(filler, 9, sizeof(filler));
	ike_build_init(&b, buf, 512, &h);
	ike_build_sa(&b, &q->proposal, 1);
	if (q->ke_len)
		ike_build_ke(&b, q->group, filler, q->ke_len);
	if (q->nonce_len)
		ike_build_nonce(&b, filler, q->nonce_len);
	if (q->hashes)
		ike_build_notify(&b, IKE_NOTIFY_SIGNATURE_HASH_ALGORITHMS, hashes, sizeof(hashes));
	if (q->fragments)
		ike_build_notify(&b, IKE_NOTIFY_FRAGMENTATION_SUPPORTED, NULL, 0);
	if (q->unknown) {
		size_t at = b.w.len;

		ike_build_notify(&b, 40000, NULL, 0);
		buf[b.next_at] = 0;
		buf[at + 1] = IKE_PAYLOAD_CRITICAL;
		for (size_t i = 28;; i += (size_t)(buf[i + 2] << 8 | buf[i + 3]))
			if (i + (size_t)(buf[i + 2] << 8 | buf[i + 3]) == at) {
				buf[i] = q->unknown;
				break;
			}
	}
	cr_assert_eq(ike_build_finish(&b, &len), 0);
	return len;
}

/* The answer's only notify, 0 when there was a real answer, -1 for silence. */
static int ask(const struct request *q, struct ike_notify *out)
{
	struct ike_path path = duo_path_to(&duo.b);
	size_t logged = duo.logged;
	struct ike_payloads p;
	const struct duo_datagram *g;
	uint8_t buf[512];
	size_t len = build_request(q, buf);

	ike_host_input(duo.b.host, &path, buf, len);
	if (duo.logged == logged)
		return -1;
	g = duo.log[logged];
	cr_assert_eq(g->msg[19], IKE_FLAG_RESPONSE);
	cr_assert_eq(ike_parse_payloads(g->msg[16], g->msg + 28, g->len - 28, &p), 0);
	if (p.proposal_count > 0)
		return 0;
	cr_assert_eq(p.notify_count, 1);
	cr_assert_eq(duo_counters(&duo.b).sas, 0, "a refusal leaves no state");
	for (int i = 8; i < 16; i++)
		cr_assert_eq(g->msg[i], 0);
	*out = p.notifies[0];
	return p.notifies[0].type;
}

Test(ike_init, right_request_is_answered)
{
	struct request q = right_request();
	struct ike_notify n;

	cr_assert_eq(ask(&q, &n), 0);
	cr_assert_eq(duo_counters(&duo.b).half_open, 1);
	/* Once more: the same bytes back, and no second SA. */
	cr_assert_eq(ask(&q, &n), 0);
	cr_assert_eq(duo_counters(&duo.b).half_open, 1);
	cr_assert_eq(duo.log[0]->len, duo.log[1]->len);
	cr_assert_arr_eq(duo.log[0]->msg, duo.log[1]->msg, duo.log[0]->len);
	/* The same SPI with another nonce is somebody else. */
	q.nonce_len = 31;
	cr_assert_eq(ask(&q, &n), 0);
	cr_assert_eq(duo_counters(&duo.b).half_open, 2);
}

/* RFC 7383 section 2.3: a responder that is not asked says nothing of fragments. */
Test(ike_init, fragments_are_offered_to_who_offers_them)
{
	struct request q = right_request();
	struct ike_notify n;

	for (int k = 0; k < 2; k++) {
		struct ike_payloads p;
		const struct duo_datagram *g;

		q.fragments = k;
		cr_assert_eq(ask(&q, &n), 0);
		g = duo.log[k];
		cr_assert_eq(ike_parse_payloads(g->msg[16], g->msg + 28, g->len - 28, &p), 0);
		cr_assert_eq(ike_find_notify(&p, IKE_NOTIFY_FRAGMENTATION_SUPPORTED) != NULL, k);
	}
}

Test(ike_init, nothing_in_common)
{
	struct request q = right_request();
	struct ike_notify n;

	for (size_t i = 0; i < q.proposal.transform_count; i++) {
		q = right_request();
		q.proposal.transforms[i].id++;
		cr_assert_eq(ask(&q, &n), IKE_NOTIFY_NO_PROPOSAL_CHOSEN);
		q = right_request();
		q.proposal.transforms[i].unknown_attr = false;
		q.proposal.transforms[i].key_bits = 128;
		cr_assert_eq(ask(&q, &n), IKE_NOTIFY_NO_PROPOSAL_CHOSEN);
	}
	q = right_request();
	q.hashes = false;
	cr_assert_eq(ask(&q, &n), IKE_NOTIFY_NO_PROPOSAL_CHOSEN, "cannot check our signature");
}

Test(ike_init, wrong_group)
{
	struct request q = right_request();
	struct ike_notify n;

	q.group = 19;
	q.ke_len = 64;
	cr_assert_eq(ask(&q, &n), IKE_NOTIFY_INVALID_KE_PAYLOAD);
	cr_assert_eq(n.data.len, 2);
	cr_assert_eq(n.data.data[0], 0);
	cr_assert_eq(n.data.data[1], 31);
}

Test(ike_init, unknown_critical_payload)
{
	struct request q = right_request();
	struct ike_notify n;

	q.unknown = 99;
	cr_assert_eq(ask(&q, &n), IKE_NOTIFY_UNSUPPORTED_CRITICAL_PAYLOAD);
	cr_assert_eq(n.data.len, 1);
	cr_assert_eq(n.data.data[0], 99);
}

Test(ike_init, silence)
{
	struct request wrong[] = { right_request(), right_request(), right_request(),
				   right_request(), right_request(), right_request() };
	struct ike_notify n;

	wrong[0].ke_len = 31;
	wrong[1].ke_len = 0;
	wrong[2].nonce_len = 0;
	wrong[3].flags = 0;
	wrong[4].message_id = 1;
	wrong[5].spi_r = 1;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		cr_assert_eq(ask(&wrong[i], &n), -1, "case %zu", i);
	cr_assert_eq(duo_counters(&duo.b).sas, 0);
}

Test(ike_init, client_answers_nobody)
{
	struct request q = right_request();
	struct ike_path path = duo_path_to(&duo.a);
	uint8_t buf[512];

	ike_host_input(duo.a.host, &path, buf, build_request(&q, buf));
	cr_assert_eq(duo.a.sent, 0);
	cr_assert_eq(duo_counters(&duo.a).sas, 0);
}

/* A D-H value of small order: no key comes of it, and the SA does not outlive its time. */
Test(ike_init, zero_shared_secret)
{
	struct ike_path path = duo_path_to(&duo.b);
	struct request q = right_request();
	uint8_t buf[512];
	size_t len = build_request(&q, buf);

	memset(buf + 28 + 36 + 8, 0, 32);
	ike_host_input(duo.b.host, &path, buf, len);
	cr_assert_eq(duo_counters(&duo.b).half_open, 1);
	memset(buf, 0, sizeof(buf));
	memcpy(buf, duo.log[0]->msg, 16);
	buf[16] = IKE_PAYLOAD_SK;
	buf[17] = 0x20;
	buf[18] = IKE_EXCHANGE_AUTH;
	buf[19] = IKE_FLAG_INITIATOR;
	buf[23] = 1;
	buf[27] = 28 + 4 + 40;
	buf[31] = 4 + 40;
	ike_host_input(duo.b.host, &path, buf, 28 + 4 + 40);
	cr_assert_eq(duo_counters(&duo.b).unauthenticated, 1);
	duo_run(&duo, duo.now + 31000);
	cr_assert_eq(duo_counters(&duo.b).sas, 0);
}

/* ---- initiator ---- */

static void forge_error(const struct duo_record *i, uint16_t type, const struct ike_path *path,
			uint64_t spi_i)
{
	const struct ike_header h = { .spi_i = spi_i, .exchange = IKE_EXCHANGE_SA_INIT,
				      .flags = IKE_FLAG_RESPONSE };
	struct ike_build b;
	uint8_t buf[64];
	size_t len;

	cr_assert_not_null(i->sa);
	ike_build_init(&b, buf, sizeof(buf), &h);
	ike_build_notify(&b, type, NULL, 0);
	cr_assert_eq(ike_build_finish(&b, &len), 0);
	ike_host_input(duo.a.host, path, buf, len);
}

Test(ike_init, forged_error_loses_against_the_answer)
{
	struct ike_init_conf conf = duo_client(&duo);
	struct ike_path path = duo_path_to(&duo.a);
	struct duo_record *i = duo_initiate(&duo, &conf);

	forge_error(i, IKE_NOTIFY_NO_PROPOSAL_CHOSEN, &path, i->sa->spi_i);
	forge_error(i, IKE_NOTIFY_INVALID_KE_PAYLOAD, &path, i->sa->spi_i);
	duo_settle(&duo);
	cr_assert_eq(i->established, 1);
	cr_assert_eq(i->ended, 0);
}

Test(ike_init, error_counts_when_nothing_better_comes)
{
	struct ike_init_conf conf = duo_client(&duo);
	struct duo_record *i;

	duo.b.host->conf.responder = false;
	i = duo_connect(&duo, &conf);
	forge_error(i, IKE_NOTIFY_NO_PROPOSAL_CHOSEN, &(struct ike_path){ 0 }, i->sa->spi_i);
	cr_assert_eq(i->sa->notify, 0, "not from where we asked");
	forge_error(i, IKE_NOTIFY_NO_PROPOSAL_CHOSEN, &(struct ike_path){ 0 }, i->sa->spi_i ^ 1);
	cr_assert_eq(i->sa->notify, 0, "not our SPI");
	forge_error(i, IKE_NOTIFY_NO_PROPOSAL_CHOSEN, &(struct ike_path){
			.local = conf.path.local, .remote = conf.path.remote }, i->sa->spi_i);
	cr_assert_eq(i->sa->notify, IKE_NOTIFY_NO_PROPOSAL_CHOSEN);
	duo_run(&duo, 1000 + 1499);
	cr_assert_eq(i->ended, 0);
	duo_run(&duo, 1000 + 1500);
	cr_assert_eq(i->ended, 1);
	cr_assert_eq(i->why, IKE_END_REFUSED);
	cr_assert_eq(i->notify, IKE_NOTIFY_NO_PROPOSAL_CHOSEN);
	cr_assert_eq(duo.a.sent, 2);
}

/* A responder that can do no more than refuse: seen as such by a real initiator. */
static bool other_group(struct duo *d, struct duo_side *from, uint8_t *msg, size_t *len)
{
	(void)len;
	if (from == &d->a && msg[18] == IKE_EXCHANGE_SA_INIT)
		msg[28 + 36 + 5] = 30; /* KE group */
	return true;
}

Test(ike_init, refused_group_ends_it)
{
	struct ike_init_conf conf = duo_client(&duo);
	struct duo_record *i;

	duo.tap = other_group;
	i = duo_initiate(&duo, &conf);
	duo_run(&duo, duo.now + 2000);
	cr_assert_eq(i->why, IKE_END_REFUSED);
	cr_assert_eq(i->notify, IKE_NOTIFY_INVALID_KE_PAYLOAD);
	cr_assert_eq(duo_counters(&duo.b).sas, 0);
}

/* IKE_AUTH from another address than IKE_SA_INIT: the data path would lead elsewhere. */
Test(ike_init, auth_from_another_address)
{
	struct ike_init_conf conf = duo_client(&duo);
	struct duo_record *i = duo_initiate(&duo, &conf);

	duo_run(&duo, duo.now + 15);
	i->sa->path.local.addr = addr_v4(0x0a000001);
	duo_settle(&duo);
	cr_assert_eq(duo.b.count, 0);
	i->sa->path.local = conf.path.local;
	duo_run(&duo, duo.now + 1000);
	cr_assert_eq(i->established, 1);
}
