#pragma once
/*
 * Messages of IKE SAs that one side has forgotten (RFC 7296 sections 1.5, 2.4 and 2.21.4): nobody
 * vouches for what is said of them. Only for the files of this folder.
 */
#include "common/ike/ike_ops.h"
#include "common/wire/ike_parse.h"

struct ike_host;

enum {
	IKE_STRAY_BURST = 32,    /* answers at once, */
	IKE_STRAY_INTERVAL = 20, /* then one in so many milliseconds */
	IKE_STRAY_TRIES = 2,     /* transmissions that are left of a request, once answered so */
};

/* A message for an SPI of ours that there is not: INVALID_IKE_SPI when it may be a request. */
void ike_stray_answer(struct ike_host *host, const struct ike_path *path,
		      const struct ike_header *h, size_t len);
/*
 * An answer in clear to the request of SA that is out. INVALID_IKE_SPI says that the peer has lost
 * SA, but anybody could: only that nobody answers to a few transmissions more ends it.
 */
void ike_stray_answered(struct ike_sa *sa, const struct ike_path *path, const struct ike_header *h,
			const uint8_t *msg, size_t len);
