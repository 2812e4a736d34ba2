#pragma once
/*
 * What may be asked of the kernel: one operation at a time, each a plain value. The daemons compile
 * plans (arrays of operations) purely and run them through struct kern; a fake kernel stands in for
 * it in tests. No kernel header, libmnl or libnftnl outside common/kern.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/addr.h"
#include "common/base/cleanup.h"
#include "common/base/life.h"
#include "common/base/secret.h"

/*
 * Everything we put into a kernel is ours by one of these: reqid or if_id in a range of ours, a
 * name prefix, the nftables table's name, or, of routes and rules, the protocol (who made it). (A
 * mark alone proves nothing: others use marks.) A routing table of ours has a number in the ranges
 * of if_ids, so that it is nobody else's.
 */
enum {
	KERN_REQID_NODE = 0x49500000,   /* relay: overlay tunnels and circuits, 20 bits below */
	KERN_REQID_CLIENT = 0x49600000, /* client: its layers; the same number is the if_id */
	KERN_ID_MASK = 0x000fffff,
	KERN_PROTOCOL = 73, /* of routes and rules, a number that rt_protos gives to nobody */
	KERN_MARK_MASK = 0x0fff0000, /* overlay peers: peer index << KERN_MARK_SHIFT */
	KERN_MARK_SHIFT = 16,
};

enum kern_aead {
	KERN_AEAD_AES_GCM_16_256,    /* rfc4106(gcm(aes)), 36 bytes: key then salt */
	KERN_AEAD_CHACHA20_POLY1305, /* rfc7539esp(chacha20,poly1305), 36 bytes: key then salt */
};

enum kern_dir { KERN_DIR_IN, KERN_DIR_OUT, KERN_DIR_FWD };

struct kern_mark {
	uint32_t value, mask; /* mask 0: no mark */
};

/* A namespace we hold, opaque. NULL stands for the namespace the daemon started in. */
struct kern_netns;

/* UDP ports around ESP (RFC 3948), host order, 0: plain ESP. */
struct kern_encap {
	uint16_t sport, dport;
};

/* One ESP tunnel-mode SA, wildcard selector (af-unspec), noecn, no DSCP copy, outer DF clear. */
struct kern_sa {
	struct addr src, dst;
	uint32_t spi; /* host order */
	uint32_t reqid, if_id;
	enum kern_aead aead;
	struct secret key;
	bool esn;
	uint32_t replay_window; /* packets, 0..4096; outbound: 0 (with ESN the kernel gets 32) */
	/*
	 * Inbound: put on what this SA has decapsulated. Outbound: on the ESP packets that it makes,
	 * before they are routed, so that rules can send them another way than what is inside.
	 */
	struct kern_mark set_mark;
	struct kern_encap encap;
	struct life life;
};

struct kern_selector {
	struct prefix src, dst;
	uint8_t proto;          /* 0 any */
	uint16_t sport, dport;  /* host order, 0 any */
};

struct kern_template {
	struct addr src, dst;
	uint32_t reqid;
};

struct kern_policy {
	enum kern_dir dir;
	struct kern_selector sel;
	uint32_t if_id;
	struct kern_mark mark;
	uint32_t priority; /* lower wins */
	uint8_t template_count; /* templates innermost first; 0: allow in clear */
	struct kern_template templates[2];
};

enum kern_link_kind { KERN_LINK_XFRM, KERN_LINK_DUMMY };

enum { KERN_NAME = 16 }; /* IFNAMSIZ */

struct kern_link {
	enum kern_link_kind kind;
	char name[KERN_NAME];
	uint32_t if_id; /* KERN_LINK_XFRM */
	uint32_t mtu;   /* bytes, 0: default */
	/*
	 * Where the link ends up when this is not the namespace it is made in: it is created here
	 * (an xfrm interface goes on encrypting here), then moved to TARGET. NULL: it stays. Then
	 * it is brought up. -EEXIST when the name is taken in either namespace.
	 */
	struct kern_netns *target;
};

struct kern_address {
	char link[KERN_NAME];
	struct prefix prefix;
};

struct kern_route {
	char link[KERN_NAME];
	struct prefix dst;
	uint32_t mtu;   /* 0: the link's */
	uint32_t table; /* 0: main */
	bool unreachable; /* instead of into a link: says no, after all other routes of the table */
	struct addr source; /* that whoever has not chosen one gets; family 0: the kernel chooses */
	bool replace;       /* add: in the place of the one to DST in TABLE, if any, at once */
};

enum { KERN_TABLE_MAIN = 254 };

/*
 * Which packets look up TABLE: those that match all of it. Rules are asked in the order of their
 * priorities (lower first), of one priority in the order they were added. Deleting wants the same
 * value; what it leaves open (no prefix, no mark) matches any, so let priority and table tell two
 * rules apart.
 */
struct kern_rule {
	uint16_t family;        /* AF_INET or AF_INET6 */
	uint32_t priority;      /* not 0, which is that of the kernel's rule for local addresses */
	struct prefix from, to; /* family 0: any */
	bool local;            /* of this host's own, not forwarded */
	struct kern_mark mark;
	uint8_t proto;         /* 0 any */
	uint16_t sport, dport; /* host order, 0 any; only with a protocol */
	bool invert; /* those that do not match, as with "ip rule add not ..." */
	uint32_t table;
};

/*
 * IPv4 and IPv6 policies whose local and remote prefixes have so many bits or more are found by hash;
 * the kernel's own values, all bits, are what deleting puts back. Others are in trees: found in time,
 * but each insertion takes longer the more there are.
 */
