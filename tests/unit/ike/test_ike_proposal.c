/* Choosing proposals and narrowing selectors, as values. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "common/ike/ike_proposal.h"
#include "common/ike/ike_ts.h"

static const uint8_t spi[4] = { 1, 2, 3, 4 };

static struct ike_proposal make(uint8_t number, uint8_t protocol, size_t count,
				const struct ike_transform *transforms)
{
	struct ike_proposal p = { .number = number, .protocol = protocol,
				  .transform_count = count };

	if (protocol == IKE_PROTOCOL_ESP)
		p.spi = (struct ike_view){ spi, sizeof(spi) };
	memcpy(p.transforms, transforms, count * sizeof(*transforms));
	return p;
}

#define MAKE(number, protocol, ...)								\
	make(number, protocol,									\
	     sizeof((struct ike_transform[]){ __VA_ARGS__ }) / sizeof(struct ike_transform),	\
	     (struct ike_transform[]){ __VA_ARGS__ })
#define T(t, i) { .type = (t), .id = (i) }
#define TK(t, i, k) { .type = (t), .id = (i), .key_bits = (k) }

Test(ike_proposal, ike_choice)
{
	struct ike_proposal offers[] = {
		MAKE(1, 1, TK(1, 20, 256), T(2, 5), T(4, 31)),
		MAKE(2, 1, T(1, 28), T(2, 5), T(3, 12), T(4, 31)),         /* INTEG with AEAD */
		MAKE(3, 1, T(1, 28), T(2, 5), T(4, 31), T(6, 36)),         /* more key exchange */
		MAKE(4, 3, T(1, 28), T(2, 5), T(4, 31)),                   /* ESP */
		MAKE(5, 1, T(1, 28), T(2, 5)),                             /* no D-H */
		MAKE(6, 1, TK(1, 20, 256), T(1, 28), T(2, 7), T(2, 5), T(3, 0), T(4, 19),
		     T(4, 31), T(6, 36), T(6, 0)),
		MAKE(7, 1, T(1, 28), T(2, 5), T(4, 31)),
	};
	uint8_t number;

	cr_assert_eq(ike_proposal_ike_choose(offers, 5, &number), -ENOENT);
	cr_assert_eq(ike_proposal_ike_choose(offers, 7, &number), 0);
	cr_assert_eq(number, 6);
	cr_assert_eq(ike_proposal_ike_choose(offers, 0, &number), -ENOENT);
	offers[6].transforms[0].unknown_attr = true;
	cr_assert_eq(ike_proposal_ike_choose(offers + 6, 1, &number), -ENOENT);
}

Test(ike_proposal, ike_answer)
{
	struct ike_proposal right, two[2];

	ike_proposal_ike(1, &right);
	cr_assert_eq(ike_proposal_ike_accept(&right, 1), 0);
	two[0] = two[1] = right;
	cr_assert_eq(ike_proposal_ike_accept(two, 2), -EBADMSG);
	cr_assert_eq(ike_proposal_ike_accept(two, 0), -EBADMSG);
	ike_proposal_ike(2, &right);
	cr_assert_eq(ike_proposal_ike_accept(&right, 1), -EBADMSG);
	ike_proposal_ike(1, &right);
	right.transforms[right.transform_count++] = (struct ike_transform)T(3, 0);
	cr_assert_eq(ike_proposal_ike_accept(&right, 1), -EBADMSG);
}

