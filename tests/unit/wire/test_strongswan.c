/* What strongSwan sent, through our codec: read, compared with its log, written again. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/vectors/strongswan.h"
#include "wire/sample.h"

static uint64_t number(const uint8_t b[8])
{
	uint64_t v = 0;

	for (int i = 0; i < 8; i++)
		v = v << 8 | b[i];
	return v;
}

static void view_is(const struct ike_view *v, const uint8_t *want, size_t len)
{
	cr_assert_eq(v->len, len);
	cr_assert_arr_eq(v->data, want, len);
}

static void header_is(const uint8_t *msg, size_t len, uint8_t exchange, uint8_t flags,
		      struct ike_payloads *p)
{
	struct ike_header h;

	cr_assert_eq(ike_parse_header(msg, len, &h), 0);
	cr_assert_eq(h.spi_i, number(strongswan_spi_i));
	cr_assert_eq(h.exchange, exchange);
	cr_assert_eq(h.flags, flags);
	cr_assert_eq(h.message_id, exchange == IKE_EXCHANGE_AUTH);
	cr_assert_eq(h.length, len);
	if (flags & IKE_FLAG_RESPONSE || exchange == IKE_EXCHANGE_AUTH)
		cr_assert_eq(h.spi_r, number(strongswan_spi_r));
	else
		cr_assert_eq(h.spi_r, 0);
	cr_assert_eq(ike_parse_payloads(h.next, msg + 28, len - 28, p), 0);
}

static void init_is(const struct ike_payloads *p, const uint8_t nonce[32], const uint8_t ke[32])
{
	static const uint8_t hashes[] = { 0, 2, 0, 3, 0, 4, 0, 5 };
	const struct ike_notify *n = ike_find_notify(p, IKE_NOTIFY_SIGNATURE_HASH_ALGORITHMS);
	const struct ike_transform *t = p->proposals[0].transforms;

	cr_assert_eq(p->proposal_count, 1);
	cr_assert(p->proposals[0].protocol == IKE_PROTOCOL_IKE && p->proposals[0].spi.len == 0);
	cr_assert_eq(p->proposals[0].transform_count, 3);
	cr_assert(t[0].type == IKE_TRANSFORM_ENCR && t[0].id == IKE_ENCR_ID_CHACHA20_POLY1305);
	cr_assert_eq(t[0].key_bits, 0);
	cr_assert(t[1].type == IKE_TRANSFORM_PRF && t[1].id == IKE_PRF_ID_HMAC_SHA2_256);
	cr_assert(t[2].type == IKE_TRANSFORM_DH && t[2].id == IKE_DH_ID_CURVE25519);
	view_is(&p->nonce, nonce, 32);
	cr_assert_eq(p->ke_group, IKE_DH_ID_CURVE25519);
	view_is(&p->ke, ke, 32);
	cr_assert_not_null(n);
	view_is(&n->data, hashes, sizeof(hashes));
	cr_assert_not_null(ike_find_notify(p, IKE_NOTIFY_NAT_DETECTION_SOURCE_IP));
	cr_assert_not_null(ike_find_notify(p, IKE_NOTIFY_FRAGMENTATION_SUPPORTED));
	cr_assert_not(p->first_is_cookie);
}

Test(strongswan, init_request)
{
	struct ike_payloads p;

	header_is(strongswan_init_request, sizeof(strongswan_init_request), IKE_EXCHANGE_SA_INIT,
		  IKE_FLAG_INITIATOR, &p);
	init_is(&p, strongswan_ni, strongswan_ke_i);
	cr_assert_eq(p.notify_count, 5);
}

Test(strongswan, init_response)
{
	struct ike_payloads p;

	header_is(strongswan_init_response, sizeof(strongswan_init_response),
		  IKE_EXCHANGE_SA_INIT, IKE_FLAG_RESPONSE, &p);
	init_is(&p, strongswan_nr, strongswan_ke_r);
	cr_assert_not_null(ike_find_notify(&p, IKE_NOTIFY_CHILDLESS_IKEV2_SUPPORTED));
}

Test(strongswan, encrypted)
{
	struct ike_payloads p;

	header_is(strongswan_auth_request, sizeof(strongswan_auth_request), IKE_EXCHANGE_AUTH,
		  IKE_FLAG_INITIATOR, &p);
	cr_assert_eq(p.sk_next, IKE_PAYLOAD_IDI);
	cr_assert_eq(p.sk.len, 8 + sizeof(strongswan_auth_request_plain) + 1 + 16);
	header_is(strongswan_auth_response, sizeof(strongswan_auth_response), IKE_EXCHANGE_AUTH,
		  IKE_FLAG_RESPONSE, &p);
	cr_assert_eq(p.sk_next, IKE_PAYLOAD_IDR);
	cr_assert_eq(p.sk.len, 8 + sizeof(strongswan_auth_response_plain) + 1 + 16);
}

static void range_is(const struct ike_selectors *ts, const char *want)
{
	char text[ADDR_TEXT];
	struct prefix p;

	cr_assert_eq(ts->count, 1);
	cr_assert_eq(ike_selector_prefix(&ts->items[0], &p), 0);
	cr_assert_str_eq(prefix_text(&p, text), want);
	cr_assert(ts->items[0].port_lo == 0 && ts->items[0].port_hi == 65535);
}

Test(strongswan, auth_request_plain)
{
	const struct ike_proposal *o;
	struct ike_payloads p;

	cr_assert_eq(ike_parse_payloads(IKE_PAYLOAD_IDI, strongswan_auth_request_plain,
					sizeof(strongswan_auth_request_plain), &p), 0);
	cr_assert_eq(p.id_i.type, IKE_ID_KEY_ID);
	view_is(&p.id_i.body, strongswan_id_i, sizeof(strongswan_id_i));
	view_is(&p.id_r.body, strongswan_id_r, sizeof(strongswan_id_r));
	cr_assert_eq(p.auth_method, IKE_AUTH_METHOD_PSK);
	view_is(&p.auth, strongswan_auth_i, sizeof(strongswan_auth_i));
	cr_assert(p.cp.type == IKE_CFG_REQUEST && p.cp.count == 1);
	cr_assert(p.cp.attrs[0].type == IKE_CFG_ATTR_IP4_ADDRESS && p.cp.attrs[0].value.len == 0);
	cr_assert_eq(p.proposal_count, 2);
	o = p.proposals;
	cr_assert(o[0].protocol == IKE_PROTOCOL_ESP && o[0].number == 1 && o[1].number == 2);
	view_is(&o[0].spi, strongswan_child_spi_i, 4);
	view_is(&o[1].spi, strongswan_child_spi_i, 4);
	cr_assert_eq(o[0].transforms[0].id, IKE_ENCR_ID_AES_GCM_16);
	cr_assert_eq(o[0].transforms[0].key_bits, 256);
	cr_assert_eq(o[1].transforms[0].id, IKE_ENCR_ID_CHACHA20_POLY1305);
	cr_assert(o[0].transform_count == 3 && o[1].transform_count == 3);
	cr_assert_eq(o[0].transforms[2].type, IKE_TRANSFORM_ESN);
	range_is(&p.ts_i, "0.0.0.0/0");
	range_is(&p.ts_r, "0.0.0.0/0");
	cr_assert_not_null(ike_find_notify(&p, IKE_NOTIFY_INITIAL_CONTACT));
	cr_assert_not_null(ike_find_notify(&p, IKE_NOTIFY_EAP_ONLY_AUTHENTICATION));
}

Test(strongswan, auth_response_plain)
{
	static const uint8_t address[] = { 100, 64, 0, 1 }, dns[] = { 100, 64, 0, 53 };
	const struct ike_proposal *o;
	struct ike_payloads p;

	cr_assert_eq(ike_parse_payloads(IKE_PAYLOAD_IDR, strongswan_auth_response_plain,
					sizeof(strongswan_auth_response_plain), &p), 0);
	cr_assert_eq(p.id_r.type, IKE_ID_KEY_ID);
	view_is(&p.id_r.body, strongswan_id_r, sizeof(strongswan_id_r));
	view_is(&p.id_r.data, strongswan_pub, sizeof(strongswan_pub));
	cr_assert_eq(p.auth_method, IKE_AUTH_METHOD_SIGNATURE);
	view_is(&p.auth, strongswan_auth_r, sizeof(strongswan_auth_r));
	cr_assert(p.cp.type == IKE_CFG_REPLY && p.cp.count == 2);
	cr_assert_eq(p.cp.attrs[0].type, IKE_CFG_ATTR_IP4_ADDRESS);
	view_is(&p.cp.attrs[0].value, address, 4);
	cr_assert_eq(p.cp.attrs[1].type, IKE_CFG_ATTR_IP4_DNS);
	view_is(&p.cp.attrs[1].value, dns, 4);
	cr_assert_eq(p.proposal_count, 1);
	o = p.proposals;
	view_is(&o->spi, strongswan_child_spi_r, 4);
	cr_assert_eq(o->transform_count, 2);
	cr_assert(o->transforms[0].id == IKE_ENCR_ID_AES_GCM_16 &&
		  o->transforms[0].key_bits == 256);
	cr_assert(o->transforms[1].type == IKE_TRANSFORM_ESN &&
		  o->transforms[1].id == IKE_ESN_ID_NO);
	range_is(&p.ts_i, "100.64.0.1/32");
	range_is(&p.ts_r, "0.0.0.0/0");
}

/* Our builder writes strongSwan's IKE_SA_INIT request, byte for byte, from what the parser read. */
Test(strongswan, init_request_rebuilt)
{
	uint8_t buf[sizeof(strongswan_init_request)];
	struct ike_payloads p;
	struct ike_header h;
	struct ike_build b;
	size_t len;

	cr_assert_eq(ike_parse_header(strongswan_init_request, sizeof(buf), &h), 0);
	cr_assert_eq(ike_parse_payloads(h.next, strongswan_init_request + 28, sizeof(buf) - 28,
					&p), 0);
	ike_build_init(&b, buf, sizeof(buf), &h);
	ike_build_sa(&b, p.proposals, p.proposal_count);
	ike_build_ke(&b, p.ke_group, p.ke.data, p.ke.len);
	ike_build_nonce(&b, p.nonce.data, p.nonce.len);
	for (size_t i = 0; i < p.notify_count; i++)
		ike_build_notify(&b, p.notifies[i].type, p.notifies[i].data.data,
				 p.notifies[i].data.len);
	cr_assert_eq(ike_build_finish(&b, &len), 0);
	cr_assert_eq(len, sizeof(strongswan_init_request));
	cr_assert_arr_eq(buf, strongswan_init_request, len);
}

