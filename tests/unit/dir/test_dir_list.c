#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "dir/sample.h"

/*
 * Written by another implementation (Python's struct, pyca/cryptography): both sample relays,
 * published at SAMPLE_NOW, fresh 60 s, valid 3 h, signed by authorities 0xa1 and 0xa2.
 */
static const uint8_t golden_list[] = {
	0x49, 0x50, 0x70, 0x4c, 0x01, 0x00, 0x00, 0x00, 0x00, 0x6b, 0x49, 0xd2, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x6b, 0x49, 0xd2, 0x3c, 0x00, 0x00, 0x00, 0x00, 0x6b, 0x49, 0xfc,
	0x30, 0x00, 0x02, 0x81, 0x39, 0x77, 0x0e, 0xa8, 0x7d, 0x17, 0x5f, 0x56, 0xa3, 0x54,
	0x66, 0xc3, 0x4c, 0x7e, 0xcc, 0xcb, 0x8d, 0x8a, 0x91, 0xb4, 0xee, 0x37, 0xa2, 0x5d,
	0xf6, 0x0f, 0x5b, 0x8f, 0xc9, 0xb3, 0x94, 0xc6, 0x33, 0x64, 0x02, 0x01, 0xf4, 0x00,
	0x03, 0x01, 0x02, 0x03, 0x04, 0x07, 0x42, 0x72, 0x61, 0x76, 0x6f, 0x2d, 0x32, 0x02,
	0x01, 0x06, 0x00, 0x50, 0x01, 0xbb, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0x20, 0x01,
	0x0d, 0xb8, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02,
	0x8a, 0x88, 0xe3, 0xdd, 0x74, 0x09, 0xf1, 0x95, 0xfd, 0x52, 0xdb, 0x2d, 0x3c, 0xba,
	0x5d, 0x72, 0xca, 0x67, 0x09, 0xbf, 0x1d, 0x94, 0x12, 0x1b, 0xf3, 0x74, 0x88, 0x01,
	0xb4, 0x0f, 0x6f, 0x5c, 0xc0, 0x00, 0x02, 0x01, 0x01, 0xf4, 0x00, 0x00, 0x00, 0x00,
	0x03, 0xe8, 0x05, 0x61, 0x6c, 0x70, 0x68, 0x61, 0x00, 0x02, 0x65, 0xe8, 0xf9, 0xb0,
	0xbc, 0x6e, 0xae, 0x12, 0x41, 0x69, 0xf0, 0x57, 0x6f, 0x97, 0x36, 0x2d, 0x29, 0x5a,
	0x8c, 0xf5, 0xf7, 0x70, 0xb4, 0x5e, 0x14, 0x35, 0x7c, 0xe6, 0x47, 0xd3, 0x3e, 0xec,
	0xf1, 0xf3, 0x1d, 0xc3, 0xee, 0x76, 0x92, 0xaa, 0x1e, 0x24, 0x6e, 0xad, 0xf9, 0xde,
	0x9b, 0xe8, 0x7f, 0x28, 0x8e, 0x9c, 0xd0, 0xba, 0x89, 0x9b, 0x62, 0xd2, 0x97, 0xeb,
	0x76, 0x2c, 0x94, 0x8c, 0x40, 0xfc, 0x42, 0x92, 0x0a, 0x95, 0x84, 0x63, 0x2b, 0x51,
	0xbc, 0x22, 0x66, 0xca, 0xec, 0xb6, 0xd6, 0xea, 0x25, 0x40, 0x9c, 0x0b, 0xd3, 0x5a,
	0x94, 0x56, 0x92, 0xdd, 0xb8, 0x8f, 0x5f, 0x01, 0xbc, 0x7c, 0xbc, 0xb5, 0x63, 0x63,
	0x75, 0xfa, 0x1d, 0x82, 0x43, 0x4d, 0x46, 0x67, 0x24, 0xd9, 0x23, 0x77, 0xf5, 0x3b,
	0x98, 0x06, 0x95, 0xdd, 0x49, 0xd2, 0x6d, 0x0c, 0xe1, 0x22, 0x05, 0xa5, 0xcb, 0x9f,
	0x02, 0xb0, 0x87, 0x32, 0xe8, 0x35, 0x2f, 0x0b, 0x7e, 0xe5, 0x1c, 0xc4, 0xf4, 0x4c,
	0x25, 0x5c, 0xfe, 0x35, 0x6d, 0x6b, 0xab, 0xcf, 0xcb, 0x50, 0x03, 0x76, 0xde, 0x32,
	0x98, 0xb7, 0xf4, 0x36, 0x1e, 0xb7, 0x7b, 0x70, 0x4f, 0xbb, 0x6a, 0xc9, 0x59, 0x50,
	0x7a, 0x06, 0x02, 0xab, 0x24, 0x81, 0x7e, 0xa3, 0xae, 0x98, 0x75, 0xe6, 0x0e, 0xbe,
	0x0a, 0xb2, 0x72, 0x3d, 0x30, 0x0e,
};

