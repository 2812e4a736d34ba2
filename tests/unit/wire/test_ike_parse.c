/* Hand-written bytes after the diagrams of RFC 7296 section 3, good ones and wrong ones. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "wire/sample.h"

/* One payload as a chain of its own: BYTES is its body. */
#define PARSE(type, ...) parse_one(type, 0, (const uint8_t[]){ __VA_ARGS__ }, \
				   sizeof((const uint8_t[]){ __VA_ARGS__ }), NULL)
#define PARSE_TO(out, type, ...) parse_one(type, 0, (const uint8_t[]){ __VA_ARGS__ }, \
					   sizeof((const uint8_t[]){ __VA_ARGS__ }), out)

static uint8_t *held; /* what the views of the last PARSE_TO point into */

static void drop_held(void)
{
	free(held);
	held = NULL;
}

static int parse_one(uint8_t type, uint8_t flags, const uint8_t *body, size_t len,
		     struct ike_payloads *out)
{
	struct ike_payloads unused;
	uint8_t msg[2048];

	msg[0] = 0;
	msg[1] = flags;
	msg[2] = (uint8_t)((len + 4) >> 8);
	msg[3] = (uint8_t)(len + 4);
	memcpy(msg + 4, body, len);
	drop_held();
	return sample_parse_chain(type, msg, len + 4, &held, out ? out : &unused);
}

TestSuite(ike_parse, .fini = drop_held);

static const uint8_t header_bytes[28] = {
	1, 2, 3, 4, 5, 6, 7, 8, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18,
	33, 0x20, 34, 0x08, 0, 0, 0, 9, 0, 0, 0, 28,
};

Test(ike_parse, header)
{
	struct ike_header h;

	cr_assert_eq(ike_parse_header(header_bytes, 28, &h), 0);
	cr_assert_eq(h.spi_i, 0x0102030405060708);
	cr_assert_eq(h.spi_r, 0x1112131415161718);
	cr_assert_eq(h.next, IKE_PAYLOAD_SA);
	cr_assert_eq(h.exchange, IKE_EXCHANGE_SA_INIT);
	cr_assert_eq(h.flags, IKE_FLAG_INITIATOR);
	cr_assert_eq(h.message_id, 9);
	cr_assert_eq(h.length, 28);
}

static int header_with(size_t at, uint8_t v)
{
	uint8_t msg[28];
	struct ike_header h;

	memcpy(msg, header_bytes, sizeof(msg));
	msg[at] = v;
	return ike_parse_header(msg, sizeof(msg), &h);
}

Test(ike_parse, header_refused)
{
	struct ike_header h = { .length = 4711 };
	uint8_t zero_spi[28] = { [16] = 33, 0x20, 34, 0x08, [27] = 28 };

	for (size_t len = 0; len < 28; len++) {
		uint8_t *exact = malloc(len);

		memcpy(exact, header_bytes, len);
		cr_expect_eq(ike_parse_header(exact, len, &h), -EMSGSIZE);
		free(exact);
	}
	cr_assert_eq(header_with(27, 27), -EMSGSIZE);
	cr_assert_eq(header_with(27, 29), -EMSGSIZE);
	cr_assert_eq(header_with(24, 1), -EMSGSIZE);
	cr_assert_eq(header_with(17, 0x10), -EPROTONOSUPPORT);
	cr_assert_eq(header_with(17, 0x30), -EPROTONOSUPPORT);
	cr_assert_eq(header_with(17, 0x2f), 0, "a minor version is to be ignored");
	cr_assert_eq(ike_parse_header(zero_spi, 28, &h), -EBADMSG);
	cr_assert_eq(h.length, 4711, "a refused header leaves the result alone");
}

Test(ike_parse, empty_chain)
{
	struct ike_payloads p;

	cr_assert_eq(ike_parse_payloads(IKE_PAYLOAD_NONE, NULL, 0, &p), 0);
	cr_assert_eq(ike_parse_payloads(IKE_PAYLOAD_NONE, header_bytes, 1, &p), -EBADMSG);
	cr_assert_eq(ike_parse_payloads(IKE_PAYLOAD_NONCE, NULL, 0, &p), -EMSGSIZE);
}

