#pragma once
/* What stands in an AUTH payload: making and checking it. Pure (RFC 7296 section 2.15). */
#include "common/crypto/crypto.h"
#include "common/wire/ike_parse.h"

/* The key that everybody knows, for responders without NULL Authentication. */
#define IKE_PROOF_PSK "IPpriv anonymous v1"

enum {
	IKE_MESSAGE_MAX = 3000,                     /* bytes, RFC 7296 section 2 */
	IKE_PROOF_SIGNATURE = 8 + CRYPTO_SIG,       /* length, AlgorithmIdentifier, signature */
	IKE_PROOF_MAX = IKE_PROOF_SIGNATURE,
};

/* What a side proves to have sent. */
struct ike_signed {
	struct ike_view message; /* its own IKE_SA_INIT message, at most IKE_MESSAGE_MAX */
	struct ike_view nonce;   /* the other side's, at most IKE_NONCE_MAX */
	struct ike_view id;      /* body of its own ID payload: type, reserved, data */
	const uint8_t *sk_p;     /* its own SK_pi or SK_pr, CRYPTO_PRF bytes */
};

/* NULL Authentication, method 13 (RFC 7619 section 2.1). */
void ike_proof_null(const struct ike_signed *s, uint8_t out[CRYPTO_PRF]);
/* 0, or -EACCES when DATA is not the proof. */
int ike_proof_null_check(const struct ike_signed *s, struct ike_view data) _must_check_;
/* Shared key, method 2 (RFC 7296 section 2.15), with IKE_PROOF_PSK. */
void ike_proof_psk(const struct ike_signed *s, uint8_t out[CRYPTO_PRF]);
/* 0, or -EACCES when DATA is not the proof. */
int ike_proof_psk_check(const struct ike_signed *s, struct ike_view data) _must_check_;
/* Ed25519 as digital signature, method 14 (RFC 7427 section 3, RFC 8420). */
void ike_proof_sign(const struct ike_signed *s, const struct crypto_sign_key *key,
		    uint8_t out[IKE_PROOF_SIGNATURE]);
/* 0, or -EACCES when DATA is no signature by KEY with exactly the Ed25519 identifier. */
int ike_proof_sign_check(const struct ike_signed *s, const struct crypto_pub *key,
			 struct ike_view data) _must_check_;
