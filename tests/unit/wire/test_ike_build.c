/* What ike_build writes: exact bytes, and that ike_parse reads the same values back. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "wire/sample.h"

static const struct ike_header header = {
	.spi_i = 0x0102030405060708,
	.spi_r = 0x1112131415161718,
	.next = 99, /* not taken over */
	.exchange = IKE_EXCHANGE_AUTH,
	.flags = IKE_FLAG_RESPONSE,
	.message_id = 0x01020304,
	.length = 4711, /* not taken over */
};

static struct ike_build builder(uint8_t *buf, size_t size)
{
	struct ike_build b;

	ike_build_init(&b, buf, size, &header);
	return b;
}

/* Ends B, reads header and payloads back. */
static void read_back(struct ike_build *b, struct ike_payloads *p)
{
	struct ike_header h;
	size_t len;

	cr_assert_eq(ike_build_finish(b, &len), 0);
	cr_assert_eq(ike_parse_header(b->w.start, len, &h), 0);
	cr_assert(h.spi_i == header.spi_i && h.spi_r == header.spi_r);
	cr_assert(h.exchange == header.exchange && h.flags == header.flags);
	cr_assert(h.message_id == header.message_id && h.length == len);
	cr_assert_eq(ike_parse_payloads(h.next, b->w.start + 28, len - 28, p), 0);
}

Test(ike_build, empty_message)
{
	static const uint8_t want[28] = {
		1, 2, 3, 4, 5, 6, 7, 8, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18,
		0, 0x20, 35, 0x20, 1, 2, 3, 4, 0, 0, 0, 28,
	};
	uint8_t buf[64];
	struct ike_build b = builder(buf, sizeof(buf));
	size_t len;

	cr_assert_eq(ike_build_finish(&b, &len), 0);
	cr_assert_eq(len, 28);
	cr_assert_arr_eq(buf, want, 28);
}

Test(ike_build, sa_bytes)
{
	static const uint8_t want[] = {
		0, 0, 0, 48,
		0, 0, 0, 44, 1, 1, 8, 3, 9, 8, 7, 6, 5, 4, 3, 2,
		3, 0, 0, 12, 1, 0, 0, 20, 0x80, 14, 1, 0,
		3, 0, 0, 8, 2, 0, 0, 5,
		0, 0, 0, 8, 4, 0, 0, 31,
	};
	const uint8_t spi[] = { 9, 8, 7, 6, 5, 4, 3, 2 };
	struct ike_proposal p = {
		.number = 1, .protocol = IKE_PROTOCOL_IKE, .spi = { .data = spi, .len = 8 },
		.transform_count = 3,
		.transforms = { { .type = 1, .id = 20, .key_bits = 256 }, { .type = 2, .id = 5 },
				{ .type = 4, .id = 31 } },
	};
	uint8_t buf[128];
	struct ike_build b = builder(buf, sizeof(buf));
	struct ike_payloads out;

	ike_build_sa(&b, &p, 1);
	cr_assert_eq(b.w.len, 28 + sizeof(want));
	cr_assert_arr_eq(buf + 28, want, sizeof(want));
	read_back(&b, &out);
	cr_assert_eq(out.proposal_count, 1);
	cr_assert_eq(out.proposals[0].transform_count, 3);
	cr_assert_eq(out.proposals[0].transforms[0].key_bits, 256);
}

Test(ike_build, chain_round_trip)
{
	static const uint8_t data[64] = { 1, 2, 3, 4, 5 };
	uint8_t buf[512];
	struct ike_build b = builder(buf, sizeof(buf));
	struct ike_payloads p;

	ike_build_notify(&b, IKE_NOTIFY_COOKIE, data, 64);
	ike_build_ke(&b, 31, data, 32);
	ike_build_nonce(&b, data, 16);
	ike_build_id(&b, IKE_PAYLOAD_IDI, IKE_ID_NULL, NULL, 0);
	ike_build_id(&b, IKE_PAYLOAD_IDR, IKE_ID_KEY_ID, data, 5);
	ike_build_auth(&b, IKE_AUTH_METHOD_NULL, data, 32);
	ike_build_delete(&b, false, 0);
	ike_build_delete(&b, true, 0xc0ffee01);
	read_back(&b, &p);
	cr_assert(p.first_is_cookie && p.notify_count == 1);
	cr_assert_eq(p.notifies[0].data.len, 64);
	cr_assert(p.ke_group == 31 && p.ke.len == 32 && p.nonce.len == 16);
	cr_assert(p.id_i.type == IKE_ID_NULL && p.id_i.data.len == 0 && p.id_i.body.len == 4);
	cr_assert(p.id_r.type == IKE_ID_KEY_ID && p.id_r.data.len == 5);
	cr_assert_arr_eq(p.id_r.data.data, data, 5);
	cr_assert(p.auth_method == IKE_AUTH_METHOD_NULL && p.auth.len == 32);
	cr_assert_eq(p.delete_count, 2);
	cr_assert(p.deletes[0].protocol == IKE_PROTOCOL_IKE && p.deletes[0].count == 0);
	cr_assert(p.deletes[1].protocol == IKE_PROTOCOL_ESP && p.deletes[1].count == 1);
	cr_assert_arr_eq(p.deletes[1].spis.data, ((uint8_t[]){ 0xc0, 0xff, 0xee, 1 }), 4);
}

