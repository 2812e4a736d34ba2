/* The SA payload: hand-written bytes after RFC 7296 sections 3.3.1 to 3.3.5. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "wire/sample.h"

/* ESP, two proposals: AES-GCM-256 with ESN or without, ChaCha20-Poly1305 without. */
static const uint8_t two[] = {
	0, 0, 0, 72,
	2, 0, 0, 40, 1, 3, 4, 3, 0xc0, 0xff, 0xee, 0x01,
	3, 0, 0, 12, 1, 0, 0, 20, 0x80, 14, 1, 0,
	3, 0, 0, 8, 5, 0, 0, 1,
	0, 0, 0, 8, 5, 0, 0, 0,
	0, 0, 0, 28, 2, 3, 4, 2, 0xc0, 0xff, 0xee, 0x01,
	3, 0xff, 0, 8, 1, 0xff, 0, 28,
	0, 0, 0, 8, 5, 0, 0, 0,
};

/* Offsets in it. */
enum { PROP1 = 4, TRANS1 = 16, ATTR1 = 24, TRANS3 = 36, PROP2 = 44, TRANS4 = 56 };

static int parse(const uint8_t *msg, size_t len, struct ike_payloads *out)
{
	uint8_t *block;
	int err = sample_parse_chain(IKE_PAYLOAD_SA, msg, len, &block, out);

	free(block);
	return err;
}

static int with(size_t at, uint8_t value, struct ike_payloads *out)
{
	uint8_t msg[sizeof(two)];

	memcpy(msg, two, sizeof(two));
	msg[at] = value;
	return parse(msg, sizeof(msg), out);
}

Test(ike_parse_sa, two_proposals)
{
	const struct ike_proposal *a, *b;
	struct ike_payloads p;

	cr_assert_eq(ike_parse_payloads(IKE_PAYLOAD_SA, two, sizeof(two), &p), 0);
	cr_assert_eq(p.proposal_count, 2);
	a = &p.proposals[0];
	b = &p.proposals[1];
	cr_assert(a->number == 1 && a->protocol == IKE_PROTOCOL_ESP && a->transform_count == 3);
	cr_assert_eq(a->spi.data, two + 12);
	cr_assert_eq(a->spi.len, 4);
	cr_assert_eq(a->transforms[0].type, IKE_TRANSFORM_ENCR);
	cr_assert_eq(a->transforms[0].id, IKE_ENCR_ID_AES_GCM_16);
	cr_assert_eq(a->transforms[0].key_bits, 256);
	cr_assert_not(a->transforms[0].unknown_attr);
	cr_assert(a->transforms[1].type == IKE_TRANSFORM_ESN && a->transforms[1].id == 1);
	cr_assert(a->transforms[2].type == IKE_TRANSFORM_ESN && a->transforms[2].id == 0);
	cr_assert(b->number == 2 && b->transform_count == 2);
	cr_assert_eq(b->transforms[0].id, IKE_ENCR_ID_CHACHA20_POLY1305);
	cr_assert_eq(b->transforms[0].key_bits, 0);
}

Test(ike_parse_sa, more_and_last)
{
	struct ike_payloads p;

	cr_assert_eq(with(PROP1, 0, &p), -EBADMSG, "last, and one follows");
	cr_assert_eq(with(PROP1, 3, &p), -EBADMSG, "no such value");
	cr_assert_eq(with(PROP2, 2, &p), -EMSGSIZE, "more, and none follows");
	cr_assert_eq(with(TRANS1, 0, &p), -EBADMSG);
	cr_assert_eq(with(TRANS1, 2, &p), -EBADMSG);
	cr_assert_eq(with(TRANS3, 3, &p), -EBADMSG);
	cr_assert_eq(with(TRANS4, 0, &p), -EBADMSG);
}

Test(ike_parse_sa, counts_and_lengths)
{
	struct ike_payloads p;

	for (unsigned int n = 0; n < 256; n++) {
		cr_assert_eq(with(PROP1 + 7, (uint8_t)n, &p),
			     n == 3 ? 0 : n > IKE_TRANSFORMS_MAX ? -E2BIG : -EBADMSG,
			     "%u transforms said", n);
		cr_assert_eq(with(PROP1 + 3, (uint8_t)n, &p) == 0, n == 40, "length %u", n);
		cr_assert_eq(with(TRANS1 + 3, (uint8_t)n, &p) == 0, n == 12, "length %u", n);
	}
}

