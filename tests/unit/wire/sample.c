#include "sample.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t bytes_a[64] = { 0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7 };
static const uint8_t bytes_b[64] = { 0xb0, 0xb1, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7 };

static struct ike_proposal ike_offer(const uint8_t *spi)
{
	return (struct ike_proposal){
		.number = 1,
		.protocol = IKE_PROTOCOL_IKE,
		.spi = { .data = spi, .len = spi ? 8 : 0 },
		.transform_count = 3,
		.transforms = {
			{ .type = IKE_TRANSFORM_ENCR, .id = IKE_ENCR_ID_CHACHA20_POLY1305 },
			{ .type = IKE_TRANSFORM_PRF, .id = IKE_PRF_ID_HMAC_SHA2_256 },
			{ .type = IKE_TRANSFORM_DH, .id = IKE_DH_ID_CURVE25519 },
		},
	};
}

static struct ike_proposal esp_offer(uint8_t number)
{
	return (struct ike_proposal){
		.number = number,
		.protocol = IKE_PROTOCOL_ESP,
		.spi = { .data = bytes_b, .len = 4 },
		.transform_count = 3,
		.transforms = {
			{ .type = IKE_TRANSFORM_ENCR, .id = IKE_ENCR_ID_AES_GCM_16,
			  .key_bits = 256 },
			{ .type = IKE_TRANSFORM_ESN, .id = IKE_ESN_ID_YES },
			{ .type = IKE_TRANSFORM_ESN, .id = IKE_ESN_ID_NO },
		},
	};
}

static void build_init(struct ike_build *b, bool request)
{
	static const uint8_t hashes[] = { 0, IKE_HASH_ID_IDENTITY };
	struct ike_proposal offer = ike_offer(NULL);

	if (request)
		ike_build_notify(b, IKE_NOTIFY_COOKIE, bytes_b, 16);
	ike_build_sa(b, &offer, 1);
	ike_build_ke(b, IKE_DH_ID_CURVE25519, bytes_a, 32);
	ike_build_nonce(b, bytes_b, 32);
	ike_build_notify(b, IKE_NOTIFY_SIGNATURE_HASH_ALGORITHMS, hashes, sizeof(hashes));
}

static void build_auth(struct ike_build *b, bool request)
{
	static const uint8_t lease[4] = { 100, 64, 0, 9 };
	struct ike_proposal offers[] = { esp_offer(1), esp_offer(2) };
	struct prefix any = { .addr.family = AF_INET };
	struct prefix host = { .addr = addr_v4(0x64400009), .len = 32 };
	struct ike_cp_attr attrs[] = {
		{ .type = IKE_CFG_ATTR_IP4_ADDRESS,
		  .value = { .data = lease, .len = request ? 0 : 4 } },
		{ .type = IKE_CFG_ATTR_IP4_DNS, .value = { .data = lease, .len = request ? 0 : 4 } },
	};

	if (request)
		ike_build_id(b, IKE_PAYLOAD_IDI, IKE_ID_NULL, NULL, 0);
	else
		ike_build_id(b, IKE_PAYLOAD_IDR, IKE_ID_KEY_ID, bytes_a, 32);
	ike_build_auth(b, request ? IKE_AUTH_METHOD_NULL : IKE_AUTH_METHOD_SIGNATURE, bytes_b,
		       request ? 32 : 64);
	ike_build_cp(b, request ? IKE_CFG_REQUEST : IKE_CFG_REPLY, attrs, ARRAY_SIZE(attrs));
	ike_build_sa(b, offers, request ? 2 : 1);
	ike_build_ts(b, IKE_PAYLOAD_TSI, request ? &any : &host, 1);
	ike_build_ts(b, IKE_PAYLOAD_TSR, &any, 1);
	ike_build_notify(b, IKE_NOTIFY_ESP_TFC_PADDING_NOT_SUPPORTED, NULL, 0);
}

static void build_rekey(struct ike_build *b)
{
	struct ike_proposal offers[] = { ike_offer(bytes_a), ike_offer(bytes_b), esp_offer(3) };
	struct prefix v6[2] = {
		{ .addr = { .family = AF_INET6, .bytes = { 0x20, 0x01, 0x0d, 0xb8 } }, .len = 32 },
		{ .addr = addr_v4(0xc0000200), .len = 24 },
	};

	offers[1].number = 2;
	ike_build_sa(b, offers, ARRAY_SIZE(offers));
	ike_build_nonce(b, bytes_a, 16);
	ike_build_ke(b, IKE_DH_ID_CURVE25519, bytes_b, 32);
	ike_build_ts(b, IKE_PAYLOAD_TSI, v6, 2);
	ike_build_ts(b, IKE_PAYLOAD_TSR, v6, 2);
}

/* A payload that ike_build.h has no use for. */
static void build_raw(struct ike_build *b, uint8_t type, const uint8_t *data, size_t len)
{
	b->w.start[b->next_at] = type;
	b->next_at = b->w.len;
	wbuf_u16(&b->w, 0);
	wbuf_u16(&b->w, (uint16_t)(IKE_PAYLOAD_HEADER_SIZE + len));
	wbuf_bytes(&b->w, data, len);
}