Test(ike_parse, ke)
{
	struct ike_payloads p;

	cr_assert_eq(PARSE_TO(&p, IKE_PAYLOAD_KE, 0, 31, 0xff, 0xff, 1, 2, 3), 0);
	cr_assert_eq(p.ke_group, 31);
	cr_assert_eq(p.ke.len, 3);
	cr_assert_arr_eq(p.ke.data, ((uint8_t[]){ 1, 2, 3 }), 3);
	cr_assert_eq(PARSE(IKE_PAYLOAD_KE, 0, 31, 0, 0), -EBADMSG);
	cr_assert_eq(PARSE(IKE_PAYLOAD_KE, 0, 31, 0), -EMSGSIZE);
}

Test(ike_parse, nonce_sizes)
{
	uint8_t body[300] = { 0 };
	struct ike_payloads p;

	for (size_t len = 0; len < sizeof(body); len++) {
		int err = parse_one(IKE_PAYLOAD_NONCE, 0, body, len, &p);

		cr_assert_eq(err, len >= 16 && len <= 256 ? 0 : -EBADMSG, "%zu bytes", len);
		if (!err)
			cr_assert_eq(p.nonce.len, len);
	}
}

Test(ike_parse, id)
{
	struct ike_payloads p;

	cr_assert_eq(PARSE_TO(&p, IKE_PAYLOAD_IDI, 11, 9, 9, 9, 0xaa, 0xbb), 0);
	cr_assert_eq(p.id_i.type, IKE_ID_KEY_ID);
	cr_assert_eq(p.id_i.data.len, 2);
	cr_assert_eq(p.id_i.body.len, 6);
	cr_assert_arr_eq(p.id_i.body.data, ((uint8_t[]){ 11, 9, 9, 9, 0xaa, 0xbb }), 6);
	cr_assert_null(p.id_r.body.data);
	cr_assert_eq(PARSE_TO(&p, IKE_PAYLOAD_IDR, 13, 0, 0, 0), 0);
	cr_assert_eq(p.id_r.type, IKE_ID_NULL);
	cr_assert_eq(p.id_r.data.len, 0);
	cr_assert_not_null(p.id_r.data.data, "present though empty");
	cr_assert_eq(PARSE(IKE_PAYLOAD_IDI, 13, 0, 0), -EMSGSIZE);
}

Test(ike_parse, auth)
{
	struct ike_payloads p;

	cr_assert_eq(PARSE_TO(&p, IKE_PAYLOAD_AUTH, 14, 0, 0, 0, 5), 0);
	cr_assert_eq(p.auth_method, IKE_AUTH_METHOD_SIGNATURE);
	cr_assert_eq(p.auth.len, 1);
	cr_assert_eq(PARSE(IKE_PAYLOAD_AUTH, 14, 0, 0, 0), -EBADMSG);
	cr_assert_eq(PARSE(IKE_PAYLOAD_AUTH, 14, 0), -EMSGSIZE);
}

Test(ike_parse, notify)
{
	struct ike_payloads p;

	cr_assert_eq(PARSE_TO(&p, IKE_PAYLOAD_NOTIFY, 3, 4, 0x40, 0x09, 1, 2, 3, 4, 5), 0);
	cr_assert_eq(p.notify_count, 1);
	cr_assert_eq(p.notifies[0].protocol, IKE_PROTOCOL_ESP);
	cr_assert_eq(p.notifies[0].type, IKE_NOTIFY_REKEY_SA);
	cr_assert_eq(p.notifies[0].spi.len, 4);
	cr_assert_eq(p.notifies[0].spi.data[3], 4);
	cr_assert_eq(p.notifies[0].data.len, 1);
	cr_assert_eq(p.notifies[0].data.data[0], 5);
	cr_assert_not(p.first_is_cookie);
	cr_assert_eq(ike_find_notify(&p, IKE_NOTIFY_REKEY_SA), &p.notifies[0]);
	cr_assert_null(ike_find_notify(&p, IKE_NOTIFY_COOKIE));
	cr_assert_eq(PARSE_TO(&p, IKE_PAYLOAD_NOTIFY, 0, 0, 0x40, 0x06, 1), 0);
	cr_assert(p.first_is_cookie);
	cr_assert_eq(PARSE(IKE_PAYLOAD_NOTIFY, 3, 3, 0x40, 0x09, 1, 2, 3), -EBADMSG);
	cr_assert_eq(PARSE(IKE_PAYLOAD_NOTIFY, 3, 4, 0x40, 0x09, 1, 2, 3), -EMSGSIZE);
}

