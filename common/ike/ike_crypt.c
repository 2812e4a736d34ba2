#include "common/ike/ike_crypt.h"

#include <errno.h>
#include <string.h>

void ike_crypt_init(struct ike_crypt *c, const uint8_t key_salt[IKE_KEY_SIZE])
{
	memcpy(c->key, key_salt, sizeof(c->key));
	memcpy(c->salt, key_salt + sizeof(c->key), sizeof(c->salt));
	c->next_iv = 0;
}

static void make_nonce(const struct ike_crypt *c, const uint8_t *iv,
		       uint8_t nonce[CRYPTO_AEAD_NONCE])
{
	memcpy(nonce, c->salt, IKE_KEY_SALT);
	memcpy(nonce + IKE_KEY_SALT, iv, IKE_SK_IV_SIZE);
}

static void next_iv(struct ike_crypt *c, uint8_t iv[IKE_SK_IV_SIZE])
{
	struct wbuf w = wbuf_init(iv, IKE_SK_IV_SIZE);

	wbuf_u64(&w, c->next_iv++);
}

void ike_crypt_begin(struct ike_crypt *c, struct ike_build *b)
{
	uint8_t iv[IKE_SK_IV_SIZE];

	next_iv(c, iv);
	ike_build_sk_begin(b, iv);
}

void ike_crypt_begin_fragment(struct ike_crypt *c, struct ike_build *b, uint8_t first,
			      uint16_t number, uint16_t total)
{
	uint8_t iv[IKE_SK_IV_SIZE];

	next_iv(c, iv);
	ike_build_skf_begin(b, first, number, total, iv);
}

int ike_crypt_seal(const struct ike_crypt *c, struct ike_build *b, size_t *len)
{
	uint8_t nonce[CRYPTO_AEAD_NONCE], *msg = b->w.start;
	size_t at, plain;
	int r;

	r = ike_build_sk_end(b, CRYPTO_AEAD_TAG, &at, &plain, len);
	if (r < 0)
		return r;
	make_nonce(c, msg + at - IKE_SK_IV_SIZE, nonce);
	crypto_seal(c->key, nonce, msg, at - IKE_SK_IV_SIZE, msg + at, plain, msg + at);
	return 0;
}

int ike_crypt_open(const struct ike_crypt *c, const uint8_t *msg, struct ike_view sk, uint8_t *out,
		   size_t *len)
{
	uint8_t nonce[CRYPTO_AEAD_NONCE];
	size_t sealed, plain;

	if (sk.len < IKE_SK_IV_SIZE + 1 + CRYPTO_AEAD_TAG)
		return -EMSGSIZE;
	sealed = sk.len - IKE_SK_IV_SIZE;
	make_nonce(c, sk.data, nonce);
	if (crypto_open(c->key, nonce, msg, (size_t)(sk.data - msg), sk.data + IKE_SK_IV_SIZE,
			sealed, out) < 0)
		return -EBADMSG;
	plain = sealed - CRYPTO_AEAD_TAG - 1; /* without the pad length octet */
	if (out[plain] > plain)
		return -EBADMSG;
	*len = plain - out[plain];
	return 0;
}

void ike_crypt_wipe(struct ike_crypt *c)
{
	crypto_wipe(c, sizeof(*c));
}
