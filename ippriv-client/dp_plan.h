#pragma once
/* A layer of the telescope as kernel operations. Pure. */
#include "common/kern/kern_ops.h"
#include "ippriv-client/dp.h"

enum {
	DP_PLAN_ESP = 5,  /* two SAs, three policies */
	DP_PLAN_LINK = 3, /* interface, address, default route */
	DP_PLAN_LINK_MTU = 1500, /* of the underlying link, bytes */
	DP_PLAN_WINDOW = 1024,   /* packets of the inbound replay window: relays reorder */
	DP_PLAN_WINDOW_OUT = 32, /* the kernel wants some window on an outbound SA with ESN */
	DP_PLAN_PRIORITY = 1000,
};

/* Prefix of the names our interfaces have while they stand in the daemon's own namespace. */
#define DP_PLAN_PREFIX "ippriv-h"
/* The interface in the application's namespace. */
#define DP_PLAN_LAST "ippriv0"

/* Bytes that fit into one ESP tunnel packet of OUTER bytes (IPv4, AEAD with 16-byte ICV). */
uint32_t dp_plan_mtu(uint32_t outer);
/* SAs and policies of LAYER in namespace NS; ID is their reqid and if_id. */
void dp_plan_esp(const struct dp_layer *layer, uint32_t id, struct kern_netns *ns,
		 struct kern_op out[DP_PLAN_ESP]);
/*
 * The interface that leads into LAYER: made in FROM, where the SAs are, it ends up in TO with the
 * assigned address and a default route. MTU in bytes.
 */
void dp_plan_link(const struct dp_layer *layer, uint32_t id, const char *name, uint32_t mtu,
		  struct kern_netns *from, struct kern_netns *to, struct kern_op out[DP_PLAN_LINK]);
