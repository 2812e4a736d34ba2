#include "common/crypto/crypto_sha1.h"

#include <sha1.h>

void crypto_sha1(const struct crypto_chunk *chunks, size_t count, uint8_t out[CRYPTO_SHA1])
{
	SHA1_CTX state;

	SHA1Init(&state);
	for (size_t i = 0; i < count; i++)
		if (chunks[i].len > 0)
			SHA1Update(&state, chunks[i].data, chunks[i].len);
	SHA1Final(out, &state);
}