/* The same for what its responder put into SK of IKE_AUTH: ID, AUTH, CP, SA and selectors. */
Test(strongswan, auth_response_rebuilt)
{
	uint8_t buf[28 + sizeof(strongswan_auth_response_plain)];
	const struct ike_header h = { .spi_i = 1 };
	struct prefix ts_i, ts_r;
	struct ike_payloads p;
	struct ike_build b;
	size_t len;

	cr_assert_eq(ike_parse_payloads(IKE_PAYLOAD_IDR, strongswan_auth_response_plain,
					sizeof(strongswan_auth_response_plain), &p), 0);
	cr_assert_eq(ike_selector_prefix(&p.ts_i.items[0], &ts_i), 0);
	cr_assert_eq(ike_selector_prefix(&p.ts_r.items[0], &ts_r), 0);
	ike_build_init(&b, buf, sizeof(buf), &h);
	ike_build_id(&b, IKE_PAYLOAD_IDR, p.id_r.type, p.id_r.data.data, p.id_r.data.len);
	ike_build_auth(&b, p.auth_method, p.auth.data, p.auth.len);
	ike_build_cp(&b, p.cp.type, p.cp.attrs, p.cp.count);
	ike_build_sa(&b, p.proposals, p.proposal_count);
	ike_build_ts(&b, IKE_PAYLOAD_TSI, &ts_i, 1);
	ike_build_ts(&b, IKE_PAYLOAD_TSR, &ts_r, 1);
	cr_assert_eq(ike_build_finish(&b, &len), 0);
	cr_assert_eq(len, sizeof(buf));
	cr_assert_arr_eq(buf + 28, strongswan_auth_response_plain, len - 28);
}
