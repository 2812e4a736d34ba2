#pragma once
/* What was captured, in numbers: of each probe, and of everything else. Pure. */
#include "ippriv-client/leak_packet.h"

enum { LEAK_LINK_NAME = 16, LEAK_LINKS_MAX = 16, LEAK_FLOWS_MAX = 32 };

/* Packets by the link that they left by; of links too many the last one holds the sum. */
struct leak_links {
	size_t count;
	struct {
		char name[LEAK_LINK_NAME];
		uint64_t packets;
	} link[LEAK_LINKS_MAX];
};

/* Plain packets of other programs to one place. */
struct leak_flow {
	struct addr dst; /* family 0: no IP */
	uint8_t proto;
	uint16_t port; /* host order; without IP the ethertype */
	uint64_t packets;
};

enum { LEAK_FETCHES_MAX = 8, LEAK_NETS_MAX = 16 };

/* What may leave in clear though the whole host uses the tunnel. */
struct leak_allowed {
	size_t fetch_count;
	struct endpoint fetch[LEAK_FETCHES_MAX]; /* TCP, where the relay list is */
	size_t net_count;
	struct prefix nets[LEAK_NETS_MAX]; /* that the user has excluded */
};

struct leak_tally {
	struct leak_marks marks;
	struct leak_peers peers;
	struct leak_allowed allowed;
	struct leak_links probes[LEAK_PROBES_MAX]; /* of each, whatever the packet looked like */
	struct leak_links seen;                    /* all that left */
	uint64_t tunnel, encrypted, link, plain;   /* of no probe */
	uint64_t fetch, excluded;                  /* plain, but allowed, and not in PLAIN */
	size_t flow_count;
	struct leak_flow flows[LEAK_FLOWS_MAX]; /* of PLAIN; those after the last have no place */
};

/* Counts one packet that left by LINK (a name). */
void leak_tally_add(struct leak_tally *tally, const char *link, uint16_t ethertype,
		    const void *data, size_t len);
uint64_t leak_links_sum(const struct leak_links *links);
/* Of all probes together. */
uint64_t leak_tally_leaked(const struct leak_tally *tally);
