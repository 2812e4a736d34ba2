#include "ippriv-node/node.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/log.h"
#include "common/dir/dir_watch.h"
#include "common/kern/kern_linux.h"
#include "common/kern/kern_lock.h"
#include "common/kern/nl_sock.h"
#include "ippriv-node/ctl_admin.h"
#include "ippriv-node/ctl_circuits.h"
#include "ippriv-node/ctl_ike.h"
#include "ippriv-node/ctl_metrics.h"
#include "ippriv-node/ctl_peer.h"
#include "ippriv-node/ctl_port.h"
#include "ippriv-node/ctl_publish.h"
#include "ippriv-node/dp.h"

#define LOCK_TABLE "ippriv_node_lock"

enum {
	GOODBYE = 1000,    /* milliseconds to wait for answers to our Deletes, */
	GOODBYE_TUNNELS = 500, /* those for the tunnels, which carry those for the circuits */
	GOODBYE_STEP = 20,
	EVENTS_A_TURN = 256,   /* of the kernel; a client's ESP may cause one a packet (mappings) */
};

struct node {
	const struct node_conf *conf;
	struct io_loop *loop;
	struct nl_sock *lock; /* one relay in a namespace */
	struct kern_linux *kern;
	struct io_watch *events;
	struct dp *dp;
	struct ctl_ike *ike;
	struct ctl_peers *peers;
	struct ctl_circuits *circuits;
	struct ctl_publish *publish;
	struct dir_watch *watch;
	char newest[NODE_STATE_MAX + 16]; /* file with the newest list's time */
	bool told_expired;
	struct ctl_admin *admin;
	struct ctl_metrics *metrics; /* NULL: nobody wants them */
	struct io_timer *goodbye;
	uint64_t goodbye_until; /* loop time, 0: not stopping */
	bool tunnels_closed;
	bool changed; /* there may be something of ours in the kernel */
};

/* Nobody gets in by a list that nobody vouches for any more; what is there goes on. */
static bool may_admit(struct node *node)
{
	bool good = dir_watch_list(node->watch) != NULL;

	if (!good && !node->told_expired)
		log_warning("no relay list that is still valid: no new circuits and tunnels");
	node->told_expired = !good;
	return good && !node->goodbye_until;
}

static int admit_client(void *user, const struct ike_path *path, bool encap,
			struct ike_lease *lease, struct ctl_session **session)
{
	struct node *node = user;

	return may_admit(node) ? ctl_circuits_admit(node->circuits, path, encap, lease, session)
			       : -EBUSY;
}

static int admit_relay(void *user, const struct ike_path *path, bool encap,
		       const struct ike_peer *peer, struct ike_ts_list *local,
		       struct ctl_session **session)
{
	struct node *node = user;

	return may_admit(node) ? ctl_peers_admit(node->peers, path, encap, peer, local, session)
			       : -EBUSY;
}

static const struct ctl_admit admit = { .client = admit_client, .relay = admit_relay };

static void on_list(void *user, const struct dir_list *list)
{
	struct node *node = user;

	ctl_peers_update(node->peers, node->ike, list);
	ctl_publish_seen(node->publish, list);
}

static void on_unknown(void *user)
{
	struct node *node = user;

	dir_watch_hurry(node->watch);
}

static void on_left(void *user, uint32_t index)
{
	struct node *node = user;

	ctl_circuits_close(node->circuits, index);
}

static void on_moved(void *user, uint32_t index, const struct prefix *pool)
{
	struct node *node = user;

	ctl_circuits_drop(node->circuits, index, pool);
}

/* The kernel's news of one tunnel or circuit. */
static void on_event(struct node *node, const struct kern_event *event)
{
	uint32_t index = dp_reqid_to_index(event->reqid);
	uint32_t circuit = dp_reqid_to_circuit(event->reqid);

	switch (event->type) {
	case KERN_EVENT_ACQUIRE:
		if (may_admit(node))
			ctl_peers_want(node->peers, node->ike, index);
		break;
	case KERN_EVENT_EXPIRE:
		ctl_peers_expire(node->peers, node->ike, index, event->spi, event->hard);
		ctl_circuits_expire(node->circuits, circuit, event->spi, event->hard);
		break;
	case KERN_EVENT_MAPPING:
		ctl_circuits_mapping(node->circuits, circuit, &event->remote);
		break;
	}
}

