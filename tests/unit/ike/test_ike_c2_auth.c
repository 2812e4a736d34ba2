/*
 * Defects that other IKEv2 daemons had, by name, continued: before and while a peer authenticates.
 * Run it under -DASAN=ON.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "common/ike/ike_proposal.h"
#include "duo_assert.h"
#include "peer.h"

static struct duo duo;
static struct duo_record *i; /* its IKE_AUTH request is held back */
static struct peer_message m;
static struct ike_payloads answer;

static bool hold_auth(struct duo *d, struct duo_side *from, uint8_t *msg, size_t *len)
{
	(void)len;
	return from != &d->a || msg[18] != IKE_EXCHANGE_AUTH;
}

static void half_open(void)
{
	struct ike_init_conf conf = duo_client(&duo);

	i = duo_connect(&duo, &conf);
	cr_assert_eq(i->sa->state, IKE_STATE_AUTH_SENT);
}

/* A's side: when it was refused, it is gone already. */
static void forget(void)
{
	if (i->sa)
		ike_host_drop(duo.a.host, i->sa, IKE_END_LOCAL);
}

static void setup(void)
{
	const struct ike_host_conf conf = { .half_open_per_path = 10000, .half_open_max = 100000,
					    .cookie_threshold = 100000, .first_layer = true };

	duo_init(&duo, 61);
	duo_start(&duo, &conf);
	duo.tap = hold_auth;
}

/* Nothing is left of all that, and the next one is served. */
static void teardown(void)
{
	struct ike_init_conf conf = duo_client(&duo);

	duo_run(&duo, duo.now + 300000);
	cr_assert_eq(duo_counters(&duo.b).half_open, 0);
	duo.tap = NULL;
	duo_assert_up(duo_connect(&duo, &conf));
	duo_fini(&duo);
}

TestSuite(ike_c2_auth, .init = setup, .fini = teardown);

/* ---- IKE_AUTH as one likes ---- */

static const uint8_t right_id[4] = { IKE_ID_NULL };

/* The proof of NULL Authentication for the ID with this body. */
static void prove(const uint8_t *id, size_t len, uint8_t proof[CRYPTO_PRF])
{
	const struct ike_handshake *hs = i->sa->hs;
	const struct ike_signed s = { .message = { hs->i.message, hs->i.message_len },
				      .nonce = { hs->r.nonce, hs->r.nonce_len },
				      .id = { id, len }, .sk_p = hs->keys.pi };

	ike_proof_null(&s, proof);
}

static void add_raw(uint8_t type, const void *body, size_t len)
{
	const uint8_t header[4] = { 0, 0, (uint8_t)((len + 4) >> 8), (uint8_t)(len + 4) };

	m.b.w.start[m.b.next_at] = type;
	m.b.next_at = m.b.w.len;
	ike_build_bytes(&m.b, header, sizeof(header));
	ike_build_bytes(&m.b, body, len);
}

/* A request with this body of IDi, this method and data of AUTH, and all else right. */
static bool admitted(const uint8_t *id, size_t id_len, uint8_t method, const uint8_t *data,
		     size_t len)
{
	static const struct ike_cp_attr wanted = { .type = IKE_CFG_ATTR_IP4_ADDRESS };
	static const uint8_t spi[4] = { 9, 9, 9, 9 };
	struct ike_proposal offers[IKE_PROPOSAL_ESP_OFFERS];
	const struct prefix any = { .addr.family = AF_INET };

	peer_begin(&m, i->sa, IKE_EXCHANGE_AUTH, false, 1);
	add_raw(IKE_PAYLOAD_IDI, id, id_len);
	ike_build_auth(&m.b, method, data, len);
	ike_build_cp(&m.b, IKE_CFG_REQUEST, &wanted, 1);
	ike_proposal_esp(spi, false, offers);
	ike_build_sa(&m.b, offers, ARRAY_SIZE(offers));
	ike_build_ts(&m.b, IKE_PAYLOAD_TSI, &any, 1);
	ike_build_ts(&m.b, IKE_PAYLOAD_TSR, &any, 1);
	cr_assert_eq(peer_ask(&m, i, &answer), 1);
	return answer.auth.data;
}

