#pragma once
/* One direction of an IKE SA's encryption: SK and SKF payloads with ChaCha20-Poly1305 (RFC 7634). */
#include "common/ike/ike_keys.h"
#include "common/wire/ike_build.h"

struct ike_crypt {
	uint8_t key[CRYPTO_AEAD_KEY], salt[IKE_KEY_SALT];
	uint64_t next_iv; /* a counter: no IV is used twice with a key */
};

void ike_crypt_init(struct ike_crypt *c, const uint8_t key_salt[IKE_KEY_SIZE]);
/* Opens the SK payload of a message whose header is written; add the inner payloads, then seal. */
void ike_crypt_begin(struct ike_crypt *c, struct ike_build *b);
/* Opens SKF in the same way: ike_build_skf_begin. */
void ike_crypt_begin_fragment(struct ike_crypt *c, struct ike_build *b, uint8_t first,
			      uint16_t number, uint16_t total);
/* Encrypts B in place. 0 with *LEN the message's bytes, -ENOSPC or -EINVAL. */
int ike_crypt_seal(const struct ike_crypt *c, struct ike_build *b, size_t *len) _must_check_;
/*
 * Decrypts SK or SKF, which lies in MSG, to OUT (at least SK.len bytes). 0 with the inner payloads in
 * *LEN bytes of OUT; -EMSGSIZE too short, -EBADMSG not from the holder of the key or bad padding.
 */
int ike_crypt_open(const struct ike_crypt *c, const uint8_t *msg, struct ike_view sk, uint8_t *out,
		   size_t *len) _must_check_;
void ike_crypt_wipe(struct ike_crypt *c);
