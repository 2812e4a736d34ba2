#pragma once
/*
 * Stateless cookies against floods of IKE_SA_INIT from forged addresses (RFC 7296 section 2.6):
 * version | prf(secret, Ni | address | mark | SPIi). A secret makes cookies for one period and
 * is accepted for one more.
 */
#include "common/ike/ike_ops.h"
#include "common/wire/ike_parse.h"

enum {
	IKE_COOKIE_SIZE = 1 + CRYPTO_PRF,
	IKE_COOKIE_PERIOD = 60000, /* milliseconds */
};

struct ike_cookie_jar {
	uint8_t current[CRYPTO_PRF], previous[CRYPTO_PRF];
	uint8_t version; /* of current; the one before is of previous */
	uint64_t made_at;
};

/* What a cookie is bound to. */
struct ike_cookie_claim {
	uint64_t spi_i;
	struct ike_view nonce;
	const struct ike_path *path;
};

void ike_cookie_jar_init(struct ike_cookie_jar *jar, const struct ike_ops *ops, void *user);
/* Renews the secrets that are too old. Call before make and check. */
void ike_cookie_jar_rotate(struct ike_cookie_jar *jar, const struct ike_ops *ops, void *user);
void ike_cookie_make(const struct ike_cookie_jar *jar, const struct ike_cookie_claim *claim,
		     uint8_t out[IKE_COOKIE_SIZE]);
bool ike_cookie_check(const struct ike_cookie_jar *jar, const struct ike_cookie_claim *claim,
		      struct ike_view cookie);
void ike_cookie_jar_wipe(struct ike_cookie_jar *jar);
