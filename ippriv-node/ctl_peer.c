#include "ippriv-node/ctl_peer.h"

#include <errno.h>
#include <string.h>
#include <utlist.h>

#include "common/base/log.h"
#include "ippriv-node/ctl_tunnel.h"

/*
 * An acquire that the kernel has sent once is not repeated for 30 s (net.core.xfrm_acq_expires), so
 * for that long it is on us to try again.
 */
enum { WANTED_FOR = 30000, RETRY_FIRST = 500, RETRY_MOST = 8000 };

enum {
	TUNNELS_MOST = 4,     /* with one peer; two start at once, a restart brings one more */
	TUNNELS_CLOSING = 4,  /* whose Delete is not answered yet */
	MISSING_MOST = 60,    /* seconds between two lists without a relay until it has left */
};

struct ctl_peer {
	struct crypto_pub key;
	char nickname[DIR_NICKNAME + 1];
	struct endpoint ike;
	struct dp_peer dp;
	bool listed;  /* in the newest list; its traps are in */
	bool linked;  /* dp.pool is known, its link policies are in */
	bool missing; /* in the newest list, though listed; since the one published then: */
	uint64_t missing_since;
	uint64_t wanted_until; /* loop time up to which a failed tunnel is tried again */
	uint64_t retry_at;     /* 0: no retry due */
	uint32_t retry;        /* milliseconds to the one after */
	struct ctl_tunnel *tunnels;
};

struct ctl_peers {
	struct ctl_peers_conf conf;
	struct ctl_tunnel_env env;
	struct ctl_ike *ike; /* of the last call that brought it, to close older tunnels */
	struct io_timer *retry, *look;
	uint32_t highest;    /* no peer has a higher index */
	struct dp_stats over; /* what tunnels that are over have carried */
	bool warned;         /* about an address in the list that cannot be */
	struct ctl_peer *table[DP_PEER_MAX + 1]; /* by index; 0 stays empty */
};

static struct ctl_peer *find_by_key(const struct ctl_peers *peers, const struct crypto_pub *key)
{
	for (uint32_t i = 1; i <= peers->highest; i++)
		if (peers->table[i] && memcmp(&peers->table[i]->key, key, sizeof(*key)) == 0)
			return peers->table[i];
	return NULL;
}

/* Another relay at that address than the one with KEY. */
static struct ctl_peer *find_by_address(const struct ctl_peers *peers, const struct addr *a,
				    const struct crypto_pub *key)
{
	for (uint32_t i = 1; i <= peers->highest; i++)
		if (peers->table[i] && addr_equal(&peers->table[i]->ike.addr, a) &&
		    memcmp(&peers->table[i]->key, key, sizeof(*key)) != 0)
			return peers->table[i];
	return NULL;
}

/* Link policies for POOL, in place of those for another pool. */
static int link_pool(struct ctl_peers *peers, struct ctl_peer *peer, const struct prefix *pool)
{
	int err;

	if (peer->linked && prefix_equal(&peer->dp.pool, pool))
		return 0;
	if (peer->linked) {
		peers->conf.moved(peers->conf.user, peer->dp.index, pool);
		dp_link_del(peers->conf.dp, &peer->dp);
	}
	peer->dp.pool = *pool;
	err = dp_link_add(peers->conf.dp, &peer->dp);
	peer->linked = err == 0;
	return err;
}

/* The remote selectors must be the peer itself and one pool of addresses that relays may assign. */
static int pool_of_child(const struct ctl_peers *peers, const struct ctl_peer *peer,
			 const struct ike_child *child, struct prefix *out)
{
	struct prefix host = prefix_host(&peer->ike.addr);
	bool has_host = false, has_pool = false;

	for (size_t i = 0; i < child->ts_remote.count; i++) {
		const struct prefix *ts = &child->ts_remote.items[i];

		if (prefix_equal(ts, &host)) {
			has_host = true;
		} else if (!has_pool && prefix_within(ts, &peers->conf.self.pools)) {
			has_pool = true;
			*out = *ts;
		} else {
			return -EBADMSG;
		}
	}
	return has_host && has_pool ? 0 : -EBADMSG;
}

