/*
 * Defects that other IKEv2 daemons had, by name: what led to them there is done here to a host that
 * is up, by a peer that holds the keys. What is refused may end that peer's IKE SA and never more:
 * `bystander` is another client's, and has to live on. Run it under -DASAN=ON.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "common/ike/ike_proposal.h"
#include "common/wire/ike_names.h"
#include "duo_assert.h"
#include "duo_rekey.h"
#include "peer.h"

static struct duo duo;
static struct duo_record *i, *bystander;
static struct peer_message m;
static struct ike_payloads answer;

static struct duo_record *other_of(const struct duo_record *r)
{
	struct ike_sa_info mine, theirs;

	ike_sa_info(r->sa, &mine);
	for (size_t k = 0; k < duo.b.count; k++) {
		if (!duo.b.records[k]->sa)
			continue;
		ike_sa_info(duo.b.records[k]->sa, &theirs);
		if (theirs.spi_i == mine.spi_i)
			return duo.b.records[k];
	}
	return NULL;
}

static void connect_one(void)
{
	struct ike_init_conf conf = duo_client(&duo);

	i = duo_connect(&duo, &conf);
	duo_assert_up(i);
}

static void setup(void)
{
	const struct ike_host_conf conf = { .half_open_per_path = 1000, .half_open_max = 10000,
					    .cookie_threshold = 10000 };

	duo_init(&duo, 51);
	duo_start(&duo, &conf);
	connect_one();
	bystander = i;
	connect_one();
}

static void teardown(void)
{
	size_t before = duo.b.sent;

	duo_assert_up(bystander);
	ike_host_probe(duo.a.host, bystander->sa);
	duo_settle(&duo);
	cr_assert_eq(duo.b.sent, before + 1, "the bystander gets its answer");
	cr_assert_null(bystander->sa->request.data);
	duo_fini(&duo);
}

TestSuite(ike_c2, .init = setup, .fini = teardown);

/* Still up at both ends, and in step. */
static void assert_alive(void)
{
	struct duo_record *r = other_of(i);

	cr_assert_not_null(r);
	duo_assert_up(i);
	ike_host_probe(duo.a.host, i->sa);
	duo_settle(&duo);
	cr_assert_null(i->sa->request.data);
	cr_assert_eq(r->sa->peer_id, i->sa->next_id);
}

/* Either alive, or over in good order; then there is another one for the next attempt. */
static void alive_or_anew(void)
{
	const struct duo_record *r = i->sa ? other_of(i) : NULL;

	if (r && r->sa->state == IKE_STATE_ESTABLISHED) {
		assert_alive();
		return;
	}
	if (i->sa)
		ike_host_drop(duo.a.host, i->sa, IKE_END_LOCAL);
	connect_one();
}

static const uint8_t some[1200] = { 1, 2, 3, 4, 5, 6, 7, 8 };

static void put_u32(uint32_t v, uint8_t out[4])
{
	for (int k = 0; k < 4; k++)
		out[k] = (uint8_t)(v >> (24 - 8 * k));
}

/* SPI of the child SA as a REKEY_SA or Delete of ours names it. */
static void own_spi(uint8_t out[4])
{
	struct ike_sa_info info;

	ike_sa_info(i->sa, &info);
	put_u32(info.child_in, out);
}

/* A payload of any content. */
static void add_raw(uint8_t type, const void *body, size_t len)
{
	const uint8_t header[4] = { 0, 0, (uint8_t)((len + 4) >> 8), (uint8_t)(len + 4) };

	m.b.w.start[m.b.next_at] = type;
	m.b.next_at = m.b.w.len;
	ike_build_bytes(&m.b, header, sizeof(header));
	ike_build_bytes(&m.b, body, len);
}

/* Notify or Delete with any protocol, any SPI size and what it says of that. */
static void add_spi(uint8_t payload, uint8_t protocol, uint8_t size, uint16_t number,
		    const uint8_t spi[4], size_t len)
{
	uint8_t body[4 + 300] = { protocol, size, (uint8_t)(number >> 8), (uint8_t)number };

	memcpy(body + 4, spi, 4);
	add_raw(payload, body, 4 + len);
}

