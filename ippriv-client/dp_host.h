#pragma once
/*
 * The host's own network, as the tunnel shuts it: a firewall that lets only the daemon's own
 * packets and chosen exceptions out by other links, and rules that route the rest into a table of
 * ours, where there is the tunnel or nothing. Who ends or dies leaves both as they are.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/addr.h"
#include "common/base/cleanup.h"

struct kern;
struct kern_netns;
struct kern_op;

enum {
	DP_HOST_NETS = 16,
	DP_HOST_SEATS = 4, /* of circuits at once: ippriv0, ippriv1, ... */
	DP_HOST_LEAD = 5,  /* operations of dp_host_lead at most */
	DP_HOST_TABLE = 0x49600000, /* of routes; no layer has that number (dp_id.h) */
};

struct dp_host_conf {
	uint16_t list_port; /* TCP, where the list comes from */
	size_t net_count;
	struct prefix nets[DP_HOST_NETS]; /* reached by other links as ever */
};

/* What the tunnel is at the moment. All 0: nothing. */
struct dp_host_seats {
	struct addr addresses[DP_HOST_SEATS]; /* family 0: there is none */
	struct addr addresses6[DP_HOST_SEATS];
	bool has_names;       /* names are asked for, else nowhere */
	unsigned int names;   /* by the circuit that sits there */
	struct addr resolver; /* whom; family 0: whom the program asks */
};

/* The firewall stands, or is replaced at once. 0 or -errno. */
int dp_host_shut(const struct kern *kern, const struct dp_host_conf *conf,
		 const struct dp_host_seats *seats) _must_check_;
/* The firewall goes. -ENOENT: there was none. */
int dp_host_open(const struct kern *kern);
/* The rules stand; those that do already stay. On failure some do. */
int dp_host_route(const struct kern *kern, const struct dp_host_conf *conf) _must_check_;
/* The rules go, whatever fails; 0 or the first -errno. */
int dp_host_unroute(const struct kern *kern, const struct dp_host_conf *conf);
/*
 * What leads into a circuit's interface NAME, in seat SLOT of NS, the host's own: all that has its
 * address INNER for source, or belongs to a connection of its, by a table of its own with the number
 * ID; last the default route, instead of another circuit's. Names are asked for by IPv4 alone. Pure; how
 * many operations it has filled in OUT, of DP_HOST_LEAD.
 */
size_t dp_host_lead(const struct addr *inner, const char *name, unsigned int slot, uint32_t id,
		  struct kern_netns *ns, struct kern_op *out);
/* The control group with that number may go straight, for SECONDS or (0) until dp_host_open. */
int dp_host_pass(const struct kern *kern, uint64_t cgroup, uint32_t seconds) _must_check_;
/* It may not any more. */
int dp_host_stop(const struct kern *kern, uint64_t cgroup);
/* The kernel's words on the last failure. */
const char *dp_host_error(const struct kern *kern);
/*
 * -EPERM with a line in WHY when the kernel would drop what comes from the entry, as it looks for
 * the way back without minding marks (rp_filter without src_valid_mark).
 */
int dp_host_check(char *why, size_t size) _must_check_;
