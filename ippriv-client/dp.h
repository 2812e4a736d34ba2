#pragma once
/*
 * The client's data path: a telescope of network namespaces. Layer 1 is ESP in the daemon's
 * namespace, and its xfrm interface stands in an anonymous namespace behind it; layer 2 is ESP in
 * there, and so on. The last interface goes into the application's namespace. Circuits know this
 * file, not the kernel.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/addr.h"
#include "common/base/cleanup.h"
#include "common/base/life.h"
#include "common/base/secret.h"

struct kern;
struct kern_event;
struct kern_linux;
struct kern_netns;

/* The kernel: kern_ops.h and what kern_linux.h has beyond, or a fake. Outlives the dp. */
struct dp_kernel {
	const struct kern *kern;
	struct kern_linux *owner;
	int (*netns_new)(struct kern_linux *owner, struct kern_netns **out);
	int (*netns_from_fd)(struct kern_linux *owner, int fd, struct kern_netns **out);
	void (*netns_free)(struct kern_netns *ns);
	int (*netns_socket)(struct kern_netns *ns, int domain, int type, int protocol);
	int (*events_fd)(struct kern_linux *owner, struct kern_netns *ns);
	int (*events_next)(struct kern_linux *owner, struct kern_netns *ns, struct kern_event *out);
	int (*route_fd)(struct kern_linux *owner);
	void (*route_drain)(struct kern_linux *owner);
};

enum { DP_LAYERS = 3 };

enum dp_aead { DP_AEAD_AES_GCM_256, DP_AEAD_CHACHA20_POLY1305 };

/* Where the ESP packets of a layer go. Ports 0: plain ESP, else in UDP (RFC 3948). */
struct dp_path {
	struct endpoint local, remote;
};

/* A pair of SAs as values. */
struct dp_pair {
	uint32_t spi_in, spi_out;  /* host order */
	enum dp_aead aead;
	bool esn;
	struct secret key_in, key_out; /* 36 bytes: key, then salt */
	struct life life;
};

/* One layer as values: the ESP tunnel to one hop. */
struct dp_layer {
	struct dp_path path;
	struct addr inner;  /* what the hop has assigned to us, */
	struct addr inner6; /* and of IPv6, family 0: nothing; of the last layer only */
	struct dp_pair pair;
};

struct dp_count {
	uint64_t bytes, packets;
};

struct dp_stats {
	struct dp_count in, out;
};

/* What the kernel tells of a layer: an SA is to be replaced, or is gone. */
struct dp_event {
	void *data;   /* of the circuit */
	size_t layer;
	uint32_t spi; /* host order */
	bool hard;    /* it is gone */
};

struct dp;
struct dp_circuit; /* layers that stand, and where the last interface went */

/* SEED: any random number, for the first id. 0 or -errno. */
int dp_new(const struct dp_kernel *kernel, uint32_t seed, struct dp **out) _must_check_;
/* All its circuits have been freed before. NULL is fine. */
void dp_free(struct dp *dp);
/* The kernel's words on the last failure. */
const char *dp_error(const struct dp *dp);
/* Readable when the kernel has something to tell, of whatever layer; then drain with next. */
int dp_events_fd(const struct dp *dp);
/* 1 with *OUT filled, 0 when there is none left, -ENOBUFS: the kernel has dropped some. */
int dp_events_next(struct dp *dp, struct dp_event *out);

/* Readable when addresses, links or routes of the host have changed; -errno. drain forgets that. */
int dp_routes_fd(const struct dp *dp);
void dp_routes_drain(const struct dp *dp);

/* DATA is for events. */
int dp_circuit_new(struct dp *dp, void *data, struct dp_circuit **out) _must_check_;
/* Takes down everything that stands, innermost layer first. NULL is fine. */
void dp_circuit_free(struct dp_circuit *c);
/* A socket in the namespace behind the last layer: a descriptor for the caller, or -errno. */
int dp_circuit_socket(struct dp_circuit *c, int domain, int type, int protocol) _must_check_;
/*
 * Makes what the next layer can have before its keys are there, nothing on failure: to be called
 * while a hop's answer is on its way, as it takes longer than the cryptography (moving an interface
 * waits for RCU). Without it push does that.
 */