static int on_selectors(void *user, struct ctl_tunnel *t, const struct ike_child *child)
{
	struct ctl_peers *peers = user;
	struct prefix pool;
	int err;

	err = pool_of_child(peers, t->peer, child, &pool);
	if (err < 0) {
		log_warning("relay %s offers traffic selectors that are not its own", t->nickname);
		return err;
	}
	return link_pool(peers, t->peer, &pool);
}

static void on_established(void *user, struct ctl_tunnel *t)
{
	struct ctl_peers *peers = user;
	struct ctl_tunnel *other, *next;

	if (!t->initial_contact)
		return;
	/*
	 * The peer knows of no other tunnel (RFC 7296 section 2.4). A Delete, not silence: when both
	 * started at once the peer does hold the other one, and only one side gets here.
	 */
	DL_FOREACH_SAFE(t->peer->tunnels, other, next)
		if (other != t && other->established)
			ctl_tunnel_close(other, peers->ike);
}

static void peer_free(struct ctl_peers *peers, struct ctl_peer *peer)
{
	if (peer->linked)
		dp_link_del(peers->conf.dp, &peer->dp);
	if (peer->listed)
		dp_trap_del(peers->conf.dp, &peer->dp);
	peers->table[peer->dp.index] = NULL;
	free(peer);
}

static void peer_gone(struct ctl_peers *peers, struct ctl_peer *peer)
{
	peers->conf.moved(peers->conf.user, peer->dp.index, NULL);
	peer_free(peers, peer);
}

/* One timer for all peers, at the earliest retry. */
static void arm_retry(struct ctl_peers *peers)
{
	uint64_t now = io_loop_now(peers->conf.loop), first = UINT64_MAX;

	for (uint32_t i = 1; i <= peers->highest; i++)
		if (peers->table[i] && peers->table[i]->retry_at &&
		    peers->table[i]->retry_at < first)
			first = peers->table[i]->retry_at;
	if (first != UINT64_MAX)
		io_timer_start(peers->retry, first > now ? first - now : 0);
}

static void retry_later(struct ctl_peers *peers, struct ctl_peer *peer)
{
	uint64_t at = io_loop_now(peers->conf.loop) + peer->retry;

	if (!peer->listed || at >= peer->wanted_until)
		return;
	peer->retry_at = at;
	peer->retry = peer->retry * 2 > RETRY_MOST ? RETRY_MOST : peer->retry * 2;
	arm_retry(peers);
}

static void add_stats(struct dp_stats *sum, const struct dp_stats *s)
{
	sum->bytes_in += s->bytes_in;
	sum->packets_in += s->packets_in;
	sum->bytes_out += s->bytes_out;
	sum->packets_out += s->packets_out;
}

static void on_over(void *user, struct ctl_tunnel *t)
{
	struct ctl_peers *peers = user;
	struct ctl_peer *peer = t->peer;

	add_stats(&peers->over, &t->pairs.total);

	DL_DELETE(peer->tunnels, t);
	if (t->initiator && !t->established)
		retry_later(peers, peer);
	free(t);
	if (!peer->listed && !peer->tunnels)
		peer_gone(peers, peer);
}

static struct ctl_tunnel *add_tunnel(struct ctl_peers *peers, struct ctl_peer *peer)
{
	struct ctl_tunnel *t = ctl_tunnel_new(&peers->env, peer, peer->nickname, &peer->dp);

	if (t)
		DL_APPEND(peer->tunnels, t);
	return t;
}

static struct ike_ts_list own_selectors(const struct ctl_peers *peers)
{
	const struct dp_self *self = &peers->conf.self;

	return (struct ike_ts_list){ .count = 2,
				     .items = { self->pool, prefix_host(&self->address) } };
}

static void start_tunnel(struct ctl_peers *peers, struct ctl_peer *peer)
{
	struct ike_init_conf conf = { .auth = IKE_AUTH_ED25519 };
	struct ctl_tunnel *t;

	peer->retry_at = 0;
	if (!peer->listed || peer->tunnels)
		return;
	t = add_tunnel(peers, peer);
	if (!t)
		return;
	t->initiator = true;
	conf.path.remote = peer->ike;
	conf.peer = peer->key;
	conf.initial_contact = true; /* we hold no tunnel with it */
	conf.ts_local = own_selectors(peers);
	conf.ts_remote = (struct ike_ts_list){ .count = 1, .items = { { .addr.family = AF_INET } } };
	if (ctl_ike_initiate(peers->ike, &conf, &t->session) < 0) {
		log_warning("cannot start an overlay tunnel with %s", peer->nickname);
		DL_DELETE(peer->tunnels, t);
		free(t);
	}
}