/* The right beginning of a request to rekey the child SA: all but the rest. */
static void begin_rekey(void)
{
	uint8_t spi[4];

	own_spi(spi);
	peer_begin_request(&m, i->sa, IKE_EXCHANGE_CREATE_CHILD_SA);
	add_spi(IKE_PAYLOAD_NOTIFY, IKE_PROTOCOL_ESP, 4, IKE_NOTIFY_REKEY_SA, spi, 4);
}

static void add_offers(void)
{
	struct ike_proposal offers[IKE_PROPOSAL_ESP_OFFERS];
	static uint8_t spi[4];

	put_u32(0x01000000 + duo.a.host->counters.received, spi); /* another one each time */
	ike_proposal_esp(spi, false, offers);
	ike_build_sa(&m.b, offers, ARRAY_SIZE(offers));
}

static void add_selectors(void)
{
	const struct ike_children *c = i->sa->children;

	ike_build_ts(&m.b, IKE_PAYLOAD_TSI, c->ts_local.items, c->ts_local.count);
	ike_build_ts(&m.b, IKE_PAYLOAD_TSR, c->ts_remote.items, c->ts_remote.count);
}

/* Asks, and answers whether B has made something new. */
static bool is_granted(void)
{
	cr_assert_geq(peer_ask(&m, i, &answer), 1, "each request gets its answer");
	return answer.proposal_count > 0;
}

static void let_it_go(void)
{
	duo_run(&duo, duo.now + 130000); /* B gives up what A never uses */
	alive_or_anew();
}

/* That what is built here is granted, when it is right. */
Test(ike_c2, what_is_right)
{
	begin_rekey();
	add_offers();
	ike_build_nonce(&m.b, some, 32);
	add_selectors();
	cr_assert(is_granted());
	assert_alive();
}

/* ---- libreswan ---- */

/* CVE-2023-38710: REKEY_SA with a protocol that there is not ended in an assertion of its own. */
Test(ike_c2, libreswan_2023_38710_rekey_of_a_bogus_protocol)
{
	static const uint8_t protocols[] = { 0, 1, 2, 4, 77, 255 };
	static const uint8_t sizes[] = { 0, 1, 3, 4, 5, 8, 255 };

	for (size_t k = 0; k < sizeof(protocols) * sizeof(sizes) * 2; k++) {
		uint8_t protocol = protocols[k / 2 % sizeof(protocols)], spi[4];
		uint8_t size = sizes[k / 2 / sizeof(protocols)];

		own_spi(spi);
		peer_begin_request(&m, i->sa, IKE_EXCHANGE_CREATE_CHILD_SA);
		add_spi(IKE_PAYLOAD_NOTIFY, protocol, size, IKE_NOTIFY_REKEY_SA, spi, size);
		if (k % 2)
			add_offers();
		ike_build_nonce(&m.b, some, 32);
		add_selectors();
		cr_assert_not(is_granted());
		alive_or_anew();
	}
}

/* CVE-2023-23009: a corrupt traffic selector payload ended the daemon. */
static void with_selectors(const uint8_t *body, size_t len)
{
	for (int both = 0; both < 2; both++) {
		begin_rekey();
		add_offers();
		ike_build_nonce(&m.b, some, 32);
		add_raw(IKE_PAYLOAD_TSI, body, len);
		add_raw(IKE_PAYLOAD_TSR, both ? body : some, both ? len : 8);
		cr_assert_not(is_granted());
		alive_or_anew();
	}
}

