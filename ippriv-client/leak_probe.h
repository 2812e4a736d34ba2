#pragma once
/* The probes: each tries in its own way to get a packet out beside the tunnel. */
#include "ippriv-client/leak_plan.h"

enum leak_probe_kind {
	LEAK_BY_LOOKUP,    /* libc, a name with the token */
	LEAK_BY_DNS,       /* a query for such a name, in UDP */
	LEAK_BY_UDP,
	LEAK_BY_LARGE,     /* UDP in two fragments */
	LEAK_BY_TCP,
	LEAK_BY_ICMP,
	LEAK_BY_SOURCE,    /* UDP from the host's address (IP_FREEBIND) */
	LEAK_BY_RAW,       /* a whole IPv4 packet from the host's address */
	LEAK_BY_FRAME,     /* a packet socket, on each link there is */
	LEAK_BY_LINKS,     /* UDP multicast by each link there is */
	LEAK_BY_DEVICE,    /* UDP bound to each physical link of the host (SO_BINDTODEVICE) */
	LEAK_BY_ROUTE,     /* a route by the host's gateway, made here, then UDP by it */
	LEAK_BY_INHERITED, /* a descriptor of the host's namespace that was left open */
	LEAK_BY_NAMESPACE, /* the host's namespace entered, then UDP */
};

enum leak_target {
	LEAK_TO_SERVER,    /* the exit's resolver, or what the user has named */
	LEAK_TO_LAN,       /* gateway and LAN resolver */
	LEAK_TO_ENTRY,     /* the entries' own addresses */
	LEAK_TO_NOBODY,    /* a public address of no host (RFC 5737) */
	LEAK_TO_NOBODY6,   /* the same of IPv6 (RFC 3849) */
	LEAK_TO_MDNS,
	LEAK_TO_LLMNR,
	LEAK_TO_MDNS6,     /* by each link there is */
	LEAK_TO_BROADCAST,
};

struct leak_probe {
	const char *name; /* for --json */
	const char *text; /* for people */
	enum leak_probe_kind kind;
	enum leak_target target;
	uint16_t port; /* host order */
};

/* All of them; a probe's number is its place. */
size_t leak_probe_count(void);
const struct leak_probe *leak_probe_at(size_t i);
/* So that the probes of TOKEN are recognised. */
void leak_probe_marks(const char *token, uint16_t tcp_sport, struct leak_marks *out);

enum { LEAK_SOCKETS_MAX = 8, LEAK_LABEL = LEAK_TOKEN_LEN + 3 };

/* Sockets of one probe that wait for an answer, which their owner closes. */
struct leak_sockets {
	size_t count;
	int fd[LEAK_SOCKETS_MAX];
};

/* TOKEN and the probe's number: what its packets hold. */
const char *leak_probe_label(const struct leak_plan *plan, size_t i, char out[LEAK_LABEL]);

/*
 * Sends what probe I sends. PLAN's server is known. 0 when at least one packet was handed to the
 * kernel, or answered at once; -ENODATA: there is nothing to try it on (no gateway, no entry ...);
 * else -errno of the first refusal. *ANSWERED: a name lookup got its answer. OUT is filled in any case.
 */
int leak_probe_send(const struct leak_plan *plan, size_t i, struct leak_sockets *out,
		    bool *answered) _must_check_;
