#pragma once
/*
 * A circuit with everything around it in one process: three responders, a network that carries a
 * message to hop k only through the layers that stand, a fake kernel, a clock that jumps.
 */
#include "client/fake_kern.h"
#include "ippriv-client/ctl_hop.h"
#include "ippriv-client/ctl_roam.h"

enum { TRIO_HOPS = CTL_CIRCUIT_HOPS, TRIO_QUEUE = 64, TRIO_CHANNELS = 8, TRIO_MSG = 2048 };

struct trio;

struct trio_relay {
	struct trio *trio;
	size_t index;
	struct ike_host *host;
	struct crypto_sign_key key;
	struct addr address, lease;
	struct addr lease6;      /* none: it gives no IPv6 */
	struct addr address6;    /* none: it has no IPv6 */
	struct ike_ts_list ts;   /* what it narrows to */
	struct ike_child child;  /* the last one it installed */
	unsigned int children;   /* it has */
	struct ike_sa *sa;       /* the one that is up */
	bool mute;               /* hears and says nothing */
	int admit_error;         /* refuses so */
	bool up;
	enum ike_end end;
	unsigned int order;      /* the how-manieth of all SAs to end, from 1 on */
	unsigned int heard;      /* messages */
	bool null_auth, psk_auth, wanted_lease;
};

struct trio_message {
	size_t to; /* relay, TRIO_HOPS: the client */
	struct ike_path path;
	size_t len;
	uint8_t bytes[TRIO_MSG];
};

struct trio_channel {
	bool open, floated;
	unsigned int refs;
	uint64_t netns;
	struct endpoint local;
};

struct trio {
	uint64_t now; /* milliseconds */
	struct fake_kern kern;
	struct dp *dp;
	struct ike_host *host;
	struct ctl_circuit *circuit;
	struct ctl_circuit_info seen; /* when it changed last */
	size_t failed_hop;
	char why[CTL_CIRCUIT_WHY];
	struct trio_relay relays[TRIO_HOPS];
	struct ctl_path path;
	struct ctl_circuit_rules rules;
	struct addr address;  /* the host's; whatever has another one is lost */
	struct addr nat;      /* the one it is seen at; none: as it is */
	bool away;            /* it has no route */
	uint32_t path_mtu;    /* of its way to whomever, 0: it knows none */
	unsigned int keepalives;
	struct trio_channel channels[TRIO_CHANNELS];
	size_t queued, sent;
	struct trio_message queue[TRIO_QUEUE];
	unsigned int ended;
	unsigned int changes;
};

/* LIVENESS in milliseconds. */
void trio_init(struct trio *t, uint32_t liveness);
void trio_fini(struct trio *t);
/* Before that: relay 0 knows neither port 4500 nor MOBIKE. */
void trio_fix(struct trio *t);
/* Begins the circuit, by RULES. */
void trio_start(struct trio *t);
/* Delivers what is queued and lets MS milliseconds go by, step by step. */
void trio_run(struct trio *t, uint64_t ms);
enum ctl_circuit_state trio_state(const struct trio *t);
/* Channels open. */
size_t trio_channels(const struct trio *t);
/* The host gets another address, by which the relays see it, and the circuit is told. */
void trio_roam(struct trio *t, struct addr address, bool away);
/* Hands all that the kernel tells to the circuit. */
void trio_events(struct trio *t);
/* The IKE SA of hop I. */
struct ike_sa_info trio_hop(const struct trio *t, size_t i);
