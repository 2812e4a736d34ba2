#pragma once
/* NAT detection: hashes of a message's addresses and ports (RFC 7296 section 2.23). Pure. */
#include "common/crypto/crypto_sha1.h"
#include "common/ike/ike_ops.h"
#include "common/wire/ike_build.h"

enum { IKE_NAT_HASH = CRYPTO_SHA1 };

/* The SPIs in the header of the message that carries the hashes, host order. */
struct ike_nat_spis {
	uint64_t i, r;
};

/* What is known of the NATs on a path. */
struct ike_nat {
	bool told;   /* the peer sent its hashes: it knows NAT traversal */
	bool local;  /* somebody translates our address */
	bool remote; /* somebody translates the peer's */
};

void ike_nat_hash(const struct ike_nat_spis *spis, const struct endpoint *e,
		  uint8_t out[IKE_NAT_HASH]);
/*
 * Adds NAT_DETECTION_SOURCE_IP and NAT_DETECTION_DESTINATION_IP for a message that leaves along
 * PATH. PRETEND: the source is none that any message has, so that the peer sees a NAT.
 */
void ike_nat_build(struct ike_build *b, const struct ike_nat_spis *spis,
		   const struct ike_path *path, bool pretend);
/* What the notifies in P say, which came along PATH. */
struct ike_nat ike_nat_detect(const struct ike_payloads *p, const struct ike_nat_spis *spis,
			      const struct ike_path *path);
/*
 * Whether NO_NATS_ALLOWED (RFC 4555 section 3.9) with DATA holds: addresses and ports, the
 * sender's first, are those of PATH.
 */
bool ike_nat_is_absent(struct ike_view data, const struct ike_path *path);
