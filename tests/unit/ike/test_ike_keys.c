/* Key derivation, SK and AUTH against published bytes and against a real strongSwan's. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "common/ike/ike_crypt.h"
#include "common/ike/ike_keys.h"
#include "common/ike/ike_proof.h"
#include "tests/vectors/strongswan.h"

#define VIEW(array) ((struct ike_view){ .data = (array), .len = sizeof(array) })

static uint64_t be64(const uint8_t p[8])
{
	uint64_t v = 0;

	for (int i = 0; i < 8; i++)
		v = v << 8 | p[i];
	return v;
}

static struct ike_keys strongswan_keys(void)
{
	struct ike_seed seed = { .shared = strongswan_dh,
				 .nonce_i = VIEW(strongswan_ni), .nonce_r = VIEW(strongswan_nr),
				 .spi_i = be64(strongswan_spi_i), .spi_r = be64(strongswan_spi_r) };
	struct ike_keys keys;

	ike_keys_derive(&seed, &keys);
	return keys;
}

Test(ike_keys, derives_what_strongswan_derived)
{
	struct ike_keys keys = strongswan_keys();

	cr_assert_arr_eq(keys.d, strongswan_sk_d, 32);
	cr_assert_arr_eq(keys.ei, strongswan_sk_ei, 36);
	cr_assert_arr_eq(keys.er, strongswan_sk_er, 36);
	cr_assert_arr_eq(keys.pi, strongswan_sk_pi, 32);
	cr_assert_arr_eq(keys.pr, strongswan_sk_pr, 32);
	ike_keys_wipe(&keys);
	for (size_t i = 0; i < sizeof(keys); i++)
		cr_assert_eq(((uint8_t *)&keys)[i], 0);
}

Test(ike_keys, child_keys_as_strongswan)
{
	struct ike_keys keys = strongswan_keys();
	uint8_t i_to_r[36], r_to_i[36];

	ike_keys_child(keys.d, NULL, VIEW(strongswan_ni), VIEW(strongswan_nr), i_to_r, r_to_i);
	cr_assert_arr_eq(i_to_r, strongswan_child_key_i, 36);
	cr_assert_arr_eq(r_to_i, strongswan_child_key_r, 36);
}

/* Nonces of different lengths; expected values computed with Python's hmac and hashlib. */
Test(ike_keys, uneven_nonces)
{
	static const uint8_t d[32] = {
		0x34, 0xa9, 0xe9, 0x4d, 0x6c, 0xb3, 0x73, 0x0b, 0x51, 0x60, 0x73, 0x27, 0xa2, 0x0b,
		0xb9, 0x39, 0x0a, 0xb7, 0x45, 0x4f, 0x44, 0x22, 0xda, 0x39, 0x3b, 0x4f, 0x63, 0xa3,
		0x52, 0x1f, 0xbd, 0xa3,
	};
	static const uint8_t null_proof[32] = {
		0x5d, 0x0c, 0xbf, 0x1c, 0x77, 0x7c, 0xa9, 0x30, 0x56, 0x77, 0x72, 0x11, 0x34, 0x4b,
		0x43, 0xf9, 0x85, 0xec, 0xaa, 0xa3, 0x99, 0x51, 0x76, 0xd9, 0x4c, 0xb6, 0x74, 0x77,
		0x85, 0xe8, 0x62, 0x27,
	};
	uint8_t bytes[256], id[4] = { IKE_ID_NULL }, proof[32];
	struct ike_seed seed = { .shared = bytes + 128, .nonce_i = { bytes + 16, 32 },
				 .nonce_r = { bytes + 64, 20 }, .spi_i = 0x0102030405060708,
				 .spi_r = 0xf1f2f3f4f5f6f7f8 };
	struct ike_signed s = { .message = { bytes, 100 }, .nonce = { bytes + 64, 20 },
				.id = VIEW(id) };
	struct ike_keys keys;

	for (int i = 0; i < 256; i++)
		bytes[i] = (uint8_t)i;
	ike_keys_derive(&seed, &keys);
	cr_assert_arr_eq(keys.d, d, 32);
	s.sk_p = keys.pi;
	ike_proof_null(&s, proof);
	cr_assert_arr_eq(proof, null_proof, 32);
	cr_assert_eq(ike_proof_null_check(&s, VIEW(null_proof)), 0);
}

static struct ike_view sk_of(const uint8_t *msg, size_t len)
{
	struct ike_header h;
	struct ike_payloads p;

