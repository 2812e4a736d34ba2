/* IKE fragmentation (RFC 7383) between two hosts: negotiated, lossy, and by a hostile peer. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "duo_assert.h"
#include "duo_rekey.h"
#include "peer.h"

enum { SIZE = IKE_FRAGMENT_SIZE_MIN };

static struct duo duo;

/* What went over the wire: datagrams of each kind, and the longest encrypted one. */
static struct {
	size_t init, announced, whole, fragments, longest;
	size_t by_b; /* fragments that the responder sent */
} seen;

static bool count_tap(struct duo *d, struct duo_side *from, uint8_t *msg, size_t *len)
{
	struct ike_payloads p;

	if (msg[18] == IKE_EXCHANGE_SA_INIT) {
		seen.init++;
		cr_assert_eq(ike_parse_payloads(msg[16], msg + 28, *len - 28, &p), 0);
		seen.announced += ike_find_notify(&p, IKE_NOTIFY_FRAGMENTATION_SUPPORTED) != NULL;
		return true;
	}
	if (*len > seen.longest)
		seen.longest = *len;
	if (msg[16] == IKE_PAYLOAD_SKF) {
		seen.fragments++;
		seen.by_b += from == &d->b;
	} else {
		seen.whole++;
	}
	return true;
}

static void start(uint64_t seed, uint32_t size)
{
	const struct ike_host_conf conf = { .fragment_size = size, .retransmit_first = 200 };

	duo_init(&duo, seed);
	duo_start(&duo, &conf);
	memset(&seen, 0, sizeof(seen));
	duo.tap = count_tap;
}

static void both_up(const struct duo_record *i)
{
	duo_assert_up(i);
	duo_assert_up(duo_last(&duo.b));
}

static void connects(enum ike_auth auth)
{
	struct ike_init_conf conf;

	start(1, SIZE);
	conf = auth == IKE_AUTH_ED25519 ? duo_relay(&duo) : duo_client(&duo);
	conf.auth = auth;
	both_up(duo_connect(&duo, &conf));
	cr_assert_eq(seen.init, 2, "IKE_SA_INIT is never split");
	cr_assert_eq(seen.announced, 2);
	cr_assert_eq(seen.whole, 0);
	cr_assert(seen.fragments >= 4 && seen.by_b >= 2);
	cr_assert_leq(seen.longest, SIZE);
	duo_fini(&duo);
}

Test(ike_fragments, client) { connects(IKE_AUTH_NULL); }
Test(ike_fragments, psk_client) { connects(IKE_AUTH_PSK); }
Test(ike_fragments, relay) { connects(IKE_AUTH_ED25519); }

Test(ike_fragments, not_where_it_fits)
{
	struct ike_init_conf conf;

	start(1, 0);
	conf = duo_client(&duo);
	both_up(duo_connect(&duo, &conf));
	cr_assert(seen.announced == 2 && seen.fragments == 0 && seen.whole == 2);
	duo_fini(&duo);
}

/* Four octets more are in front of every message on port 4500. */
Test(ike_fragments, the_marker_counts)
{
	struct ike_init_conf conf;

	start(1, SIZE + 4);
	conf = duo_client(&duo);
	conf.path.floated = true;
	duo_assert_up(duo_connect(&duo, &conf));
	cr_assert(seen.fragments > seen.by_b && seen.by_b > 0);
	cr_assert_leq(seen.longest, SIZE + 4);
	duo_fini(&duo);
}

Test(ike_fragments, smallest_size_with_the_marker)
{
	struct ike_init_conf conf;

	start(1, SIZE); /* four octets less are too few: they are kept */
	conf = duo_client(&duo);
	conf.path.floated = true;
	duo_assert_up(duo_connect(&duo, &conf));
	cr_assert(seen.whole == 0 && seen.longest == SIZE);
	duo_fini(&duo);
}

/* One that does not know RFC 7383 (here: that lost what it knew) gets none, and takes none. */
static void forget_at(struct duo_record *r, enum duo_event event)
{
	if (event == DUO_ADMIT)
		r->sa->fragments = false;
}

