#pragma once
/* The relay's metrics: sums over all clients, looked at seldom, see common/metrics. */
#include "common/dir/dir_watch.h"
#include "ippriv-node/ctl_circuits.h"
#include "ippriv-node/ctl_peer.h"

struct ctl_metrics;

/* Where the numbers come from. Borrowed, all of them. */
struct ctl_metrics_conf {
	uint32_t every; /* seconds between two looks */
	struct ctl_ike *ike;
	struct ctl_peers *peers;
	struct ctl_circuits *circuits;
	struct dir_watch *watch;
};

/* Listens on AT. 0 or -errno as from metrics_serve_new. Then serve, before the loop runs. */
int ctl_metrics_new(struct io_loop *loop, const struct endpoint *at,
		    struct ctl_metrics **out) _must_check_;
void ctl_metrics_serve(struct ctl_metrics *metrics, const struct ctl_metrics_conf *conf);
void ctl_metrics_free(struct ctl_metrics *metrics);
