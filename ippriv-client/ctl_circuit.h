#pragma once
/*
 * One circuit: built hop by hop, each hop negotiated through the ones before it; taken down from
 * the last hop to the first. Knows neither sockets nor clocks: they come in as ctl_circuit_ops.
 */
#include "common/ike/ike_host.h"
#include "ippriv-client/ctl_path.h"
#include "ippriv-client/dp.h"

enum {
	CTL_CIRCUIT_HOPS = DP_LAYERS,
	CTL_CIRCUIT_WHY = 160,
	CTL_CIRCUIT_BUILD_MS = 20000, /* for all hops */
	CTL_CIRCUIT_CLOSE_MS = 1000,  /* for all Deletes */
	CTL_CIRCUIT_NO_HOP = CTL_CIRCUIT_HOPS,
};

enum ctl_circuit_state {
	CTL_CIRCUIT_BUILDING,
	CTL_CIRCUIT_READY,
	CTL_CIRCUIT_CLOSING,
	CTL_CIRCUIT_OVER, /* nothing of it is left outside; free it */
};

struct ctl_circuit;

/* The outside of a circuit. */
struct ctl_circuit_ops {
	/*
	 * Makes FD (a UDP socket, taken) a channel from PATH->local.addr, port 500, to
	 * PATH->remote. FD -1: a socket of the host's own, which others may use as well, at
	 * another port when 500 is taken; with PATH->floated port 4500 and ESP in UDP. Fills
	 * PATH->local.port and PATH->channel.
	 */
	int (*channel_open)(void *user, int fd, struct ike_path *path);
	void (*channel_close)(void *user, uint32_t channel);
	/* The source that the host's packets to REMOTE have. -errno: there is no route. */
	int (*source)(void *user, const struct addr *remote, struct addr *out);
	/* Bytes of the largest packet of the host's that gets to REMOTE, as it knows; 0: it does not. */
	uint32_t (*path_mtu)(void *user, const struct addr *remote);
	uint64_t (*now)(void *user); /* monotonic milliseconds, as in ike_ops */
	/* The state is now another one. The circuit may be closed in here, but not freed. */
	void (*changed)(void *user, struct ctl_circuit *c);
};

/* What holds for all circuits. */
struct ctl_circuit_rules {
	struct life_rule life;  /* of SAs of ESP */
	bool force_encap;      /* ESP of the first layer in UDP even without a NAT */
	uint32_t liveness;     /* milliseconds a hop may be idle before it is probed */
	uint32_t silence;      /* milliseconds only we have sent, then it is asked */
};

struct ctl_circuit_conf {
	uint32_t id;
	struct ike_host *host; /* its ops call ctl_circuit_*, ctl_hop_* and ctl_roam_* */
	struct dp *dp;
	const struct ctl_circuit_ops *ops; /* all borrowed */
	void *user;
	struct ctl_circuit_rules rules;
	struct ctl_path path;
};

/* Starts building; `changed` tells the rest, perhaps from in here. 0 or -ENOMEM. */
int ctl_circuit_new(const struct ctl_circuit_conf *conf, struct ctl_circuit **out) _must_check_;
/* Without a word to the hops when they are still there. NULL is fine. */
void ctl_circuit_free(struct ctl_circuit *c);
/* Deletes from the last hop to the first, each waits for its answer, all for at most a second. */
void ctl_circuit_close(struct ctl_circuit *c);
/* When tick wants to be called next (ops->now), UINT64_MAX: never. */
uint64_t ctl_circuit_deadline(const struct ctl_circuit *c);
void ctl_circuit_tick(struct ctl_circuit *c);
/* Looks at the counters: a hop whose ESP traffic came in needs no liveness probe. */
void ctl_circuit_poll(struct ctl_circuit *c);
/* EVENT->data is C. */
void ctl_circuit_event(struct ctl_circuit *c, const struct dp_event *event);
/* Events are lost: rekeys the child SAs whose limits are reached. */
void ctl_circuit_renew(struct ctl_circuit *c);
/* dp_circuit_attach of a ready circuit; FD is taken. */
int ctl_circuit_attach(struct ctl_circuit *c, int fd, unsigned int slot) _must_check_;
/* The same with the host. */
int ctl_circuit_attach_host(struct ctl_circuit *c, unsigned int slot) _must_check_;
/* dp_circuit_keep, dp_circuit_flows. */
int ctl_circuit_keep(struct ctl_circuit *c) _must_check_;
int ctl_circuit_flows(struct ctl_circuit *c) _must_check_;

/* What ike_ops of the same names hand on; the others are in ctl_hop.h and ctl_roam.h. */
void ctl_circuit_established(struct ike_sa *sa);
void ctl_circuit_ended(struct ike_sa *sa, enum ike_end why);

struct ctl_circuit_info {
	uint32_t id;
	enum ctl_circuit_state state;
	uint64_t started, ready; /* ops->now, 0: not yet */
	uint64_t progress;       /* when a hop came up last, or building began */
	const struct ctl_path *path;
	const struct ike_lease *lease; /* of the exit, NULL: not yet */
	size_t hops_up;
	const char *why;   /* one line when it is closing or over, without names */
	size_t failed_hop; /* 0.. when one hop is to blame, else CTL_CIRCUIT_NO_HOP */
	bool silent;       /* that hop has not answered; it may be the fault of one before it */
	bool away;         /* the host has no way to the entry: waiting, or it ended since */
	bool moved;        /* it was being built when the host's address changed */
};

void ctl_circuit_info(const struct ctl_circuit *c, struct ctl_circuit_info *out);
/* Counters of the layer to hop INDEX. */
int ctl_circuit_stats(struct ctl_circuit *c, size_t index, struct dp_stats *out) _must_check_;
/* Its IKE SA. -ENOENT: there is none. */
int ctl_circuit_hop(const struct ctl_circuit *c, size_t index,
		    struct ike_sa_info *out) _must_check_;
const char *ctl_circuit_state_name(enum ctl_circuit_state state);