/* That what is built here is admitted, when it is right. */
Test(ike_c2_auth, what_is_right)
{
	uint8_t proof[CRYPTO_PRF];

	half_open();
	prove(right_id, sizeof(right_id), proof);
	cr_assert(admitted(right_id, 4, IKE_AUTH_METHOD_NULL, proof, sizeof(proof)));
	forget();
}

/* strongSwan CVE-2026-47895: an empty ID, copied, was freed twice. Each type, empty and short. */
Test(ike_c2_auth, strongswan_2026_47895_empty_id, .timeout = 60)
{
	for (unsigned int type = 0; type < 20; type++)
		for (size_t len = 0; len < 40; len += len < 6 ? 1 : 13) {
			uint8_t id[40] = { (uint8_t)type }, proof[CRYPTO_PRF];

			if (type == IKE_ID_NULL && len == 4)
				continue;
			half_open();
			prove(id, len, proof);
			cr_assert_not(admitted(id, len, IKE_AUTH_METHOD_NULL, proof, sizeof(proof)),
				      "type %u, %zu bytes", type, len);
			forget();
		}
	cr_assert_eq(duo.b.count, 0, "nobody was admitted");
}

/*
 * libreswan CVE-2026-50721 took a proof whose beginning was right, CVE-2026-50722 asserted its length:
 * any part of the right one, one byte more, and any byte wrong.
 */
Test(ike_c2_auth, libreswan_2026_50721_part_of_a_proof, .timeout = 60)
{
	uint8_t proof[2 * CRYPTO_PRF] = { 0 };

	for (size_t len = 1; len <= sizeof(proof); len++) {
		half_open();
		prove(right_id, sizeof(right_id), proof);
		cr_assert_eq(admitted(right_id, 4, IKE_AUTH_METHOD_NULL, proof, len),
			     len == CRYPTO_PRF, "%zu bytes", len);
		forget();
	}
	for (size_t at = 0; at < CRYPTO_PRF; at++) {
		half_open();
		prove(right_id, sizeof(right_id), proof);
		proof[at] ^= 0x80;
		cr_assert_not(admitted(right_id, 4, IKE_AUTH_METHOD_NULL, proof, CRYPTO_PRF));
		forget();
	}
	cr_assert_eq(duo.b.count, 1);
}

Test(ike_c2_auth, libreswan_2026_50722_length_of_a_proof)
{
	uint8_t data[IKE_PROOF_SIGNATURE + 1] = { 0 };
	static const uint8_t said[60] = { 1, 2, 3 };
	const struct ike_signed s = { .message = { said, 60 }, .nonce = { said, 32 },
				      .id = { said, 4 }, .sk_p = duo.b.key.seed };

	for (size_t len = 0; len <= sizeof(data); len++) {
		uint8_t *block = malloc(len + (len == 0));
		struct ike_view v = { block, len };

		ike_proof_sign(&s, &duo.b.key, data);
		memcpy(block, data, len);
		cr_assert_eq(ike_proof_sign_check(&s, &duo.b.key.pub, v) == 0,
			     len == IKE_PROOF_SIGNATURE);
		ike_proof_psk(&s, data);
		memcpy(block, data, len);
		cr_assert_eq(ike_proof_psk_check(&s, v) == 0, len == CRYPTO_PRF);
		ike_proof_null(&s, data);
		memcpy(block, data, len);
		cr_assert_eq(ike_proof_null_check(&s, v) == 0, len == CRYPTO_PRF);
		free(block);
	}
}

/* All methods, with data of all lengths (strongSwan CVE-2023-26463 and others: what is not known). */
Test(ike_c2_auth, methods_that_there_are_not)
{
	static const uint8_t zeros[100];

	for (unsigned int method = 0; method < 256; method++) {
		half_open();
		cr_assert_not(admitted(right_id, 4, (uint8_t)method, zeros, 1 + method % 100));
		forget();
	}
	cr_assert_eq(duo.b.count, 0);
}

