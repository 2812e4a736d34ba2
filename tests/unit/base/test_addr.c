#include "common/base/addr.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct addr addr(const char *text)
{
	struct addr a;

	cr_assert_eq(addr_parse(text, &a), 0, "%s", text);
	return a;
}

static struct prefix prefix(const char *text)
{
	struct prefix p;

	cr_assert_eq(prefix_parse(text, &p), 0, "%s", text);
	return p;
}

#define REFUSE(parse, type, ...) \
	do { \
		static const char *const bad[] = { __VA_ARGS__ }; \
		type before, v; \
		memset(&before, 0x5a, sizeof(before)); \
		for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) { \
			v = before; \
			cr_assert_eq(parse(bad[i], &v), -EINVAL, "[%s] was taken", bad[i]); \
			cr_assert_eq(memcmp(&v, &before, sizeof(v)), 0, "[%s]", bad[i]); \
		} \
	} while (0)

#define LONG "1111111111222222222233333333334444444444555555555566666666667777777777"

Test(addr, v4_values)
{
	static const uint8_t bytes[16] = { 192, 0, 2, 1 };
	struct addr a = addr_v4(0xc0000201), b = addr("192.0.2.1");

	cr_assert_eq(a.family, AF_INET);
	cr_assert_arr_eq(a.bytes, bytes, 16);
	cr_assert_arr_eq(b.bytes, bytes, 16);
	cr_assert_eq(addr_to_v4(&b), 0xc0000201u);
	cr_assert_eq(addr_size(&b), 4u);
	cr_assert(addr_equal(&a, &b));
	b = addr("2001:db8::1");
	cr_assert_eq(addr_to_v4(&b), 0u);
	cr_assert_eq(addr_size(&b), 16u);
	b = (struct addr){ 0 };
	cr_assert_eq(addr_size(&b), 0u);
}

Test(addr, equality_is_of_family_and_bytes)
{
	struct addr a = addr("0.0.0.0"), b = addr("::"), c = addr("::1"), none = { 0 };

	cr_assert_not(addr_equal(&a, &b));
	cr_assert_not(addr_equal(&b, &c));
	cr_assert_not(addr_equal(&a, &none));
	cr_assert(addr_equal(&none, &none));
}

Test(addr, text_round_trips)
{
	static const char *const texts[] = { "0.0.0.0", "255.255.255.255", "100.64.0.1", "::", "::1",
					     "2001:db8::1", "::ffff:192.0.2.1",
					     "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" };
	char out[ADDR_TEXT], expected[ADDR_TEXT];

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct addr a = addr(texts[i]);
		struct prefix p = prefix_host(&a), parsed;
		struct endpoint e = { a, 65535 }, back;

		cr_assert_str_eq(addr_text(&a, out), texts[i]);
		snprintf(expected, sizeof(expected), "%s/%d", texts[i],
			 a.family == AF_INET ? 32 : 128);
		cr_assert_str_eq(prefix_text(&p, out), expected);
		cr_assert_eq(prefix_parse(out, &parsed), 0);
		cr_assert(prefix_equal(&p, &parsed));
		snprintf(expected, sizeof(expected),
			 a.family == AF_INET ? "%s:65535" : "[%s]:65535", texts[i]);
		cr_assert_str_eq(endpoint_text(&e, out), expected);
		cr_assert_eq(endpoint_parse(out, &back), 0, "%s", out);
		cr_assert(addr_equal(&back.addr, &a));
		cr_assert_eq(back.port, 65535);
	}
}

Test(addr, no_family_is_none)
{
	struct addr none = { 0 };
	struct prefix p = { .addr = none };
	struct endpoint e = { .addr = none };
	struct sockaddr_storage sa;
	char out[ADDR_TEXT];

	cr_assert_str_eq(addr_text(&none, out), "none");
	cr_assert_str_eq(prefix_text(&p, out), "none/0");
	cr_assert_str_eq(endpoint_text(&e, out), "none:0");
	cr_assert_eq(endpoint_to_sockaddr(&e, &sa), 0u);
}