Test(ike_parse, delete)
{
	struct ike_payloads p;

	cr_assert_eq(PARSE_TO(&p, IKE_PAYLOAD_DELETE, 3, 4, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8), 0);
	cr_assert_eq(p.deletes[0].protocol, IKE_PROTOCOL_ESP);
	cr_assert_eq(p.deletes[0].spi_size, 4);
	cr_assert_eq(p.deletes[0].count, 2);
	cr_assert_eq(p.deletes[0].spis.len, 8);
	cr_assert_eq(PARSE(IKE_PAYLOAD_DELETE, 1, 0, 0, 0), 0);
	cr_assert_eq(PARSE(IKE_PAYLOAD_DELETE, 1, 0, 0, 1), -EBADMSG);
	cr_assert_eq(PARSE(IKE_PAYLOAD_DELETE, 1, 8, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8), -EBADMSG);
	cr_assert_eq(PARSE(IKE_PAYLOAD_DELETE, 3, 4, 0, 2, 1, 2, 3, 4), -EBADMSG);
	cr_assert_eq(PARSE(IKE_PAYLOAD_DELETE, 3, 4, 0, 1, 1, 2, 3, 4, 5), -EBADMSG);
	cr_assert_eq(PARSE(IKE_PAYLOAD_DELETE, 3, 0, 0xff, 0xff), -EBADMSG);
	cr_assert_eq(PARSE(IKE_PAYLOAD_DELETE, 7, 5, 0, 0), -EBADMSG);
}

Test(ike_parse, selectors)
{
	struct ike_payloads p;
	struct prefix prefix;

	cr_assert_eq(PARSE_TO(&p, IKE_PAYLOAD_TSI, 1, 0, 0, 0, 7, 6, 0, 16, 0, 80, 1, 187,
			      10, 1, 0, 0, 10, 1, 255, 255), 0);
	cr_assert(p.ts_i.present);
	cr_assert_not(p.ts_r.present);
	cr_assert_eq(p.ts_i.count, 1);
	cr_assert_eq(p.ts_i.items[0].proto, 6);
	cr_assert_eq(p.ts_i.items[0].port_lo, 80);
	cr_assert_eq(p.ts_i.items[0].port_hi, 443);
	cr_assert_eq(addr_to_v4(&p.ts_i.items[0].lo), 0x0a010000);
	cr_assert_eq(addr_to_v4(&p.ts_i.items[0].hi), 0x0a01ffff);
	cr_assert_eq(ike_selector_prefix(&p.ts_i.items[0], &prefix), 0);
	cr_assert_eq(prefix.len, 16);
	cr_assert_eq(PARSE_TO(&p, IKE_PAYLOAD_TSR, 2, 0, 0, 0,
			      99, 0, 0, 6, 1, 2, 7, 0, 0, 16, 0xff, 0xff, 0, 0,
			      10, 0, 0, 1, 10, 0, 0, 1), 0, "an unknown type; OPAQUE ports");
	cr_assert_eq(p.ts_r.items[0].type, 99);
	cr_assert_eq(p.ts_r.items[0].lo.family, 0);
	cr_assert_eq(ike_selector_prefix(&p.ts_r.items[0], &prefix), -ERANGE);
	cr_assert_eq(ike_selector_prefix(&p.ts_r.items[1], &prefix), 0);
	cr_assert_eq(prefix.len, 32);
}

#define V4(...) 7, 0, 0, 16, 0, 0, 0xff, 0xff, __VA_ARGS__