	cr_assert_eq(ike_parse_header(msg, len, &h), 0);
	cr_assert_eq(ike_parse_payloads(h.next, msg + 28, len - 28, &p), 0);
	return p.sk;
}

Test(ike_crypt, opens_what_strongswan_sealed)
{
	uint8_t plain[512];
	struct ike_crypt c;
	size_t len;

	ike_crypt_init(&c, strongswan_sk_ei);
	cr_assert_eq(ike_crypt_open(&c, strongswan_auth_request,
				    sk_of(strongswan_auth_request, sizeof(strongswan_auth_request)),
				    plain, &len), 0);
	cr_assert_eq(len, sizeof(strongswan_auth_request_plain));
	cr_assert_arr_eq(plain, strongswan_auth_request_plain, len);
	ike_crypt_init(&c, strongswan_sk_er);
	cr_assert_eq(ike_crypt_open(&c, strongswan_auth_response,
				    sk_of(strongswan_auth_response,
					  sizeof(strongswan_auth_response)), plain, &len), 0);
	cr_assert_eq(len, sizeof(strongswan_auth_response_plain));
	cr_assert_arr_eq(plain, strongswan_auth_response_plain, len);
}

/* RFC 7634 appendix B: an INFORMATIONAL response with SET_WINDOW_SIZE. */
static const uint8_t rfc7634_message[] = {
	0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7, 0xd0, 0xd1, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6,
	0xd7, 0x2e, 0x20, 0x25, 0x00, 0x00, 0x00, 0x00, 0x09, 0x00, 0x00, 0x00, 0x45, 0x29, 0x00,
	0x00, 0x29, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x61, 0x03, 0x94, 0x70, 0x1f,
	0x8d, 0x01, 0x7f, 0x7c, 0x12, 0x92, 0x48, 0x89, 0x6b, 0x71, 0xbf, 0xe2, 0x52, 0x36, 0xef,
	0xd7, 0xcd, 0xc6, 0x70, 0x66, 0x90, 0x63, 0x15, 0xb2,
};
static const uint8_t rfc7634_plain[] = { 0, 0, 0, 12, 0, 0, 0x40, 1, 0, 0, 0, 10 };

static struct ike_crypt rfc7634_crypt(void)
{
	uint8_t key[IKE_KEY_SIZE];
	struct ike_crypt c;

	for (int i = 0; i < 32; i++)
		key[i] = (uint8_t)(0x80 + i);
	for (int i = 0; i < 4; i++)
		key[32 + i] = (uint8_t)(0xa0 + i);
	ike_crypt_init(&c, key);
	return c;
}

Test(ike_crypt, rfc7634_appendix_b)
{
	static const uint8_t window[] = { 0, 0, 0, 10 };
	struct ike_crypt c = rfc7634_crypt();
	struct ike_header h = { .spi_i = 0xc0c1c2c3c4c5c6c7, .spi_r = 0xd0d1d2d3d4d5d6d7,
				.exchange = IKE_EXCHANGE_INFORMATIONAL, .message_id = 9 };
	uint8_t buf[256], plain[64];
	struct ike_build b;
	size_t len;

	cr_assert_eq(ike_crypt_open(&c, rfc7634_message,
				    sk_of(rfc7634_message, sizeof(rfc7634_message)), plain, &len),
		     0);
	cr_assert_eq(len, sizeof(rfc7634_plain));
	cr_assert_arr_eq(plain, rfc7634_plain, len);

	c.next_iv = 0x1011121314151617;
	ike_build_init(&b, buf, sizeof(buf), &h);
	ike_crypt_begin(&c, &b);
	ike_build_notify(&b, IKE_NOTIFY_SET_WINDOW_SIZE, window, sizeof(window));
	cr_assert_eq(ike_crypt_seal(&c, &b, &len), 0);
	cr_assert_eq(len, sizeof(rfc7634_message));
	cr_assert_arr_eq(buf, rfc7634_message, len);
	cr_assert_eq(c.next_iv, 0x1011121314151618, "no IV is used twice");
}

Test(ike_crypt, every_changed_bit_is_found)
{
	struct ike_crypt c = rfc7634_crypt();
	uint8_t copy[sizeof(rfc7634_message)], plain[64];
	struct ike_view sk = { copy + 32, sizeof(copy) - 32 };
	size_t len;

	for (size_t bit = 0; bit < sizeof(copy) * 8; bit++) {
		memcpy(copy, rfc7634_message, sizeof(copy));
		copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
		cr_assert_eq(ike_crypt_open(&c, copy, sk, plain, &len), -EBADMSG);
	}
	memcpy(copy, rfc7634_message, sizeof(copy));
	for (sk.len = 0; sk.len < 25; sk.len++)
		cr_assert_eq(ike_crypt_open(&c, copy, sk, plain, &len), -EMSGSIZE);
	for (; sk.len < sizeof(copy) - 32; sk.len++)
		cr_assert_eq(ike_crypt_open(&c, copy, sk, plain, &len), -EBADMSG);
}