Test(ike_c2, libreswan_2023_23009_corrupt_selectors, .timeout = 120)
{
	/* one TS, 0.0.0.0 to 255.255.255.255, any protocol and port */
	static const uint8_t right[20] = { 1, 0, 0, 0, 7, 0, 0, 16, 0, 0, 0xff, 0xff,
					   0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff };
	static const uint8_t values[] = { 0, 1, 2, 8, 9, 15, 17, 40, 0x7f, 0xfe, 0xff };
	uint8_t body[64];

	for (size_t len = 0; len < sizeof(right); len++)
		with_selectors(right, len);
	for (size_t at = 0; at < sizeof(right); at++) {
		if (at >= 1 && at <= 3) /* reserved */
			continue;
		for (size_t v = 0; v < sizeof(values); v++) {
			if (right[at] == values[v])
				continue;
			memcpy(body, right, sizeof(right));
			body[at] = values[v];
			with_selectors(body, sizeof(right));
		}
	}
	memset(body, 0xff, sizeof(body));
	with_selectors(body, sizeof(body));
}

/* CVE-2026-12413: fragments that are more, or more together, than there is room for. */
Test(ike_c2, libreswan_2026_12413_fragments_beyond_the_end)
{
	static const uint16_t lengths[] = { 1, 100, 1499, 1500, 1501, 2900 };
	static uint8_t part[2900];

	for (size_t k = 0; k < ARRAY_SIZE(lengths); k++)
		for (uint16_t total = 1; total <= 2 * IKE_FRAGMENTS_MAX; total++) {
			struct ike_header h = peer_header(i->sa, IKE_EXCHANGE_INFORMATIONAL);

			for (uint16_t n = total; n > 1; n--)
				peer_fragment(i, &h, 0, n, total, part, lengths[k]);
		}
	assert_alive();
	cr_assert_null(other_of(i)->sa->frags[0], "a whole one is done with fragments");
}

/* CVE-2026-14957 asserted that there are keys. Here: every shape of message before there are any. */
static void without_keys(struct duo_side *to, uint64_t spi_i, uint64_t spi_r)
{
	static const uint8_t nexts[] = { 0, 33, 35, 41, 42, 46, 53, 200 };
	struct ike_path path = duo_path_to(to);

	for (unsigned int k = 0; k < sizeof(nexts) * 4 * 4 * 3; k++) {
		struct ike_header h = { .spi_i = spi_i, .spi_r = spi_r,
					.exchange = (uint8_t)(34 + k % 4),
					.flags = (uint8_t)((k / 4 % 4) << 4 & IKE_FLAG_RESPONSE),
					.message_id = k / 16 % 3 };
		uint8_t msg[100] = { 0 };
		struct ike_build b;

		h.flags |= k / 4 % 2 ? IKE_FLAG_INITIATOR : 0;
		ike_build_init(&b, msg, sizeof(msg), &h);
		msg[16] = nexts[k / 48];
		msg[27] = sizeof(msg);
		msg[31] = sizeof(msg) - 28;
		msg[33] = msg[35] = 1; /* SKF: 1 of 1 */
		ike_host_input(to->host, &path, msg, sizeof(msg));
	}
}

Test(ike_c2, libreswan_2026_14957_sealed_before_there_are_keys)
{
	struct ike_init_conf conf = duo_client(&duo);
	struct duo_record *early;

	duo.faults.lose = 100;
	early = duo_initiate(&duo, &conf); /* waits for the answer to IKE_SA_INIT */
	for (uint64_t spi_r = 0; spi_r < 2; spi_r++)
		without_keys(&duo.a, early->sa->spi_i, spi_r);
	cr_assert_eq(early->sa->state, IKE_STATE_INIT_SENT);
	duo.faults.lose = 0;
	duo_run(&duo, duo.now + 2000);
	duo_assert_up(early);
}

/* ---- OpenIKED ---- */

/* 2025-04, a double free in the key exchange: one bad public value after the other, of any length. */
Test(ike_c2, openiked_2025_04_bad_key_exchange, .timeout = 120)
{
	struct ike_proposal offer;

	for (size_t len = 0; len <= 200; len++) {
		uint16_t group = len % 3 ? 31 : (uint16_t)len;

		peer_begin_request(&m, i->sa, IKE_EXCHANGE_CREATE_CHILD_SA);
		ike_proposal_ike(1, &offer);
		offer.spi = (struct ike_view){ some, 8 };
		ike_build_sa(&m.b, &offer, 1);
		ike_build_nonce(&m.b, some, 32);
		ike_build_ke(&m.b, group, (const uint8_t[200]){ 0 }, len); /* zero at 32 */
		cr_assert_not(is_granted());
		alive_or_anew();
		begin_rekey();
		add_offers();
		ike_build_nonce(&m.b, some, 32);
		ike_build_ke(&m.b, group, some, len);
		ike_build_ke(&m.b, group, some, len); /* twice */
		add_selectors();
		cr_assert_not(is_granted());
		alive_or_anew();
	}
}

