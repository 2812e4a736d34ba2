#pragma once
/*
 * Keeps the descriptor of a relay in the list that this program does not run: a stock IKEv2 daemon
 * beside it does the work. No IKE and nothing in the kernel.
 */
#include "common/io/loop.h"
#include "ippriv-node/node_conf.h"

struct ctl_announce;

/* Starts with an upload at once; CONF is borrowed and gets DIR_FLAG_PSK. 0 or -errno. */
int ctl_announce_new(struct io_loop *loop, struct node_conf *conf,
		     struct ctl_announce **out) _must_check_;
void ctl_announce_free(struct ctl_announce *announce);
