#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "dir/sample.h"

/*
 * Written by another implementation (Python's struct, pyca/cryptography), keys as in sample.h:
 * Bravo-2, published at SAMPLE_NOW.
 */
static const uint8_t golden_desc[] = {
	0x49, 0x50, 0x70, 0x44, 0x01, 0x00, 0x00, 0x00, 0x00, 0x6b, 0x49, 0xd2, 0x00, 0x81,
	0x39, 0x77, 0x0e, 0xa8, 0x7d, 0x17, 0x5f, 0x56, 0xa3, 0x54, 0x66, 0xc3, 0x4c, 0x7e,
	0xcc, 0xcb, 0x8d, 0x8a, 0x91, 0xb4, 0xee, 0x37, 0xa2, 0x5d, 0xf6, 0x0f, 0x5b, 0x8f,
	0xc9, 0xb3, 0x94, 0xc6, 0x33, 0x64, 0x02, 0x01, 0xf4, 0x00, 0x03, 0x01, 0x02, 0x03,
	0x04, 0x07, 0x42, 0x72, 0x61, 0x76, 0x6f, 0x2d, 0x32, 0x02, 0x01, 0x06, 0x00, 0x50,
	0x01, 0xbb, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0x20, 0x01, 0x0d, 0xb8, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x99, 0xd5, 0xf6, 0x8e,
	0x1d, 0x42, 0x02, 0x0e, 0x9d, 0xc9, 0xfb, 0x9c, 0x1a, 0xf0, 0x38, 0xab, 0xcf, 0xd9,
	0x8f, 0x5b, 0x64, 0xdc, 0x0a, 0x34, 0xe4, 0x1e, 0x9f, 0x26, 0x37, 0x42, 0x73, 0x39,
	0xb8, 0x9a, 0x31, 0x0f, 0x62, 0xaf, 0x8a, 0xf6, 0xfe, 0xe5, 0x54, 0xcd, 0xc9, 0xba,
	0x49, 0x19, 0x96, 0x6b, 0xf1, 0xd0, 0x8f, 0x14, 0xcc, 0xeb, 0x0f, 0x8b, 0xc7, 0xb3,
	0x4e, 0xc0, 0xf2, 0x06,
};

static struct dir_desc bravo(void)
{
	return (struct dir_desc){ .published = SAMPLE_NOW, .entry = sample_bravo() };
}

/* Builds a descriptor that may make no sense: signs whatever bytes are there. */
static size_t sign_again(uint8_t *data, size_t len, const struct crypto_sign_key *key)
{
	crypto_sign_message(key, data, len - CRYPTO_SIG, data + len - CRYPTO_SIG);
	return len;
}

static void expect_same(const struct dir_entry *a, const struct dir_entry *b)
{
	cr_assert_arr_eq(a->identity.bytes, b->identity.bytes, sizeof(a->identity.bytes));
	cr_assert(addr_equal(&a->address, &b->address));
	cr_assert(addr_equal(&a->address6, &b->address6));
	cr_assert_eq(a->port, b->port);
	cr_assert_eq(a->flags, b->flags);
	cr_assert_eq(a->bandwidth, b->bandwidth);
	cr_assert_str_eq(a->nickname, b->nickname);
	cr_assert_eq(a->rule_count, b->rule_count);
	for (size_t i = 0; i < a->rule_count; i++) {
		cr_assert_eq(a->rules[i].accept, b->rules[i].accept);
		cr_assert_eq(a->rules[i].proto, b->rules[i].proto);
		cr_assert_eq(a->rules[i].port_lo, b->rules[i].port_lo);
		cr_assert_eq(a->rules[i].port_hi, b->rules[i].port_hi);
	}
}

Test(dir_desc, builds_the_golden_bytes)
{
	struct crypto_sign_key key = sample_key(2);
	struct dir_desc d = bravo();
	uint8_t out[DIR_DESC_MAX];
	size_t len;

	cr_assert_eq(dir_desc_build(&d, &key, out, &len), 0);
	cr_assert_eq(len, sizeof(golden_desc));
	cr_assert_arr_eq(out, golden_desc, len);
}