/* 2024-02, one byte too many: what comes in lies in a block of its own, of every length. */
Test(ike_c2, openiked_2024_02_one_byte_too_many)
{
	struct ike_path path = duo_path_to(&duo.b);
	struct duo_datagram *g;

	duo.recording = true;
	ike_host_probe(duo.a.host, i->sa);
	duo_settle(&duo);
	duo.recording = false;
	g = duo.log[0];
	for (size_t len = 0; len <= g->len; len++)
		for (int next = 0; next < 256; next++) {
			uint8_t *block = malloc(len + (len == 0));

			cr_assert_not_null(block);
			memcpy(block, g->msg, len);
			if (len > 16)
				block[16] = (uint8_t)next;
			if (len > 27)
				block[27] = (uint8_t)len;
			if (len > 31)
				block[31] = (uint8_t)(len - 28);
			ike_host_input(duo.b.host, &path, block, len);
			free(block);
		}
	assert_alive();
}

/* 2022-11, a buffer for printing: there is none, names are constants, of every number. */
Test(ike_c2, openiked_2022_11_names_of_all_numbers)
{
	for (unsigned int k = 0; k < 65536; k++) {
		cr_assert_not_null(ike_notify_name((uint16_t)k));
		if (k < 256)
			cr_assert(ike_exchange_name((uint8_t)k) && ike_payload_name((uint8_t)k));
	}
}

/*
 * 2019 and 2020, use after free: what is in use is deleted. At every call to the outside, on either
 * side, the SA is dropped or closed, while all kinds of exchanges are under way.
 */
static enum duo_event hook_event;
static bool hook_drops;
static unsigned int hooked;

static void end_it(struct duo_record *r, enum duo_event event)
{
	if (event != hook_event || r == bystander || r == other_of(bystander) || event == DUO_ENDED)
		return;
	hooked++;
	if (hook_drops)
		ike_host_drop(r->side->host, r->sa, IKE_END_LOCAL);
	else
		ike_host_close(r->side->host, r->sa);
}

static void exchanges(void)
{
	struct ike_init_conf conf = duo_client(&duo);
	struct duo_record *one = duo_connect(&duo, &conf);
	struct duo_record *two = duo_last(&duo.b);

	for (int k = 0; k < 4; k++) {
		struct duo_record *by = k % 2 ? one : two;
		struct ike_sa_info info;

		if (!by || !by->sa || by == other_of(bystander))
			break;
		ike_sa_info(by->sa, &info);
		if (k < 2)
			ike_host_rekey_child(by->side->host, by->sa, info.child_in);
		else
			ike_host_rekey(by->side->host, by->sa);
		ike_host_probe(by->side->host, by->sa);
		duo_run(&duo, duo.now + 7000);
	}
	if (one->sa)
		ike_host_close(duo.a.host, one->sa);
	duo_run(&duo, duo.now + 200000);
}

Test(ike_c2, openiked_2019_delete_what_is_in_use)
{
	for (int k = 0; k < 2 * 2 * (DUO_ENDED + 1); k++) {
		struct duo_side *side = k & 1 ? &duo.a : &duo.b;

		hook_drops = k & 2;
		hook_event = (enum duo_event)(k / 4);
		hooked = 0;
		side->hook = end_it;
		exchanges();
		side->hook = NULL;
		if (hook_event != DUO_ENDED && !(hook_event == DUO_ADMIT && side == &duo.a))
			cr_assert_geq(hooked, 1, "event %d of side %d", hook_event, k & 1);
		cr_assert_eq(duo_counters(&duo.b).sas, 2, "those that were there before");
	}
	assert_alive();
}

/* ---- all of them: sizes, counts and types that do not fit ---- */