/* Correctly sealed, but the pad length points before the start. */
Test(ike_crypt, padding_longer_than_the_plaintext)
{
	struct ike_crypt c = rfc7634_crypt();
	uint8_t msg[32 + 8 + 3 + 16] = { 0 }, nonce[12], plain[64];
	struct ike_view sk = { msg + 32, sizeof(msg) - 32 };
	size_t len;

	memcpy(nonce, c.salt, 4);
	memset(nonce + 4, 0, 8);
	for (size_t pad = 0; pad < 256; pad++) {
		uint8_t inner[3] = { 1, 2, (uint8_t)pad };

		crypto_seal(c.key, nonce, msg, 32, inner, sizeof(inner), msg + 40);
		cr_assert_eq(ike_crypt_open(&c, msg, sk, plain, &len), pad <= 2 ? 0 : -EBADMSG);
		if (pad <= 2)
			cr_assert_eq(len, 2 - pad);
	}
}

static struct ike_signed strongswan_signed(bool initiator)
{
	if (initiator)
		return (struct ike_signed){ VIEW(strongswan_init_request), VIEW(strongswan_nr),
					    VIEW(strongswan_id_i), strongswan_sk_pi };
	return (struct ike_signed){ VIEW(strongswan_init_response), VIEW(strongswan_ni),
				    VIEW(strongswan_id_r), strongswan_sk_pr };
}

Test(ike_proof, verifies_strongswans_signature)
{
	struct ike_signed s = strongswan_signed(false);
	struct crypto_sign_key key;
	uint8_t own[IKE_PROOF_SIGNATURE];
	struct crypto_pub pub;

	memcpy(pub.bytes, strongswan_pub, 32);
	cr_assert_eq(ike_proof_sign_check(&s, &pub, VIEW(strongswan_auth_r)), 0);
	crypto_sign_key_from_seed(strongswan_seed, &key);
	ike_proof_sign(&s, &key, own); /* Ed25519 is deterministic */
	cr_assert_arr_eq(own, strongswan_auth_r, sizeof(own));
	pub.bytes[3] ^= 1;
	cr_assert_eq(ike_proof_sign_check(&s, &pub, VIEW(strongswan_auth_r)), -EACCES);
}

Test(ike_proof, every_changed_bit_of_a_signature_is_found)
{
	struct ike_signed s = strongswan_signed(false);
	uint8_t copy[sizeof(strongswan_auth_r) + 1];
	struct crypto_pub pub;

	memcpy(pub.bytes, strongswan_pub, 32);
	for (size_t bit = 0; bit < sizeof(strongswan_auth_r) * 8; bit++) {
		memcpy(copy, strongswan_auth_r, sizeof(strongswan_auth_r));
		copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
		cr_assert_eq(ike_proof_sign_check(&s, &pub, VIEW(strongswan_auth_r)), 0);
		cr_assert_eq(ike_proof_sign_check(&s, &pub, (struct ike_view){ copy, 72 }),
			     -EACCES);
	}
	memcpy(copy, strongswan_auth_r, sizeof(strongswan_auth_r));
	for (size_t len = 0; len <= sizeof(copy); len++)
		cr_assert_eq(ike_proof_sign_check(&s, &pub, (struct ike_view){ copy, len }),
			     len == sizeof(strongswan_auth_r) ? 0 : -EACCES);
}

/* strongSwan's initiator proved that it knows our public PSK. */
Test(ike_proof, psk_as_strongswan)
{
	struct ike_signed s = strongswan_signed(true);
	uint8_t proof[33] = { 0 };

	cr_assert_eq(sizeof(strongswan_psk), strlen(IKE_PROOF_PSK));
	cr_assert_arr_eq(strongswan_psk, IKE_PROOF_PSK, sizeof(strongswan_psk));
	ike_proof_psk(&s, proof);
	cr_assert_arr_eq(proof, strongswan_auth_i, 32);
	for (size_t len = 0; len <= sizeof(proof); len++)
		cr_assert_eq(ike_proof_psk_check(&s, (struct ike_view){ proof, len }),
			     len == 32 ? 0 : -EACCES);
	for (size_t bit = 0; bit < 32 * 8; bit++) {
		memcpy(proof, strongswan_auth_i, 32);
		proof[bit / 8] ^= (uint8_t)(1 << bit % 8);
		cr_assert_eq(ike_proof_psk_check(&s, (struct ike_view){ proof, 32 }), -EACCES);
	}
	s.id.data = strongswan_id_r;
	s.id.len = sizeof(strongswan_id_r);
	cr_assert_eq(ike_proof_psk_check(&s, VIEW(strongswan_auth_i)), -EACCES);
}

