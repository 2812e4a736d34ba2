#include "ippriv-client/ctl_watch.h"

#include <errno.h>
#include <stdlib.h>

#include "common/base/log.h"

enum { EVENTS_A_TURN = 256 }; /* then others have a turn */

struct ctl_watch {
	struct dp *dp;
	struct ctl_stock *stock;
	struct io_watch *events, *routes;
	struct io_timer *settle;
	bool settling, changed; /* CHANGED: since we looked last */
};

static void renew(void *user, struct ctl_circuit *c, const struct ctl_stock_holder *holder)
{
	(void)user, (void)holder;
	ctl_circuit_renew(c);
}

static void on_events(void *data)
{
	struct ctl_watch *watch = data;
	struct dp_event event;
	int r = 1;

	for (int i = 0; i < EVENTS_A_TURN && r == 1; i++) {
		r = dp_events_next(watch->dp, &event);
		if (r == 1)
			ctl_circuit_event(event.data, &event);
	}
	if (r >= 0)
		return;
	log_warning("the kernel has dropped events; SAs that are due are renewed");
	ctl_stock_each(watch->stock, renew, NULL);
}

static void look(struct ctl_watch *watch)
{
	watch->settling = true;
	watch->changed = false;
	io_timer_start(watch->settle, CTL_WATCH_SETTLE_MS);
	ctl_stock_roam(watch->stock);
}

static void on_routes(void *data)
{
	struct ctl_watch *watch = data;

	dp_routes_drain(watch->dp);
	if (watch->settling)
		watch->changed = true;
	else
		look(watch);
}

static void on_settled(void *data)
{
	struct ctl_watch *watch = data;

	watch->settling = false;
	if (watch->changed)
		look(watch);
}

int ctl_watch_new(struct io_loop *loop, struct dp *dp, struct ctl_stock *stock,
		  struct ctl_watch **out)
{
	struct ctl_watch *watch = calloc(1, sizeof(*watch));
	int fd = dp_routes_fd(dp), r;

	if (!watch)
		return -ENOMEM;
	watch->dp = dp;
	watch->stock = stock;
	r = fd < 0 ? fd : io_timer_new(loop, on_settled, watch, &watch->settle);
	if (r == 0)
		r = io_watch_new(loop, dp_events_fd(dp), on_events, watch, &watch->events);
	if (r == 0)
		r = io_watch_new(loop, fd, on_routes, watch, &watch->routes);
	if (r < 0) {
		ctl_watch_free(watch);
		return r;
	}
	*out = watch;
	return 0;
}

void ctl_watch_free(struct ctl_watch *watch)
{
	if (!watch)
		return;
	if (watch->routes)
		io_watch_free(watch->routes);
	if (watch->events)
		io_watch_free(watch->events);
	if (watch->settle)
		io_timer_free(watch->settle);
	free(watch);
}