enum { SIGNATURE = CRYPTO_SIGN_PUB + CRYPTO_SIG };

static int parse(const uint8_t *data, size_t len, size_t authorities, size_t threshold)
{
	struct dir_trust trust = sample_trust(authorities, threshold);
	struct dir_list list = { 0 };
	int err = dir_list_parse(data, len, &trust, SAMPLE_NOW, 0, &list);

	cr_assert(err == 0 || !list.entries, "a failure must leave nothing");
	dir_list_fini(&list);
	return err;
}

Test(dir_list, builds_the_golden_bytes)
{
	size_t len;
	uint8_t *out = sample_list(SAMPLE_NOW, 2, &len);

	cr_assert_eq(len, sizeof(golden_list));
	cr_assert_arr_eq(out, golden_list, len);
	free(out);
}

Test(dir_list, parses_the_golden_bytes_and_finds)
{
	struct dir_trust trust = sample_trust(2, 2);
	struct dir_entry alpha = sample_alpha(), bravo = sample_bravo();
	struct crypto_pub nobody = sample_key(9).pub;
	struct dir_list list;

	cr_assert_eq(dir_list_parse(golden_list, sizeof(golden_list), &trust, SAMPLE_NOW,
				    SAMPLE_NOW, &list), 0);
	cr_assert_eq(list.published, SAMPLE_NOW);
	cr_assert_eq(list.fresh_until, SAMPLE_NOW + 60);
	cr_assert_eq(list.valid_until, SAMPLE_NOW + 10800);
	cr_assert_eq(list.count, 2);
	cr_assert_str_eq(dir_list_find(&list, &alpha.identity)->nickname, "alpha");
	cr_assert_str_eq(dir_list_find(&list, &bravo.identity)->nickname, "Bravo-2");
	cr_assert_null(dir_list_find(&list, &nobody));
	dir_list_fini(&list);
	cr_assert_null(dir_list_find(&list, &alpha.identity));
}

Test(dir_list, truncated_at_every_byte)
{
	for (size_t len = 0; len < sizeof(golden_list); len++) {
		uint8_t *copy = malloc(len ? len : 1);

		memcpy(copy, golden_list, len);
		cr_assert_eq(parse(copy, len, 2, 1), -EMSGSIZE, "at %zu", len);
		free(copy);
	}
}

Test(dir_list, every_flipped_bit_is_refused)
{
	uint8_t copy[sizeof(golden_list)];

	for (size_t bit = 0; bit < sizeof(copy) * 8; bit++) {
		memcpy(copy, golden_list, sizeof(copy));
		copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
		cr_assert_lt(parse(copy, sizeof(copy), 2, 2), 0, "bit %zu", bit);
	}
}

Test(dir_list, nothing_may_follow)
{
	uint8_t copy[sizeof(golden_list) + 1] = { 0 };

	memcpy(copy, golden_list, sizeof(golden_list));
	cr_assert_eq(parse(copy, sizeof(copy), 2, 2), -EBADMSG);
}

