#pragma once
/* Valid messages of every kind, and a parse that owns exactly the bytes it parses. */
#include "common/wire/ike_build.h"

enum { SAMPLE_MAX = 1024 };

enum sample {
	SAMPLE_INIT_REQUEST, /* N(COOKIE), SA, KE, Nonce, N */
	SAMPLE_INIT_RESPONSE,
	SAMPLE_AUTH_REQUEST, /* as inside SK: IDi, AUTH, CP, SA (ESP), TSi, TSr, N */
	SAMPLE_AUTH_RESPONSE,
	SAMPLE_REKEY,        /* SA with 8-byte SPI and several proposals, IPv6 selectors */
	SAMPLE_INFORMATIONAL, /* D, D, N, V, CERT, an unknown payload, Nonce */
	SAMPLE_ENCRYPTED,
	SAMPLE_FRAGMENT,      /* SKF, the first of two */
	SAMPLE_COUNT,
};

/* Builds it into OUT (SAMPLE_MAX bytes) and returns its length. */
size_t sample_build(enum sample which, uint8_t *out);

/*
 * Copies MSG into a heap block of just LEN bytes, parses header and payloads there, and checks
 * that every view of a good result lies inside it. OUT's views are gone afterwards. Returns what
 * ike_parse_payloads said; the header's verdict does not keep the payloads from being parsed.
 */
int sample_parse_exact(const uint8_t *msg, size_t len, struct ike_payloads *out);

/* The same for a bare chain of payloads; views of OUT point into *BLOCK, which the caller frees. */
int sample_parse_chain(uint8_t first, const uint8_t *data, size_t len, uint8_t **block,
		       struct ike_payloads *out);
