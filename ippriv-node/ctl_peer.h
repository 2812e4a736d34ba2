#pragma once
/*
 * The other relays of the list, and the overlay tunnels to those we talk with: set up when traffic
 * wants one (acquire) or when the other side starts, then kept.
 */
#include "common/dir/dir_list.h"
#include "ippriv-node/ctl_ike.h"
#include "ippriv-node/ctl_keys.h"
#include "ippriv-node/dp.h"

struct ctl_peers;

struct ctl_peers_conf {
	struct dp_self self;
	struct crypto_pub identity; /* ours */
	struct life_rule life;       /* of a child SA */
	struct dp *dp;              /* borrowed */
	struct io_loop *loop;       /* borrowed */
	/* A relay that the list does not have knocked: a newer list may have it. */
	void (*unknown)(void *user);
	/* The relay with this index has left the list. */
	void (*left)(void *user, uint32_t index);
	/*
	 * From now on it assigns from POOL, NULL: nothing: what has another address behind it has
	 * to go before the policies do that keep such addresses apart.
	 */
	void (*moved)(void *user, uint32_t index, const struct prefix *pool);
	void *user;
};

int ctl_peers_new(const struct ctl_peers_conf *conf, struct ctl_peers **out) _must_check_;
void ctl_peers_free(struct ctl_peers *peers); /* no tunnel may be left */
/* Follows a new list: traps for newcomers, goodbye to those who left or moved. */
void ctl_peers_update(struct ctl_peers *peers, struct ctl_ike *ike, const struct dir_list *list);
/* Traffic waits for a tunnel to peer INDEX: starts one unless one is up or under way. */
void ctl_peers_want(struct ctl_peers *peers, struct ctl_ike *ike, uint32_t index);
/*
 * ctl_admit.relay. Of too many tunnels with one relay the oldest is closed. ENCAP is refused: no
 * tunnel has ESP in UDP.
 */
int ctl_peers_admit(struct ctl_peers *peers, const struct ike_path *path, bool encap,
		    const struct ike_peer *peer, struct ike_ts_list *local,
		    struct ctl_session **session);
void ctl_peers_close(struct ctl_peers *peers, struct ctl_ike *ike); /* Deletes for all tunnels */
/* The kernel: a limit of an SA of peer INDEX is reached, the one with this SPI; HARD: it is gone. */
void ctl_peers_expire(struct ctl_peers *peers, struct ctl_ike *ike, uint32_t index, uint32_t spi,
		      bool hard);
/* Some news of the kernel were lost: looks whose SAs are too old. */
void ctl_peers_lost(struct ctl_peers *peers, struct ctl_ike *ike);
/* Data path values of peer INDEX once its pool is known. 0 or -ENOENT. */
int ctl_peers_link(const struct ctl_peers *peers, uint32_t index, struct dp_peer *out) _must_check_;
/* Nickname, valid until the next update; NULL for 0 or nobody. */
const char *ctl_peers_name(const struct ctl_peers *peers, uint32_t index);
size_t ctl_peers_tunnels(const struct ctl_peers *peers);

struct ctl_tunnel_info {
	const char *nickname;
	struct addr address;
	struct prefix pool;
	bool established, initiator;
	uint64_t age; /* milliseconds */
	struct ike_sa_info ike;
	struct dp_stats stats;
};
/* What all overlay tunnels that there were have carried, those that are over, too. */
struct dp_stats ctl_peers_stats(struct ctl_peers *peers);
void ctl_peers_each(struct ctl_peers *peers,
		    void (*cb)(void *data, const struct ctl_tunnel_info *info), void *data);
