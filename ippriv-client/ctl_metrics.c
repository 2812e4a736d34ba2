#include "ippriv-client/ctl_metrics.h"

#include <errno.h>

#include "common/base/clock.h"
#include "common/metrics/metrics_serve.h"

struct ctl_metrics {
	struct io_loop *loop;
	struct metrics_serve *serve;
	struct io_timer *timer;
	uint32_t every;
	struct ctl_stock *stock;
	struct dir_watch *watch;
	uint64_t start;
};

struct crowd {
	uint64_t free, used;
};

static void count(void *user, struct ctl_circuit *circuit, const struct ctl_stock_holder *holder)
{
	struct crowd *crowd = user;

	(void)circuit;
	*(holder->attached ? &crowd->used : &crowd->free) += 1;
}

static void put_circuits(struct metrics_text *t, struct ctl_stock *stock)
{
	static const char name[] = "ippriv_circuits";
	struct crowd crowd = { 0 };

	ctl_stock_each(stock, count, &crowd);
	metrics_family(t, METRICS_GAUGE, name, "Circuits, up to the next multiple of 8.");
	metrics_value(t, name, &(struct metrics_labels){ .role = "free" }, metrics_round_crowd(crowd.free));
	metrics_value(t, name, &(struct metrics_labels){ .role = "used" }, metrics_round_crowd(crowd.used));
}

static void look(void *data)
{
	struct ctl_metrics *m = data;
	const struct dir_list *list = dir_watch_list(m->watch);
	struct metrics_text t = { 0 };
	uint64_t now = clock_wall();

	metrics_one(&t, METRICS_GAUGE, "ippriv_start_time_seconds", "When the daemon started.", m->start);
	metrics_one(&t, METRICS_GAUGE, "ippriv_look_time_seconds", "When these numbers were taken.", now);
	put_circuits(&t, m->stock);
	metrics_one(&t, METRICS_GAUGE, "ippriv_list_relays",
		    "Relays in the list, 0 without a valid one.", list ? list->count : 0);
	if (list)
		metrics_one(&t, METRICS_GAUGE, "ippriv_list_age_seconds",
			    "Seconds since the list was signed.",
			    now > list->published ? now - list->published : 0);
	metrics_serve_set(m->serve, &t);
	io_timer_start(m->timer, (uint64_t)m->every * 1000);
}

int ctl_metrics_new(struct io_loop *loop, const struct endpoint *at, struct ctl_metrics **out)
{
	struct ctl_metrics *m = calloc(1, sizeof(*m));
	int err;

	if (!m)
		return -ENOMEM;
	m->loop = loop;
	m->start = clock_wall();
	err = metrics_serve_new(loop, at, &m->serve);
	if (err == 0)
		err = io_timer_new(loop, look, m, &m->timer);
	if (err < 0) {
		ctl_metrics_free(m);
		return err;
	}
	*out = m;
	return 0;
}

void ctl_metrics_serve(struct ctl_metrics *metrics, uint32_t every, struct ctl_stock *stock,
		       struct dir_watch *watch)
{
	metrics->every = every;
	metrics->stock = stock;
	metrics->watch = watch;
	look(metrics);
}

void ctl_metrics_free(struct ctl_metrics *metrics)
{
	if (!metrics)
		return;
	io_timer_free(metrics->timer);
	metrics_serve_free(metrics->serve);
	free(metrics);
}
