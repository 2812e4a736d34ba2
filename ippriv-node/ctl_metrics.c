#include "ippriv-node/ctl_metrics.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "common/base/clock.h"
#include "common/metrics/metrics_serve.h"

struct ctl_metrics {
	struct io_loop *loop;
	struct metrics_serve *serve;
	struct io_timer *timer;
	struct ctl_metrics_conf conf;
	uint64_t start;
};

static void put_circuits(struct metrics_text *t, struct ctl_circuits *circuits)
{
	static const char now[] = "ippriv_circuits", all[] = "ippriv_circuits_total",
			  refused[] = "ippriv_circuits_refused_total";
	struct ctl_circuits_counts c = ctl_circuits_counts(circuits);

	metrics_family(t, METRICS_GAUGE, now, "Circuits, up to the next multiple of 8, by whether this "
					      "relay is the entry.");
	metrics_value(t, now, &(struct metrics_labels){ .role = "entry" }, metrics_round_crowd(c.entry));
	metrics_value(t, now, &(struct metrics_labels){ .role = "inner" }, metrics_round_crowd(c.inner));
	metrics_one(t, METRICS_COUNTER, all, "Circuits that were let in, by eights.",
	    metrics_round_events(c.admitted));
	metrics_one(t, METRICS_COUNTER, refused, "Circuits that found no room, by eights.",
	    metrics_round_events(c.refused));
}

static void put_tunnels(struct metrics_text *t, struct ctl_peers *peers)
{
	static const char now[] = "ippriv_tunnels", bytes[] = "ippriv_tunnel_bytes_total";
	struct dp_stats s = ctl_peers_stats(peers);

	metrics_one(t, METRICS_GAUGE, now, "Overlay tunnels with other relays, up to the next multiple of 8.",
	    metrics_round_crowd(ctl_peers_tunnels(peers)));
	metrics_family(t, METRICS_COUNTER, bytes, "Bytes that overlay tunnels have carried, whole MiB.");
	metrics_value(t, bytes, &(struct metrics_labels){ .dir = "in" }, metrics_round_bytes(s.bytes_in));
	metrics_value(t, bytes, &(struct metrics_labels){ .dir = "out" },
		      metrics_round_bytes(s.bytes_out));
}

static void put_ike(struct metrics_text *t, const struct ctl_ike *ike)
{
	static const char name[] = "ippriv_ike_messages_total";
	struct ike_host_counters c;

	ctl_ike_counters(ike, &c);
	metrics_family(t, METRICS_COUNTER, name, "IKE messages that came in, and of those not taken, by "
						 "eights.");
	metrics_value(t, name, &(struct metrics_labels){ .reason = "received" },
		      metrics_round_events(c.received));
	metrics_value(t, name, &(struct metrics_labels){ .reason = "dropped" },
		      metrics_round_events(c.dropped));
	metrics_value(t, name, &(struct metrics_labels){ .reason = "malformed" },
		      metrics_round_events(c.malformed));
	metrics_value(t, name, &(struct metrics_labels){ .reason = "unauthenticated" },
		      metrics_round_events(c.unauthenticated));
	metrics_one(t, METRICS_COUNTER, "ippriv_ike_cookies_total", "Cookies that were asked for, by eights.",
	    metrics_round_events(c.cookies_sent));
}

/* The kernel's own names are the reasons. */
static void put_xfrm(struct metrics_text *t)
{
	static const char name[] = "ippriv_xfrm_errors_total";
	FILE *f = fopen("/proc/net/xfrm_stat", "re");
	char reason[64];
	uint64_t count;

	if (!f)
		return;
	metrics_family(t, METRICS_COUNTER, name, "Packets that the kernel's IPsec dropped, by eights.");
	while (fscanf(f, "%63s %" SCNu64, reason, &count) == 2)
		metrics_value(t, name, &(struct metrics_labels){ .reason = reason },
			      metrics_round_events(count));
	fclose(f);
}

static void put_list(struct metrics_text *t, const struct dir_list *list)
{
	uint64_t now = clock_wall();

	metrics_one(t, METRICS_GAUGE, "ippriv_list_relays", "Relays in the list, 0 without a valid one.",
	    list ? list->count : 0);
	if (list)
		metrics_one(t, METRICS_GAUGE, "ippriv_list_age_seconds", "Seconds since the list was signed.",
		    now > list->published ? now - list->published : 0);
}

static void look(void *data)
{
	struct ctl_metrics *m = data;
	struct metrics_text t = { 0 };

	metrics_one(&t, METRICS_GAUGE, "ippriv_start_time_seconds", "When the relay started.", m->start);
	metrics_one(&t, METRICS_GAUGE, "ippriv_look_time_seconds",
		    "When these numbers were taken.", clock_wall());
	put_circuits(&t, m->conf.circuits);
	put_tunnels(&t, m->conf.peers);
	put_ike(&t, m->conf.ike);
	put_xfrm(&t);
	put_list(&t, dir_watch_list(m->conf.watch));
	metrics_serve_set(m->serve, &t);
	io_timer_start(m->timer, (uint64_t)m->conf.every * 1000);
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

void ctl_metrics_serve(struct ctl_metrics *metrics, const struct ctl_metrics_conf *conf)
{
	metrics->conf = *conf;
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