static void on_retry(void *data)
{
	struct ctl_peers *peers = data;
	uint64_t now = io_loop_now(peers->conf.loop);

	for (uint32_t i = 1; i <= peers->highest; i++)
		if (peers->table[i] && peers->table[i]->retry_at &&
		    peers->table[i]->retry_at <= now)
			start_tunnel(peers, peers->table[i]);
	arm_retry(peers);
}

void ctl_peers_want(struct ctl_peers *peers, struct ctl_ike *ike, uint32_t index)
{
	struct ctl_peer *peer = index <= DP_PEER_MAX ? peers->table[index] : NULL;

	peers->ike = ike;
	if (!peer)
		return;
	peer->wanted_until = io_loop_now(peers->conf.loop) + WANTED_FOR;
	peer->retry = RETRY_FIRST;
	start_tunnel(peers, peer);
}

/* Lets go of the oldest one of too many. -EBUSY: too many are still closing. */
static int make_room(struct ctl_peers *peers, struct ctl_peer *peer)
{
	struct ctl_tunnel *t, *oldest = NULL;
	size_t open = 0, closing = 0;

	DL_FOREACH(peer->tunnels, t) {
		if (t->closing) {
			closing++;
			continue;
		}
		open++;
		oldest = oldest ? oldest : t;
	}
	if (open < TUNNELS_MOST)
		return 0;
	if (closing >= TUNNELS_CLOSING)
		return -EBUSY;
	ctl_tunnel_close(oldest, peers->ike);
	return 0;
}

int ctl_peers_admit(struct ctl_peers *peers, const struct ike_path *path, bool encap,
		    const struct ike_peer *from, struct ike_ts_list *local,
		    struct ctl_session **session)
{
	struct ctl_peer *peer = find_by_key(peers, &from->key);
	struct ctl_tunnel *t;
	int err;

	if (!peer || !peer->listed) {
		peers->conf.unknown(peers->conf.user);
		return -EACCES;
	}
	if (path->mark != 0 || !addr_equal(&path->remote.addr, &peer->ike.addr)) {
		if (path->mark != 0)
			log_warning("relay %s knocks through an overlay tunnel (mark 0x%x on its "
				    "datagram)", peer->nickname, path->mark);
		else
			log_warning("relay %s knocks from an address that is not in the list",
				    peer->nickname);
		return -EACCES;
	}
	if (encap) {
		log_warning("relay %s wants ESP in UDP, which overlay tunnels do not have: it must "
			    "do no NAT detection", peer->nickname);
		return -EACCES;
	}
	err = make_room(peers, peer);
	if (err < 0)
		return err;
	t = add_tunnel(peers, peer);
	if (!t)
		return -ENOMEM;
	t->initial_contact = from->initial_contact;
	*local = own_selectors(peers);
	*session = &t->session;
	return 0;
}

static bool same_relay(const struct ctl_peer *peer, const struct dir_entry *e)
{
	return peer->ike.port == e->port && addr_equal(&peer->ike.addr, &e->address);
}

/* AT_ONCE: without waiting for answers. The peer is gone with its last tunnel. */
static void peer_leave(struct ctl_peers *peers, struct ctl_peer *peer, bool at_once)
{
	struct ctl_tunnel *t, *next;

	if (peer->listed) {
		log_info("relay %s has left the list or moved", peer->nickname);
		peers->conf.left(peers->conf.user, peer->dp.index);
		dp_trap_del(peers->conf.dp, &peer->dp);
		peer->listed = false;
	}
	if (!peer->tunnels) {
		peer_gone(peers, peer);
		return;
	}
	DL_FOREACH_SAFE(peer->tunnels, t, next) {
		if (at_once)
			ctl_ike_drop(peers->ike, &t->session);
		else
			ctl_tunnel_close(t, peers->ike);
	}
}