struct kern_spd_hash {
	uint8_t local_bits, remote_bits;
	uint8_t local_bits6, remote_bits6;
};

/* Exit policy and forwarding rules of a relay, compiled to one table, see kern_firewall.h. */
struct kern_firewall;
/* What may leave a client's host and pass by the tunnel, see kern_shield.h. */
struct kern_shield;
struct kern_direct;

enum kern_op_type {
	KERN_OP_SA,
	KERN_OP_POLICY,
	KERN_OP_LINK,
	KERN_OP_ADDRESS,
	KERN_OP_ROUTE,
	KERN_OP_RULE,
	KERN_OP_LINK_UP, /* up: bring the named link up; it stays up on undo */
	KERN_OP_SPD_HASH, /* how policies are found, for the whole namespace */
	KERN_OP_FIREWALL, /* add replaces a table of that name, whole and at once */
	KERN_OP_FIREWALL6, /* the same of an exit's table for IPv6 */
	KERN_OP_SHIELD, /* the same, but for the groups that were let past */
	KERN_OP_DIRECT, /* lets a group past the shield, which stands */
};

struct kern_op {
	enum kern_op_type type;
	struct kern_netns *netns; /* where; NULL: the daemon's own */
	union {
		struct kern_sa sa;
		struct kern_policy policy;
		struct kern_link link;
		struct kern_address address;
		struct kern_route route;
		struct kern_rule rule;
		char link_up[KERN_NAME];
		struct kern_spd_hash spd_hash;
		const struct kern_firewall *firewall; /* of both; borrowed for the call */
		const struct kern_shield *shield;     /* likewise; NULL will do for deleting */
		const struct kern_direct *direct;     /* likewise */
	};
};

/* Counters of one SA as the kernel keeps them. */
struct kern_sa_stats {
	uint64_t bytes, packets;
	uint64_t add_time, use_time; /* seconds since the epoch; use_time 0: never used */
};

/* The way that a layer's ESP goes: outer addresses and the UDP ports around it, 0: plain ESP. */
struct kern_path {
	struct endpoint local, remote;
};

enum kern_event_type {
	KERN_EVENT_ACQUIRE, /* traffic hit a policy of ours whose outbound SA does not exist */
	KERN_EVENT_EXPIRE,  /* a limit of an SA is reached */
	KERN_EVENT_MAPPING, /* authentic ESP in UDP came from elsewhere than the SA says */
};

struct kern_event {
	enum kern_event_type type;
	uint32_t reqid;
	struct addr src, dst;   /* ACQUIRE: of the template; else of the SA as it is known */
	uint32_t spi;           /* EXPIRE, MAPPING; host order */
	bool hard;              /* EXPIRE: it is gone */
	struct endpoint remote; /* MAPPING: where the packet came from */
};

/*
 * The kernel as a struct of function pointers. All return 0 or -errno; error text of the last
 * failure (the kernel's own words where it gave some) through error(). add: -EEXIST when such a
 * thing is there. del: -ENOENT when there is none.
 */
struct kern {
	void *ctx;
	int (*add)(void *ctx, const struct kern_op *op);
	int (*del)(void *ctx, const struct kern_op *op);
	int (*sa_stats)(void *ctx, struct kern_netns *netns, const struct addr *dst, uint32_t spi,
			struct kern_sa_stats *out);
	/*
	 * Lays one layer on another path: all of its SAs and policies, which OPS holds as they were
	 * added (without keys; others are left alone), and which it changes to what they are then.
	 * One pair of SAs, the only one of its reqid: end what a rekeying has left before. Policies
	 * of one template each, one of them outbound, and without a mark. Sequence numbers, replay
	 * windows, counters and lifetimes go on, a soft limit that is over is told again. Packets
	 * are lost (those of some 100 microseconds) only where UDP goes away. -ENOENT: there is no
	 * such policy or SA; after any error but -EINVAL the layer is good for kern_plan_del only.
	 */
	int (*move)(void *ctx, struct kern_op *ops, size_t count, const struct kern_path *to);
	/*
	 * Makes the daemon's own namespace forget all connections that began at an address in SRC:
	 * what NAT did for them ends, too. Of one IPv4 address the kernel searches its table
	 * itself, of one IPv6 address by the mark that KERN_OP_FIREWALL6 gives to connections, which
	 * only those have then; of other prefixes it hands out all. -EPROTONOSUPPORT: it cannot list them.
	 */
	int (*flows_del)(void *ctx, const struct prefix *src);
	/*
	 * 1 when NETNS tracks a connection whose answers go to the address HOME, else 0: it
	 * began there, or was translated to it.
	 * -EPROTONOSUPPORT: it cannot tell.
	 */
	int (*flows_any)(void *ctx, struct kern_netns *netns, const struct addr *home);
	/*
	 * Ends the connected TCP and UDP sockets in NETNS whose own address is SRC: their owners read
	 * ECONNABORTED, instead of waiting for answers that cannot come. -EPROTONOSUPPORT: it cannot.
	 */
	int (*sockets_end)(void *ctx, struct kern_netns *netns, const struct addr *src);
	const char *(*error)(void *ctx);
};

/* Adds OPS in order; on a failure takes back, in reverse, what was added, and returns the error. */
int kern_plan_add(const struct kern *kern, const struct kern_op *ops, size_t count) _must_check_;
/* Deletes OPS in reverse order, all of them, whatever fails; -errno of the first real failure. */
int kern_plan_del(const struct kern *kern, const struct kern_op *ops, size_t count);
/* Wipes the keys in OPS. */
void kern_plan_wipe(struct kern_op *ops, size_t count);