static void on_events(void *data)
{
	struct node *node = data;
	struct kern_event event;
	int got = 1;

	for (int i = 0; i < EVENTS_A_TURN && got > 0; i++) {
		got = kern_linux_events_next(node->kern, NULL, &event);
		if (got > 0)
			on_event(node, &event);
	}
	if (got >= 0)
		return;
	log_debug("some kernel events were lost; traffic will ask again");
	ctl_peers_lost(node->peers, node->ike);
	ctl_circuits_lost(node->circuits);
}

/* Says what failed in one line; ERR as is, so that callers end with `return fail(…)`. */
static int fail(int err, char *why, size_t size, const char *what, const char *advice)
{
	snprintf(why, size, "%s: %s; %s", what, strerror(-err), advice);
	return err;
}

static int start_kernel(struct node *node, char *why, size_t size)
{
	int err;

	err = kern_linux_new(&node->kern);
	if (err < 0)
		return fail(err, why, size, "cannot open netlink sockets",
			    err == -EPROTONOSUPPORT ? "modprobe xfrm_user nfnetlink" : "run as root");
	err = kern_linux_probe(node->kern, KERN_ROLE_RELAY, why, size);
	if (err == 0 && node->conf->firewall.exit6)
		err = kern_linux_probe_six(why, size);
	if (err < 0)
		return err;
	err = kern_lock_take(LOCK_TABLE, &node->lock);
	if (err == -EADDRINUSE)
		return fail(err, why, size, "another ippriv-node runs in this network namespace",
			    "stop it first");
	if (err < 0)
		return fail(err, why, size, "cannot make the nftables table " LOCK_TABLE,
			    "modprobe nf_tables");
	return 0;
}

static int start_state(struct node *node, char *why, size_t size)
{
	const char *dir = node->conf->state;

	snprintf(node->newest, sizeof(node->newest), "%s/newest-list", dir);
	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return fail(-errno, why, size, dir, "make this folder, or give another `state`");
	if (access(dir, W_OK | X_OK) < 0)
		return fail(-errno, why, size, dir, "give another `state`");
	if (access(node->newest, R_OK | W_OK) < 0 && errno != ENOENT)
		return fail(-errno, why, size, node->newest, "mend or remove it");
	return 0;
}

static int purge(struct node *node, size_t *removed)
{
	return kern_linux_purge(node->kern, KERN_REQID_NODE, "ippriv-pool",
				node->conf->firewall.table, removed);
}

/* The first that changes the kernel: everything that can be refused before has been tried. */
static int start_clean(struct node *node, char *why, size_t size)
{
	const struct kern *kern = kern_linux_ops(node->kern);
	size_t removed = 0;
	int err = purge(node, &removed);

	if (err < 0) {
		snprintf(why, size, "%s; see `ip xfrm state`, `nft list ruleset`",
			 kern->error(kern->ctx));
		return err;
	}
	node->changed = true;
	if (removed > 0)
		log_info("removed %zu things that a killed run had left", removed);
	return 0;
}

static int start_ike(struct node *node, char *why, size_t size)
{
	const struct node_conf *conf = node->conf;
	struct ctl_ike_conf ike_conf = {
		.listen = conf->listen,
		.address = conf->address,
		.address6 = conf->address6,
		.key = conf->key,
		.liveness = conf->liveness * 1000,
		.life = conf->ike_life,
		.sa_max = conf->max_circuits + DP_PEER_MAX,
		.admit = &admit,
		.user = node,
	};
	char what[ADDR_TEXT + 32], text[ADDR_TEXT];
	struct endpoint at;
	int err = ctl_ike_new(node->loop, &ike_conf, &node->ike, &at);

	crypto_sign_key_wipe(&ike_conf.key);
	snprintf(what, sizeof(what), "UDP %s", endpoint_text(&at, text));
	if (err == -EADDRINUSE)
		return fail(err, why, size, what, "stop the other IKE daemon");
	if (err == -ENOPROTOOPT)
		return fail(err, why, size, what, "marks of datagrams (SO_RCVMARK) need Linux 5.19 "
						  "or later");
	if (err == -EADDRNOTAVAIL)
		return fail(err, why, size, what, ctl_port_advice(&at));
	return err < 0 ? fail(err, why, size, what, "run as root") : 0;
}

