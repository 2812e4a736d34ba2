#pragma once
/* The host from the inside; only for the files of this folder. */
#include "common/base/bucket.h"
#include "common/ike/ike_cookie.h"
#include "common/ike/ike_heap.h"
#include "common/ike/ike_host.h"
#include "common/ike/ike_limit.h"

struct ike_host {
	struct ike_host_conf conf; /* no zeros left where a default stands */
	struct ike_sa *by_spi;     /* uthash: all SAs, owned */
	struct ike_sa *by_digest;  /* uthash: those that an IKE_SA_INIT request made */
	struct ike_slot *by_child; /* uthash: child SAs by inbound SPI, owned by their IKE SAs */
	struct ike_sa *garbage;    /* ended, in no table, freed when DEPTH is 0 again */
	struct ike_heap timers;
	struct ike_limit half_open;
	struct ike_cookie_jar jar;
	struct bucket stray;       /* answers to who has an SA that we have not */
	uint8_t digest_key[CRYPTO_PRF];
	struct ike_host_counters counters;
	size_t sa_count;
	unsigned int depth;        /* ike_host calls that are running */
	bool closing;
};

static inline uint64_t ike_host_now(const struct ike_host *host)
{
	return host->conf.ops->now(host->conf.user);
}

static inline void ike_host_random(const struct ike_host *host, void *out, size_t len)
{
	host->conf.ops->random(host->conf.user, out, len);
}

static inline void ike_host_send(const struct ike_host *host, const struct ike_path *path,
				 const uint8_t *msg, size_t len)
{
	host->conf.ops->send(host->conf.user, path, msg, len);
}