Test(addr, refuses_bad_addresses)
{
	REFUSE(addr_parse, struct addr, "", " ", "1", "1.2.3", "1.2.3.4.5", "1.2.3.256", "1.2.3.-4",
	       "1.2.3.4 ", " 1.2.3.4", "01.2.3.4", "0x1.2.3.4", "1.2.3.4/32", "1.2.3.4:5", ":", ":::",
	       "::1::", "g::", "12345::", "fe80::1%lo", "[::1]", "localhost", LONG);
}

Test(addr, refuses_bad_prefixes)
{
	REFUSE(prefix_parse, struct prefix, "", "/", "/24", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1",
	       "10.0.0.0/+8", "10.0.0.0/ 8", "10.0.0.0/8 ", "10.0.0.0/8/8", "10.0.0.0/0x8",
	       "10.0.0.1/8", "10.0.0.0/6", "0.0.0.1/0", "128.0.0.0/0", "10.0.0.1/31", "::1/127",
	       "2001:db8::/129", "::/4294967296", "::/18446744073709551616", "1.2.3/24",
	       "10.0.0.0/8x", LONG, LONG "/8", "fe80::1%lo/128");
}

Test(addr, refuses_bad_endpoints)
{
	REFUSE(endpoint_parse, struct endpoint, "", ":", "500", ":500", "1.2.3.4", "1.2.3.4:",
	       "1.2.3.4:65536", "1.2.3.4:-1", "1.2.3.4: 1", "1.2.3.4:1 ", "1.2.3.4:0x1", "1.2.3:4",
	       "[1.2.3.4]:5", "::1:500", "[::1]", "[::1]500", "[::1:500", "::1]:500", "[]:500", "[:5",
	       "[", "]:5", "[[::1]]:5", "[::1] :5", "1.2.3.4:18446744073709551617", LONG ":5",
	       "[" LONG "]:5");
}

Test(addr, takes_good_prefixes)
{
	static const struct {
		const char *text;
		uint8_t len;
	} good[] = { { "0.0.0.0/0", 0 }, { "128.0.0.0/1", 1 }, { "100.64.0.0/10", 10 },
		     { "10.0.0.2/31", 31 }, { "10.0.0.1/32", 32 }, { "10.0.0.1", 32 }, { "::/0", 0 },
		     { "2001:db8::/33", 33 }, { "::1", 128 } };

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		cr_assert_eq(prefix(good[i].text).len, good[i].len, "%s", good[i].text);
}

/* Every length of one prefix against the addresses at and just past its two ends. */
Test(addr, contains_at_the_borders)
{
	for (unsigned int len = 0; len <= 32; len++) {
		uint32_t mask = len ? UINT32_MAX << (32 - len) : 0, base = 0xc0a8aa55 & mask;
		struct prefix p = { .addr = addr_v4(base), .len = (uint8_t)len };
		struct addr first = addr_v4(base), last = addr_v4(base | ~mask);
		struct addr before = addr_v4(base - 1), after = addr_v4((base | ~mask) + 1);

		cr_assert(prefix_contains(&p, &first));
		cr_assert(prefix_contains(&p, &last));
		cr_assert_eq(prefix_contains(&p, &before), len == 0);
		cr_assert_eq(prefix_contains(&p, &after), len == 0);
	}
}

Test(addr, contains_knows_families)
{
	struct prefix all4 = prefix("0.0.0.0/0"), all6 = prefix("::/0"), p = prefix("2001:db8::/33");
	struct addr v4 = addr("1.2.3.4"), v6 = addr("::1"), in = addr("2001:db8:7fff::1"),
		    out = addr("2001:db8:8000::");

	cr_assert(prefix_contains(&all4, &v4));
	cr_assert_not(prefix_contains(&all4, &v6));
	cr_assert_not(prefix_contains(&all6, &v4));
	cr_assert(prefix_contains(&all6, &v6));
	cr_assert(prefix_contains(&p, &in));
	cr_assert_not(prefix_contains(&p, &out));
}