Test(dir_list, unsigned_or_signed_by_strangers_is_refused)
{
	struct crypto_sign_key stranger = sample_key(0xee);
	struct dir_list list = { .published = SAMPLE_NOW, .fresh_until = SAMPLE_NOW + 1,
				 .valid_until = SAMPLE_NOW + 2 };
	uint8_t *out;
	size_t len;

	out = sample_list(SAMPLE_NOW, 0, &len);
	cr_assert_eq(parse(out, len, 1, 1), -EKEYREJECTED);
	free(out);
	cr_assert_eq(dir_list_build(&list, &stranger, 1, &out, &len), 0);
	cr_assert_eq(parse(out, len, 1, 1), -EKEYREJECTED);
	free(out);
}

Test(dir_list, trust_without_sense_accepts_nothing)
{
	struct dir_trust trust = sample_trust(2, 0);
	struct dir_list list;

	cr_assert_eq(dir_list_parse(golden_list, sizeof(golden_list), &trust, SAMPLE_NOW, 0, &list),
		     -EINVAL);
	trust = sample_trust(2, 3);
	cr_assert_eq(dir_list_parse(golden_list, sizeof(golden_list), &trust, SAMPLE_NOW, 0, &list),
		     -EINVAL);
}

Test(dir_list, two_of_three)
{
	size_t one_len, two_len, three_len;
	uint8_t *one = sample_list(SAMPLE_NOW, 1, &one_len);
	uint8_t *two = sample_list(SAMPLE_NOW, 2, &two_len);
	uint8_t *three = sample_list(SAMPLE_NOW, 3, &three_len);

	cr_assert_eq(parse(one, one_len, 3, 2), -EKEYREJECTED);
	cr_assert_eq(parse(two, two_len, 3, 2), 0);
	cr_assert_eq(parse(three, three_len, 3, 2), 0);
	three[three_len - 1] ^= 1;
	cr_assert_eq(parse(three, three_len, 3, 2), 0, "a third, bad signature changes nothing");
	three[three_len - 1 - SIGNATURE] ^= 1;
	cr_assert_eq(parse(three, three_len, 3, 2), -EKEYREJECTED);
	free(one);
	free(two);
	free(three);
}

/* Also when the client's configuration has an authority twice. */
Test(dir_list, the_same_signature_twice_counts_once)
{
	struct dir_trust trust = sample_trust(3, 2);
	struct dir_list list;
	size_t len;
	uint8_t *one = sample_list(SAMPLE_NOW, 1, &len);
	uint8_t *twice = malloc(len + SIGNATURE);

	memcpy(twice, one, len);
	memcpy(twice + len, one + len - SIGNATURE, SIGNATURE);
	twice[len - SIGNATURE - 1] = 2;
	cr_assert_eq(parse(twice, len + SIGNATURE, 3, 2), -EBADMSG, "a key stands once");
	trust.keys[1] = trust.keys[0];
	cr_assert_eq(dir_list_parse(one, len, &trust, SAMPLE_NOW, 0, &list), -EKEYREJECTED);
	free(one);
	free(twice);
}

Test(dir_list, signatures_out_of_order_are_refused)
{
	uint8_t copy[sizeof(golden_list)], *last = copy + sizeof(copy) - SIGNATURE;

	memcpy(copy, golden_list, sizeof(copy));
	memcpy(last - SIGNATURE, golden_list + sizeof(copy) - SIGNATURE, SIGNATURE);
	memcpy(last, golden_list + sizeof(copy) - 2 * SIGNATURE, SIGNATURE);
	cr_assert_eq(parse(copy, sizeof(copy), 2, 2), -EBADMSG);
}

Test(dir_list, expired_future_and_replayed)
{
	struct dir_trust trust = sample_trust(2, 2);
	struct { uint64_t now, newest; int want; } cases[] = {
		{ SAMPLE_NOW, 0, 0 },
		{ SAMPLE_NOW + 10800, 0, 0 },
		{ SAMPLE_NOW + 10801, 0, -ESTALE },
		{ UINT64_MAX, 0, -ESTALE },
		{ SAMPLE_NOW - DIR_SKEW, 0, 0 },
		{ SAMPLE_NOW - DIR_SKEW - 1, 0, -ESTALE },
		{ 0, 0, -ESTALE },
		{ SAMPLE_NOW, SAMPLE_NOW, 0 },
		{ SAMPLE_NOW, SAMPLE_NOW + 1, -EALREADY },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct dir_list list = { 0 };

		cr_assert_eq(dir_list_parse(golden_list, sizeof(golden_list), &trust, cases[i].now,
					    cases[i].newest, &list), cases[i].want, "case %zu", i);
		dir_list_fini(&list);
	}
}