Test(dir_desc, parses_the_golden_bytes)
{
	struct dir_entry want = sample_bravo();
	struct dir_desc d;

	cr_assert_eq(dir_desc_parse(golden_desc, sizeof(golden_desc), &d), 0);
	cr_assert_eq(d.published, SAMPLE_NOW);
	expect_same(&d.entry, &want);
}

Test(dir_desc, biggest_entry_fits)
{
	struct crypto_sign_key key = sample_key(2);
	struct dir_desc d = bravo(), back;
	uint8_t out[DIR_DESC_MAX];
	size_t len;

	strcpy(d.entry.nickname, "sixteen-letters1");
	d.entry.rule_count = DIR_RULES;
	cr_assert_eq(dir_desc_build(&d, &key, out, &len), 0);
	cr_assert_leq(len, DIR_DESC_MAX);
	cr_assert_eq(dir_desc_parse(out, len, &back), 0);
	expect_same(&back.entry, &d.entry);
}

Test(dir_desc, truncated_at_every_byte)
{
	struct dir_desc d = { .published = 7 };

	for (size_t len = 0; len < sizeof(golden_desc); len++) {
		uint8_t *copy = malloc(len ? len : 1);

		memcpy(copy, golden_desc, len);
		cr_assert_eq(dir_desc_parse(copy, len, &d), -EMSGSIZE, "at %zu", len);
		free(copy);
	}
	cr_assert_eq(d.published, 7, "a failure must not touch what is there");
}

Test(dir_desc, every_flipped_bit_is_refused)
{
	uint8_t copy[sizeof(golden_desc)];
	struct dir_desc d;

	for (size_t bit = 0; bit < sizeof(copy) * 8; bit++) {
		memcpy(copy, golden_desc, sizeof(copy));
		copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
		cr_assert_lt(dir_desc_parse(copy, sizeof(copy), &d), 0, "bit %zu", bit);
	}
}

Test(dir_desc, nothing_may_follow)
{
	uint8_t copy[sizeof(golden_desc) + 1] = { 0 };
	struct dir_desc d;

	memcpy(copy, golden_desc, sizeof(golden_desc));
	cr_assert_eq(dir_desc_parse(copy, sizeof(copy), &d), -EBADMSG);
}

Test(dir_desc, another_signer_is_refused)
{
	struct crypto_sign_key other = sample_key(3);
	uint8_t copy[sizeof(golden_desc)], out[DIR_DESC_MAX];
	struct dir_desc d = bravo();
	size_t len;

	cr_assert_eq(dir_desc_build(&d, &other, out, &len), -EINVAL);
	memcpy(copy, golden_desc, sizeof(copy));
	sign_again(copy, sizeof(copy), &other);
	cr_assert_eq(dir_desc_parse(copy, sizeof(copy), &d), -EKEYREJECTED);
}

/* Overwrites LEN bytes at OFFSET of the golden descriptor, signs it well, and parses it. */
static int parse_patched(size_t offset, const void *bytes, size_t len)
{
	struct crypto_sign_key key = sample_key(2);
	uint8_t copy[sizeof(golden_desc)];
	struct dir_desc d;

	memcpy(copy, golden_desc, sizeof(copy));
	memcpy(copy + offset, bytes, len);
	return dir_desc_parse(copy, sign_again(copy, sizeof(copy), &key), &d);
}

enum { /* offsets in the golden descriptor */
	AT_VERSION = 4, AT_ADDRESS = 45, AT_PORT = 49, AT_FLAGS = 51, AT_NAME = 58, AT_RULES = 65,
	AT_ADDRESS6 = 78,
};