Test(ike_parse, selectors_refused)
{
	cr_assert_eq(PARSE(IKE_PAYLOAD_TSI, 0, 0, 0, 0), -EBADMSG, "none");
	cr_assert_eq(PARSE(IKE_PAYLOAD_TSI, 1, 0, 0), -EMSGSIZE);
	cr_assert_eq(PARSE(IKE_PAYLOAD_TSI, 1, 0, 0, 0, V4(10, 0, 0, 2, 10, 0, 0, 1)), -EBADMSG,
		     "lo above hi");
	cr_assert_eq(PARSE(IKE_PAYLOAD_TSI, 1, 0, 0, 0, 7, 0, 0, 16, 0, 2, 0, 1, 10, 0, 0, 1,
			   10, 0, 0, 1), -EBADMSG, "port lo above hi");
	cr_assert_eq(PARSE(IKE_PAYLOAD_TSI, 1, 0, 0, 0, 7, 0, 0, 15, 0, 0, 0, 1, 10, 0, 0, 1,
			   10, 0, 0), -EBADMSG, "wrong length");
	cr_assert_eq(PARSE(IKE_PAYLOAD_TSI, 1, 0, 0, 0, 8, 0, 0, 16, 0, 0, 0, 1, 10, 0, 0, 1,
			   10, 0, 0, 1), -EBADMSG, "IPv6 with the length of IPv4");
	cr_assert_eq(PARSE(IKE_PAYLOAD_TSI, 1, 0, 0, 0, 99, 0, 0, 3), -EBADMSG);
	cr_assert_eq(PARSE(IKE_PAYLOAD_TSI, 1, 0, 0, 0, 99, 0, 0, 5), -EMSGSIZE);
	cr_assert_eq(PARSE(IKE_PAYLOAD_TSI, 2, 0, 0, 0, V4(10, 0, 0, 1, 10, 0, 0, 1)), -EMSGSIZE,
		     "fewer than said");
	cr_assert_eq(PARSE(IKE_PAYLOAD_TSI, 1, 0, 0, 0, V4(10, 0, 0, 1, 10, 0, 0, 1), 0), -EBADMSG,
		     "more than said");
	cr_assert_eq(PARSE(IKE_PAYLOAD_TSI, 9, 0, 0, 0, V4(10, 0, 0, 1, 10, 0, 0, 1)), -E2BIG);
}

static int range_to_prefix(const char *lo, const char *hi, struct prefix *out)
{
	struct ike_selector s = { .type = IKE_TS_TYPE_IPV4_RANGE };

	cr_assert_eq(addr_parse(lo, &s.lo), 0);
	cr_assert_eq(addr_parse(hi, &s.hi), 0);
	return ike_selector_prefix(&s, out);
}

Test(ike_parse, selector_prefix)
{
	char text[ADDR_TEXT];
	struct prefix p;

	cr_assert_eq(range_to_prefix("0.0.0.0", "255.255.255.255", &p), 0);
	cr_assert_str_eq(prefix_text(&p, text), "0.0.0.0/0");
	cr_assert_eq(range_to_prefix("100.64.0.0", "100.127.255.255", &p), 0);
	cr_assert_str_eq(prefix_text(&p, text), "100.64.0.0/10");
	cr_assert_eq(range_to_prefix("2001:db8::", "2001:db8::ffff", &p), 0);
	cr_assert_str_eq(prefix_text(&p, text), "2001:db8::/112");
	cr_assert_eq(range_to_prefix("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", &p), 0);
	cr_assert_eq(p.len, 0);
	cr_assert_eq(range_to_prefix("10.0.0.1", "10.0.0.2", &p), -ERANGE);
	cr_assert_eq(range_to_prefix("10.0.0.0", "10.0.0.2", &p), -ERANGE);
	cr_assert_eq(range_to_prefix("10.0.0.1", "10.0.0.3", &p), -ERANGE);
	cr_assert_eq(range_to_prefix("10.0.0.3", "10.0.0.0", &p), -ERANGE);
	cr_assert_eq(range_to_prefix("10.0.0.0", "2001:db8::", &p), -ERANGE);
}