int dp_circuit_prepare(struct dp_circuit *c) _must_check_;
/* Installs the next layer; nothing of it is left on failure. LAYER's keys stay the caller's. */
int dp_circuit_push(struct dp_circuit *c, const struct dp_layer *layer) _must_check_;
/* Takes down the layers from the innermost on until KEEP are left. */
void dp_circuit_cut(struct dp_circuit *c, size_t keep);

/*
 * One more pair beside those that layer INDEX has: from now on it is the one that sends, and all
 * receive. IN_ONLY: its outbound SA comes with dp_pair_switch. -ENOSPC: too many. On failure
 * everything is as it was.
 */
int dp_pair_add(struct dp_circuit *c, size_t index, const struct dp_pair *pair,
		bool in_only) _must_check_;
int dp_pair_switch(struct dp_circuit *c, size_t index, const struct dp_pair *pair) _must_check_;
/* The outbound SA of that pair goes, which another one has replaced; nothing when it is gone already. */
void dp_pair_mute(struct dp_circuit *c, size_t index, uint32_t spi_in);
/*
 * What is there of the pair goes; nothing when it is gone already. False: the layer stands and has
 * nothing left that receives.
 */
bool dp_pair_del(struct dp_circuit *c, size_t index, uint32_t spi_in);
/*
 * The packets of layer INDEX, which carries no IPv6, go along PATH from now on. Of several pairs only
 * the newest moves, and the others go. On failure some has moved, perhaps: take the circuit down.
 */
int dp_circuit_move(struct dp_circuit *c, size_t index, const struct dp_path *path) _must_check_;

/*
 * Puts the last interface, `ippriv` and SLOT, with its address, into the network namespace behind FD
 * (taken, whatever happens), whose default route then leads there; for IPv6 only where it has an address
 * for it and the namespace takes that, else IPv6 leads nowhere there, and old circuits lose it, too.
 * -EINVAL when not all layers stand, -EBUSY when it has been put somewhere before. -EEXIST: there is such
 * an interface over there, and the circuit is as before; after other errors it serves nobody else, as its
 * owner may have got hold of the interface.
 */
int dp_circuit_attach(struct dp_circuit *c, int fd, unsigned int slot) _must_check_;
/*
 * The same with the daemon's own namespace; the route goes into the host's table, and what has this
 * circuit's address goes on through it whatever comes after (dp_host_lead).
 */
int dp_circuit_attach_host(struct dp_circuit *c, unsigned int slot) _must_check_;
/*
 * Before another circuit is attached to the same namespace: what has this one's address goes on
 * through it then. Again, and for the host: nothing happens.
 */
int dp_circuit_keep(struct dp_circuit *c) _must_check_;
/*
 * 1 when a connection that began at its address, or was translated to it, is tracked where it is
 * attached, 0: none; -errno: that cannot be told.
 */
int dp_circuit_flows(struct dp_circuit *c) _must_check_;
/* Counters of layer INDEX (0 outermost), over all its SAs since it stands: they never fall. */
int dp_circuit_stats(struct dp_circuit *c, size_t index, struct dp_stats *out) _must_check_;
/* MTU of `ippriv0`, bytes. */
uint32_t dp_mtu(void);
/*
 * Whether an IPv6 packet of the smallest size that every link has to carry fits through the layers when
 * packets of LINK_MTU bytes get to the entry: by IPv6 (OUTER6) or IPv4, in UDP (ENCAP) or not.
 */
bool dp_carries_six(uint32_t link_mtu, bool outer6, bool encap);
/* IPv6 leads nowhere any more where it is attached, and who has a connection by it is told. */
void dp_circuit_drop_six(struct dp_circuit *c);