/* One list without it is no reason to let go: its descriptor may just have come late. */
static bool has_left(struct ctl_peer *peer, const struct dir_list *list)
{
	const struct dir_entry *e = dir_list_find(list, &peer->key);

	if (e) {
		peer->missing = false;
		return !same_relay(peer, e);
	}
	if (!peer->missing)
		peer->missing_since = list->published;
	peer->missing = true;
	return list->published - peer->missing_since >= MISSING_MOST;
}

static void peer_join(struct ctl_peers *peers, const struct dir_entry *e)
{
	uint32_t index = 1;
	struct ctl_peer *peer;

	while (index <= DP_PEER_MAX && peers->table[index])
		index++;
	if (index > DP_PEER_MAX || !(peer = calloc(1, sizeof(*peer)))) {
		log_warning("no room for relay %s", e->nickname);
		return;
	}
	peer->key = e->identity;
	memcpy(peer->nickname, e->nickname, sizeof(peer->nickname));
	peer->ike = (struct endpoint){ .addr = e->address, .port = e->port };
	peer->dp = (struct dp_peer){ .index = index, .address = e->address };
	if (dp_trap_add(peers->conf.dp, &peer->dp) < 0) {
		free(peer);
		return;
	}
	peer->listed = true;
	peers->table[index] = peer;
	if (index > peers->highest)
		peers->highest = index;
}

/*
 * Policies and SAs are by address: two relays at one cannot be. One with a new key, and one that
 * moved, takes the place of what was there at once. False: no place for this entry.
 */
static bool peer_enter(struct ctl_peers *peers, const struct dir_list *list,
		       const struct dir_entry *e)
{
	struct ctl_peer *same = find_by_key(peers, &e->identity);
	struct ctl_peer *there = find_by_address(peers, &e->address, &e->identity);

	if (memcmp(&e->identity, &peers->conf.identity, sizeof(e->identity)) == 0 ||
	    (same && same->listed))
		return true;
	if (addr_equal(&e->address, &peers->conf.self.address) ||
	    (there && there->listed && dir_list_find(list, &there->key)))
		return false;
	if (there)
		peer_leave(peers, there, true);
	if (same)
		peer_leave(peers, same, true);
	peer_join(peers, e);
	return true;
}

void ctl_peers_update(struct ctl_peers *peers, struct ctl_ike *ike, const struct dir_list *list)
{
	const struct dir_entry *odd = NULL;

	peers->ike = ike;
	for (uint32_t i = 1; i <= peers->highest; i++) {
		struct ctl_peer *peer = peers->table[i];

		if (peer && peer->listed && has_left(peer, list))
			peer_leave(peers, peer, false);
	}
	for (size_t i = 0; i < list->count; i++)
		if (!peer_enter(peers, list, &list->entries[i]))
			odd = &list->entries[i];
	if (odd && !peers->warned)
		log_warning("relay %s stands in the list with the address of another one; it is "
			    "left out", odd->nickname);
	peers->warned = odd != NULL;
}

static void on_look(void *data)
{
	struct ctl_peers *peers = data;
	struct ctl_tunnel *t;

	for (uint32_t i = 1; i <= peers->highest; i++)
		if (peers->table[i])
			DL_FOREACH(peers->table[i]->tunnels, t)
				ctl_tunnel_look(t, peers->ike);
	io_timer_start(peers->look, IKE_ALIVE_EVERY);
}

int ctl_peers_new(const struct ctl_peers_conf *conf, struct ctl_peers **out)
{
	struct ctl_peers *peers = calloc(1, sizeof(*peers));
	int err;

	if (!peers)
		return -ENOMEM;
	peers->conf = *conf;
	peers->env = (struct ctl_tunnel_env){ .pairs = { conf->dp, conf->loop, conf->life },
					      .selectors = on_selectors,
					      .established = on_established, .over = on_over,
					      .user = peers };
	err = io_timer_new(conf->loop, on_retry, peers, &peers->retry);
	if (err == 0)
		err = io_timer_new(conf->loop, on_look, peers, &peers->look);
	if (err < 0) {
		ctl_peers_free(peers);
		return err;
	}
	io_timer_start(peers->look, IKE_ALIVE_EVERY);
	*out = peers;
	return 0;
}