static struct dp_self self_of(const struct node_conf *conf)
{
	return (struct dp_self){ .address = conf->address, .listen = conf->listen,
				 .pool = conf->pool, .pools = conf->firewall.pools };
}

static struct life_rule life_of(const struct node_conf *conf)
{
	return (struct life_rule){ .seconds = conf->child_life, .bytes = (uint64_t)conf->child_kilobytes << 10 };
}

static int start_data_path(struct node *node, char *why, size_t size)
{
	const struct kern *kern = kern_linux_ops(node->kern);
	struct dp_self self = self_of(node->conf);
	int err = dp_new(kern, &self, &node->conf->firewall, &node->dp);

	if (err == -EPROTONOSUPPORT)
		snprintf(why, size, "%s", kern->error(kern->ctx));
	else if (err < 0)
		snprintf(why, size, "cannot install the relay's route and firewall: %s; does another "
			 "program use 100.64.0.0/10?", kern->error(kern->ctx));
	return err;
}

static int new_paths(struct node *node)
{
	const struct node_conf *conf = node->conf;
	struct ctl_peers_conf peers_conf = {
		.self = self_of(conf), .identity = conf->key.pub, .life = life_of(conf),
		.dp = node->dp, .loop = node->loop, .unknown = on_unknown, .left = on_left,
		.moved = on_moved, .user = node,
	};
	struct ctl_circuits_conf circuits_conf = {
		.self = self_of(conf), .dns = conf->dns, .six = conf->firewall.exit6,
		.life = life_of(conf),
		.quota = { .most = conf->max_circuits, .rate = conf->circuit_rate,
			   .peer_most = conf->peer_circuits, .peer_rate = conf->peer_rate },
		.idle = conf->liveness * 1000, .silence = conf->client_silence * 1000,
		.dp = node->dp, .ike = node->ike, .loop = node->loop,
	};
	int err = ctl_peers_new(&peers_conf, &node->peers);

	circuits_conf.peers = node->peers;
	return err < 0 ? err : ctl_circuits_new(&circuits_conf, &node->circuits);
}

static int start_paths(struct node *node, char *why, size_t size)
{
	int err = start_data_path(node, why, size), fd;

	if (err < 0)
		return err;
	err = new_paths(node);
	if (err < 0)
		return fail(err, why, size, "cannot start", "is there memory left?");
	fd = kern_linux_events_all_fd(node->kern);
	if (fd < 0)
		return fail(fd, why, size, "cannot listen to the kernel's events", "run as root");
	err = io_watch_new(node->loop, fd, on_events, node, &node->events);
	return err < 0 ? fail(err, why, size, "cannot start", "is there memory left?") : 0;
}

static int start_directory(struct node *node, char *why, size_t size)
{
	const struct node_conf *conf = node->conf;
	struct dir_watch_conf watch_conf = { .url = conf->directory, .trust = conf->trust,
					     .refresh = conf->refresh,
					     .state = node->newest, .list = on_list,
					     .user = node };
	int err = ctl_publish_new(node->loop, conf, &node->publish);

	if (err == 0)
		err = dir_watch_new(node->loop, &watch_conf, &node->watch);
	if (err == -EBADMSG)
		return fail(err, why, size, node->newest, "mend or remove it");
	return err < 0 ? fail(err, why, size, "cannot start", "is there memory left?") : 0;
}

static int start_admin(struct node *node, char *why, size_t size)
{
	const char *path = node->conf->control;
	int err = ctl_admin_new(node->loop, path, &node->admin);

	return err < 0 ? fail(err, why, size, path, "choose another `control`") : 0;
}

static int start_metrics(struct node *node, char *why, size_t size)
{
	const struct endpoint *at = &node->conf->metrics;
	char text[ADDR_TEXT];
	int err = at->addr.family == 0 ? 0 : ctl_metrics_new(node->loop, at, &node->metrics);

	return err < 0 ? fail(err, why, size, endpoint_text(at, text), "choose another port for `metrics`")
		       : 0;
}

