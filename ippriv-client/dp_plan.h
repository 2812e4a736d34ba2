#pragma once
/* A layer of the telescope as kernel operations. Pure. */
#include "common/kern/kern_ops.h"
#include "ippriv-client/dp.h"

enum {
	DP_PLAN_PAIR = 2,     /* SAs: in, out */
	DP_PLAN_POLICIES = 3, /* in, forward, out */
	DP_PLAN_ADDRESS = 2,  /* address, default route */
	DP_PLAN_LINK_MTU = 1500, /* of the underlying link, bytes */
	DP_PLAN_WINDOW = 1024,   /* packets of the inbound replay window: relays reorder */
	DP_PLAN_WINDOW_OUT = 32, /* the kernel wants some window on an outbound SA with ESN */
	DP_PLAN_PRIORITY = 1000,
	DP_PLAN_KEPT = 2, /* route in a table of its own, rule */
	DP_PLAN_RULE = 100, /* priority of that rule */
};

/* Prefix of the names our interfaces have while they stand in the daemon's own namespace. */
#define DP_PLAN_PREFIX "ippriv-h"
/* Of the interfaces in the application's namespace: ippriv0, ippriv1, ... */
#define DP_PLAN_LAST "ippriv"

/*
 * Bytes of the largest packet into layer INDEX that needs no fragments on a link of
 * DP_PLAN_LINK_MTU. The first layer is taken as ESP in UDP over IPv6, the largest there is, so that
 * the interfaces stay as they are wherever the client roams: 28 bytes less than plain ESP over IPv4
 * would leave.
 */
uint32_t dp_plan_mtu(size_t index);
/* The SAs of PAIR in namespace NS; ID is their reqid and if_id. */
void dp_plan_pair(const struct dp_path *path, const struct dp_pair *pair, uint32_t id,
		  struct kern_netns *ns, struct kern_op out[DP_PLAN_PAIR]);
/*
 * The policies of a layer to which INNER was assigned. Of IPv6 they let only what is public in and out:
 * nobody behind the tunnel can speak as a router or neighbour (link-local addresses).
 */
void dp_plan_policies(const struct dp_path *path, const struct addr *inner, uint32_t id,
		      struct kern_netns *ns, struct kern_op out[DP_PLAN_POLICIES]);
/*
 * The interface that leads into a layer: made in FROM, where the SAs are, it ends up in TO, without
 * an address. MTU in bytes.
 */
struct kern_op dp_plan_link(uint32_t id, const char *name, uint32_t mtu, struct kern_netns *from,
			    struct kern_netns *to);
/*
 * What has INNER for its source goes on through NAME while the default route of NS leads elsewhere;
 * ID, of the layer, is the number of the table.
 */
void dp_plan_keep(const struct addr *inner, const char *name, uint32_t id, struct kern_netns *ns,
		  struct kern_op out[DP_PLAN_KEPT]);
/* The default route of INNER's family through NAME; TABLE 0: the main one. Who has no source of IPv6 gets INNER. */
struct kern_op dp_plan_default(const struct addr *inner, const char *name, uint32_t table,
			       struct kern_netns *ns);
/* INNER for the interface NAME in NS, and the default route through it. */
void dp_plan_address(const struct addr *inner, const char *name, struct kern_netns *ns,
		     struct kern_op out[DP_PLAN_ADDRESS]);
