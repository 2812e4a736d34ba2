#pragma once
/* One overlay tunnel with another relay: its SA pairs. ctl_peer.c keeps them, some for each peer. */
#include "common/ike/ike_alive.h"
#include "ippriv-node/ctl_ike.h"
#include "ippriv-node/ctl_pairs.h"

struct ctl_tunnel;
struct ctl_peer;

/* What tunnels have in common. */
struct ctl_tunnel_env {
	struct ctl_pairs_env pairs;
	/* Before its first SAs go in: are the selectors the peer's? An error ends it. */
	int (*selectors)(void *user, struct ctl_tunnel *t, const struct ike_child *child);
	void (*established)(void *user, struct ctl_tunnel *t);
	/* Nothing of it is left; frees it. */
	void (*over)(void *user, struct ctl_tunnel *t);
	void *user;
};

struct ctl_tunnel {
	struct ctl_session session; /* first: a session is its tunnel */
	const struct ctl_tunnel_env *env;
	struct ctl_peer *peer;
	const char *nickname; /* the peer's */
	struct dp_way way;
	struct ctl_pairs pairs;
	bool established, initiator, initial_contact, closing;
	uint64_t since;
	struct ike_alive alive;
	struct ctl_tunnel *prev, *next; /* of its peer, oldest first */
};

/* The caller frees it until it is a session. NULL: no memory. */
struct ctl_tunnel *ctl_tunnel_new(const struct ctl_tunnel_env *env, struct ctl_peer *peer,
				  const char *nickname, const struct dp_peer *dp);
/* Sends a Delete; one that is not up yet ends here and now. */
void ctl_tunnel_close(struct ctl_tunnel *t, struct ctl_ike *ike);
/* Is the peer there? By what the kernel counts; every IKE_ALIVE_EVERY milliseconds. */
void ctl_tunnel_look(struct ctl_tunnel *t, struct ctl_ike *ike);
/* The kernel: a limit of the SA with this SPI is reached; HARD: it is gone. */
void ctl_tunnel_expire(struct ctl_tunnel *t, struct ctl_ike *ike, uint32_t spi, bool hard);
/* The kernel may have told something that nobody heard. */
void ctl_tunnel_lost(struct ctl_tunnel *t, struct ctl_ike *ike);
struct dp_stats ctl_tunnel_stats(struct ctl_tunnel *t);
