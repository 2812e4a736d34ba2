#pragma once
/* SHA-1, for NAT detection only (RFC 7296 section 2.23): it proves nothing to anybody. */
#include "common/crypto/crypto.h"

enum { CRYPTO_SHA1 = 20 };

/* SHA-1 over the chunks. */
void crypto_sha1(const struct crypto_chunk *chunks, size_t count, uint8_t out[CRYPTO_SHA1]);