Test(ike_parse, cp)
{
	struct ike_payloads p;

	cr_assert_eq(PARSE_TO(&p, IKE_PAYLOAD_CP, 2, 0, 0, 0, 0x80, 1, 0, 4, 100, 64, 0, 9,
			      0, 3, 0, 0, 0, 99, 0, 1, 7), 0);
	cr_assert_eq(p.cp.type, IKE_CFG_REPLY);
	cr_assert_eq(p.cp.count, 3);
	cr_assert_eq(p.cp.attrs[0].type, IKE_CFG_ATTR_IP4_ADDRESS, "the R bit is ignored");
	cr_assert_eq(p.cp.attrs[0].value.len, 4);
	cr_assert_eq(p.cp.attrs[0].value.data[1], 64);
	cr_assert_eq(p.cp.attrs[1].type, IKE_CFG_ATTR_IP4_DNS);
	cr_assert_eq(p.cp.attrs[1].value.len, 0);
	cr_assert_eq(p.cp.attrs[2].type, 99);
	cr_assert_eq(PARSE(IKE_PAYLOAD_CP, 1, 0, 0, 0), 0);
	cr_assert_eq(PARSE(IKE_PAYLOAD_CP, 0, 0, 0, 0), -EBADMSG);
	cr_assert_eq(PARSE(IKE_PAYLOAD_CP, 1, 0, 0), -EMSGSIZE);
	cr_assert_eq(PARSE(IKE_PAYLOAD_CP, 2, 0, 0, 0, 0, 1, 0, 3, 1, 2, 3), -EBADMSG);
	cr_assert_eq(PARSE(IKE_PAYLOAD_CP, 2, 0, 0, 0, 0, 8, 0, 4, 1, 2, 3, 4), -EBADMSG);
	cr_assert_eq(PARSE(IKE_PAYLOAD_CP, 2, 0, 0, 0, 0, 10, 0, 4, 1, 2, 3, 4), -EBADMSG);
	cr_assert_eq(PARSE(IKE_PAYLOAD_CP, 2, 0, 0, 0, 0, 13, 0, 4, 1, 2, 3, 4), -EBADMSG);
	cr_assert_eq(PARSE(IKE_PAYLOAD_CP, 2, 0, 0, 0, 0, 1, 0, 5, 1, 2, 3, 4), -EMSGSIZE);
	cr_assert_eq(PARSE(IKE_PAYLOAD_CP, 2, 0, 0, 0, 0, 1, 0), -EMSGSIZE);
}

/* As many notifies, deletes and attributes of a CP as fit, then one more. */
Test(ike_parse, limits)
{
	uint8_t msg[1024] = { 0 };
	struct ike_payloads p;
	uint8_t *block;

	for (size_t i = 0; i <= IKE_NOTIFIES_MAX; i++)
		memcpy(msg + i * 8, (uint8_t[]){ 41, 0, 0, 8, 0, 0, 0, 1 }, 8);
	for (size_t n = IKE_NOTIFIES_MAX; n <= IKE_NOTIFIES_MAX + 1; n++) {
		msg[(n - 1) * 8] = 0;
		cr_assert_eq(sample_parse_chain(41, msg, n * 8, &block, &p),
			     n > IKE_NOTIFIES_MAX ? -E2BIG : 0);
		free(block);
		msg[(n - 1) * 8] = 41;
	}
	for (size_t i = 0; i <= IKE_DELETES_MAX; i++)
		memcpy(msg + i * 8, (uint8_t[]){ 42, 0, 0, 8, 1, 0, 0, 0 }, 8);
	msg[IKE_DELETES_MAX * 8] = 0;
	cr_assert_eq(ike_parse_payloads(42, msg, (IKE_DELETES_MAX + 1) * 8, &p), -E2BIG);
	msg[(IKE_DELETES_MAX - 1) * 8] = 0;
	cr_assert_eq(ike_parse_payloads(42, msg, IKE_DELETES_MAX * 8, &p), 0);
	memset(msg, 0, sizeof(msg));
	msg[0] = 1;
	cr_assert_eq(parse_one(47, 0, msg, 4 + 4 * IKE_CP_ATTRS_MAX, NULL), 0);
	cr_assert_eq(parse_one(47, 0, msg, 8 + 4 * IKE_CP_ATTRS_MAX, NULL), -E2BIG);
}

