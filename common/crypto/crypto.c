#include "common/crypto/crypto.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

int crypto_init(void)
{
	return sodium_init() < 0 ? -EIO : 0;
}

bool crypto_has_aes(void)
{
	return crypto_aead_aes256gcm_is_available() != 0;
}

void crypto_random(void *out, size_t len)
{
	randombytes_buf(out, len);
}

void crypto_random_source(void *ctx, void *out, size_t len)
{
	(void)ctx;
	crypto_random(out, len);
}

uint32_t crypto_random_below(uint32_t bound)
{
	return randombytes_uniform(bound);
}

bool crypto_equal(const void *a, const void *b, size_t len)
{
	return sodium_memcmp(a, b, len) == 0;
}

void crypto_wipe(void *p, size_t len)
{
	sodium_memzero(p, len);
}

void crypto_dh_public(const uint8_t priv[CRYPTO_DH], uint8_t pub[CRYPTO_DH])
{
	crypto_scalarmult_curve25519_base(pub, priv);
}

int crypto_dh_shared(const uint8_t priv[CRYPTO_DH], const uint8_t peer[CRYPTO_DH],
		     uint8_t out[CRYPTO_DH])
{
	return crypto_scalarmult_curve25519(out, priv, peer) != 0 ? -EBADMSG : 0;
}

void crypto_prf(const void *key, size_t key_len, const struct crypto_chunk *chunks, size_t count,
		uint8_t out[CRYPTO_PRF])
{
	crypto_auth_hmacsha256_state state;

	crypto_auth_hmacsha256_init(&state, key, key_len);
	for (size_t i = 0; i < count; i++)
		if (chunks[i].len > 0)
			crypto_auth_hmacsha256_update(&state, chunks[i].data, chunks[i].len);
	crypto_auth_hmacsha256_final(&state, out);
	sodium_memzero(&state, sizeof(state));
}

int crypto_prf_plus(const void *key, size_t key_len, const struct crypto_chunk *chunks,
		    size_t count, void *out, size_t len)
{
	crypto_auth_hmacsha256_state state;
	uint8_t block[CRYPTO_PRF];
	uint8_t *p = out, round = 0;

	if (len > 255 * CRYPTO_PRF)
		return -EINVAL;
	while (len > 0) {
		size_t take = len < CRYPTO_PRF ? len : CRYPTO_PRF;

		crypto_auth_hmacsha256_init(&state, key, key_len);
		if (round++ > 0)
			crypto_auth_hmacsha256_update(&state, block, sizeof(block));
		for (size_t i = 0; i < count; i++)
			if (chunks[i].len > 0)
				crypto_auth_hmacsha256_update(&state, chunks[i].data, chunks[i].len);
		crypto_auth_hmacsha256_update(&state, &round, 1);
		crypto_auth_hmacsha256_final(&state, block);
		memcpy(p, block, take);
		p += take;
		len -= take;
	}
	sodium_memzero(block, sizeof(block));
	sodium_memzero(&state, sizeof(state));
	return 0;
}

void crypto_sha256(const struct crypto_chunk *chunks, size_t count, uint8_t out[32])
{
	crypto_hash_sha256_state state;

	crypto_hash_sha256_init(&state);
	for (size_t i = 0; i < count; i++)
		if (chunks[i].len > 0)
			crypto_hash_sha256_update(&state, chunks[i].data, chunks[i].len);
	crypto_hash_sha256_final(&state, out);
}

void crypto_seal(const uint8_t key[CRYPTO_AEAD_KEY], const uint8_t nonce[CRYPTO_AEAD_NONCE],
		 const void *aad, size_t aad_len, const void *in, size_t len, void *out)
{
	crypto_aead_chacha20poly1305_ietf_encrypt(out, NULL, in, len, aad, aad_len, NULL, nonce,
						  key);
}

int crypto_open(const uint8_t key[CRYPTO_AEAD_KEY], const uint8_t nonce[CRYPTO_AEAD_NONCE],
		const void *aad, size_t aad_len, const void *in, size_t len, void *out)
{
	if (len < CRYPTO_AEAD_TAG)
		return -EMSGSIZE;
	if (crypto_aead_chacha20poly1305_ietf_decrypt(out, NULL, NULL, in, len, aad, aad_len,
						      nonce, key) != 0)
		return -EBADMSG;
	return 0;
}

void crypto_sign_key_from_seed(const uint8_t seed[CRYPTO_SIGN_SEED], struct crypto_sign_key *out)
{
	uint8_t sk[crypto_sign_ed25519_SECRETKEYBYTES];

	memcpy(out->seed, seed, CRYPTO_SIGN_SEED);
	crypto_sign_ed25519_seed_keypair(out->pub.bytes, sk, seed);
	sodium_memzero(sk, sizeof(sk));
}

void crypto_sign_key_wipe(struct crypto_sign_key *key)
{
	sodium_memzero(key, sizeof(*key));
}

void crypto_sign_message(const struct crypto_sign_key *key, const void *msg, size_t len,
			 uint8_t sig[CRYPTO_SIG])
{
	/* libsodium's secret key is the seed followed by the public key. */
	uint8_t sk[crypto_sign_ed25519_SECRETKEYBYTES];

	memcpy(sk, key->seed, CRYPTO_SIGN_SEED);
	memcpy(sk + CRYPTO_SIGN_SEED, key->pub.bytes, CRYPTO_SIGN_PUB);
	crypto_sign_ed25519_detached(sig, NULL, msg, len, sk);
	sodium_memzero(sk, sizeof(sk));
}

int crypto_verify(const struct crypto_pub *pub, const void *msg, size_t len,
		  const uint8_t sig[CRYPTO_SIG])
{
	return crypto_sign_ed25519_verify_detached(sig, msg, len, pub->bytes) != 0 ? -EBADMSG : 0;
}

const char *crypto_hex(const uint8_t bytes[32], char out[CRYPTO_HEX])
{
	return sodium_bin2hex(out, CRYPTO_HEX, bytes, 32);
}

int crypto_hex_parse(const char *text, uint8_t out[32])
{
	uint8_t bytes[32];
	size_t len;

	if (strlen(text) != 2 * sizeof(bytes) ||
	    sodium_hex2bin(bytes, sizeof(bytes), text, 2 * sizeof(bytes), NULL, &len, NULL) != 0 ||
	    len != sizeof(bytes))
		return -EINVAL;
	memcpy(out, bytes, sizeof(bytes));
	sodium_memzero(bytes, sizeof(bytes));
	return 0;
}