Test(ike_fragments, only_when_both_know)
{
	struct ike_init_conf conf;
	struct duo_record *i;
	struct ike_header h;
	uint64_t malformed;

	start(1, SIZE);
	duo.b.hook = forget_at;
	conf = duo_client(&duo);
	i = duo_connect(&duo, &conf);
	both_up(i);
	cr_assert(seen.whole == 1 && seen.by_b == 0, "B answers with one message");
	cr_assert_gt(seen.longest, SIZE);
	malformed = duo_counters(&duo.b).malformed;
	h = peer_header(i->sa, IKE_EXCHANGE_INFORMATIONAL);
	peer_fragment(i, &h, 0, 1, 1, "", 0);
	cr_assert_eq(duo_counters(&duo.b).malformed, malformed + 1);
	cr_assert_eq(duo_last(&duo.b)->sa->peer_id, 2);
	duo_fini(&duo);
}

/* Loss, duplicates and another order, of the fragments of many handshakes. */
Test(ike_fragments, lossy, .timeout = 60)
{
	static const struct duo_faults faults[] = {
		{ .duplicate = 30, .delay_min = 1, .delay_max = 400 },
		{ .lose = 10, .duplicate = 10, .delay_min = 5, .delay_max = 50 },
		{ .corrupt = 5, .delay_min = 5, .delay_max = 50 },
	};
	unsigned int up = 0, tried = 0;

	for (uint64_t seed = 0; seed < 60; seed++) {
		struct ike_init_conf conf;
		struct duo_record *i;

		start(seed, SIZE);
		duo.faults = faults[seed % ARRAY_SIZE(faults)];
		conf = duo_client(&duo);
		i = duo_initiate(&duo, &conf);
		duo_run(&duo, duo.now + 8000);
		tried++;
		up += i->sa && i->established && duo_last(&duo.b) &&
		      duo_last(&duo.b)->established;
		if (i->sa)
			ike_host_close(duo.a.host, i->sa);
		duo.faults = (struct duo_faults){ 0 };
		duo_run(&duo, duo.now + 200000);
		cr_assert_eq(duo_counters(&duo.a).sas, 0);
		cr_assert_eq(duo_counters(&duo.b).sas, 0);
		duo_fini(&duo);
	}
	cr_assert_geq(up, tried * 9 / 10, "%u of %u", up, tried);
}

/* A rekeyed IKE SA knows what the first one knew (section 2.3), and all its messages may be long. */
Test(ike_fragments, rekeying)
{
	static const struct duo_faults faults = { .lose = 5, .duplicate = 20, .delay_min = 1,
						  .delay_max = 60 };
	struct ike_init_conf conf;
	struct duo_record *i, *r;

	start(7, SIZE);
	conf = duo_client(&duo);
	i = duo_connect(&duo, &conf);
	both_up(i);
	r = duo_last(&duo.b);
	duo.faults = faults;
	for (int k = 0; k < 10; k++) {
		struct duo_record *by = k & 1 ? i : r;
		struct ike_sa_info info;

		ike_sa_info(by->sa, &info);
		if (k & 2)
			ike_host_rekey(by->side->host, by->sa);
		else
			ike_host_rekey_child(by->side->host, by->sa, info.child_in);
		duo_run(&duo, duo.now + 20000);
		cr_assert(i->sa && r->sa && i->sa->fragments && r->sa->fragments);
	}
	duo.faults = (struct duo_faults){ .delay_min = 10, .delay_max = 10 };
	duo_run(&duo, duo.now + 100000);
	cr_assert_eq(i->replacements, 4);
	cr_assert_eq(i->adds, 6);
	duo_rekey_assert_rest(&duo, i, r);
	cr_assert_leq(seen.longest, SIZE);
	duo_fini(&duo);
}

/* ---- retransmissions ---- */

static bool lose_of_b(struct duo *d, struct duo_side *from, uint8_t *msg, size_t *len)
{
	count_tap(d, from, msg, len);
	return from != &d->b || msg[16] != IKE_PAYLOAD_SKF;
}

/*
 * OpenIKED, 2024-03: each fragment of a repeated request was answered with the whole response, a
 * storm of fragments squared. RFC 7383 section 2.6.1: once, for fragment number 1.
 */
Test(ike_fragments, one_answer_for_a_repeated_request)
{
	struct ike_init_conf conf;
	size_t of_request, of_response;

	start(1, SIZE);
	duo.tap = lose_of_b;
	conf = duo_client(&duo);
	duo_initiate(&duo, &conf);
	duo_settle(&duo);
	of_response = seen.by_b;
	of_request = seen.fragments - of_response;
	cr_assert(of_request >= 3 && of_response >= 2);
	for (size_t round = 2; round < 5; round++) {
		duo_run(&duo, ike_host_deadline(duo.a.host));
		duo_settle(&duo);
		cr_assert_eq(seen.fragments - seen.by_b, round * of_request, "all of the request");
		cr_assert_eq(seen.by_b, round * of_response, "all of the response, once");
	}
	cr_assert_eq(duo.b.records[0]->admits, 1);
	duo_fini(&duo);
}