Test(ike_proposal, esp_choice)
{
	struct ike_proposal offers[] = {
		MAKE(1, 3, TK(1, 20, 128), T(5, 0)),
		MAKE(2, 3, TK(1, 20, 256)),                     /* ESN is mandatory */
		MAKE(3, 3, TK(1, 12, 256), T(3, 12), T(5, 0)),
		MAKE(4, 3, T(1, 28), T(4, 31), T(5, 0)),        /* D-H has no place here */
		MAKE(5, 3, TK(1, 28, 256), T(5, 0)),            /* this one has no key length */
		MAKE(6, 3, T(1, 28), T(5, 0)),
		MAKE(7, 3, TK(1, 20, 256), T(1, 28), T(5, 0), T(5, 1), T(4, 0), T(4, 31)),
	};
	struct ike_esp esp;

	cr_assert_eq(ike_proposal_esp_choose(offers, 5, false, &esp), -ENOENT);
	cr_assert_eq(ike_proposal_esp_choose(offers, 6, false, &esp), 0);
	cr_assert_eq(esp.number, 6);
	cr_assert_eq(esp.encr, IKE_ENCR_CHACHA20_POLY1305);
	cr_assert(!esp.esn);
	cr_assert_eq(esp.spi, 0x01020304);
	cr_assert_eq(ike_proposal_esp_choose(offers, 7, false, &esp), 0);
	cr_assert_eq(esp.number, 7, "what the responder prefers, wherever it stands");
	cr_assert_eq(esp.encr, IKE_ENCR_AES_GCM_16);
	cr_assert(esp.esn);
	cr_assert_eq(ike_proposal_esp_choose(offers, 7, true, &esp), 0);
	cr_assert_eq(esp.number, 6);
	cr_assert_eq(esp.encr, IKE_ENCR_CHACHA20_POLY1305);
	cr_assert_eq(ike_proposal_esp_choose(offers + 6, 1, true, &esp), 0);
	cr_assert_eq(esp.encr, IKE_ENCR_CHACHA20_POLY1305);
	cr_assert(esp.esn);
}

Test(ike_proposal, esp_spi)
{
	static const uint8_t reserved[4] = { 0, 0, 0, 255 };
	struct ike_proposal p = MAKE(1, 3, T(1, 28), T(5, 0));
	struct ike_esp esp;

	cr_assert_eq(ike_proposal_esp_choose(&p, 1, false, &esp), 0);
	p.spi.data = reserved;
	cr_assert_eq(ike_proposal_esp_choose(&p, 1, false, &esp), -ENOENT);
	p.spi = (struct ike_view){ spi, 3 };
	cr_assert_eq(ike_proposal_esp_choose(&p, 1, false, &esp), -ENOENT);
}

/* Each choice out of our own offer, and back, whatever each side prefers. */
static void assert_answers(bool prefer_chacha)
{
	struct ike_proposal offers[IKE_PROPOSAL_ESP_OFFERS], answer;
	struct ike_esp chosen, seen;

	ike_proposal_esp(spi, prefer_chacha, offers);
	for (size_t i = 0; i < IKE_PROPOSAL_ESP_OFFERS; i++) {
		cr_assert_eq(ike_proposal_esp_choose(&offers[i], 1, !i, &chosen), 0);
		cr_assert_eq(chosen.encr == IKE_ENCR_CHACHA20_POLY1305, prefer_chacha == (i == 0));
		for (int esn = 0; esn < 2; esn++) {
			chosen.esn = esn;
			ike_proposal_esp_answer(&chosen, spi, &answer);
			cr_assert_eq(ike_proposal_esp_accept(&answer, 1, prefer_chacha, &seen), 0);
			cr_assert_eq(seen.number, i + 1);
			cr_assert_eq(seen.encr, chosen.encr);
			cr_assert_eq(seen.esn, chosen.esn);
			for (answer.number = 0; answer.number < 4; answer.number++)
				if (answer.number != i + 1)
					cr_assert_eq(ike_proposal_esp_accept(&answer, 1,
									     prefer_chacha, &seen),
						     -EBADMSG, "that offer has not this cipher");
		}
	}
	cr_assert_eq(ike_proposal_esp_accept(offers, 1, prefer_chacha, &seen), -EBADMSG,
		     "a choice is one");
	cr_assert_eq(ike_proposal_esp_accept(offers, 0, prefer_chacha, &seen), -EBADMSG);
}

Test(ike_proposal, esp_answer)
{
	assert_answers(false);
	assert_answers(true);
}