Test(ike_parse_sa, numbers)
{
	struct ike_payloads p;
	uint8_t msg[sizeof(two)];

	cr_assert_eq(with(PROP1 + 4, 0, &p), -EBADMSG);
	cr_assert_eq(with(PROP2 + 4, 1, &p), -EBADMSG);
	cr_assert_eq(with(PROP2 + 4, 3, &p), -EBADMSG);
	memcpy(msg, two, sizeof(two));
	msg[PROP1 + 4] = 0;
	msg[PROP2 + 4] = 1;
	cr_assert_eq(parse(msg, sizeof(msg), &p), -EBADMSG);
	msg[PROP1 + 4] = 4;
	msg[PROP2 + 4] = 5;
	cr_assert_eq(parse(msg, sizeof(msg), &p), 0, "an answer keeps the number it chose");
}

static int spi_of(uint8_t protocol, uint8_t size)
{
	uint8_t msg[64] = { 0, 0, 0, (uint8_t)(20 + size), 0, 0, 0, (uint8_t)(16 + size),
			    1, protocol, size, 1 };
	struct ike_payloads p;
	int err;

	memcpy(msg + 12 + size, (uint8_t[]){ 0, 0, 0, 8, 1, 0, 0, 28 }, 8);
	err = parse(msg, 20u + size, &p);
	if (!err)
		cr_assert_eq(p.proposals[0].spi.len, size);
	return err;
}

Test(ike_parse_sa, spi_sizes)
{
	for (uint8_t size = 0; size < 20; size++) {
		cr_assert_eq(spi_of(IKE_PROTOCOL_IKE, size), size % 8 || size > 8 ? -EBADMSG : 0);
		cr_assert_eq(spi_of(IKE_PROTOCOL_ESP, size), size == 4 ? 0 : -EBADMSG);
		cr_assert_eq(spi_of(IKE_PROTOCOL_AH, size), size == 4 ? 0 : -EBADMSG);
		cr_assert_eq(spi_of(77, size), size % 4 || size > 8 ? -EBADMSG : 0);
	}
}

Test(ike_parse_sa, no_proposal)
{
	struct ike_payloads p;

	cr_assert_eq(parse((uint8_t[]){ 0, 0, 0, 4 }, 4, &p), -EMSGSIZE);
	cr_assert_eq(parse((uint8_t[]){ 0, 0, 0, 12, 0, 0, 0, 8, 1, 1, 0, 0 }, 12, &p), -EBADMSG,
		     "a proposal without transforms");
}

/* Outer lengths agree, the innermost one is too short for what must stand there. */
Test(ike_parse_sa, too_short_inside)
{
	struct ike_payloads p;

	for (uint8_t len = 4; len <= 8; len++) {
		uint8_t size = (uint8_t)(12 + len);
		uint8_t transform[] = { 0, 0, 0, size, 0, 0, 0, (uint8_t)(size - 4), 1, 1, 0, 1,
					0, 0, 0, len, 1, 0, 0, 28 };
		uint8_t proposal[] = { 0, 0, 0, (uint8_t)(4 + len), 0, 0, 0, len, 1, 1, 0, 1 };

		cr_assert_eq(parse(transform, size, &p), len == 8 ? 0 : -EBADMSG, "%u", len);
		cr_assert_lt(parse(proposal, 4u + len, &p), 0);
	}
}

Test(ike_parse_sa, left_over_bytes)
{
	const uint8_t in_proposal[] = { 0, 0, 0, 21, 0, 0, 0, 17, 1, 1, 0, 1,
					0, 0, 0, 8, 1, 0, 0, 28, 0 };
	const uint8_t in_payload[] = { 0, 0, 0, 21, 0, 0, 0, 16, 1, 1, 0, 1,
				       0, 0, 0, 8, 1, 0, 0, 28, 0 };
	struct ike_payloads p;

	cr_assert_eq(parse(in_proposal, sizeof(in_proposal), &p), -EBADMSG);
	cr_assert_eq(parse(in_payload, sizeof(in_payload), &p), -EBADMSG);
}