/* Its PSK proof is the NULL one's formula with another key: the octets are the same. */
Test(ike_proof, octets_as_strongswan)
{
	static const char pad[] = "Key Pad for IKEv2";
	struct ike_signed s = strongswan_signed(true);
	const struct crypto_chunk padding = { pad, sizeof(pad) - 1 };
	const struct crypto_chunk octets = { strongswan_octets_i, sizeof(strongswan_octets_i) };
	uint8_t key[32], expected[32], proof[32];

	crypto_prf(strongswan_sk_pi, 32, &padding, 1, key);
	crypto_prf(key, sizeof(key), &octets, 1, expected);
	ike_proof_null(&s, proof);
	cr_assert_arr_eq(proof, expected, 32);
	for (size_t len = 0; len < 33; len++)
		cr_assert_eq(ike_proof_null_check(&s, (struct ike_view){ proof, len }),
			     len == 32 ? 0 : -EACCES);
	proof[31] ^= 0x80;
	cr_assert_eq(ike_proof_null_check(&s, VIEW(proof)), -EACCES);
}

/* ---- rekeying: the formulas of 2.17 and 2.18 spelled out ---- */

static void fill(uint8_t *out, size_t len, uint8_t first)
{
	for (size_t i = 0; i < len; i++)
		out[i] = (uint8_t)(first + i);
}

Test(ike_keys, child_with_key_exchange)
{
	uint8_t d[32], shared[32], ni[32], nr[20], seed[84], want[72], i_to_r[36], r_to_i[36];
	const struct crypto_chunk chunk = { seed, sizeof(seed) };

	fill(d, sizeof(d), 1);
	fill(shared, sizeof(shared), 50);
	fill(ni, sizeof(ni), 100);
	fill(nr, sizeof(nr), 150);
	memcpy(seed, shared, 32);
	memcpy(seed + 32, ni, 32);
	memcpy(seed + 64, nr, 20);
	cr_assert_eq(crypto_prf_plus(d, sizeof(d), &chunk, 1, want, sizeof(want)), 0);
	ike_keys_child(d, shared, (struct ike_view){ ni, 32 }, (struct ike_view){ nr, 20 }, i_to_r,
		       r_to_i);
	cr_assert_arr_eq(i_to_r, want, 36);
	cr_assert_arr_eq(r_to_i, want + 36, 36);
}

Test(ike_keys, rekeyed_ike_sa)
{
	uint8_t d[32], shared[32], ni[32], nr[20], skeyseed[32], stream[168], input[84], tail[68];
	const struct ike_seed seed = { .shared = shared, .nonce_i = { ni, 32 },
				       .nonce_r = { nr, 20 }, .spi_i = 0x0102030405060708,
				       .spi_r = 0x090a0b0c0d0e0f10 };
	const struct crypto_chunk whole = { input, sizeof(input) }, rest = { tail, sizeof(tail) };
	struct ike_keys keys;

	fill(d, sizeof(d), 1);
	fill(shared, sizeof(shared), 50);
	fill(ni, sizeof(ni), 100);
	fill(nr, sizeof(nr), 150);
	memcpy(input, shared, 32);
	memcpy(input + 32, ni, 32);
	memcpy(input + 64, nr, 20);
	memcpy(tail, ni, 32);
	memcpy(tail + 32, nr, 20);
	fill(tail + 52, 16, 1);
	crypto_prf(d, sizeof(d), &whole, 1, skeyseed);
	cr_assert_eq(crypto_prf_plus(skeyseed, 32, &rest, 1, stream, sizeof(stream)), 0);
	ike_keys_rekey(d, &seed, &keys);
	cr_assert_arr_eq(keys.d, stream, 32);
	cr_assert_arr_eq(keys.ei, stream + 32, 36);
	cr_assert_arr_eq(keys.er, stream + 68, 36);
	cr_assert_arr_eq(keys.pi, stream + 104, 32);
	cr_assert_arr_eq(keys.pr, stream + 136, 32);
}
