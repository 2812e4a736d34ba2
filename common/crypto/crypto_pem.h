#pragma once
/* Ed25519 keys as other programs read them: PEM (RFC 7468) of the DER of RFC 8410. */
#include "common/crypto/crypto.h"

enum { CRYPTO_PEM_MAX = 256 };

/* PKCS#8 PrivateKeyInfo. OUT is as secret as KEY. */
void crypto_pem_private(const struct crypto_sign_key *key, char out[CRYPTO_PEM_MAX]);
/* SubjectPublicKeyInfo. */
void crypto_pem_public(const struct crypto_pub *pub, char out[CRYPTO_PEM_MAX]);
/*
 * What --pem does: prints KEY, the path of a key file as a private key or 64 hex digits as a public
 * one, or logs why not. 0 or -errno.
 */
int crypto_pem_print(const char *key) _must_check_;
