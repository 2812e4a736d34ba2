#pragma once
/* The client's metrics, for who asks for them: how many circuits, how old the list is. */
#include "common/dir/dir_watch.h"
#include "ippriv-client/ctl_stock.h"

struct ctl_metrics;

/* Listens on AT. 0 or -errno as from metrics_serve_new. Then serve, before the loop runs. */
int ctl_metrics_new(struct io_loop *loop, const struct endpoint *at,
		    struct ctl_metrics **out) _must_check_;
/* Looks every EVERY seconds. STOCK and WATCH are borrowed. */
void ctl_metrics_serve(struct ctl_metrics *metrics, uint32_t every, struct ctl_stock *stock,
		       struct dir_watch *watch);
void ctl_metrics_free(struct ctl_metrics *metrics);