Test(ike_c2, sizes_of_spis, .timeout = 60)
{
	static const uint8_t sizes[] = { 0, 1, 3, 4, 5, 7, 8, 9, 255 };
	static const uint8_t protocols[] = { 0, 1, 2, 3, 4, 255 };
	static const uint16_t counts[] = { 0, 1, 2, 64, 65535 };
	size_t ended = 0;

	for (size_t k = 0; k < sizeof(sizes) * sizeof(protocols) * ARRAY_SIZE(counts) * 2; k++) {
		uint8_t size = sizes[k % sizeof(sizes)], none[4] = { 0 };
		uint8_t protocol = protocols[k / sizeof(sizes) % sizeof(protocols)];
		uint16_t count = counts[k / sizeof(sizes) / sizeof(protocols) % ARRAY_SIZE(counts)];
		bool deletes = k >= sizeof(sizes) * sizeof(protocols) * ARRAY_SIZE(counts);

		peer_begin_request(&m, i->sa, IKE_EXCHANGE_INFORMATIONAL);
		add_spi(deletes ? IKE_PAYLOAD_DELETE : IKE_PAYLOAD_NOTIFY, protocol, size,
			deletes ? count : (uint16_t)(16384 + count), none,
			deletes && (size_t)size * count < 300 ? (size_t)size * count : size);
		cr_assert_geq(peer_ask(&m, i, &answer), 1);
		ended += !other_of(i) || other_of(i)->sa->state != IKE_STATE_ESTABLISHED;
		alive_or_anew();
	}
	cr_assert(ended > 100, "most are refused");
}

/* A request to rekey with this as the SA payload. */
static void with_proposals(const uint8_t *body, size_t len)
{
	begin_rekey();
	add_raw(IKE_PAYLOAD_SA, body, len);
	ike_build_nonce(&m.b, some, 32);
	add_selectors();
	if (is_granted())
		let_it_go();
	else
		alive_or_anew();
}

Test(ike_c2, proposals_that_do_not_add_up, .timeout = 120)
{
	/* 1: ESP, SPI, AES-GCM-256, ESN */
	static const uint8_t right[32] = { 0, 0, 0, 32, 1, 3, 4, 2, 9, 9, 9, 9,
					   3, 0, 0, 12, 1, 0, 0, 20, 0x80, 14, 1, 0,
					   0, 0, 0, 8, 5, 0, 0, 1 };
	static const uint8_t values[] = { 0, 1, 3, 4, 8, 9, 0x80, 0xff };
	uint8_t body[256] = { 0 };

	for (size_t len = 0; len < sizeof(right); len++)
		with_proposals(right, len);
	for (size_t at = 0; at < sizeof(right); at++)
		for (size_t v = 0; v < sizeof(values); v++) {
			memcpy(body, right, sizeof(right));
			body[at] = values[v];
			with_proposals(body, sizeof(right));
		}
	for (size_t k = 0; k < 30; k++) /* thirty proposals without a transform */
		memcpy(body + 8 * k, (const uint8_t[]){ k < 29 ? 2 : 0, 0, 0, 8,
							(uint8_t)(k + 1), 3, 0, 0 }, 8);
	with_proposals(body, 240);
}

/* An AUTH exchange, or one that nobody knows, when all that is over (strongSwan CVE-2021-45079). */
Test(ike_c2, strongswan_2021_45079_messages_out_of_order)
{
	for (int exchange = 35; exchange < 256; exchange++) {
		if (exchange == IKE_EXCHANGE_CREATE_CHILD_SA ||
		    exchange == IKE_EXCHANGE_INFORMATIONAL)
			continue;
		peer_begin_request(&m, i->sa, (uint8_t)exchange);
		add_raw(IKE_PAYLOAD_EAP, (const uint8_t[]){ 3, 1, 0, 4 }, 4);
		cr_assert_not(is_granted());
		cr_assert_not_null(ike_find_notify(&answer, IKE_NOTIFY_INVALID_SYNTAX));
		cr_assert_null(other_of(i));
		alive_or_anew();
	}
}
