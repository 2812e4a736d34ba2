/* Splitting a message and putting it together again, without an IKE SA around it. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/ike/ike_frag.h"
#include "tests/vectors/ike_fragment.h"
#include "tests/vectors/strongswan_fragments.h"

static const struct ike_header header = { .spi_i = 0x1122334455667788,
					  .spi_r = 0x99aabbccddeeff00,
					  .exchange = IKE_EXCHANGE_CREATE_CHILD_SA,
					  .flags = IKE_FLAG_INITIATOR, .message_id = 7 };

/* The message of the vector, or one with a notify of EXTRA bytes more, not yet sealed. */
static struct ike_build message(struct ike_crypt *c, uint8_t *buf, size_t size, size_t extra)
{
	static const uint8_t zeros[4096];
	struct ike_build b;

	ike_crypt_init(c, ike_fragment_key_salt);
	ike_build_init(&b, buf, size, &header);
	ike_crypt_begin(c, &b);
	ike_build_nonce(&b, ike_fragment_inner + 4, 64);
	if (extra == 0) { /* a vendor ID, which we never send, as it is in the vector */
		b.w.start[b.next_at] = IKE_PAYLOAD_VENDOR;
		ike_build_bytes(&b, ike_fragment_inner + 68, 54);
	} else {
		ike_build_notify(&b, IKE_NOTIFY_COOKIE, zeros, extra);
	}
	return b;
}

Test(ike_frag, vector_out)
{
	uint8_t buf[512], out[1024];
	struct ike_crypt c;
	struct ike_build b = message(&c, buf, sizeof(buf), 0);
	size_t len, first;

	cr_assert_eq(ike_frag_seal(&c, &b, IKE_FRAGMENT_VECTOR_SIZE, out, sizeof(out), &len), 0);
	cr_assert_eq(len, sizeof(ike_fragment_wire));
	cr_assert_arr_eq(out, ike_fragment_wire, len);
	first = ike_frag_first(out, len);
	cr_assert_eq(first, IKE_FRAGMENT_VECTOR_SIZE);
	cr_assert_eq(ike_frag_first(out + first, len - first), len - first);
}

/* Reads the fragment at MSG; its content in PLAIN. Returns its bytes. */
static size_t open_fragment(const uint8_t *msg, size_t len, struct ike_payloads *p, uint8_t *plain)
{
	struct ike_crypt c;
	struct ike_header h;
	size_t size;

	ike_crypt_init(&c, ike_fragment_key_salt);
	cr_assert_eq(ike_parse_header(msg, len, &h), 0);
	cr_assert(h.message_id == 7 && h.exchange == header.exchange && h.flags == header.flags &&
		  h.spi_i == header.spi_i && h.spi_r == header.spi_r);
	cr_assert_eq(h.next, IKE_PAYLOAD_SKF);
	cr_assert_eq(ike_parse_payloads(h.next, msg + 28, len - 28, p), 0);
	cr_assert_eq(ike_crypt_open(&c, msg, p->sk, plain, &size), 0);
	return size;
}

Test(ike_frag, vector_in)
{
	uint8_t plain[256], out[IKE_FRAGMENT_BYTES_MAX], first;
	struct ike_frag *frag = NULL;
	struct ike_payloads p;
	size_t len;

	len = open_fragment(ike_fragment_wire + 128, sizeof(ike_fragment_wire) - 128, &p, plain);
	cr_assert_eq(ike_frag_keep(&frag, 7, &p, plain, len, 0), -EAGAIN);
	len = open_fragment(ike_fragment_wire, 128, &p, plain);
	cr_assert_eq(ike_frag_keep(&frag, 7, &p, plain, len, 0), 0);
	len = ike_frag_join(&frag, out, &first);
	cr_assert_null(frag);
	cr_assert_eq(first, IKE_FRAGMENT_VECTOR_FIRST);
	cr_assert_eq(len, sizeof(ike_fragment_inner));
	cr_assert_arr_eq(out, ike_fragment_inner, len);
}