Test(dir_desc, well_signed_nonsense_is_refused)
{
	cr_assert_eq(parse_patched(AT_NAME, "B", 1), 0, "the offsets are right");
	cr_assert_eq(parse_patched(0, "X", 1), -EBADMSG);
	cr_assert_eq(parse_patched(AT_VERSION, "\2", 1), -EOPNOTSUPP);
	cr_assert_eq(parse_patched(AT_PORT, "\0\0", 2), -EBADMSG);
	cr_assert_eq(parse_patched(AT_PORT, "\1\xf4", 2), 0, "500");
	cr_assert_eq(parse_patched(AT_PORT, "\1\xf5", 2), -EBADMSG);
	cr_assert_eq(parse_patched(AT_PORT, "\x11\x94", 2), -EBADMSG, "4500");
	cr_assert_eq(parse_patched(AT_FLAGS, "\0\23", 2), -EBADMSG, "unknown flag");
	cr_assert_eq(parse_patched(AT_NAME - 1, "\0", 1), -EBADMSG, "no name");
	cr_assert_eq(parse_patched(AT_NAME - 1, "\21", 1), -EBADMSG, "name of 17");
	cr_assert_eq(parse_patched(AT_NAME, "Br\0vo-2", 7), -EBADMSG);
	cr_assert_eq(parse_patched(AT_NAME, "Br vo-2", 7), -EBADMSG);
	cr_assert_eq(parse_patched(AT_RULES, "\11", 1), -EBADMSG, "nine rules");
	cr_assert_eq(parse_patched(AT_RULES + 1, "\2", 1), -EBADMSG, "neither accept nor reject");
	cr_assert_eq(parse_patched(AT_RULES + 3, "\xff\xff", 2), -EBADMSG, "low over high");
}

