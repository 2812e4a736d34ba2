#pragma once
/*
 * What the kernel tells by itself: that an SA is to be replaced, that the host's addresses or
 * routes have changed. Hands it on to the circuits it concerns.
 */
#include "common/io/loop.h"
#include "ippriv-client/ctl_stock.h"

struct ctl_watch;

/* Several changes of the host come at a time: the first is looked at at once, others so much later. */
enum { CTL_WATCH_SETTLE_MS = 20 };

/* LOOP, DP and STOCK are borrowed. 0 or -errno. */
int ctl_watch_new(struct io_loop *loop, struct dp *dp, struct ctl_stock *stock,
		  struct ctl_watch **out) _must_check_;
/* Before STOCK and DP go. NULL is fine. */
void ctl_watch_free(struct ctl_watch *watch);