Test(ike_parse, unknown_payloads)
{
	struct ike_payloads p;
	const uint8_t body[] = { 1, 2, 3 };

	cr_assert_eq(parse_one(200, 0, body, 3, &p), 0);
	cr_assert_eq(p.critical_unknown, 0);
	cr_assert_eq(parse_one(200, 0x7f, body, 3, &p), 0, "reserved bits are ignored");
	cr_assert_eq(parse_one(200, 0x80, body, 3, &p), -EPROTO);
	cr_assert_eq(p.critical_unknown, 200);
	cr_assert_eq(parse_one(1, 0x80, body, 3, &p), -EPROTO, "IKEv1's SA");
	cr_assert_eq(p.critical_unknown, 1);
	cr_assert_eq(parse_one(IKE_PAYLOAD_CERT, 0x80, body, 3, &p), 0, "known, of no use");
	cr_assert_eq(parse_one(IKE_PAYLOAD_VENDOR, 0x80, body, 3, &p), 0);
	cr_assert_eq(p.vendor.len, 3);
}

Test(ike_parse, lengths_of_payloads)
{
	uint8_t msg[] = { 0, 0, 0, 20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };
	struct ike_payloads p;

	cr_assert_eq(ike_parse_payloads(40, msg, sizeof(msg), &p), 0);
	for (unsigned int len = 0; len < 512; len++) {
		msg[2] = (uint8_t)(len >> 8);
		msg[3] = (uint8_t)len;
		if (len == sizeof(msg))
			continue;
		cr_assert_eq(ike_parse_payloads(40, msg, sizeof(msg), &p),
			     len > sizeof(msg) ? -EMSGSIZE : -EBADMSG, "Length %u", len);
	}
}