/* CVE-2024-2357: without a secret for the peer, its request, repeated, found none once more. */
Test(ike_c2_auth, libreswan_2024_2357_repeated_and_refused)
{
	uint8_t proof[CRYPTO_PRF] = { 0 };
	struct duo_datagram *g;
	int lived = 0;

	half_open();
	duo.recording = true;
	peer_begin(&m, i->sa, IKE_EXCHANGE_AUTH, false, 1);
	add_raw(IKE_PAYLOAD_IDI, (const uint8_t[]){ IKE_ID_KEY_ID, 0, 0, 0, 7 }, 5);
	ike_build_auth(&m.b, IKE_AUTH_METHOD_PSK, proof, sizeof(proof));
	peer_send(&m, i);
	g = duo.log[0];
	for (int k = 0; k < 30; k++) {
		struct ike_path path = duo_path_to(&duo.b);
		bool known = duo_counters(&duo.b).sas > 0;
		size_t logged = duo.logged;
		struct ike_header h;

		cr_assert_eq(ike_parse_header(m.buf, (size_t)(m.buf[26] << 8 | m.buf[27]), &h), 0);
		duo_inject(&duo.b, &path, m.buf, h.length);
		duo_settle(&duo);
		cr_assert_eq(duo.logged, logged + 1);
		if (known) {
			cr_assert_eq(duo.log[logged]->len, g->len);
			cr_assert_arr_eq(duo.log[logged]->msg, g->msg, g->len);
		} else { /* forgotten: INVALID_IKE_SPI */
			cr_assert_eq(duo.log[logged]->len, 36);
		}
		lived += known;
		duo.now += 500;
		ike_host_tick(duo.b.host);
	}
	cr_assert(lived > 10 && lived < 30);
	duo.recording = false;
	forget();
}

/* ---- IKE_SA_INIT ---- */

/* strongSwan CVE-2023-41913: a public value longer than its buffer. Every length there can be. */
Test(ike_c2_auth, strongswan_2023_41913_long_public_value, .timeout = 60)
{
	static const uint8_t value[2900] = { 9 };
	static const uint16_t groups[] = { 31, 19, 0, 65535 };
	static const uint8_t hashes[] = { 0, IKE_HASH_ID_IDENTITY };
	size_t answered = 0;

	for (size_t k = 0; k < 800; k++) {
		size_t len = k / 4 < 100 ? k / 4 : (k / 4 - 100) * 28;
		struct ike_header h = { .spi_i = 1000 + k, .exchange = IKE_EXCHANGE_SA_INIT,
					.flags = IKE_FLAG_INITIATOR };
		struct ike_path path = duo_path_to(&duo.b);
		uint64_t before = duo_counters(&duo.b).half_open;
		struct ike_proposal offer;
		uint8_t buf[DUO_MESSAGE_MAX];
		struct ike_build b;
		size_t size;

		ike_build_init(&b, buf, sizeof(buf), &h);
		ike_proposal_ike(1, &offer);
		ike_build_sa(&b, &offer, 1);
		ike_build_ke(&b, groups[k % 4], value, len);
		ike_build_nonce(&b, value, 32);
		ike_build_notify(&b, IKE_NOTIFY_SIGNATURE_HASH_ALGORITHMS, hashes, sizeof(hashes));
		cr_assert_eq(ike_build_finish(&b, &size), 0);
		ike_host_input(duo.b.host, &path, buf, size);
		answered += duo_counters(&duo.b).half_open > before;
		cr_assert_eq(duo_counters(&duo.b).half_open > before, len == 32 && k % 4 == 0);
	}
	cr_assert_eq(answered, 1);
}

/* ---- the initiator's side ---- */

static unsigned int forged;

