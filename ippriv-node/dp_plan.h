#pragma once
/*
 * What a relay asks of the kernel, compiled purely: values in, kern_op arrays out. Nothing is kept,
 * so the same values give the operations to take down again (keys are not needed for that).
 */
#include "common/kern/kern_firewall.h"
#include "common/kern/kern_ops.h"
#include "ippriv-node/dp.h"

enum {
	DP_BASE_OPS = 7,
	DP_TRAP_OPS = 2,
	DP_LINK_OPS = 4,
	DP_PAIR_OPS = 2,
	DP_CIRCUIT_OPS = 4,
	DP_MOVE_OPS = DP_PAIR_OPS + DP_CIRCUIT_OPS,
};

/*
 * The pool's route, the firewall, and our own address where something in front of us translates it.
 * FIREWALL is borrowed by the operations. All return the count.
 */
size_t dp_plan_base(const struct dp_self *self, const struct kern_firewall *firewall,
		    struct kern_op ops[DP_BASE_OPS]);
/* Out policies that make the kernel ask for an overlay tunnel (acquire) when traffic wants one. */
size_t dp_plan_trap(const struct dp_self *self, const struct dp_peer *peer,
		    struct kern_op ops[DP_TRAP_OPS]);
/* The peer's policies that need its pool: own IKE with clients behind it, replies to our pool. */
size_t dp_plan_link(const struct dp_self *self, const struct dp_peer *peer,
		    struct kern_op ops[DP_LINK_OPS]);
/* HALVES of an SA pair, as dp_half. Overlay peers' inbound SAs mark what they decapsulate. */
size_t dp_plan_pair(const struct dp_way *way, const struct dp_keys *keys, unsigned int halves,
		    struct kern_op ops[DP_PAIR_OPS]);
/* The way out to a circuit's SAs, and the only way in from them. */
size_t dp_plan_circuit(const struct dp_self *self, const struct dp_circuit *circuit,
		       struct kern_op ops[DP_CIRCUIT_OPS]);
/* What stands of a circuit that comes straight and has one SA pair, for kern.move. */
size_t dp_plan_move(const struct dp_self *self, const struct dp_circuit *circuit, uint32_t spi_in,
		    uint32_t spi_out, struct kern_op ops[DP_MOVE_OPS]);
