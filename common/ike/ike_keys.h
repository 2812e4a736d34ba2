#pragma once
/* Key derivation of IKEv2 (RFC 7296 sections 2.14, 2.17 and 2.18) with PRF_HMAC_SHA2_256. Pure. */
#include "common/crypto/crypto.h"
#include "common/wire/ike_parse.h"

/* An AEAD key with its salt, as ChaCha20-Poly1305 (RFC 7634) and AES-GCM-256 (RFC 4106) take it. */
enum { IKE_KEY_SALT = 4, IKE_KEY_SIZE = 36 };

/* What both sides know after a key exchange. */
struct ike_seed {
	const uint8_t *shared; /* CRYPTO_DH bytes */
	struct ike_view nonce_i, nonce_r;
	uint64_t spi_i, spi_r;
};

/* SK_ai and SK_ar are empty with an AEAD. Wiped by its holder with ike_keys_wipe. */
struct ike_keys {
	uint8_t d[CRYPTO_PRF];
	uint8_t ei[IKE_KEY_SIZE], er[IKE_KEY_SIZE];
	uint8_t pi[CRYPTO_PRF], pr[CRYPTO_PRF];
};

void ike_keys_derive(const struct ike_seed *seed, struct ike_keys *out);
/* Those of an IKE SA that takes the place of the one whose SK_d is OLD_D (2.18). */
void ike_keys_rekey(const uint8_t old_d[CRYPTO_PRF], const struct ike_seed *seed,
		    struct ike_keys *out);
/*
 * Keys of a child SA, the initiator of its exchange to the responder, and back. SHARED: CRYPTO_DH
 * bytes of a key exchange of its own, NULL: there was none.
 */
void ike_keys_child(const uint8_t d[CRYPTO_PRF], const uint8_t *shared, struct ike_view nonce_i,
		    struct ike_view nonce_r, uint8_t i_to_r[IKE_KEY_SIZE],
		    uint8_t r_to_i[IKE_KEY_SIZE]);
void ike_keys_wipe(struct ike_keys *keys);