Test(ike_proposal, esp_preference_is_the_responders)
{
	struct ike_proposal offers[IKE_PROPOSAL_ESP_OFFERS];
	struct ike_esp esp;

	for (int ours = 0; ours < 2; ours++)
		for (int theirs = 0; theirs < 2; theirs++) {
			ike_proposal_esp(spi, theirs, offers);
			cr_assert_eq(ike_proposal_esp_choose(offers, ARRAY_SIZE(offers), ours, &esp), 0);
			cr_assert_eq(esp.encr, ours ? IKE_ENCR_CHACHA20_POLY1305 :
						      IKE_ENCR_AES_GCM_16);
		}
}

/* ---- CREATE_CHILD_SA ---- */

Test(ike_proposal, esp_with_key_exchange)
{
	struct ike_proposal offers[] = {
		MAKE(1, 3, T(1, 28), T(5, 0), T(4, 19)),          /* not ours, and not optional */
		MAKE(2, 3, T(1, 28), T(5, 0), T(4, 19), T(4, 31)),
		MAKE(3, 3, T(1, 28), T(5, 0), T(4, 19), T(4, 0)),
		MAKE(4, 3, T(1, 28), T(5, 0), T(4, 31), T(4, 0)),
		MAKE(5, 3, T(1, 28), T(5, 0)),
		MAKE(6, 3, T(1, 28), T(5, 0), T(4, 31), T(6, 36)), /* more key exchange */
	};
	static const struct {
		size_t offer;
		uint16_t group;
		int result;
		bool dh;
	} cases[] = {
		{ 0, 19, -ENOENT, false }, { 0, 0, -ENOENT, false },
		{ 1, 31, 0, true }, { 1, 19, 0, true }, { 1, 0, 0, true },
		{ 2, 19, 0, false }, { 2, 0, 0, false },
		{ 3, 31, 0, true }, { 3, 0, 0, false },
		{ 4, 31, 0, false }, { 4, 0, 0, false },
		{ 5, 31, -ENOENT, false },
	};
	struct ike_esp esp;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int r = ike_proposal_esp_choose_dh(&offers[cases[i].offer], 1, false,
						   cases[i].group, &esp);

		cr_assert_eq(r, cases[i].result, "case %zu", i);
		cr_assert(r < 0 || esp.dh == cases[i].dh, "case %zu", i);
	}
	cr_assert_eq(ike_proposal_esp_choose(&offers[1], 1, false, &esp), -ENOENT);
	cr_assert_eq(ike_proposal_esp_choose(&offers[3], 1, false, &esp), 0);
	cr_assert(!esp.dh, "IKE_AUTH has no key exchange");
}

Test(ike_proposal, esp_answer_with_key_exchange)
{
	struct ike_proposal offers[IKE_PROPOSAL_ESP_OFFERS], answer;
	struct ike_esp chosen, seen;

	ike_proposal_esp(spi, false, offers);
	ike_proposal_esp_offer_dh(offers);
	cr_assert_eq(ike_proposal_esp_choose_dh(offers, 2, false, IKE_DH_ID_CURVE25519, &chosen), 0);
	cr_assert(chosen.dh);
	ike_proposal_esp_answer(&chosen, spi, &answer);
	cr_assert_eq(answer.transform_count, 3);
	cr_assert_eq(ike_proposal_esp_accept_dh(&answer, 1, false, &seen), 0);
	cr_assert(seen.dh);
	cr_assert_eq(ike_proposal_esp_accept(&answer, 1, false, &seen), -EBADMSG);
	answer.transforms[2].id = IKE_DH_ID_NONE;
	cr_assert_eq(ike_proposal_esp_accept_dh(&answer, 1, false, &seen), 0);
	cr_assert(!seen.dh);
	answer.transforms[2].id = 19;
	cr_assert_eq(ike_proposal_esp_accept_dh(&answer, 1, false, &seen), -EBADMSG);
	answer.transform_count = 2;
	cr_assert_eq(ike_proposal_esp_accept_dh(&answer, 1, false, &seen), 0);
	cr_assert(!seen.dh);
	cr_assert_eq(ike_proposal_esp_accept_dh(offers, 1, false, &seen), -EBADMSG, "a choice is one");
	cr_assert_eq(ike_proposal_esp_accept_dh(offers, 0, false, &seen), -EBADMSG);
}

