/* NAT detection: hashes against values that another program computed, and what they tell. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/ike/ike_nat.h"

static const struct ike_nat_spis first = { 0x0123456789abcdef, 0 };
static const struct ike_nat_spis both = { 0x0123456789abcdef, 0xfedcba9876543210 };

static struct endpoint at(const char *text)
{
	struct endpoint e;

	cr_assert_eq(endpoint_parse(text, &e), 0, "%s", text);
	return e;
}

static struct ike_path path(const char *local, const char *remote)
{
	return (struct ike_path){ .local = at(local), .remote = at(remote) };
}

/* sha1(SPIi | SPIr | address | port), computed by Python's hashlib. */
static const struct vector {
	const struct ike_nat_spis *spis;
	const char *endpoint, *hash;
} vectors[] = {
	{ &first, "192.0.2.1:500", "9426429034924268452f8e3ff79fb69e2a8d71eb" },
	{ &first, "198.51.100.1:500", "72264207477bc2266a2e77f15316ef75fb638c6f" },
	{ &both, "198.51.100.1:500", "4d8168a2f6c08b037add925aa388081cbf3cbb19" },
	{ &both, "192.0.2.1:500", "b43b59394bf8bc930246a8f80b6fddf05c58d9bf" },
	{ &both, "203.0.113.9:62001", "49568b89cbbc427e271a0ef74e4ffd6abb98e75b" },
	{ &both, "[2001:db8::1]:4500", "9de8bfefaab479f0d5a5609a6de20595c6307502" },
};

static const uint8_t *hex(const char *text, uint8_t out[IKE_NAT_HASH])
{
	for (size_t i = 0; i < IKE_NAT_HASH; i++) {
		char digits[] = { text[2 * i], text[2 * i + 1], 0 };

		out[i] = (uint8_t)strtoul(digits, NULL, 16);
	}
	return out;
}

Test(ike_nat, hashes_are_those_of_another_program)
{
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		uint8_t expected[IKE_NAT_HASH], got[IKE_NAT_HASH];
		struct endpoint e = at(vectors[i].endpoint);

		ike_nat_hash(vectors[i].spis, &e, got);
		hex(vectors[i].hash, expected);
		cr_assert_arr_eq(got, expected, IKE_NAT_HASH, "%s", vectors[i].endpoint);
	}
}

Test(ike_nat, sha1_of_the_standard)
{
	static const uint8_t abc[] = { 0xa9, 0x99, 0x3e, 0x36, 0x47, 0x06, 0x81, 0x6a, 0xba, 0x3e,
				       0x25, 0x71, 0x78, 0x50, 0xc2, 0x6c, 0x9c, 0xd0, 0xd8, 0x9d };
	struct crypto_chunk chunks[] = { { "a", 1 }, { NULL, 0 }, { "bc", 2 } };
	uint8_t out[CRYPTO_SHA1];

	crypto_sha1(chunks, ARRAY_SIZE(chunks), out); /* FIPS 180-4, one block */
	cr_assert_arr_eq(out, abc, sizeof(abc));
}

/* A message that left along SENT and came along CAME. */
struct letter {
	uint8_t buf[256];
	struct ike_payloads p;
};

static void send_letter(struct letter *l, const struct ike_path *sent, bool pretend)
{
	struct ike_header h = { .spi_i = both.i, .spi_r = both.r, .exchange = IKE_EXCHANGE_SA_INIT };
	struct ike_build b;
	size_t len;

	ike_build_init(&b, l->buf, sizeof(l->buf), &h);
	ike_nat_build(&b, &both, sent, pretend);
	cr_assert_eq(ike_build_finish(&b, &len), 0);
	cr_assert_eq(ike_parse_payloads(IKE_PAYLOAD_NOTIFY, l->buf + IKE_HEADER_SIZE,
					len - IKE_HEADER_SIZE, &l->p), 0);
	cr_assert_eq(l->p.notify_count, 2);
}

static struct ike_nat see(const struct ike_path *sent, const struct ike_path *came, bool pretend)
{
	struct letter l;

	send_letter(&l, sent, pretend);
	return ike_nat_detect(&l.p, &both, came);
}

