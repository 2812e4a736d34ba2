#include "common/ike/ike_keys.h"

#include <string.h>

#include "common/base/buf.h"

/* Both uses of prf+ here ask for a few blocks; it only refuses more than 255. */
static void expand(const uint8_t key[CRYPTO_PRF], const struct crypto_chunk *seed, size_t count,
		   void *out, size_t len)
{
	if (crypto_prf_plus(key, CRYPTO_PRF, seed, count, out, len) < 0)
		abort();
}

void ike_keys_derive(const struct ike_seed *seed, struct ike_keys *out)
{
	uint8_t nonces[2 * IKE_NONCE_MAX], spis[16], skeyseed[CRYPTO_PRF];
	uint8_t stream[3 * CRYPTO_PRF + 2 * IKE_KEY_SIZE];
	struct wbuf key = wbuf_init(nonces, sizeof(nonces)), spi = wbuf_init(spis, sizeof(spis));
	const struct crypto_chunk shared = { seed->shared, CRYPTO_DH };
	struct rbuf r = rbuf_init(stream, sizeof(stream));

	wbuf_bytes(&key, seed->nonce_i.data, seed->nonce_i.len);
	wbuf_bytes(&key, seed->nonce_r.data, seed->nonce_r.len);
	wbuf_u64(&spi, seed->spi_i);
	wbuf_u64(&spi, seed->spi_r);
	crypto_prf(nonces, key.len, &shared, 1, skeyseed);
	expand(skeyseed, (struct crypto_chunk[]){ { nonces, key.len }, { spis, sizeof(spis) } }, 2,
	       stream, sizeof(stream));
	rbuf_copy(&r, out->d, sizeof(out->d));
	rbuf_copy(&r, out->ei, sizeof(out->ei));
	rbuf_copy(&r, out->er, sizeof(out->er));
	rbuf_copy(&r, out->pi, sizeof(out->pi));
	rbuf_copy(&r, out->pr, sizeof(out->pr));
	crypto_wipe(skeyseed, sizeof(skeyseed));
	crypto_wipe(stream, sizeof(stream));
}

void ike_keys_child(const struct ike_keys *keys, struct ike_view nonce_i, struct ike_view nonce_r,
		    uint8_t i_to_r[IKE_KEY_SIZE], uint8_t r_to_i[IKE_KEY_SIZE])
{
	uint8_t stream[2 * IKE_KEY_SIZE];

	expand(keys->d,
	       (struct crypto_chunk[]){ { nonce_i.data, nonce_i.len }, { nonce_r.data, nonce_r.len } },
	       2, stream, sizeof(stream));
	memcpy(i_to_r, stream, IKE_KEY_SIZE);
	memcpy(r_to_i, stream + IKE_KEY_SIZE, IKE_KEY_SIZE);
	crypto_wipe(stream, sizeof(stream));
}

void ike_keys_wipe(struct ike_keys *keys)
{
	crypto_wipe(keys, sizeof(*keys));
}