void ctl_peers_free(struct ctl_peers *peers)
{
	if (!peers)
		return;
	for (uint32_t i = 1; i <= peers->highest; i++)
		if (peers->table[i])
			peer_free(peers, peers->table[i]);
	if (peers->look)
		io_timer_free(peers->look);
	if (peers->retry)
		io_timer_free(peers->retry);
	free(peers);
}

void ctl_peers_close(struct ctl_peers *peers, struct ctl_ike *ike)
{
	struct ctl_tunnel *t, *next;

	peers->ike = ike;
	for (uint32_t i = 1; i <= peers->highest; i++) {
		if (!peers->table[i])
			continue;
		peers->table[i]->wanted_until = 0;
		peers->table[i]->retry_at = 0;
		DL_FOREACH_SAFE(peers->table[i]->tunnels, t, next)
			ctl_tunnel_close(t, peers->ike);
	}
}

int ctl_peers_link(const struct ctl_peers *peers, uint32_t index, struct dp_peer *out)
{
	const struct ctl_peer *peer = index <= DP_PEER_MAX ? peers->table[index] : NULL;

	if (!peer || !peer->listed || !peer->linked)
		return -ENOENT;
	*out = peer->dp;
	return 0;
}

const char *ctl_peers_name(const struct ctl_peers *peers, uint32_t index)
{
	const struct ctl_peer *peer = index <= DP_PEER_MAX ? peers->table[index] : NULL;

	return peer ? peer->nickname : NULL;
}

void ctl_peers_expire(struct ctl_peers *peers, struct ctl_ike *ike, uint32_t index, uint32_t spi,
		      bool hard)
{
	struct ctl_peer *peer = index <= DP_PEER_MAX ? peers->table[index] : NULL;
	struct ctl_tunnel *t;

	peers->ike = ike;
	if (!peer)
		return;
	DL_FOREACH(peer->tunnels, t)
		if (ctl_pairs_have(&t->pairs, spi))
			break;
	if (t)
		ctl_tunnel_expire(t, ike, spi, hard);
}

void ctl_peers_lost(struct ctl_peers *peers, struct ctl_ike *ike)
{
	struct ctl_tunnel *t;

	for (uint32_t i = 1; i <= peers->highest; i++)
		if (peers->table[i])
			DL_FOREACH(peers->table[i]->tunnels, t)
				ctl_tunnel_lost(t, ike);
}

size_t ctl_peers_tunnels(const struct ctl_peers *peers)
{
	size_t count = 0;
	struct ctl_tunnel *t;

	for (uint32_t i = 1; i <= peers->highest; i++)
		if (peers->table[i])
			DL_FOREACH(peers->table[i]->tunnels, t)
				count++;
	return count;
}

struct dp_stats ctl_peers_stats(struct ctl_peers *peers)
{
	struct dp_stats sum = peers->over, stats;
	struct ctl_tunnel *t;

	for (uint32_t i = 1; i <= peers->highest; i++)
		if (peers->table[i])
			DL_FOREACH(peers->table[i]->tunnels, t) {
				stats = ctl_tunnel_stats(t);
				add_stats(&sum, &stats);
			}
	return sum;
}

static void report(struct ctl_peers *peers, struct ctl_tunnel *t,
		   void (*cb)(void *data, const struct ctl_tunnel_info *info), void *data)
{
	struct ctl_tunnel_info info = {
		.nickname = t->nickname,
		.address = t->peer->ike.addr,
		.pool = t->peer->dp.pool,
		.established = t->established,
		.initiator = t->initiator,
		.age = io_loop_now(peers->conf.loop) - t->since,
		.stats = ctl_tunnel_stats(t),
	};

	ctl_ike_info(peers->ike, &t->session, &info.ike);
	cb(data, &info);
}

void ctl_peers_each(struct ctl_peers *peers,
		    void (*cb)(void *data, const struct ctl_tunnel_info *info), void *data)
{
	struct ctl_tunnel *t;

	for (uint32_t i = 1; i <= peers->highest; i++)
		if (peers->table[i])
			DL_FOREACH(peers->table[i]->tunnels, t)
				report(peers, t, cb, data);
}