Test(ike_nat, four_cases)
{
	struct ike_path sent = path("192.0.2.1:500", "198.51.100.1:500");
	struct ike_path plain = path("198.51.100.1:500", "192.0.2.1:500");
	struct ike_path from_nat = path("198.51.100.1:500", "203.0.113.9:62001");
	struct ike_path to_nat = path("10.0.0.1:500", "192.0.2.1:500");
	struct ike_path both_nat = path("10.0.0.1:500", "203.0.113.9:62001");
	struct ike_nat n;

	n = see(&sent, &plain, false);
	cr_assert(n.told && !n.local && !n.remote);
	n = see(&sent, &from_nat, false);
	cr_assert(n.told && !n.local && n.remote);
	n = see(&sent, &to_nat, false);
	cr_assert(n.told && n.local && !n.remote);
	n = see(&sent, &both_nat, false);
	cr_assert(n.told && n.local && n.remote);
}

Test(ike_nat, the_port_alone_tells)
{
	struct ike_path sent = path("[2001:db8::1]:500", "[2001:db8::2]:500");
	struct ike_path came = path("[2001:db8::2]:500", "[2001:db8::1]:501");

	cr_assert(see(&sent, &came, false).remote);
	came.remote.port = 500;
	cr_assert_not(see(&sent, &came, false).remote);
}

Test(ike_nat, pretended_nat_looks_like_one)
{
	struct ike_path sent = path("192.0.2.1:500", "198.51.100.1:500");
	struct ike_path came = path("198.51.100.1:500", "192.0.2.1:500");
	struct ike_nat n = see(&sent, &came, true);

	cr_assert(n.told && !n.local && n.remote);
}

Test(ike_nat, hashes_hold_for_one_sa)
{
	struct ike_path sent = path("192.0.2.1:500", "198.51.100.1:500");
	struct ike_path came = path("198.51.100.1:500", "192.0.2.1:500");
	struct ike_nat_spis other = { both.i, both.r ^ 1 };
	struct letter l;
	struct ike_nat n;

	send_letter(&l, &sent, false);
	n = ike_nat_detect(&l.p, &other, &came);
	cr_assert(n.told && n.local && n.remote);
}

Test(ike_nat, one_alone_or_of_wrong_length)
{
	struct ike_path sent = path("192.0.2.1:500", "198.51.100.1:500");
	struct ike_path came = path("198.51.100.1:500", "192.0.2.1:500");
	struct letter l;
	struct ike_nat n;

	send_letter(&l, &sent, false);
	l.p.notifies[0].data.len--;
	n = ike_nat_detect(&l.p, &both, &came);
	cr_assert(n.told && n.remote && !n.local);
	l.p.notify_count = 1;
	cr_assert_not(ike_nat_detect(&l.p, &both, &came).told);
	l.p.notify_count = 0;
	cr_assert_not(ike_nat_detect(&l.p, &both, &came).told);
}

Test(ike_nat, several_sources_one_fits)
{
	struct ike_path sent = path("192.0.2.1:500", "198.51.100.1:500");
	struct ike_path came = path("198.51.100.1:500", "192.0.2.1:500");
	struct letter wrong, right;

	send_letter(&wrong, &sent, true);
	send_letter(&right, &sent, false);
	wrong.p.notifies[wrong.p.notify_count++] = right.p.notifies[0];
	cr_assert_not(ike_nat_detect(&wrong.p, &both, &came).remote);
}

Test(ike_nat, no_nats_allowed)
{
	struct ike_path came = path("198.51.100.1:4500", "192.0.2.1:4500");
	uint8_t data[] = { 192, 0, 2, 1, 198, 51, 100, 1, 0x11, 0x94, 0x11, 0x94, 0 };

	cr_assert(ike_nat_is_absent((struct ike_view){ data, 12 }, &came));
	cr_assert_not(ike_nat_is_absent((struct ike_view){ data, 11 }, &came));
	cr_assert_not(ike_nat_is_absent((struct ike_view){ data, 13 }, &came));
	cr_assert_not(ike_nat_is_absent((struct ike_view){ NULL, 0 }, &came));
	for (size_t i = 0; i < 12; i++) {
		data[i] ^= 1;
		cr_assert_not(ike_nat_is_absent((struct ike_view){ data, 12 }, &came));
		data[i] ^= 1;
	}
}