Test(ike_frag, takes_what_strongswan_split)
{
	const uint8_t *at = strongswan_fragments;
	size_t left = sizeof(strongswan_fragments), len, count = 0;
	uint8_t plain[512], out[IKE_FRAGMENT_BYTES_MAX], first;
	struct ike_frag *frag = NULL;
	struct ike_payloads p;
	struct ike_crypt c;
	int r = -EAGAIN;

	ike_crypt_init(&c, strongswan_fragments_key);
	while (left > 0) {
		size_t size = ike_frag_first(at, left);

		cr_assert_eq(at[16], IKE_PAYLOAD_SKF);
		cr_assert_eq(ike_parse_payloads(at[16], at + 28, size - 28, &p), 0);
		cr_assert(p.fragment == ++count && p.fragment_total == 3);
		cr_assert_eq(ike_crypt_open(&c, at, p.sk, plain, &len), 0);
		r = ike_frag_keep(&frag, 1, &p, plain, len, 0);
		cr_assert_eq(r, count == 3 ? 0 : -EAGAIN);
		at += size;
		left -= size;
	}
	len = ike_frag_join(&frag, out, &first);
	cr_assert_eq(first, IKE_PAYLOAD_IDR);
	cr_assert_eq(ike_parse_payloads(first, out, len, &p), 0);
	cr_assert(p.id_r.type == IKE_ID_KEY_ID && p.id_r.data.len == 32);
	cr_assert_eq(p.auth_method, IKE_AUTH_METHOD_SIGNATURE);
	cr_assert(p.proposal_count == 1 && p.ts_i.count == 1 && p.ts_r.count == 1);
	cr_assert_eq(p.cp.type, IKE_CFG_REPLY);
}

/* The number, the total and the first type are part of what is authenticated. */
Test(ike_frag, every_bit_is_authenticated)
{
	uint8_t msg[128], plain[128];
	struct ike_payloads p;
	struct ike_crypt c;
	size_t len;

	ike_crypt_init(&c, ike_fragment_key_salt);
	for (size_t bit = 0; bit < sizeof(msg) * 8; bit++) {
		memcpy(msg, ike_fragment_wire, sizeof(msg));
		msg[bit / 8] ^= (uint8_t)(1 << bit % 8);
		p.sk = (struct ike_view){ msg + 36, sizeof(msg) - 36 };
		cr_assert_eq(ike_crypt_open(&c, msg, p.sk, plain, &len), -EBADMSG, "bit %zu", bit);
	}
}

/* All lengths and sizes: no fragment is longer than it may be, and all together are the message. */
static void assert_split(size_t extra, size_t size)
{
	uint8_t buf[2048], out[4096], whole[2048], plain[2048], joined[IKE_FRAGMENT_BYTES_MAX], type;
	struct ike_crypt c;
	struct ike_build b = message(&c, buf, sizeof(buf), extra);
	struct ike_view inner = ike_build_inner(&b, &type);
	struct ike_frag *frag = NULL;
	size_t len, inner_len = inner.len, at = 0, count = 0;
	int r = -EAGAIN;

	memcpy(whole, inner.data, inner.len);
	cr_assert_eq(ike_frag_seal(&c, &b, size, out, 2 * b.w.len, &len), 0);
	while (at < len) {
		size_t one = ike_frag_first(out + at, len - at), part;
		struct ike_payloads p;

		cr_assert_leq(one, size);
		cr_assert_eq(r, -EAGAIN);
		if (one == len) {
			cr_assert_eq(out[16], IKE_PAYLOAD_SK);
			cr_assert_eq(len, 28 + 4 + 8 + inner_len + 1 + 16);
			return;
		}
		part = open_fragment(out + at, one, &p, plain);
		cr_assert_eq(p.fragment, ++count);
		cr_assert_eq(p.sk_next, count == 1 ? type : 0);
		cr_assert(one == size || count == p.fragment_total, "only the last is shorter");
		cr_assert(ike_frag_wants(frag, 7, &p, 0));
		r = ike_frag_keep(&frag, 7, &p, plain, part, 0);
		at += one;
	}
	cr_assert_eq(r, 0);
	cr_assert_eq(ike_frag_join(&frag, joined, &type), inner_len);
	cr_assert_arr_eq(joined, whole, inner_len);
}

