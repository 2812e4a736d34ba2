#pragma once
/* What the probes need to know of the host: `ippriv leaktest` finds it out, its prober is told as a line of JSON. */
#include <jansson.h>

#include "ippriv-client/leak_packet.h"

enum { LEAK_ADDRESSES_MAX = 8, LEAK_NAME = 16 };

struct leak_addresses {
	size_t count;
	struct addr addr[LEAK_ADDRESSES_MAX];
};

struct leak_plan {
	char token[LEAK_TOKEN_LEN + 1];
	uint16_t tcp_sport;            /* as struct leak_marks */
	struct addr server;            /* what is to answer; family 0: the first of resolv.conf */
	struct addr local;             /* the host's own address on LINK; family 0: none */
	struct addr gateway;           /* of the default route; family 0: none */
	char link[LEAK_NAME];          /* where that route leads; "": none */
	struct leak_addresses lan;     /* gateway, LAN resolver */
	struct leak_addresses entries; /* at most as many as fit */
	size_t link_count;
	char links[LEAK_ADDRESSES_MAX][LEAK_NAME]; /* of the host, but lo and ours */
	int host_pid;                              /* of a process in the host's namespace */
	int host_fd; /* a datagram socket of that namespace, which the prober may have inherited */
};

/* A is in LIST from now on, when there is room; family 0 is nothing. */
void leak_addresses_add(struct leak_addresses *list, const struct addr *a);
/* A new object; NULL without memory. */
json_t *leak_plan_json(const struct leak_plan *plan);
/* 0, or -EBADMSG when something is missing or makes no sense. */
int leak_plan_parse(const json_t *json, struct leak_plan *out) _must_check_;