static void build_informational(struct ike_build *b)
{
	ike_build_delete(b, false, 0);
	ike_build_delete(b, true, 0x12345678);
	ike_build_notify(b, IKE_NOTIFY_INVALID_SYNTAX, bytes_a, 5);
	build_raw(b, IKE_PAYLOAD_VENDOR, bytes_a, 8);
	build_raw(b, IKE_PAYLOAD_CERT, bytes_b, 20);
	build_raw(b, 200, bytes_b, 3);
	ike_build_nonce(b, bytes_b, 64);
}

size_t sample_build(enum sample which, uint8_t *out)
{
	struct ike_header h = { .spi_i = 0x1122334455667788, .spi_r = 0x99aabbccddeeff00,
				.exchange = IKE_EXCHANGE_INFORMATIONAL, .message_id = 7 };
	size_t len = 0, offset, plain;
	struct ike_build b;

	ike_build_init(&b, out, SAMPLE_MAX, &h);
	switch (which) {
	case SAMPLE_INIT_REQUEST:
	case SAMPLE_INIT_RESPONSE:
		build_init(&b, which == SAMPLE_INIT_REQUEST);
		break;
	case SAMPLE_AUTH_REQUEST:
	case SAMPLE_AUTH_RESPONSE:
		build_auth(&b, which == SAMPLE_AUTH_REQUEST);
		break;
	case SAMPLE_REKEY:
		build_rekey(&b);
		break;
	case SAMPLE_INFORMATIONAL:
		build_informational(&b);
		break;
	case SAMPLE_ENCRYPTED:
		ike_build_notify(&b, IKE_NOTIFY_COOKIE, bytes_a, 1);
		ike_build_sk_begin(&b, bytes_a);
		build_informational(&b);
		cr_assert_eq(ike_build_sk_end(&b, 16, &offset, &plain, &len), 0);
		return len;
	case SAMPLE_FRAGMENT:
		ike_build_skf_begin(&b, IKE_PAYLOAD_IDI, 1, 2, (const uint8_t[8]){ 1 });
		ike_build_bytes(&b, "part of an ID", 13);
		cr_assert_eq(ike_build_sk_end(&b, 16, &offset, &plain, &len), 0);
		return len;
	case SAMPLE_COUNT:
		break;
	}
	cr_assert_eq(ike_build_finish(&b, &len), 0);
	return len;
}

struct block {
	const uint8_t *start;
	size_t len;
};

static void inside(const struct block *b, const struct ike_view *v)
{
	if (!v->data)
		cr_assert_eq(v->len, 0);
	else
		cr_assert(v->data >= b->start && v->len <= b->len &&
			  v->data + v->len <= b->start + b->len);
}

static void all_inside(const struct block *b, const struct ike_payloads *p)
{
	const struct ike_view *views[] = { &p->ke, &p->nonce, &p->vendor, &p->auth, &p->sk,
					   &p->id_i.data, &p->id_i.body, &p->id_r.data,
					   &p->id_r.body };

	for (size_t i = 0; i < ARRAY_SIZE(views); i++)
		inside(b, views[i]);
	cr_assert_leq(p->proposal_count, IKE_PROPOSALS_MAX);
	for (size_t i = 0; i < p->proposal_count; i++) {
		inside(b, &p->proposals[i].spi);
		cr_assert(p->proposals[i].transform_count >= 1 &&
			  p->proposals[i].transform_count <= IKE_TRANSFORMS_MAX);
	}
	cr_assert_leq(p->notify_count, IKE_NOTIFIES_MAX);
	for (size_t i = 0; i < p->notify_count; i++) {
		inside(b, &p->notifies[i].spi);
		inside(b, &p->notifies[i].data);
	}
	cr_assert_leq(p->delete_count, IKE_DELETES_MAX);
	for (size_t i = 0; i < p->delete_count; i++)
		inside(b, &p->deletes[i].spis);
	cr_assert_leq(p->cp.count, IKE_CP_ATTRS_MAX);
	for (size_t i = 0; i < p->cp.count; i++)
		inside(b, &p->cp.attrs[i].value);
	cr_assert(p->ts_i.count <= IKE_SELECTORS_MAX && p->ts_r.count <= IKE_SELECTORS_MAX);
}

int sample_parse_chain(uint8_t first, const uint8_t *data, size_t len, uint8_t **block,
		       struct ike_payloads *out)
{
	struct block b;
	int err;

	*block = malloc(len);
	cr_assert_not_null(*block);
	memcpy(*block, data, len);
	b = (struct block){ .start = *block, .len = len };
	err = ike_parse_payloads(first, *block, len, out);
	if (!err)
		all_inside(&b, out);
	return err;
}

int sample_parse_exact(const uint8_t *msg, size_t len, struct ike_payloads *out)
{
	uint8_t *whole = malloc(len), *chain = NULL;
	struct ike_header h;
	int err;

	cr_assert_not_null(whole);
	memcpy(whole, msg, len);
	err = ike_parse_header(whole, len, &h);
	if (!err)
		cr_assert(len >= IKE_HEADER_SIZE && h.length == len && h.spi_i != 0);
	if (len >= IKE_HEADER_SIZE)
		err = sample_parse_chain(whole[IKE_HEADER_NEXT_AT], msg + IKE_HEADER_SIZE,
					 len - IKE_HEADER_SIZE, &chain, out);
	free(chain);
	free(whole);
	return err;
}