static void serve_metrics(struct node *node)
{
	struct ctl_metrics_conf conf = { .every = node->conf->metrics_every, .ike = node->ike,
					 .peers = node->peers, .circuits = node->circuits,
					 .watch = node->watch };

	if (node->metrics)
		ctl_metrics_serve(node->metrics, &conf);
}

static void serve_admin(struct node *node)
{
	struct ctl_admin_conf conf = { .nickname = node->conf->nickname,
				       .address = node->conf->address, .ike = node->ike,
				       .peers = node->peers, .circuits = node->circuits };

	ctl_admin_serve(node->admin, &conf);
}

int node_new(struct io_loop *loop, const struct node_conf *conf, struct node **out, char *why,
	     size_t size)
{
	struct node *node = calloc(1, sizeof(*node));
	int err;

	if (!node)
		return fail(-ENOMEM, why, size, "cannot start", "is there memory left?");
	node->conf = conf;
	node->loop = loop;
	err = start_kernel(node, why, size);
	if (err == 0)
		err = start_ike(node, why, size);
	if (err == 0)
		err = start_admin(node, why, size);
	if (err == 0)
		err = start_metrics(node, why, size);
	if (err == 0)
		err = start_state(node, why, size);
	if (err == 0)
		err = start_clean(node, why, size);
	if (err == 0)
		err = start_paths(node, why, size);
	if (err == 0)
		err = start_directory(node, why, size);
	if (err < 0) {
		node_free(node);
		return err;
	}
	serve_admin(node);
	serve_metrics(node);
	if (conf->firewall.exit && conf->dns.family == 0)
		log_warning("an exit without `dns`: clients that choose it cannot resolve names");
	if (node_conf_outsleeps(conf))
		log_warning("client_silence is more than half of child_life: keys of a client that "
			    "sleeps so long are gone before, and its circuit with them");
	*out = node;
	return 0;
}

/* Circuits first: their Deletes and the answers go through the tunnels. */
static void on_goodbye(void *data)
{
	struct node *node = data;
	uint64_t now = io_loop_now(node->loop);

	if (!node->tunnels_closed && (ctl_circuits_count(node->circuits) == 0 ||
				      now + GOODBYE_TUNNELS >= node->goodbye_until)) {
		ctl_peers_close(node->peers, node->ike);
		node->tunnels_closed = true;
	}
	if (now >= node->goodbye_until ||
	    ctl_circuits_count(node->circuits) + ctl_peers_tunnels(node->peers) == 0)
		io_loop_stop(node->loop);
	else
		io_timer_start(node->goodbye, GOODBYE_STEP);
}

void node_stop(struct node *node)
{
	if (node->goodbye_until) {
		io_loop_stop(node->loop);
		return;
	}
	node->goodbye_until = io_loop_now(node->loop) + GOODBYE;
	dp_closing(node->dp);
	ctl_circuits_close(node->circuits, 0);
	if (io_timer_new(node->loop, on_goodbye, node, &node->goodbye) < 0)
		io_loop_stop(node->loop);
	else
		on_goodbye(node);
}

/* Larval SAs of acquires that nobody answered would stay for half a minute. */
static void free_kernel(struct node *node)
{
	size_t removed;

	if (node->changed && purge(node, &removed) < 0)
		log_warning("something of ours may be left in the kernel");
	if (node->kern)
		kern_linux_free(node->kern);
}

void node_free(struct node *node)
{
	if (!node)
		return;
	if (node->goodbye)
		io_timer_free(node->goodbye);
	ctl_metrics_free(node->metrics);
	ctl_admin_free(node->admin);
	dir_watch_free(node->watch);
	ctl_publish_free(node->publish);
	if (node->events)
		io_watch_free(node->events);
	ctl_ike_free(node->ike); /* ends what circuits and peers still have */
	ctl_circuits_free(node->circuits);
	ctl_peers_free(node->peers);
	dp_free(node->dp);
	free_kernel(node);
	nl_sock_free(node->lock);
	free(node);
}