/* ---- a peer that has the keys ---- */

static struct duo_record *established(void)
{
	struct ike_init_conf conf;
	struct duo_record *i;

	start(3, SIZE);
	conf = duo_client(&duo);
	i = duo_connect(&duo, &conf);
	both_up(i);
	memset(&seen, 0, sizeof(seen));
	return i;
}

static const uint8_t vendors[] = { 43, 0, 0, 12, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 4 };

static size_t answers(struct duo_record *i, const struct ike_header *h, uint16_t number,
		      uint16_t total, size_t at, size_t len)
{
	size_t before = duo.b.sent;

	peer_fragment(i, h, number == 1 ? 43 : 0, number, total, vendors + at, len);
	return duo.b.sent - before;
}

/* The response to request ID came: one probe gets through from end to end. */
static void alive(struct duo_record *i, uint32_t requests)
{
	struct ike_sa *b = duo_last(&duo.b)->sa;

	cr_assert_not_null(b);
	cr_assert_eq(b->peer_id, 2 + requests);
	i->sa->next_id = b->peer_id;
	ike_host_probe(duo.a.host, i->sa);
	duo_settle(&duo);
	cr_assert_eq(b->peer_id, 3 + requests);
	cr_assert_null(i->sa->request.data);
	both_up(i);
	duo_fini(&duo);
}

Test(ike_fragments, request_in_pieces)
{
	struct duo_record *i = established();
	struct ike_header h = peer_header(i->sa, IKE_EXCHANGE_INFORMATIONAL);

	cr_assert_eq(answers(i, &h, 3, 3, 12, 4), 0);
	cr_assert_eq(answers(i, &h, 1, 3, 0, 5), 0);
	cr_assert_eq(answers(i, &h, 1, 3, 0, 5), 0, "a duplicate");
	cr_assert_eq(answers(i, &h, 2, 3, 5, 7), 1);
	cr_assert_null(duo_last(&duo.b)->sa->frags[0]);
	cr_assert_eq(answers(i, &h, 2, 3, 5, 7), 0);
	cr_assert_eq(answers(i, &h, 3, 3, 12, 4), 0);
	cr_assert_eq(answers(i, &h, 1, 3, 0, 5), 1, "the first one asks for the answer again");
	alive(i, 1);
}

Test(ike_fragments, refused_ones_change_nothing)
{
	static const struct { uint16_t number, total; size_t len; } bad[] = {
		{ 0, 0, 5 }, { 0, 1, 5 }, { 1, 0, 5 }, { 3, 2, 5 }, { 65535, 2, 5 },
		{ 1, IKE_FRAGMENTS_MAX + 1, 5 }, { 1, 65535, 5 }, { 65535, 65535, 5 },
		{ 1, 3, 0 }, { 2, 3, 0 }, { 1, 1, 5 }, { 2, 2, 5 },
	};
	struct duo_record *i = established();
	struct ike_header h = peer_header(i->sa, IKE_EXCHANGE_INFORMATIONAL);

	cr_assert_eq(answers(i, &h, 2, 3, 5, 7), 0);
	for (size_t k = 0; k < ARRAY_SIZE(bad); k++)
		cr_assert_eq(answers(i, &h, bad[k].number, bad[k].total, 0, bad[k].len), 0);
	peer_fragment(i, &h, 43, 3, 3, vendors + 12, 4); /* names a first payload */
	h.message_id++; /* one that is not expected yet */
	cr_assert_eq(answers(i, &h, 1, 1, 0, 16), 0);
	h.message_id -= 2; /* one that is over: the answer of IKE_AUTH is asked for again */
	cr_assert_eq(answers(i, &h, 2, 2, 0, 16), 0);
	h.message_id++;
	cr_assert_eq(answers(i, &h, 1, 3, 0, 5), 0);
	cr_assert_eq(answers(i, &h, 3, 3, 12, 4), 1);
	alive(i, 1);
}