Test(ike_frag, all_lengths)
{
	for (size_t extra = 1; extra < 900; extra++)
		assert_split(extra, IKE_FRAGMENT_SIZE_MIN);
	for (size_t size = IKE_FRAGMENT_SIZE_MIN; size < 1200; size++)
		assert_split(900, size);
}

Test(ike_frag, not_split)
{
	uint8_t buf[4096], out[8192];
	struct ike_crypt c;
	struct ike_build b;
	size_t len;

	for (size_t size = 0; size < IKE_FRAGMENT_SIZE_MIN; size++) {
		b = message(&c, buf, sizeof(buf), 500);
		cr_assert_eq(ike_frag_seal(&c, &b, size, out, sizeof(out), &len), 0);
		cr_assert_eq(ike_frag_first(out, len), size == 0 ? len : IKE_FRAGMENT_SIZE_MIN);
	}
	b = message(&c, buf, sizeof(buf), 3000);
	cr_assert_eq(ike_frag_seal(&c, &b, 128, out, sizeof(out), &len), -ENOSPC, "too many");
	b = message(&c, buf, sizeof(buf), 500);
	cr_assert_eq(ike_frag_seal(&c, &b, 128, out, 600, &len), -ENOSPC);
	b = message(&c, buf, sizeof(buf), 500);
	cr_assert_eq(ike_frag_seal(&c, &b, 1200, out, 600, &len), -ENOSPC);
	b = message(&c, buf, 300, 500);
	cr_assert_eq(ike_frag_seal(&c, &b, 128, out, sizeof(out), &len), -ENOSPC);
	ike_build_init(&b, buf, sizeof(buf), &header);
	cr_assert_eq(ike_frag_seal(&c, &b, 128, out, sizeof(out), &len), -EINVAL);
}

/* ---- putting together ---- */

static struct ike_frag *frag;
static uint8_t joined[IKE_FRAGMENT_BYTES_MAX], joined_first;

/* 0, -errno, or 1 when it was not wanted. */
static int put_at(uint64_t now, uint32_t id, uint16_t number, uint16_t total, const char *part)
{
	const struct ike_payloads p = { .fragment = number, .fragment_total = total,
					.sk_next = number == 1 ? 41 : 0 };

	if (!ike_frag_wants(frag, id, &p, now))
		return 1;
	return ike_frag_keep(&frag, id, &p, (const uint8_t *)part, strlen(part), now);
}

static int put(uint16_t number, uint16_t total, const char *part)
{
	return put_at(0, 5, number, total, part);
}

static void assert_joined(const char *text)
{
	size_t len = ike_frag_join(&frag, joined, &joined_first);

	cr_assert_eq(len, strlen(text));
	cr_assert_arr_eq(joined, text, len);
	cr_assert_eq(joined_first, 41);
	cr_assert_null(frag);
}

Test(ike_frag, any_order_and_duplicates)
{
	static const uint16_t orders[6][3] = { { 1, 2, 3 }, { 1, 3, 2 }, { 2, 1, 3 }, { 2, 3, 1 },
					       { 3, 1, 2 }, { 3, 2, 1 } };
	static const char *const parts[] = { "one", "and two", "x" };

	for (size_t i = 0; i < 6; i++)
		for (size_t k = 0; k < 3; k++) {
			uint16_t n = orders[i][k];

			cr_assert_eq(put(n, 3, parts[n - 1]), k == 2 ? 0 : -EAGAIN);
			if (k < 2)
				cr_assert_eq(put(n, 3, "another"), 1, "once kept, it stays");
			else
				assert_joined("oneand twox");
		}
}

Test(ike_frag, one_of_one)
{
	cr_assert_eq(put(1, 1, "all"), 0);
	assert_joined("all");
	cr_assert_eq(put(1, 1, ""), 0, "nothing is inside: a probe");
	assert_joined("");
}

