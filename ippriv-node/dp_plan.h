#pragma once
/*
 * What a relay asks of the kernel, compiled purely: values in, kern_op arrays out. Nothing is kept,
 * so the same values give the operations to take down again (keys are not needed for that).
 */
#include "common/kern/kern_firewall.h"
#include "common/kern/kern_ops.h"
#include "ippriv-node/dp.h"

enum {
	DP_BASE_OPS = 3,
	DP_TRAP_OPS = 2,
	DP_LINK_OPS = 4,
	DP_TUNNEL_OPS = 2,
	DP_CIRCUIT_OPS = 4,
};

/* The pool's route and the firewall. FIREWALL is borrowed by the operations. Returns the count. */
size_t dp_plan_base(const struct kern_firewall *firewall, struct kern_op ops[DP_BASE_OPS]);
/* Out policies that make the kernel ask for an overlay tunnel (acquire) when traffic wants one. */
size_t dp_plan_trap(const struct dp_self *self, const struct dp_peer *peer,
		    struct kern_op ops[DP_TRAP_OPS]);
/* The peer's policies that need its pool: own IKE with clients behind it, replies to our pool. */
size_t dp_plan_link(const struct dp_self *self, const struct dp_peer *peer,
		    struct kern_op ops[DP_LINK_OPS]);
/* One overlay tunnel: its SA pair. */
size_t dp_plan_tunnel(const struct dp_self *self, const struct dp_peer *peer,
		      const struct dp_keys *keys, struct kern_op ops[DP_TUNNEL_OPS]);
/* One circuit: its SA pair, the way out to it, and the only way in from it. */
size_t dp_plan_circuit(const struct dp_self *self, const struct dp_circuit *circuit,
		       const struct dp_keys *keys, struct kern_op ops[DP_CIRCUIT_OPS]);
