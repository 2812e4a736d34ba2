#pragma once
/* The relay as a whole: owns every part, starts them in order, stops them backwards. */
#include "common/io/loop.h"
#include "ippriv-node/node_conf.h"

struct node;

/*
 * Probes the kernel, takes what is ours alone (lock, port, control socket), removes what a killed
 * run left, then starts. 0, or -errno with one line in WHY and nothing left behind. CONF is
 * borrowed.
 */
int node_new(struct io_loop *loop, const struct node_conf *conf, struct node **out, char *why,
	     size_t size) _must_check_;
/* Says goodbye to clients and relays; the loop stops when they have answered or a second is over. */
void node_stop(struct node *node);
void node_free(struct node *node);