/* Section 2.6: the sender found a smaller size that fits the path, and began again. */
Test(ike_frag, larger_total_begins_again)
{
	cr_assert_eq(put(1, 2, "first half"), -EAGAIN);
	cr_assert_eq(put(3, 3, "c"), -EAGAIN);
	cr_assert_eq(put(2, 2, "second half"), 1, "of the attempt before");
	cr_assert_eq(put(1, 2, "first half"), 1);
	cr_assert_eq(put(1, 3, "a"), -EAGAIN);
	cr_assert_eq(put(2, 3, "b"), 0);
	assert_joined("abc");
}

Test(ike_frag, one_message_at_a_time)
{
	cr_assert_eq(put_at(0, 5, 1, 2, "five"), -EAGAIN);
	cr_assert_eq(put_at(0, 6, 2, 2, "six"), -EAGAIN);
	cr_assert_eq(put_at(0, 5, 2, 2, "V"), -EAGAIN, "five has begun anew");
	cr_assert_eq(put_at(0, 5, 1, 2, "IV"), 0);
	assert_joined("IVV");
}

Test(ike_frag, too_late)
{
	cr_assert_eq(put_at(1000, 5, 1, 2, "old"), -EAGAIN);
	ike_frag_expire(&frag, 1000 + IKE_FRAGMENT_LIFE - 1);
	cr_assert_not_null(frag);
	cr_assert_eq(put_at(1000 + IKE_FRAGMENT_LIFE, 5, 2, 2, "new"), -EAGAIN);
	cr_assert_eq(put_at(1000 + IKE_FRAGMENT_LIFE, 5, 1, 2, "very "), 0);
	assert_joined("very new");
	cr_assert_eq(put_at(1000, 5, 1, 2, "old"), -EAGAIN);
	ike_frag_expire(&frag, 1000 + IKE_FRAGMENT_LIFE);
	cr_assert_null(frag);
	ike_frag_expire(&frag, 0);
}

Test(ike_frag, bounds)
{
	static char big[1001];
	uint16_t most = IKE_FRAGMENTS_MAX;

	cr_assert_eq(put(0, 0, "x"), 1);
	cr_assert_eq(put(1, 0, "x"), 1);
	cr_assert_eq(put(0, 1, "x"), 1);
	cr_assert_eq(put(3, 2, "x"), 1);
	cr_assert_eq(put(1, most + 1, "x"), 1);
	cr_assert_eq(put(65535, 65535, "x"), 1);
	cr_assert_null(frag, "nothing is kept of what is refused");
	cr_assert_eq(put(2, 2, ""), -EBADMSG);
	cr_assert_eq(put(1, 2, ""), -EBADMSG);
	cr_assert_null(frag);
	for (uint16_t n = 1; n <= most; n++)
		cr_assert_eq(put(n, most, "x"), n < most ? -EAGAIN : 0);
	assert_joined("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
	memset(big, 'x', 1000);
	for (uint16_t n = 1; n < 4; n++)
		cr_assert_eq(put(n, 4, big), -EAGAIN);
	cr_assert_eq(put(4, 4, "y"), -EMSGSIZE);
	cr_assert_null(frag);
	for (uint16_t n = 1; n < 3; n++)
		cr_assert_eq(put(n, 3, big), -EAGAIN);
	cr_assert_eq(put(3, 3, big), 0, "just as much as there is room for");
	cr_assert_eq(ike_frag_join(&frag, joined, &joined_first), 3000);
}

/* What stands in front of messages that we made ourselves; still, no length leads out of them. */
Test(ike_frag, first_of_several)
{
	uint8_t msgs[64] = { 0 };

	cr_assert_eq(ike_frag_first(msgs, 64), 64);
	msgs[27] = 27;
	cr_assert_eq(ike_frag_first(msgs, 64), 64);
	msgs[27] = 28;
	cr_assert_eq(ike_frag_first(msgs, 64), 28);
	cr_assert_eq(ike_frag_first(msgs, 20), 20);
	msgs[27] = 65;
	cr_assert_eq(ike_frag_first(msgs, 64), 64);
	msgs[24] = 0xff;
	cr_assert_eq(ike_frag_first(msgs, 64), 64);
}