/* The same message as one: it counts, what was there of its fragments is forgotten. */
Test(ike_fragments, whole_one_in_between)
{
	struct duo_record *i = established();
	struct ike_header h = peer_header(i->sa, IKE_EXCHANGE_INFORMATIONAL);
	struct ike_payloads p;
	struct peer_message m;

	cr_assert_eq(answers(i, &h, 1, 2, 0, 12), 0);
	cr_assert_not_null(duo_last(&duo.b)->sa->frags[0]);
	peer_begin_request(&m, i->sa, IKE_EXCHANGE_INFORMATIONAL);
	cr_assert_eq(peer_ask(&m, i, &p), 1);
	cr_assert_null(duo_last(&duo.b)->sa->frags[0]);
	cr_assert_eq(answers(i, &h, 2, 2, 12, 4), 0);
	cr_assert_eq(answers(i, &h, 1, 2, 0, 12), 1, "a repetition, whatever its shape");
	h.message_id++;
	cr_assert_eq(answers(i, &h, 2, 2, 12, 4), 0);
	cr_assert_eq(answers(i, &h, 1, 2, 0, 12), 1);
	alive(i, 2);
}

/* What is put together of fragments is looked at as any other message is. */
Test(ike_fragments, garbage_in_pieces)
{
	struct duo_record *i = established();
	struct ike_header h = peer_header(i->sa, IKE_EXCHANGE_INFORMATIONAL);

	cr_assert_eq(answers(i, &h, 1, 2, 0, 11), 0);
	cr_assert_eq(answers(i, &h, 2, 2, 0, 3), 1);
	duo_assert_gone(duo_last(&duo.b), IKE_END_PROTOCOL, IKE_NOTIFY_INVALID_SYNTAX);
	duo_fini(&duo);
}

/* An SK or SKF inside of what was encrypted already. */
Test(ike_fragments, nested)
{
	static const uint8_t inner[2][12] = { { 0, 0, 0, 12 }, { 0, 0, 0, 12, 0, 1, 0, 1 } };

	for (int k = 0; k < 2; k++) {
		struct duo_record *i = established();
		struct ike_payloads p;
		struct peer_message m;

		peer_begin_request(&m, i->sa, IKE_EXCHANGE_INFORMATIONAL);
		peer_raw(&m, k ? IKE_PAYLOAD_SKF : IKE_PAYLOAD_SK, inner[k], sizeof(inner[k]));
		cr_assert_eq(peer_ask(&m, i, &p), 1);
		cr_assert_not_null(ike_find_notify(&p, IKE_NOTIFY_INVALID_SYNTAX));
		duo_assert_gone(duo_last(&duo.b), IKE_END_PROTOCOL, IKE_NOTIFY_INVALID_SYNTAX);
		duo_fini(&duo);
	}
}

/* Without the key: counted, and nothing of it is kept. */
Test(ike_fragments, forged)
{
	struct duo_record *i = established();
	struct ike_header h = peer_header(i->sa, IKE_EXCHANGE_INFORMATIONAL);
	uint64_t before = duo_counters(&duo.b).unauthenticated;
	struct ike_crypt right = i->sa->out;

	i->sa->out.key[0] ^= 1;
	for (uint16_t n = 1; n <= 3; n++)
		cr_assert_eq(answers(i, &h, n, 3, 0, 5), 0);
	i->sa->out = right;
	cr_assert_eq(duo_counters(&duo.b).unauthenticated, before + 3);
	cr_assert_null(duo_last(&duo.b)->sa->frags[0]);
	cr_assert_eq(answers(i, &h, 1, 2, 0, 12), 0);
	cr_assert_eq(answers(i, &h, 2, 2, 12, 4), 1);
	alive(i, 1);
}

/* Every way in which an SA ends frees what was there (run it under -DASAN=ON), and so does time. */
Test(ike_fragments, never_completed)
{
	struct duo_record *i = established();
	struct ike_header h = peer_header(i->sa, IKE_EXCHANGE_INFORMATIONAL);
	struct ike_sa *b = duo_last(&duo.b)->sa;

	cr_assert_eq(answers(i, &h, 1, 2, 0, 12), 0);
	cr_assert_not_null(b->frags[0]);
	duo_run(&duo, duo.now + 2 * IKE_FRAGMENT_LIFE);
	both_up(i);
	cr_assert_null(b->frags[0], "the next message, or the next probe, finds it too old");
	h = peer_header(i->sa, IKE_EXCHANGE_INFORMATIONAL);
	cr_assert_eq(answers(i, &h, 1, 2, 0, 12), 0);
	cr_assert_not_null(b->frags[0]);
	duo_fini(&duo);
}