Test(ike_build, selectors_round_trip)
{
	static const char *const texts[] = { "0.0.0.0/0", "100.64.0.0/16", "192.0.2.7/32",
					     "2001:db8::/33", "::/0", "2001:db8::1/128" };
	struct prefix items[6], back;
	uint8_t buf[512];
	struct ike_build b = builder(buf, sizeof(buf));
	struct ike_payloads p;

	for (size_t i = 0; i < 6; i++)
		cr_assert_eq(prefix_parse(texts[i], &items[i]), 0);
	ike_build_ts(&b, IKE_PAYLOAD_TSI, items, 6);
	ike_build_ts(&b, IKE_PAYLOAD_TSR, items, 1);
	read_back(&b, &p);
	cr_assert_eq(p.ts_i.count, 6);
	cr_assert_eq(p.ts_r.count, 1);
	for (size_t i = 0; i < 6; i++) {
		cr_assert(p.ts_i.items[i].proto == 0 && p.ts_i.items[i].port_lo == 0);
		cr_assert_eq(p.ts_i.items[i].port_hi, 65535);
		cr_assert_eq(ike_selector_prefix(&p.ts_i.items[i], &back), 0);
		cr_assert(prefix_equal(&back, &items[i]), "%s", texts[i]);
	}
}

Test(ike_build, cp_round_trip)
{
	const uint8_t addr[4] = { 100, 64, 0, 9 };
	struct ike_cp_attr attrs[] = {
		{ .type = IKE_CFG_ATTR_IP4_ADDRESS, .value = { .data = addr, .len = 4 } },
		{ .type = IKE_CFG_ATTR_IP4_DNS },
	};
	uint8_t buf[128];
	struct ike_build b = builder(buf, sizeof(buf));
	struct ike_payloads p;

	ike_build_cp(&b, IKE_CFG_REPLY, attrs, 2);
	read_back(&b, &p);
	cr_assert(p.cp.type == IKE_CFG_REPLY && p.cp.count == 2);
	cr_assert_eq(p.cp.attrs[0].value.len, 4);
	cr_assert_arr_eq(p.cp.attrs[0].value.data, addr, 4);
	cr_assert(p.cp.attrs[1].type == IKE_CFG_ATTR_IP4_DNS && p.cp.attrs[1].value.len == 0);
}