Test(dir_desc, addresses_that_nobody_can_reach_are_refused)
{
	/* both ends of each network, and what is next to them */
	static const char *const v4[] = {
		"0.0.0.0", "0.255.255.255", "10.0.0.0", "10.255.255.255", "100.64.0.0",
		"100.127.255.255", "127.0.0.1", "127.255.255.255", "169.254.0.0", "169.254.255.255",
		"172.16.0.0", "172.31.255.255", "192.0.0.0", "192.0.0.255", "192.88.99.0",
		"192.88.99.255", "192.168.0.0", "192.168.255.255", "198.18.0.0", "198.19.255.255",
		"224.0.0.0", "239.255.255.255", "240.0.0.0", "255.255.255.255",
	};
	static const char *const good[] = {
		"1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0",
		"126.255.255.255", "128.0.0.0", "169.253.255.255", "169.255.0.0", "172.15.255.255",
		"172.32.0.0", "191.255.255.255", "192.0.1.0", "192.88.98.255", "192.88.100.0",
		"192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0",
		"223.255.255.255", "192.0.2.1", "198.51.100.1", "203.0.113.1",
	};
	static const char *const v6[] = { "::", "::1", "::7f00:1", "ff02::1", "fe80::1", "febf::1",
					  "::ffff:192.0.2.1", "fc00::1", "fdff::1", "100::1",
					  "64:ff9b::1", "2001:0:1::1", "2002:a00:1::1", "4000::1" };
	struct addr a;

	for (size_t i = 0; i < ARRAY_SIZE(v4); i++) {
		cr_assert_eq(addr_parse(v4[i], &a), 0);
		cr_assert_eq(parse_patched(AT_ADDRESS, a.bytes, 4), -EBADMSG, "%s", v4[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		cr_assert_eq(addr_parse(good[i], &a), 0);
		cr_assert_eq(parse_patched(AT_ADDRESS, a.bytes, 4), 0, "%s", good[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(v6); i++) {
		cr_assert_eq(addr_parse(v6[i], &a), 0);
		cr_assert_eq(parse_patched(AT_ADDRESS6, a.bytes, 16), -EBADMSG, "%s", v6[i]);
	}
	cr_assert_eq(addr_parse("2a00::1", &a), 0);
	cr_assert_eq(parse_patched(AT_ADDRESS6, a.bytes, 16), 0);
}

Test(dir_desc, entry_check_refuses_what_cannot_be_written)
{
	struct dir_entry e = sample_bravo();

	cr_assert_eq(dir_entry_check(&e), 0);
	e.flags = DIR_FLAG_EXIT;
	cr_assert_eq(dir_entry_check(&e), -EINVAL, "an IPv6 address without its flag");
	e = sample_bravo();
	e.address.family = AF_INET6;
	cr_assert_eq(dir_entry_check(&e), -EINVAL);
	e = sample_bravo();
	e.rule_count = DIR_RULES + 1;
	cr_assert_eq(dir_entry_check(&e), -EINVAL);
	e = sample_bravo();
	memset(e.nickname, 'a', sizeof(e.nickname));
	cr_assert_eq(dir_entry_check(&e), -EINVAL, "a nickname without its end");
}

Test(dir_desc, flags)
{
	struct dir_entry e = sample_alpha(), back;
	uint8_t bytes[DIR_ENTRY_MAX];
	struct wbuf w = wbuf_init(bytes, sizeof(bytes));
	struct rbuf r;

	e.flags = DIR_FLAG_EXIT | DIR_FLAG_PSK;
	cr_assert_eq(dir_entry_check(&e), 0);
	dir_entry_build(&w, &e);
	r = rbuf_init(bytes, w.len);
	cr_assert_eq(dir_entry_parse(&r, &back), 0);
	cr_assert_eq(back.flags, DIR_FLAG_EXIT | DIR_FLAG_PSK);
	e.flags = DIR_FLAG_EXIT | DIR_FLAG_EXIT6;
	w = wbuf_init(bytes, sizeof(bytes));
	dir_entry_build(&w, &e);
	r = rbuf_init(bytes, w.len);
	cr_assert_eq(dir_entry_parse(&r, &back), 0);
	cr_assert_eq(back.flags, DIR_FLAG_EXIT | DIR_FLAG_EXIT6);
	e.flags = DIR_FLAG_EXIT6;
	cr_assert_eq(dir_entry_check(&e), -EINVAL, "IPv6 goes out where IPv4 does");
	e.flags = DIR_FLAG_EXIT6 << 1;
	cr_assert_eq(dir_entry_check(&e), -EINVAL, "a flag that nobody knows");
}

Test(dir_desc, first_matching_rule_decides)
{
	struct dir_entry e = sample_bravo();

	cr_assert(dir_entry_allows(&e, 6, 80));
	cr_assert(dir_entry_allows(&e, 6, 443));
	cr_assert_not(dir_entry_allows(&e, 6, 79));
	cr_assert_not(dir_entry_allows(&e, 6, 444));
	cr_assert_not(dir_entry_allows(&e, 17, 80));
	cr_assert_not(dir_entry_allows(&e, 1, 0));
	e.rules[1].accept = true;
	cr_assert(dir_entry_allows(&e, 1, 0));
	cr_assert(dir_entry_allows(&e, 17, 53));
	e.rules[0].accept = false;
	cr_assert_not(dir_entry_allows(&e, 6, 80), "the later accept must not win");
	e.flags &= (uint16_t)~DIR_FLAG_EXIT;
	cr_assert_not(dir_entry_allows(&e, 17, 53));
	e = sample_bravo();
	e.rule_count = 0;
	cr_assert_not(dir_entry_allows(&e, 6, 80), "no rule: reject");
}

/* What parses must build back to the same bytes; sanitizers watch the rest. */
Test(dir_desc, mutated_entries_parse_or_fail_cleanly)
{
	uint32_t seed = 1;
	size_t taken = 0;

	for (int round = 0; round < 50000; round++) {
		size_t len = sizeof(golden_desc) - CRYPTO_SIG - 13;
		uint8_t *copy, again[DIR_ENTRY_MAX];
		struct dir_entry e;
		struct rbuf r;

		seed = seed * 1664525 + 1013904223;
		len -= (seed >> 8) % 8 == 0 ? (seed >> 11) % len : 0;
		copy = malloc(len);
		memcpy(copy, golden_desc + 13, len);
		for (int i = 0; i < 1 + (int)(seed >> 29); i++) {
			seed = seed * 1664525 + 1013904223;
			copy[(seed >> 16) % len] = (uint8_t)(seed >> 8);
		}
		r = rbuf_init(copy, len);
		if (dir_entry_parse(&r, &e) == 0) {
			struct wbuf w = wbuf_init(again, sizeof(again));

			taken++;
			dir_entry_build(&w, &e);
			cr_assert_eq(w.err, 0);
			cr_assert_eq(w.len, len - r.left);
			cr_assert_arr_eq(again, copy, w.len);
		}
		free(copy);
	}
	cr_assert_gt(taken, 1000, "only %zu mutations parsed: this tests little", taken);
}