/* In place of B's answer to IKE_AUTH: one that proves nothing, with what others were taken in by. */
static bool forge_answer(struct duo *d, struct duo_side *from, uint8_t *msg, size_t *len)
{
	static const uint8_t eap_success[] = { 3, 1, 0, 4 };
	struct duo_record *r = duo_last(&d->b);
	static uint8_t zeros[CRYPTO_PRF];

	if (from != &d->b || msg[18] != IKE_EXCHANGE_AUTH)
		return true;
	m.b = (struct ike_build){ 0 };
	peer_begin(&m, r->sa, IKE_EXCHANGE_AUTH, true, 1);
	if (forged & 1)
		add_raw(IKE_PAYLOAD_EAP, eap_success, sizeof(eap_success));
	if (forged & 2)
		ike_build_id(&m.b, IKE_PAYLOAD_IDR, IKE_ID_KEY_ID, d->b.key.pub.bytes, 32);
	if (forged & 4)
		ike_build_auth(&m.b, IKE_AUTH_METHOD_NULL, zeros, sizeof(zeros));
	if (forged & 8)
		ike_build_auth(&m.b, IKE_AUTH_METHOD_SIGNATURE, zeros, 1);
	if (forged & 16)
		ike_build_notify(&m.b, IKE_NOTIFY_INITIAL_CONTACT, NULL, 0);
	cr_assert_eq(ike_crypt_seal(&r->sa->out, &m.b, len), 0);
	memcpy(msg, m.buf, *len);
	return true;
}

/* CVE-2021-45079: an early EAP-Success made the client believe that all was proved. */
Test(ike_c2_auth, strongswan_2021_45079_early_success)
{
	struct ike_init_conf conf = duo_client(&duo);

	duo.tap = forge_answer;
	for (forged = 0; forged < 32; forged++) {
		i = duo_connect(&duo, &conf);
		cr_assert_null(i->sa);
		cr_assert(i->ups == 0 && i->established == 0 && i->ended == 1);
	}
}

/* ---- addresses ---- */

static void put_everywhere(const struct duo_datagram *g, const struct ike_sa *sa)
{
	for (int k = 0; k < 16; k++) {
		struct ike_path path = duo_path_to(&duo.b), before = sa->path;
		uint8_t copy[DUO_MESSAGE_MAX];

		memcpy(copy, g->msg, g->len);
		copy[g->len - 1] ^= 1; /* what a forger cannot make right */
		path.remote.port += (uint16_t)(k & 1);
		path.remote.addr.bytes[3] ^= (uint8_t)(k & 2);
		path.floated = k & 4;
		path.channel += k & 8;
		duo_inject(&duo.b, &path, copy, g->len);
		duo_settle(&duo);
		cr_assert(ike_path_equal(&sa->path, &before), "way %d", k);
		cr_assert_not(sa->paths.check.on);
	}
}

/* OpenIKED 2025-03: the peer's address was taken from messages that nobody had authenticated. */
Test(ike_c2_auth, openiked_2025_03_address_of_a_forged_message)
{
	struct ike_init_conf conf = duo_client(&duo);
	struct duo_record *r;

	conf.first_layer = true;
	duo.recording = true;
	i = duo_connect(&duo, &conf); /* the request is in the log, and B is half open */
	cr_assert_eq(duo.logged, 3);
	duo.recording = false;
	put_everywhere(duo.log[2], duo.b.host->by_spi);
	cr_assert_eq(duo.b.host->by_spi->state, IKE_STATE_HALF_OPEN);
	duo.tap = NULL;
	duo_run(&duo, duo.now + 5000);
	r = duo_last(&duo.b);
	duo_assert_up(i);
	cr_assert(r->sa->paths.first_layer && r->sa->paths.mobike);
	while (duo.logged > 0)
		free(duo.log[--duo.logged]);
	duo.recording = true;
	duo.faults.lose = 100;
	ike_host_probe(duo.a.host, i->sa);
	duo.faults.lose = 0;
	duo.recording = false;
	cr_assert_eq(duo.logged, 1);
	put_everywhere(duo.log[0], r->sa);
	duo_run(&duo, duo.now + 5000);
	duo_assert_up(i);
	cr_assert_null(i->sa->request.data);
	forget();
}
