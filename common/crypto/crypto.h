#pragma once
/* All cryptography, thin and typed, over libsodium; nothing else includes sodium.h. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/cleanup.h"
#include "common/base/secret.h"

enum {
	CRYPTO_DH = 32,       /* bytes of an X25519 public or private value, RFC 8031 */
	CRYPTO_PRF = 32,      /* bytes of PRF_HMAC_SHA2_256 */
	CRYPTO_SIGN_PUB = 32, /* Ed25519, RFC 8032 */
	CRYPTO_SIGN_SEED = 32,
	CRYPTO_SIG = 64,
	CRYPTO_AEAD_KEY = 32, /* ChaCha20-Poly1305, RFC 7634 */
	CRYPTO_AEAD_NONCE = 12,
	CRYPTO_AEAD_TAG = 16,
};

struct crypto_pub {
	uint8_t bytes[CRYPTO_SIGN_PUB];
};

/* An Ed25519 key pair from its 32-byte seed. Wiped by its holder with crypto_sign_key_wipe. */
struct crypto_sign_key {
	uint8_t seed[CRYPTO_SIGN_SEED];
	struct crypto_pub pub;
};

struct crypto_chunk {
	const void *data;
	size_t len;
};

/* Once at start, before anything else here. 0 or -EIO. */
int crypto_init(void) _must_check_;
/* Whether the CPU has instructions for AES-GCM; without, ChaCha20 is several times as fast. */
bool crypto_has_aes(void);
void crypto_random(void *out, size_t len);
/* The same as a random_source, whatever CTX is. */
void crypto_random_source(void *ctx, void *out, size_t len);
uint32_t crypto_random_below(uint32_t bound);
bool crypto_equal(const void *a, const void *b, size_t len); /* constant time */
void crypto_wipe(void *p, size_t len);

/* X25519. crypto_dh_shared: -EBADMSG when the result is all zero (RFC 8031 section 2.3). */
void crypto_dh_public(const uint8_t priv[CRYPTO_DH], uint8_t pub[CRYPTO_DH]);
int crypto_dh_shared(const uint8_t priv[CRYPTO_DH], const uint8_t peer[CRYPTO_DH],
		     uint8_t out[CRYPTO_DH]) _must_check_;

/* HMAC-SHA-256 over the chunks in order. Key of any length. */
void crypto_prf(const void *key, size_t key_len, const struct crypto_chunk *chunks, size_t count,
		uint8_t out[CRYPTO_PRF]);
/* prf+ of RFC 7296 section 2.13. 0, or -EINVAL when LEN is over 255 blocks. */
int crypto_prf_plus(const void *key, size_t key_len, const struct crypto_chunk *chunks,
		    size_t count, void *out, size_t len) _must_check_;
/* SHA-256 over the chunks. */
void crypto_sha256(const struct crypto_chunk *chunks, size_t count, uint8_t out[32]);

/*
 * ChaCha20-Poly1305 with a 12-byte nonce. OUT of seal holds LEN + CRYPTO_AEAD_TAG bytes; LEN of
 * open includes the tag; in place is allowed. crypto_open: -EBADMSG when the tag does not verify
 * (OUT is then untouched or zeroed) and -EMSGSIZE when LEN is below the tag.
 */
void crypto_seal(const uint8_t key[CRYPTO_AEAD_KEY], const uint8_t nonce[CRYPTO_AEAD_NONCE],
		 const void *aad, size_t aad_len, const void *in, size_t len, void *out);
int crypto_open(const uint8_t key[CRYPTO_AEAD_KEY], const uint8_t nonce[CRYPTO_AEAD_NONCE],
		const void *aad, size_t aad_len, const void *in, size_t len, void *out) _must_check_;

void crypto_sign_key_from_seed(const uint8_t seed[CRYPTO_SIGN_SEED], struct crypto_sign_key *out);
void crypto_sign_key_wipe(struct crypto_sign_key *key);
void crypto_sign_message(const struct crypto_sign_key *key, const void *msg, size_t len,
			 uint8_t sig[CRYPTO_SIG]);
int crypto_verify(const struct crypto_pub *pub, const void *msg, size_t len,
		  const uint8_t sig[CRYPTO_SIG]) _must_check_; /* 0 or -EBADMSG */

/* Public keys and seeds as 64 lower-case hex digits. parse: 0 or -EINVAL. */
enum { CRYPTO_HEX = 65 };
const char *crypto_hex(const uint8_t bytes[32], char out[CRYPTO_HEX]);
int crypto_hex_parse(const char *text, uint8_t out[32]) _must_check_;
/*
 * A key file holds the seed as hex and a newline, mode 0600 or stricter. load: -errno of the file,
 * -EPERM when others can read it, -EBADMSG when it is no key; a file of that name in
 * $CREDENTIALS_DIRECTORY goes before. create: -EEXIST when it is there.
 */
int crypto_key_load(const char *path, struct crypto_sign_key *out) _must_check_;
int crypto_key_create(const char *path, struct crypto_sign_key *out) _must_check_;
/* For a person, into WHY: what ERR of crypto_key_load says of PATH, and what PROGRAM can do. */
void crypto_key_why(int err, const char *path, const char *program, char *why, size_t size);
/* What --keygen does: makes the key, prints its public half, or logs why not. 0 or -errno. */
int crypto_keygen(const char *path) _must_check_;
