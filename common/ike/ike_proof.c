#include "common/ike/ike_proof.h"

#include <errno.h>
#include <string.h>

#include "common/base/buf.h"

enum { OCTETS_MAX = IKE_MESSAGE_MAX + IKE_NONCE_MAX + CRYPTO_PRF };

/* Length and AlgorithmIdentifier { id-Ed25519 }, parameters absent (RFC 8420 appendix A). */
static const uint8_t ed25519[8] = { 0x07, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70 };

/* message | nonce | prf(SK_p, ID body); what is too long for it was refused when it came in. */
static size_t signed_octets(const struct ike_signed *s, uint8_t out[OCTETS_MAX])
{
	struct wbuf w = wbuf_init(out, OCTETS_MAX);
	const struct crypto_chunk id = { s->id.data, s->id.len };
	uint8_t maced[CRYPTO_PRF];

	crypto_prf(s->sk_p, CRYPTO_PRF, &id, 1, maced);
	wbuf_bytes(&w, s->message.data, s->message.len);
	wbuf_bytes(&w, s->nonce.data, s->nonce.len);
	wbuf_bytes(&w, maced, sizeof(maced));
	return w.len;
}

/* prf(prf(SECRET, "Key Pad for IKEv2"), octets) */
static void mac_proof(const struct ike_signed *s, const void *secret, size_t secret_len,
		      uint8_t out[CRYPTO_PRF])
{
	static const char pad[] = "Key Pad for IKEv2";
	const struct crypto_chunk padding = { pad, sizeof(pad) - 1 };
	uint8_t octets[OCTETS_MAX], key[CRYPTO_PRF];
	const struct crypto_chunk chunk = { octets, signed_octets(s, octets) };

	crypto_prf(secret, secret_len, &padding, 1, key);
	crypto_prf(key, sizeof(key), &chunk, 1, out);
	crypto_wipe(key, sizeof(key));
}

static int mac_check(const uint8_t expected[CRYPTO_PRF], struct ike_view data)
{
	if (data.len != CRYPTO_PRF)
		return -EACCES;
	return crypto_equal(expected, data.data, CRYPTO_PRF) ? 0 : -EACCES;
}

void ike_proof_null(const struct ike_signed *s, uint8_t out[CRYPTO_PRF])
{
	mac_proof(s, s->sk_p, CRYPTO_PRF, out);
}

int ike_proof_null_check(const struct ike_signed *s, struct ike_view data)
{
	uint8_t expected[CRYPTO_PRF];

	ike_proof_null(s, expected);
	return mac_check(expected, data);
}

void ike_proof_psk(const struct ike_signed *s, uint8_t out[CRYPTO_PRF])
{
	mac_proof(s, IKE_PROOF_PSK, sizeof(IKE_PROOF_PSK) - 1, out);
}

int ike_proof_psk_check(const struct ike_signed *s, struct ike_view data)
{
	uint8_t expected[CRYPTO_PRF];

	ike_proof_psk(s, expected);
	return mac_check(expected, data);
}

void ike_proof_sign(const struct ike_signed *s, const struct crypto_sign_key *key,
		    uint8_t out[IKE_PROOF_SIGNATURE])
{
	uint8_t octets[OCTETS_MAX];
	size_t len = signed_octets(s, octets);

	memcpy(out, ed25519, sizeof(ed25519));
	crypto_sign_message(key, octets, len, out + sizeof(ed25519));
}

int ike_proof_sign_check(const struct ike_signed *s, const struct crypto_pub *key,
			 struct ike_view data)
{
	uint8_t octets[OCTETS_MAX];
	size_t len;

	if (data.len != IKE_PROOF_SIGNATURE || memcmp(data.data, ed25519, sizeof(ed25519)) != 0)
		return -EACCES;
	len = signed_octets(s, octets);
	return crypto_verify(key, octets, len, data.data + sizeof(ed25519)) < 0 ? -EACCES : 0;
}