Test(ike_build, encrypted)
{
	const uint8_t iv[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	size_t offset, plain, len;
	uint8_t buf[128];
	struct ike_build b = builder(buf, sizeof(buf));
	struct ike_payloads p;

	ike_build_sk_begin(&b, iv);
	ike_build_delete(&b, false, 0);
	ike_build_notify(&b, IKE_NOTIFY_INVALID_SYNTAX, NULL, 0);
	cr_assert_eq(ike_build_sk_end(&b, 16, &offset, &plain, &len), 0);
	cr_assert_eq(offset, 28 + 4 + 8);
	cr_assert_eq(plain, 8 + 8 + 1, "two payloads and the pad length");
	cr_assert_eq(len, offset + plain + 16);
	cr_assert_eq(buf[offset + plain - 1], 0);
	cr_assert_eq(buf[27], len);
	cr_assert_eq(ike_parse_payloads(buf[16], buf + 28, len - 28, &p), 0);
	cr_assert_eq(p.sk_next, IKE_PAYLOAD_DELETE);
	cr_assert_eq(p.sk.len, 8 + plain + 16);
	cr_assert_arr_eq(p.sk.data, iv, 8);
	cr_assert_eq(ike_parse_payloads(p.sk_next, buf + offset, plain - 1, &p), 0);
	cr_assert(p.delete_count == 1 && p.notify_count == 1);
}

Test(ike_build, encrypted_empty)
{
	const uint8_t iv[8] = { 0 };
	size_t offset, plain, len;
	uint8_t buf[57];
	struct ike_build b = builder(buf, sizeof(buf));

	ike_build_sk_begin(&b, iv);
	cr_assert_eq(ike_build_sk_end(&b, 16, &offset, &plain, &len), 0);
	cr_assert(len == 57 && plain == 1);
	cr_assert_eq(buf[28], IKE_PAYLOAD_NONE);
}

Test(ike_build, fragment)
{
	const uint8_t iv[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	size_t offset, plain, len;
	uint8_t buf[128], first = 7;
	struct ike_build b = builder(buf, sizeof(buf));
	struct ike_payloads p;

	ike_build_skf_begin(&b, IKE_PAYLOAD_IDI, 1, 258, iv);
	ike_build_bytes(&b, "abc", 3);
	cr_assert(ike_build_inner(&b, &first).len == 3 && first == IKE_PAYLOAD_IDI);
	cr_assert_eq(ike_build_sk_end(&b, 16, &offset, &plain, &len), 0);
	cr_assert_eq(offset, 28 + 8 + 8);
	cr_assert_eq(plain, 3 + 1);
	cr_assert_eq(len, offset + plain + 16);
	cr_assert_arr_eq(buf + 28, ((uint8_t[]){ 35, 0, 0, 36, 0, 1, 1, 2, 1, 2, 3, 4 }), 12);
	cr_assert_arr_eq(buf + offset, "abc", 4);
	cr_assert_eq(buf[16], IKE_PAYLOAD_SKF);
	cr_assert_eq(ike_parse_payloads(buf[16], buf + 28, len - 28, &p), 0);
	cr_assert(p.fragment == 1 && p.fragment_total == 258 && p.sk_next == IKE_PAYLOAD_IDI);
	cr_assert_arr_eq(p.sk.data, iv, 8);
}

/* What a mistake of the caller leads to is an error, never the end of the process. */
Test(ike_build, encrypted_once)
{
	const uint8_t iv[8] = { 0 };
	uint8_t buf[256], first;
	struct ike_build b = builder(buf, sizeof(buf));
	size_t offset, plain, len;

	cr_assert_null(ike_build_inner(&b, &first).data);
	cr_assert_eq(ike_build_sk_end(&b, 16, &offset, &plain, &len), -EINVAL);
	b = builder(buf, sizeof(buf));
	ike_build_sk_begin(&b, iv);
	cr_assert_eq(ike_build_finish(&b, &len), -EINVAL);
	b = builder(buf, sizeof(buf));
	ike_build_sk_begin(&b, iv);
	ike_build_skf_begin(&b, 0, 1, 1, iv);
	cr_assert_null(ike_build_inner(&b, &first).data);
	cr_assert_eq(ike_build_sk_end(&b, 16, &offset, &plain, &len), -EINVAL);
}

/* Every size of buffer below what is needed, in a heap block of just that size. */
Test(ike_build, no_space)
{
	const uint8_t iv[8] = { 0 };
	size_t offset, plain, len, need = 28 + 4 + 8 + 8 + 20 + 1 + 16;
	uint8_t nonce[16] = { 0 };

	for (size_t size = 0; size <= need; size++) {
		uint8_t *buf = malloc(size);
		struct ike_build b = builder(buf, size);

		ike_build_sk_begin(&b, iv);
		ike_build_notify(&b, IKE_NOTIFY_COOKIE, NULL, 0);
		ike_build_nonce(&b, nonce, sizeof(nonce));
		cr_assert_eq(ike_build_sk_end(&b, 16, &offset, &plain, &len),
			     size < need ? -ENOSPC : 0, "%zu of %zu bytes", size, need);
		free(buf);
	}
}

Test(ike_build, payload_over_64k)
{
	enum { SIZE = 70000 };
	uint8_t *buf = malloc(SIZE), *data = calloc(1, 65536);
	struct ike_build b = builder(buf, SIZE);
	size_t len;

	ike_build_notify(&b, IKE_NOTIFY_COOKIE, data, 65535 - 8);
	cr_assert_eq(ike_build_finish(&b, &len), 0);
	cr_assert_eq(len, 28 + 65535);
	cr_assert_arr_eq(buf + 24, ((uint8_t[]){ 0, 1, 0, 0x1b }), 4);
	b = builder(buf, SIZE);
	ike_build_notify(&b, IKE_NOTIFY_COOKIE, data, 65536 - 8);
	cr_assert_eq(ike_build_finish(&b, &len), -ENOSPC);
	free(data);
	free(buf);
}