/* Every kind of payload that may stand once, twice in a chain. */
Test(ike_parse, duplicates)
{
	static const struct { uint8_t type, len, body[24]; } once[] = {
		{ 33, 16, { 0, 0, 0, 16, 1, 1, 0, 1, 0, 0, 0, 8, 1, 0, 0, 28 } },
		{ 34, 5, { 0, 31, 0, 0, 1 } },
		{ 35, 4, { 13 } },
		{ 36, 4, { 13 } },
		{ 39, 5, { 13, 0, 0, 0, 1 } },
		{ 40, 16, { 1 } },
		{ 44, 20, { 1, 0, 0, 0, 7, 0, 0, 16 } },
		{ 45, 20, { 1, 0, 0, 0, 7, 0, 0, 16 } },
		{ 47, 4, { 1 } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(once); i++) {
		size_t size = once[i].len + 4u;
		struct ike_payloads p;
		uint8_t msg[64] = { 0 };

		for (size_t k = 0; k < 2; k++) {
			msg[k * size + 3] = (uint8_t)size;
			memcpy(msg + k * size + 4, once[i].body, once[i].len);
		}
		cr_assert_eq(ike_parse_payloads(once[i].type, msg, size, &p), 0, "%zu", i);
		msg[0] = once[i].type;
		cr_assert_eq(ike_parse_payloads(once[i].type, msg, 2 * size, &p), -EBADMSG,
			     "payload %u twice", once[i].type);
	}
}

/* The second one counts on from the first. */
Test(ike_parse, selectors_in_two_payloads)
{
	const uint8_t msg[] = { 44, 0, 0, 24, 1, 0, 0, 0, V4(10, 0, 0, 1, 10, 0, 0, 1),
				0, 0, 0, 24, 2, 0, 0, 0, V4(10, 0, 0, 2, 10, 0, 0, 2) };
	struct ike_payloads p;

	cr_assert_eq(ike_parse_payloads(44, msg, sizeof(msg), &p), -EBADMSG);
}

Test(ike_parse, encrypted)
{
	struct ike_payloads p;

	cr_assert_eq(PARSE_TO(&p, IKE_PAYLOAD_SK, 9, 8, 7), 0);
	cr_assert_eq(p.sk_next, 0);
	cr_assert_eq(p.sk.len, 3);
	cr_assert_eq(p.sk.data[0], 9);
	cr_assert_eq(ike_parse_payloads(46, (uint8_t[]){ 41, 0, 0, 5, 1 }, 5, &p), 0);
	cr_assert_eq(p.sk_next, 41);
	cr_assert_eq(p.sk.len, 1);
	/* SK then N, then SK then SK. */
	cr_assert_eq(ike_parse_payloads(46, (uint8_t[]){ 41, 0, 0, 5, 1, 0, 0, 0, 8, 0, 0, 0, 1 },
					13, &p), -EBADMSG);
	cr_assert_eq(ike_parse_payloads(46, (uint8_t[]){ 46, 0, 0, 5, 1, 0, 0, 0, 5, 1 }, 10, &p),
		     -EBADMSG);
	/* N then SK: fine. */
	cr_assert_eq(ike_parse_payloads(41, (uint8_t[]){ 46, 0, 0, 8, 0, 0, 0x40, 6, 33, 0, 0, 4 },
					12, &p), 0);
	cr_assert_eq(p.notify_count, 1);
	cr_assert(p.first_is_cookie);
	cr_assert_eq(p.sk_next, 33);
	cr_assert_not_null(p.sk.data);
}

/* RFC 7383 section 2.5: number and total, and what they may be. */
Test(ike_parse, fragment)
{
	static const struct {
		uint8_t next;
		uint16_t number, total;
		int err;
	} cases[] = {
		{ 35, 1, 1, 0 }, { 35, 1, 3, 0 }, { 0, 2, 3, 0 }, { 0, 3, 3, 0 }, { 0, 1, 1, 0 },
		{ 0, 65535, 65535, 0 }, { 35, 1, 65535, 0 },
		{ 35, 0, 0, -EBADMSG }, { 35, 1, 0, -EBADMSG }, { 35, 0, 1, -EBADMSG },
		{ 0, 4, 3, -EBADMSG }, { 0, 65535, 1, -EBADMSG },
		{ 35, 2, 3, -EBADMSG }, /* the first inner payload is named in the first one only */
	};
	struct ike_payloads p;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint16_t n = cases[i].number, t = cases[i].total;
		const uint8_t msg[] = { cases[i].next, 0, 0, 11, (uint8_t)(n >> 8), (uint8_t)n,
					(uint8_t)(t >> 8), (uint8_t)t, 9, 8, 7 };

		cr_assert_eq(ike_parse_payloads(IKE_PAYLOAD_SKF, msg, sizeof(msg), &p),
			     cases[i].err, "case %zu", i);
		if (cases[i].err)
			continue;
		cr_assert(p.fragment == n && p.fragment_total == t && p.sk_next == cases[i].next);
		cr_assert(p.sk.len == 3 && p.sk.data == msg + 8);
	}
	cr_assert_eq(PARSE_TO(&p, IKE_PAYLOAD_SKF, 0, 1, 0, 1), 0);
	cr_assert(p.sk.data && p.sk.len == 0);
	cr_assert_eq(PARSE_TO(&p, IKE_PAYLOAD_SKF, 0, 1, 0), -EMSGSIZE);
	cr_assert_eq(PARSE_TO(&p, IKE_PAYLOAD_SK, 9, 8, 7), 0);
	cr_assert(p.fragment == 0 && p.fragment_total == 0);
	/* SKF then N. */
	cr_assert_eq(ike_parse_payloads(53, (uint8_t[]){ 41, 0, 0, 8, 0, 1, 0, 1, 0, 0, 0, 8,
							 0, 0, 0, 1 }, 16, &p), -EBADMSG);
}

Test(ike_parse, cookie_not_first)
{
	struct ike_payloads p;

	cr_assert_eq(ike_parse_payloads(41, (uint8_t[]){ 41, 0, 0, 8, 0, 0, 0, 1,
							 0, 0, 0, 9, 0, 0, 0x40, 6, 1 }, 17, &p),
		     0);
	cr_assert_not(p.first_is_cookie);
	cr_assert_eq(ike_find_notify(&p, IKE_NOTIFY_COOKIE), &p.notifies[1]);
	cr_assert_eq(ike_parse_payloads(43, (uint8_t[]){ 41, 0, 0, 4,
							 0, 0, 0, 9, 0, 0, 0x40, 6, 1 }, 13, &p),
		     0);
	cr_assert_not(p.first_is_cookie);
}