Test(addr, within)
{
	static const struct {
		const char *inner, *outer;
		bool within;
	} cases[] = {
		{ "100.64.0.0/16", "100.64.0.0/10", true },
		{ "100.64.0.0/10", "100.64.0.0/10", true },
		{ "100.64.0.0/10", "100.64.0.0/16", false },
		{ "100.127.255.255/32", "100.64.0.0/10", true },
		{ "100.128.0.0/16", "100.64.0.0/10", false },
		{ "0.0.0.0/0", "100.64.0.0/10", false },
		{ "10.0.0.0/8", "::/0", false },
		{ "::/0", "0.0.0.0/0", false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct prefix inner = prefix(cases[i].inner), outer = prefix(cases[i].outer);

		cr_assert_eq(prefix_within(&inner, &outer), cases[i].within, "%s in %s",
			     cases[i].inner, cases[i].outer);
		cr_assert_eq(prefix_equal(&inner, &outer), i == 1);
	}
}

Test(addr, socket_addresses)
{
	struct endpoint e4 = { addr("192.0.2.1"), 500 }, e6 = { addr("2001:db8::1"), 4500 }, back;
	struct sockaddr_storage sa;
	struct sockaddr_in in;
	struct sockaddr unix_sa = { .sa_family = AF_UNIX };

	cr_assert_eq(endpoint_to_sockaddr(&e4, &sa), sizeof(struct sockaddr_in));
	memcpy(&in, &sa, sizeof(in));
	cr_assert_eq(in.sin_family, AF_INET);
	cr_assert_eq(in.sin_port, htons(500));
	cr_assert_eq(in.sin_addr.s_addr, htonl(0xc0000201));
	cr_assert_eq(endpoint_from_sockaddr((struct sockaddr *)&sa, &back), 0);
	cr_assert(addr_equal(&back.addr, &e4.addr));
	cr_assert_eq(back.port, 500);
	cr_assert_eq(endpoint_to_sockaddr(&e6, &sa), sizeof(struct sockaddr_in6));
	cr_assert_eq(endpoint_from_sockaddr((struct sockaddr *)&sa, &back), 0);
	cr_assert(addr_equal(&back.addr, &e6.addr));
	cr_assert_eq(back.port, 4500);
	cr_assert_eq(endpoint_from_sockaddr(&unix_sa, &back), -EAFNOSUPPORT);
	cr_assert_eq(back.port, 4500, "no result on failure");
}

Test(addr, last_of_a_prefix)
{
	static const char *const cases[][2] = {
		{ "192.0.2.0/24", "192.0.2.255" }, { "10.0.0.0/8", "10.255.255.255" },
		{ "0.0.0.0/0", "255.255.255.255" }, { "192.0.2.128/25", "192.0.2.255" },
		{ "192.0.2.7/32", "192.0.2.7" }, { "2001:db8::/126", "2001:db8::3" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct prefix p;
		struct addr want, got;

		cr_assert_eq(prefix_parse(cases[i][0], &p), 0);
		cr_assert_eq(addr_parse(cases[i][1], &want), 0);
		got = prefix_last(&p);
		cr_expect(addr_equal(&got, &want), "%s", cases[i][0]);
	}
}

Test(addr, bits_from_the_first_on)
{
	struct addr a = addr_v4(0x80000102);

	cr_expect(addr_bit(&a, 0));
	cr_expect_not(addr_bit(&a, 1));
	cr_expect(addr_bit(&a, 23));
	cr_expect_not(addr_bit(&a, 31));
	cr_expect(addr_bit(&a, 30));
}

Test(addr, who_has_an_ipv6_network_counts_once)
{
	const struct addr one = addr("2001:db8:0:1::1"), same = addr("2001:db8:0:1:ffff::"),
			  first = addr("2001:db8:0:1::"), other = addr("2001:db8:0:2::1"),
			  v4 = addr("192.0.2.1");
	const struct addr a = addr_counted(&one), b = addr_counted(&same), c = addr_counted(&other),
			  d = addr_counted(&v4);

	cr_assert(addr_equal(&a, &first));
	cr_assert(addr_equal(&a, &b));
	cr_assert_not(addr_equal(&a, &c));
	cr_assert(addr_equal(&d, &v4));
}