/* Signs BODY well (after the fact), so that only the body can be what is refused. */
static int parse_signed(const uint8_t *body, size_t len)
{
	struct crypto_sign_key key = sample_key(0xa1);
	uint8_t *data = malloc(len + 1 + SIGNATURE);
	int err;

	memcpy(data, body, len);
	data[len] = 1;
	memcpy(data + len + 1, key.pub.bytes, CRYPTO_SIGN_PUB);
	crypto_sign_message(&key, body, len, data + len + 1 + CRYPTO_SIGN_PUB);
	err = parse(data, len + 1 + SIGNATURE, 1, 1);
	free(data);
	return err;
}

static struct wbuf head(uint8_t *buf, size_t size, uint16_t count)
{
	struct wbuf w = wbuf_init(buf, size);

	wbuf_bytes(&w, "IPpL\1", 5);
	wbuf_u64(&w, SAMPLE_NOW);
	wbuf_u64(&w, SAMPLE_NOW + 60);
	wbuf_u64(&w, SAMPLE_NOW + 10800);
	wbuf_u16(&w, count);
	return w;
}

Test(dir_list, order_and_uniqueness_of_entries)
{
	struct dir_entry alpha = sample_alpha(), bravo = sample_bravo();
	bool first = memcmp(&alpha.identity, &bravo.identity, sizeof(alpha.identity)) < 0;
	const struct dir_entry *low = first ? &alpha : &bravo, *high = first ? &bravo : &alpha;
	const struct { const struct dir_entry *a, *b; int want; } cases[] = {
		{ low, high, 0 }, { high, low, -EBADMSG }, { low, low, -EBADMSG },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint8_t buf[512];
		struct wbuf w = head(buf, sizeof(buf), 2);

		dir_entry_build(&w, cases[i].a);
		dir_entry_build(&w, cases[i].b);
		cr_assert_eq(parse_signed(buf, w.len), cases[i].want, "case %zu", i);
	}
}

Test(dir_list, well_signed_nonsense_is_refused)
{
	uint8_t buf[512];
	struct wbuf w = head(buf, sizeof(buf), 0);

	cr_assert_eq(parse_signed(buf, w.len), 0, "an empty list is a list");
	buf[4] = 2;
	cr_assert_eq(parse_signed(buf, w.len), -EOPNOTSUPP);
	buf[4] = 1;
	buf[0] = 'X';
	cr_assert_eq(parse_signed(buf, w.len), -EBADMSG);
	buf[0] = 'I';
	buf[5 + 7]++; /* published, still before fresh until */
	cr_assert_eq(parse_signed(buf, w.len), 0);
	buf[5 + 8] = 0x7f; /* fresh until, after valid until */
	cr_assert_eq(parse_signed(buf, w.len), -EBADMSG);
	w = head(buf, sizeof(buf), 4097);
	cr_assert_eq(parse_signed(buf, w.len), -EBADMSG);
	w = head(buf, sizeof(buf), 4096);
	cr_assert_eq(parse_signed(buf, w.len), -EMSGSIZE);
}

Test(dir_list, build_refuses_what_parse_would)
{
	struct dir_entry entries[] = { sample_alpha(), sample_alpha() };
	struct crypto_sign_key keys[] = { sample_key(0xa1), sample_key(0xa1) };
	struct dir_list list = { .published = 2, .fresh_until = 2, .valid_until = 2,
				 .count = 2, .entries = entries };
	uint8_t *out;
	size_t len;

	cr_assert_eq(dir_list_build(&list, keys, 1, &out, &len), -EINVAL, "an identity twice");
	list.count = 1;
	cr_assert_eq(dir_list_build(&list, keys, 2, &out, &len), -EINVAL, "a key twice");
	list.valid_until = 1;
	cr_assert_eq(dir_list_build(&list, keys, 1, &out, &len), -EINVAL, "valid before fresh");
	list.valid_until = 2;
	entries[0].port = 0;
	cr_assert_eq(dir_list_build(&list, keys, 1, &out, &len), -EINVAL);
	list.count = DIR_LIST_ENTRIES + 1;
	cr_assert_eq(dir_list_build(&list, keys, 1, &out, &len), -EINVAL);
	list.count = 0;
	cr_assert_eq(dir_list_build(&list, keys, DIR_LIST_AUTHORITIES + 1, &out, &len), -EINVAL);
}

