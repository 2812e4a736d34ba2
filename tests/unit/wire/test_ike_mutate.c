/*
 * Broken messages: every sample cut at every byte, and a fixed sequence of random changes. The
 * result may be anything but a crash or a read outside of the block (run it under -DASAN=ON).
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "wire/sample.h"

enum { MUTATIONS = 100000 };

static uint64_t state;

static uint32_t pick(uint32_t bound) /* xorshift64, from a fixed start */
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 32) % bound;
}

static void mend_length(uint8_t *msg, size_t len)
{
	if (len < IKE_HEADER_SIZE)
		return;
	msg[26] = (uint8_t)(len >> 8);
	msg[27] = (uint8_t)len;
}

Test(ike_mutate, samples_are_valid)
{
	uint8_t msg[SAMPLE_MAX];
	struct ike_payloads p;

	for (int i = 0; i < SAMPLE_COUNT; i++)
		cr_assert_eq(sample_parse_exact(msg, sample_build(i, msg), &p), 0, "sample %d", i);
}

Test(ike_mutate, cut_at_every_byte)
{
	uint8_t msg[SAMPLE_MAX];
	struct ike_payloads p;
	struct ike_header h;

	for (int i = 0; i < SAMPLE_COUNT; i++) {
		size_t whole = sample_build(i, msg);

		for (size_t len = 0; len < whole; len++) {
			cr_assert_eq(ike_parse_header(msg, len, &h), -EMSGSIZE);
			cr_assert_eq(sample_parse_exact(msg, len, &p), -EMSGSIZE,
				     "sample %d cut at %zu", i, len);
		}
	}
}

/* Whether BODY, a good one of LEN bytes, is still a good one when cut to its first CUT. */
static bool good_when_cut(uint8_t type, const uint8_t *body, size_t len, size_t cut)
{
	size_t at = 4;

	switch (type) {
	case IKE_PAYLOAD_KE:
	case IKE_PAYLOAD_AUTH:
		return cut >= 5;
	case IKE_PAYLOAD_IDI:
	case IKE_PAYLOAD_IDR:
		return cut >= 4;
	case IKE_PAYLOAD_NONCE:
		return cut >= IKE_NONCE_MIN;
	case IKE_PAYLOAD_NOTIFY:
		return cut >= 4u + body[1];
	case IKE_PAYLOAD_CP:
		while (at < cut)
			at += 4u + (size_t)(body[at + 2] << 8 | body[at + 3]);
		return at == cut;
	case IKE_PAYLOAD_SA:
	case IKE_PAYLOAD_DELETE:
	case IKE_PAYLOAD_TSI:
	case IKE_PAYLOAD_TSR:
		return cut == len;
	default:
		return true;
	}
}

/* Cuts one payload at every byte, its Length mended, alone in its chain; returns cuts refused. */
static size_t cut_payload(uint8_t type, const uint8_t *payload, size_t size)
{
	uint8_t msg[SAMPLE_MAX];
	struct ike_payloads p;
	size_t refused = 0;

	memcpy(msg, payload, size);
	msg[0] = IKE_PAYLOAD_NONE;
	for (size_t cut = IKE_PAYLOAD_HEADER_SIZE; cut <= size; cut++) {
		uint8_t *block;
		bool good = good_when_cut(type, payload + 4, size - 4, cut - 4);
		int err;

		msg[2] = (uint8_t)(cut >> 8);
		msg[3] = (uint8_t)cut;
		err = sample_parse_chain(type, msg, cut, &block, &p);
		free(block);
		cr_assert_eq(err == 0, good, "payload %u cut to %zu of %zu: %d", type, cut, size,
			     err);
		refused += err != 0;
	}
	return refused;
}

Test(ike_mutate, cut_and_mended)
{
	uint8_t msg[SAMPLE_MAX];
	size_t refused = 0;

	for (int i = 0; i < SAMPLE_ENCRYPTED; i++) {
		size_t len = sample_build(i, msg), at = IKE_HEADER_SIZE;
		uint8_t type = msg[IKE_HEADER_NEXT_AT];

		while (at < len) {
			size_t size = (size_t)(msg[at + 2] << 8 | msg[at + 3]);

			refused += cut_payload(type, msg + at, size);
			type = msg[at];
			at += size;
		}
	}
	cr_assert_gt(refused, 500);
}

/* One random change of MSG; returns its new length. */
static size_t mutate(uint8_t *msg, size_t len)
{
	size_t at = pick((uint32_t)len), n, from;
	uint8_t other[SAMPLE_MAX];

	switch (pick(6)) {
	case 0: /* flip a bit */
		msg[at] ^= (uint8_t)(1 << pick(8));
		return len;
	case 1: /* an octet that matters somewhere */
		msg[at] = (uint8_t[]){ 0, 1, 2, 3, 4, 8, 16, 33, 46, 0x7f, 0x80, 0xff }[pick(12)];
		return len;
	case 2: /* a 16-bit length one or a few off */
		if (at + 1 >= len)
			return len;
		n = (size_t)(msg[at] << 8 | msg[at + 1]) + pick(9) - 4;
		msg[at] = (uint8_t)(n >> 8);
		msg[at + 1] = (uint8_t)n;
		return len;
	case 3: /* cut */
		return at + 1;
	case 4: /* take a piece out */
		n = pick((uint32_t)(len - at));
		memmove(msg + at, msg + at + n, len - at - n);
		return len - n > 0 ? len - n : 1;
	default: /* splice the tail of another message in */
		n = sample_build((enum sample)pick(SAMPLE_COUNT), other);
		from = pick((uint32_t)n);
		n = n - from < SAMPLE_MAX - at ? n - from : SAMPLE_MAX - at;
		memcpy(msg + at, other + from, n);
		return at + n;
	}
}

Test(ike_mutate, random_changes, .timeout = 300)
{
	size_t good = 0, bad = 0;
	struct ike_payloads p;

	state = 0x9e3779b97f4a7c15;
	for (int i = 0; i < MUTATIONS; i++) {
		uint8_t msg[SAMPLE_MAX] = { 0 };
		size_t len = sample_build(i % SAMPLE_COUNT, msg);
		uint32_t changes = 1 + pick(4);

		while (changes-- > 0)
			len = mutate(msg, len);
		if (pick(10) > 0)
			mend_length(msg, len);
		if (sample_parse_exact(msg, len, &p) == 0)
			good++;
		else
			bad++;
	}
	cr_assert_eq(good + bad, MUTATIONS);
	cr_assert(good > MUTATIONS / 100 && bad > MUTATIONS / 4,
		  "changes that are all refused, or all taken, test little: %zu good", good);
}