Test(ike_parse_sa, attributes)
{
	struct ike_payloads p;
	uint8_t msg[] = { 0, 0, 0, 28, 0, 0, 0, 24, 1, 1, 0, 1, 0, 0, 0, 16, 1, 0, 0, 20,
			  0x80, 14, 1, 0, 0x80, 14, 0, 128 };
	uint8_t longer[] = { 0, 0, 0, 30, 0, 0, 0, 26, 1, 1, 0, 1, 0, 0, 0, 18, 1, 0, 0, 20,
			     0x00, 14, 0, 2, 1, 0, 0x80, 14, 1, 0 };

	cr_assert_eq(with(ATTR1 + 1, 15, &p), 0);
	cr_assert(p.proposals[0].transforms[0].unknown_attr, "an attribute of another type");
	cr_assert_not(p.proposals[0].transforms[1].unknown_attr);
	cr_assert_eq(with(ATTR1 + 2, 0, &p), 0);
	cr_assert(p.proposals[0].transforms[0].unknown_attr, "a key of no bits");
	cr_assert_eq(parse(msg, sizeof(msg), &p), 0);
	cr_assert(p.proposals[0].transforms[0].unknown_attr, "two key lengths");
	cr_assert_eq(parse(longer, sizeof(longer), &p), 0);
	cr_assert(p.proposals[0].transforms[0].unknown_attr, "a key length with its own length");
	longer[23] = 7;
	cr_assert_eq(parse(longer, sizeof(longer), &p), -EMSGSIZE, "value past the transform");
	cr_assert_eq(with(ATTR1, 0, &p), -EMSGSIZE, "TLV of 256 bytes in a transform of 12");
}

static size_t many(uint8_t *msg, size_t proposals, size_t transforms)
{
	size_t at = 4;

	for (size_t i = 0; i < proposals; i++) {
		size_t len = 8 + transforms * 8;

		memcpy(msg + at, (uint8_t[]){ i + 1 < proposals ? 2 : 0, 0, (uint8_t)(len >> 8),
					      (uint8_t)len, (uint8_t)(i + 1), 1, 0,
					      (uint8_t)transforms }, 8);
		at += 8;
		for (size_t k = 0; k < transforms; k++, at += 8)
			memcpy(msg + at, (uint8_t[]){ k + 1 < transforms ? 3 : 0, 0, 0, 8, 1, 0,
						      0, (uint8_t)k }, 8);
	}
	memcpy(msg, (uint8_t[]){ 0, 0, (uint8_t)(at >> 8), (uint8_t)at }, 4);
	return at;
}

Test(ike_parse_sa, limits)
{
	uint8_t msg[4096];
	struct ike_payloads p;

	cr_assert_eq(parse(msg, many(msg, IKE_PROPOSALS_MAX, IKE_TRANSFORMS_MAX), &p), 0);
	cr_assert_eq(p.proposal_count, IKE_PROPOSALS_MAX);
	cr_assert_eq(p.proposals[7].transforms[31].id, 31);
	cr_assert_eq(parse(msg, many(msg, IKE_PROPOSALS_MAX + 1, 1), &p), -E2BIG);
	cr_assert_eq(parse(msg, many(msg, 1, IKE_TRANSFORMS_MAX + 1), &p), -E2BIG);
	cr_assert_eq(parse(msg, many(msg, 1, 255), &p), -E2BIG);
}

Test(ike_parse_sa, truncated_everywhere)
{
	uint8_t msg[sizeof(two)];
	struct ike_payloads p;

	for (size_t len = 0; len < sizeof(two); len++) {
		cr_assert_eq(parse(two, len, &p), -EMSGSIZE, "cut at %zu", len);
		memcpy(msg, two, sizeof(two));
		msg[3] = (uint8_t)len;
		if (len >= 4)
			cr_assert_lt(parse(msg, len, &p), 0, "cut and mended at %zu", len);
	}
}
