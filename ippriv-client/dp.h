#pragma once
/*
 * The client's data path: a telescope of network namespaces. Layer 1 is an SA pair in the daemon's
 * namespace, and its xfrm interface stands in an anonymous namespace behind it; layer 2 is an SA
 * pair in there, and so on. The last interface goes into the application's namespace. Circuits
 * know this file, not the kernel.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/addr.h"
#include "common/base/cleanup.h"
#include "common/base/secret.h"

struct kern;
struct kern_linux;
struct kern_netns;

/* The kernel: kern_ops.h and the namespaces of kern_linux.h, or a fake. Outlives the dp. */
struct dp_kernel {
	const struct kern *kern;
	struct kern_linux *owner;
	int (*netns_new)(struct kern_linux *owner, struct kern_netns **out);
	int (*netns_from_fd)(struct kern_linux *owner, int fd, struct kern_netns **out);
	void (*netns_free)(struct kern_netns *ns);
	int (*netns_socket)(struct kern_netns *ns, int domain, int type, int protocol);
};

enum { DP_LAYERS = 3 };

enum dp_aead { DP_AEAD_AES_GCM_256, DP_AEAD_CHACHA20_POLY1305 };

/* One layer as values: the ESP tunnel to one hop. */
struct dp_layer {
	struct addr local, remote; /* of the ESP packets */
	struct addr inner;         /* what the hop has assigned to us */
	uint32_t spi_in, spi_out;  /* host order */
	enum dp_aead aead;
	bool esn;
	struct secret key_in, key_out; /* 36 bytes: key, then salt */
};

struct dp_count {
	uint64_t bytes, packets;
};

struct dp_stats {
	struct dp_count in, out;
};

struct dp;
struct dp_circuit; /* layers that stand, and where the last interface went */

/* SEED: any random number, for the first id. 0 or -ENOMEM. */
int dp_new(const struct dp_kernel *kernel, uint32_t seed, struct dp **out) _must_check_;
/* All its circuits have been freed before. */
void dp_free(struct dp *dp);
/* The kernel's words on the last failure. */
const char *dp_error(const struct dp *dp);

int dp_circuit_new(struct dp *dp, struct dp_circuit **out) _must_check_;
/* Takes down everything that stands, innermost layer first. NULL is fine. */
void dp_circuit_free(struct dp_circuit *c);
/* A socket in the namespace behind the last layer: a descriptor for the caller, or -errno. */
int dp_circuit_socket(struct dp_circuit *c, int domain, int type, int protocol) _must_check_;
/* Installs the next layer; nothing of it is left on failure. LAYER's keys stay the caller's. */
int dp_circuit_push(struct dp_circuit *c, const struct dp_layer *layer) _must_check_;
/* Takes down the layers from the innermost on until KEEP are left. */
void dp_circuit_cut(struct dp_circuit *c, size_t keep);
/*
 * Puts the last interface, `ippriv0` with its address and default route, into the network
 * namespace behind FD (taken, whatever happens). -EINVAL when not all layers stand, -EBUSY when
 * it has been put somewhere before. -EEXIST: there is an `ippriv0` over there, and the circuit is
 * as before; after other errors it serves nobody else, as its owner may have got hold of the
 * interface.
 */
int dp_circuit_attach(struct dp_circuit *c, int fd) _must_check_;
/* Counters of layer INDEX (0 outermost). */
int dp_circuit_stats(struct dp_circuit *c, size_t index, struct dp_stats *out) _must_check_;
/* MTU of `ippriv0`, bytes. */
uint32_t dp_mtu(void);
