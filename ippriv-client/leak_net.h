#pragma once
/* What a hostile or unlucky network does to a host, done to it for a moment and undone. */
#include "common/base/addr.h"
#include "ippriv-client/leak_plan.h"

/* Takes LINK down, keeping its IPv6 addresses, and brings it up with the routes that it had. 0 or -errno. */
struct leak_net_down;
int leak_net_down(const char *link, struct leak_net_down **out) _must_check_;
int leak_net_up(struct leak_net_down *down) _must_check_;

enum { LEAK_ROUTES_MAX = 24 };

/* Routes that were added, by leak_net_rogue. */
struct leak_net_routes {
	size_t count;
	struct leak_net_route {
		struct prefix dst;
		struct addr gateway; /* family 0: on the link */
		char link[LEAK_NAME];
	} route[LEAK_ROUTES_MAX];
};

/*
 * What a hostile DHCP server tells (CVE-2024-3661, CVE-2023-36672): both halves of the Internet, a
 * public address and each entry by the gateway, and a public network on the link. Pure.
 */
void leak_net_rogue(const struct leak_plan *plan, struct leak_net_routes *out);
/* Adds them; what cannot be added is taken out of ROUTES. -errno when none could. */
int leak_net_add(struct leak_net_routes *routes) _must_check_;
void leak_net_del(const struct leak_net_routes *routes);

/* A second interface (a dummy) with an address and the first default route. 0 or -errno. */
struct leak_net_second;
int leak_net_second_add(struct leak_net_second **out) _must_check_;
int leak_net_second_del(struct leak_net_second *second) _must_check_;