Test(dir_list, as_many_as_there_may_be)
{
	struct dir_list list = { .published = SAMPLE_NOW, .fresh_until = SAMPLE_NOW,
				 .valid_until = SAMPLE_NOW, .count = DIR_LIST_ENTRIES }, back;
	struct dir_trust trust = sample_trust(DIR_LIST_AUTHORITIES, DIR_LIST_AUTHORITIES);
	struct crypto_sign_key keys[DIR_LIST_AUTHORITIES];
	struct crypto_pub last;
	uint8_t *out;
	size_t len;

	list.entries = calloc(list.count, sizeof(*list.entries));
	for (size_t i = 0; i < list.count; i++) {
		list.entries[i] = sample_bravo();
		/* identities in the wrong order: build must sort */
		list.entries[i].identity.bytes[0] = (uint8_t)(255 - i / 256);
		list.entries[i].identity.bytes[1] = (uint8_t)(255 - i % 256);
		strcpy(list.entries[i].nickname, "sixteen-letters1");
		list.entries[i].rule_count = DIR_RULES;
	}
	last = list.entries[0].identity;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		keys[i] = sample_key((uint8_t)(0xa1 + i));
	cr_assert_eq(dir_list_build(&list, keys, ARRAY_SIZE(keys), &out, &len), 0);
	cr_assert_leq(len, DIR_LIST_MAX);
	cr_assert_eq(dir_list_parse(out, len, &trust, SAMPLE_NOW, 0, &back), 0);
	cr_assert_eq(back.count, DIR_LIST_ENTRIES);
	cr_assert_eq(dir_list_find(&back, &last), back.entries + back.count - 1);
	dir_list_fini(&back);
	dir_list_fini(&list);
	free(out);
}

/* Mutations of the unsigned part, signed again: the parser sees them whole. */
Test(dir_list, mutated_lists_parse_or_fail_cleanly)
{
	size_t body = sizeof(golden_list) - 1 - 2 * SIGNATURE, taken = 0;
	uint32_t seed = 1;

	for (int round = 0; round < 3000; round++) {
		uint8_t copy[sizeof(golden_list)];
		size_t len = body;

		memcpy(copy, golden_list, body);
		seed = seed * 1664525 + 1013904223;
		if ((seed >> 16) % 8 == 0)
			len -= (seed >> 20) % len;
		for (int i = 0; i < 1 + (int)(seed >> 30); i++) {
			seed = seed * 1664525 + 1013904223;
			copy[(seed >> 16) % len] = (uint8_t)(seed >> 8);
		}
		taken += parse_signed(copy, len) == 0;
	}
	cr_assert_gt(taken, 100, "only %zu mutations parsed: this tests little", taken);
}

Test(dir_list, errors_have_words)
{
	static const int errors[] = { -EMSGSIZE, -EBADMSG, -EOPNOTSUPP, -EKEYREJECTED, -ESTALE,
				      -EALREADY, -EINVAL, -ENOMEM };

	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		cr_assert_gt(strlen(dir_error_text(errors[i])), 20);
		cr_assert_null(strchr(dir_error_text(errors[i]), '\n'));
		for (size_t j = 0; j < i; j++)
			cr_assert_str_neq(dir_error_text(errors[i]), dir_error_text(errors[j]));
	}
	cr_assert_not_null(strstr(dir_error_text(-ESTALE), "expired"));
	cr_assert_not_null(strstr(dir_error_text(-EMSGSIZE), "truncated"));
	cr_assert_not_null(strstr(dir_error_text(-EALREADY), "older"));
}