Test(ike_proposal, ike_rekeying)
{
	static const uint8_t ike_spi[8] = { 1, 2, 3, 4, 5, 6, 7, 8 }, zero[8];
	struct ike_proposal p;
	uint8_t number;
	uint64_t got;

	ike_proposal_ike(1, &p);
	cr_assert_eq(ike_proposal_ike_choose_spi(&p, 1, &number, &got), -ENOENT);
	cr_assert_eq(ike_proposal_ike_accept_spi(&p, 1, &got), -EBADMSG);
	p.spi = (struct ike_view){ ike_spi, sizeof(ike_spi) };
	cr_assert_eq(ike_proposal_ike_choose(&p, 1, &number), -ENOENT);
	cr_assert_eq(ike_proposal_ike_accept(&p, 1), -EBADMSG);
	cr_assert_eq(ike_proposal_ike_choose_spi(&p, 1, &number, &got), 0);
	cr_assert_eq(got, 0x0102030405060708);
	got = 0;
	cr_assert_eq(ike_proposal_ike_accept_spi(&p, 1, &got), 0);
	cr_assert_eq(got, 0x0102030405060708);
	cr_assert_eq(ike_proposal_ike_accept_spi(&p, 0, &got), -EBADMSG);
	p.spi.data = zero;
	cr_assert_eq(ike_proposal_ike_choose_spi(&p, 1, &number, &got), -ENOENT);
	cr_assert_eq(ike_proposal_ike_accept_spi(&p, 1, &got), -EBADMSG);
}

/* ---- selectors ---- */

static struct ike_selector range(uint32_t lo, uint32_t hi)
{
	return (struct ike_selector){ .type = IKE_TS_TYPE_IPV4_RANGE, .port_hi = 0xffff,
				      .lo = addr_v4(lo), .hi = addr_v4(hi) };
}

static struct ike_ts_list list(const char *text)
{
	struct ike_ts_list out = { .count = 1 };

	cr_assert_eq(prefix_parse(text, &out.items[0]), 0);
	return out;
}

static void assert_narrows(struct ike_selector offered, const char *allowed, const char *to)
{
	struct ike_selectors s = { .present = true, .count = 1, .items = { offered } };
	struct ike_ts_list a = list(allowed), got = ike_ts_narrow(&s, &a), want;

	if (!to) {
		cr_assert_eq(got.count, 0);
		return;
	}
	want = list(to);
	cr_assert(ike_ts_list_equal(&got, &want), "%s", to);
}

Test(ike_ts, narrow)
{
	struct ike_selector port = range(0, 0xffffffff), proto = port;

	assert_narrows(range(0, 0xffffffff), "100.64.0.7/32", "100.64.0.7/32");
	assert_narrows(range(0, 0xffffffff), "0.0.0.0/0", "0.0.0.0/0");
	assert_narrows(range(0x0a000000, 0x0a0000ff), "10.0.0.0/8", "10.0.0.0/24");
	assert_narrows(range(0x0a000000, 0x0a0000ff), "10.0.1.0/24", NULL);
	assert_narrows(range(0x0a000005, 0x0a00000b), "10.0.0.8/30", "10.0.0.8/30");
	assert_narrows(range(0x0a000005, 0x0a00000b), "10.0.0.8/29", NULL);
	assert_narrows(range(0x0a00000b, 0x0a000005), "10.0.0.8/30", NULL);
	assert_narrows(range(0, 0xffffffff), "2001:db8::/32", NULL);
	port.port_lo = 1;
	assert_narrows(port, "0.0.0.0/0", NULL);
	proto.proto = 17;
	assert_narrows(proto, "0.0.0.0/0", NULL);
}

