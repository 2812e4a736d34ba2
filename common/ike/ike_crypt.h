#pragma once
/* One direction of an IKE SA's encryption: the SK payload with ChaCha20-Poly1305 (RFC 7634). */
#include "common/ike/ike_keys.h"
#include "common/wire/ike_build.h"

struct ike_crypt {
	uint8_t key[CRYPTO_AEAD_KEY], salt[IKE_KEY_SALT];
	uint64_t next_iv; /* a counter: no IV is used twice with a key */
};

void ike_crypt_init(struct ike_crypt *c, const uint8_t key_salt[IKE_KEY_SIZE]);
/* Opens the SK payload of a message whose header is written; add the inner payloads, then seal. */
void ike_crypt_begin(struct ike_crypt *c, struct ike_build *b);
/* Encrypts B in place. 0 with *LEN the message's bytes, or -ENOSPC. */
int ike_crypt_seal(const struct ike_crypt *c, struct ike_build *b, size_t *len) _must_check_;
/*
 * Decrypts SK, which lies in MSG, to OUT (at least SK.len bytes). 0 with the inner payloads in
 * *LEN bytes of OUT; -EMSGSIZE too short, -EBADMSG not from the holder of the key or bad padding.
 */
int ike_crypt_open(const struct ike_crypt *c, const uint8_t *msg, struct ike_view sk, uint8_t *out,
		   size_t *len) _must_check_;
void ike_crypt_wipe(struct ike_crypt *c);
