#include "common/ike/ike_keys.h"

#include <string.h>

#include "common/base/buf.h"

/* All uses of prf+ here ask for a few blocks; it only refuses more than 255. */
static void expand(const uint8_t key[CRYPTO_PRF], const struct crypto_chunk *seed, size_t count,
		   void *out, size_t len)
{
	if (crypto_prf_plus(key, CRYPTO_PRF, seed, count, out, len) < 0)
		abort();
}

/* SKEYSEED to all keys. */
static void derive(const uint8_t skeyseed[CRYPTO_PRF], const struct ike_seed *seed,
		   struct ike_keys *out)
{
	uint8_t spis[2 * IKE_SPI_SIZE], stream[3 * CRYPTO_PRF + 2 * IKE_KEY_SIZE];
	struct wbuf spi = wbuf_init(spis, sizeof(spis));
	struct rbuf r = rbuf_init(stream, sizeof(stream));

	wbuf_u64(&spi, seed->spi_i);
	wbuf_u64(&spi, seed->spi_r);
	expand(skeyseed,
	       (struct crypto_chunk[]){ { seed->nonce_i.data, seed->nonce_i.len },
					{ seed->nonce_r.data, seed->nonce_r.len },
					{ spis, sizeof(spis) } },
	       3, stream, sizeof(stream));
	rbuf_copy(&r, out->d, sizeof(out->d));
	rbuf_copy(&r, out->ei, sizeof(out->ei));
	rbuf_copy(&r, out->er, sizeof(out->er));
	rbuf_copy(&r, out->pi, sizeof(out->pi));
	rbuf_copy(&r, out->pr, sizeof(out->pr));
	crypto_wipe(stream, sizeof(stream));
}

void ike_keys_derive(const struct ike_seed *seed, struct ike_keys *out)
{
	uint8_t nonces[2 * IKE_NONCE_MAX], skeyseed[CRYPTO_PRF];
	struct wbuf key = wbuf_init(nonces, sizeof(nonces));
	const struct crypto_chunk shared = { seed->shared, CRYPTO_DH };

	wbuf_bytes(&key, seed->nonce_i.data, seed->nonce_i.len);
	wbuf_bytes(&key, seed->nonce_r.data, seed->nonce_r.len);
	crypto_prf(nonces, key.len, &shared, 1, skeyseed);
	derive(skeyseed, seed, out);
	crypto_wipe(skeyseed, sizeof(skeyseed));
}

void ike_keys_rekey(const uint8_t old_d[CRYPTO_PRF], const struct ike_seed *seed,
		    struct ike_keys *out)
{
	const struct crypto_chunk chunks[] = { { seed->shared, CRYPTO_DH },
					       { seed->nonce_i.data, seed->nonce_i.len },
					       { seed->nonce_r.data, seed->nonce_r.len } };
	uint8_t skeyseed[CRYPTO_PRF];

	crypto_prf(old_d, CRYPTO_PRF, chunks, ARRAY_SIZE(chunks), skeyseed);
	derive(skeyseed, seed, out);
	crypto_wipe(skeyseed, sizeof(skeyseed));
}

void ike_keys_child(const uint8_t d[CRYPTO_PRF], const uint8_t *shared, struct ike_view nonce_i,
		    struct ike_view nonce_r, uint8_t i_to_r[IKE_KEY_SIZE],
		    uint8_t r_to_i[IKE_KEY_SIZE])
{
	const struct crypto_chunk chunks[] = { { shared, CRYPTO_DH },
					       { nonce_i.data, nonce_i.len },
					       { nonce_r.data, nonce_r.len } };
	size_t skip = shared ? 0 : 1;
	uint8_t stream[2 * IKE_KEY_SIZE];

	expand(d, chunks + skip, ARRAY_SIZE(chunks) - skip, stream, sizeof(stream));
	memcpy(i_to_r, stream, IKE_KEY_SIZE);
	memcpy(r_to_i, stream + IKE_KEY_SIZE, IKE_KEY_SIZE);
	crypto_wipe(stream, sizeof(stream));
}

void ike_keys_wipe(struct ike_keys *keys)
{
	crypto_wipe(keys, sizeof(*keys));
}
