#pragma once
/*
 * One layer between two namespaces, as daemons lay it, for checks of move and of events:
 *
 *  app ──h1── S ──────── A        S has 10.0.1.1, 10.0.1.3 and 2001:db8::1; A 10.0.1.2 and
 *  100.64.0.7          10.9.9.9   2001:db8::2; 10.9.9.9 is inside.
 */
#include "tests/kernel/check_kern/check.h"

enum { LAYER_OUT = 0x3001, LAYER_IN = 0x3002, LAYER_OPS = 5, LAYER_PORTS = 5 };

struct layer_net {
	struct kern_linux *k;
	struct kern_netns *s, *app, *a;
	struct check_plan rest;          /* links, addresses, routes */
	struct check_plan client, relay; /* the SAs and policies of either end */
	struct kern_path path;           /* the client's */
	int udp[LAYER_PORTS];            /* of both, take ESP out of UDP */
	int sender, receiver;            /* inside the layer, UDP, connected to one another */
};

/* "10.0.1.1", "10.0.1.2", port 0: plain. */
struct kern_path layer_path(const char *local, uint16_t local_port, const char *remote,
			    uint16_t remote_port);
struct kern_path layer_reverse(const struct kern_path *path);

/* Everything, with sender and receiver. LIFE is that of the client's SAs. */
void layer_up(struct layer_net *n, struct kern_linux *k, const struct kern_path *path,
	      const struct life *life);
/* Fails when something is left over. */
void layer_down(struct layer_net *n);
/* COUNT datagrams each way, one at a time; how many came back. */
int layer_echo(struct layer_net *n, int count);
/* One datagram from either, received by the other. */
bool layer_pass(int from, int to);