Test(ike_ts, narrow_is_bounded_and_has_no_doubles)
{
	struct ike_selectors s = { .present = true, .count = IKE_SELECTORS_MAX };
	struct ike_ts_list any = ike_ts_any(), got;

	for (size_t i = 0; i < IKE_SELECTORS_MAX; i++)
		s.items[i] = range((uint32_t)i, (uint32_t)i);
	got = ike_ts_narrow(&s, &any);
	cr_assert_eq(got.count, IKE_TS_MAX);
	for (size_t i = 0; i < IKE_SELECTORS_MAX; i++)
		s.items[i] = range(5, 5);
	got = ike_ts_narrow(&s, &any);
	cr_assert_eq(got.count, 1);
}

Test(ike_ts, accept)
{
	struct ike_selectors s = { .present = true, .count = 2,
				   .items = { range(0x0a000000, 0x0a0000ff),
					      range(0x0a000007, 0x0a000007) } };
	struct ike_ts_list offered = list("10.0.0.0/8"), got;

	cr_assert_eq(ike_ts_accept(&s, &offered, &got), 0);
	cr_assert_eq(got.count, 2);
	cr_assert_eq(got.items[0].len, 24);
	cr_assert_eq(got.items[1].len, 32);
	s.items[1] = range(0x0b000000, 0x0b000000);
	cr_assert_eq(ike_ts_accept(&s, &offered, &got), -EBADMSG, "wider than offered");
	s.items[1] = range(0x0a000001, 0x0a000002);
	cr_assert_eq(ike_ts_accept(&s, &offered, &got), -EBADMSG, "no prefix");
	s.items[1] = range(0x0a000001, 0x0a000001);
	s.items[1].proto = 6;
	cr_assert_eq(ike_ts_accept(&s, &offered, &got), -EBADMSG);
	s.count = 0;
	cr_assert_eq(ike_ts_accept(&s, &offered, &got), -EBADMSG);
	s.count = IKE_TS_MAX + 1;
	for (size_t i = 0; i < s.count; i++)
		s.items[i] = range(0x0a000000, 0x0a000000);
	cr_assert_eq(ike_ts_accept(&s, &offered, &got), -EBADMSG);
}

Test(ike_proposal, chacha_alone_is_offered_and_taken)
{
	struct ike_proposal offers[IKE_PROPOSAL_ESP_OFFERS], answer;
	struct ike_esp esp;

	cr_assert_eq(ike_proposal_esp(spi, IKE_CIPHERS_CHACHA_FIRST, offers), 2);
	cr_assert_eq(ike_proposal_esp_choose(offers, 2, IKE_CIPHERS_CHACHA_ONLY, &esp), 0);
	cr_assert_eq(esp.encr, IKE_ENCR_CHACHA20_POLY1305);
	cr_assert_eq(ike_proposal_esp_choose(offers + 1, 1, IKE_CIPHERS_CHACHA_ONLY, &esp), -ENOENT,
		     "AES alone is refused");
	cr_assert_eq(ike_proposal_esp_choose(offers + 1, 1, IKE_CIPHERS_CHACHA_FIRST, &esp), 0);
	ike_proposal_esp_answer(&esp, spi, &answer);
	cr_assert_eq(ike_proposal_esp_accept(&answer, 1, IKE_CIPHERS_CHACHA_ONLY, &esp), -EBADMSG,
		     "what was not offered is no answer");
	cr_assert_eq(ike_proposal_esp(spi, IKE_CIPHERS_CHACHA_ONLY, offers), 1);
	cr_assert_eq(ike_proposal_esp_choose(offers, 1, IKE_CIPHERS_AES_FIRST, &esp), 0);
	ike_proposal_esp_answer(&esp, spi, &answer);
	cr_assert_eq(ike_proposal_esp_accept(&answer, 1, IKE_CIPHERS_CHACHA_ONLY, &esp), 0);
}
