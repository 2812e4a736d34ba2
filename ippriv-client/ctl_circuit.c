#include "ippriv-client/ctl_circuit.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/wire/ike_names.h"
#include "ippriv-client/ctl_hop.h"
#include "ippriv-client/ctl_roam.h"
#include "ippriv-client/ctl_six.h"

const char *ctl_circuit_state_name(enum ctl_circuit_state state)
{
	switch (state) {
	case CTL_CIRCUIT_BUILDING:
		return "building";
	case CTL_CIRCUIT_READY:
		return "ready";
	case CTL_CIRCUIT_CLOSING:
		return "closing";
	case CTL_CIRCUIT_OVER:
		return "over";
	}
	return "unknown";
}

static void set_state(struct ctl_circuit *c, enum ctl_circuit_state state)
{
	log_debug("circuit %u: %s -> %s", c->conf.id, ctl_circuit_state_name(c->state),
		  ctl_circuit_state_name(state));
	c->state = state;
	c->conf.ops->changed(c->conf.user, c);
}

/* Goes on taking down, innermost first, until it must wait. Ended SAs call it again. */
static void unwind(struct ctl_circuit *c)
{
	if (c->unwinding)
		return;
	c->unwinding = true;
	for (size_t i = CTL_CIRCUIT_HOPS; i-- > 0;) {
		if (!ctl_hop_leave(&c->hops[i])) {
			c->unwinding = false;
			return;
		}
		ctl_hop_fini(&c->hops[i]);
	}
	c->unwinding = false;
	c->deadline = UINT64_MAX;
	set_state(c, CTL_CIRCUIT_OVER);
}

static void begin_closing(struct ctl_circuit *c)
{
	c->deadline = c->conf.ops->now(c->conf.user) + CTL_CIRCUIT_CLOSE_MS;
	set_state(c, CTL_CIRCUIT_CLOSING);
	unwind(c);
}

void ctl_circuit_fail(struct ctl_circuit *c, size_t hop, const char *fmt, ...)
{
	va_list args;

	if (c->state == CTL_CIRCUIT_CLOSING || c->state == CTL_CIRCUIT_OVER)
		return;
	va_start(args, fmt);
	vsnprintf(c->why, sizeof(c->why), fmt, args);
	va_end(args);
	c->failed_hop = hop;
	begin_closing(c);
}

void ctl_circuit_refused(struct ctl_hop *hop, const char *what, int r)
{
	struct ctl_circuit *c = hop->circuit;

	snprintf(c->refusal, sizeof(c->refusal), "%s layer %zu: %s (%s)", what,
		 ctl_hop_index(hop) + 1, dp_error(c->conf.dp), strerror(-r));
	c->our_fault = r != -EEXIST; /* the hop has chosen the SPI that is taken */
}

void ctl_circuit_close(struct ctl_circuit *c)
{
	ctl_circuit_fail(c, CTL_CIRCUIT_NO_HOP, "closed");
}

int ctl_circuit_new(const struct ctl_circuit_conf *conf, struct ctl_circuit **out)
{
	struct ctl_circuit *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	c->conf = *conf;
	c->broken = CTL_CIRCUIT_HOPS;
	c->failed_hop = CTL_CIRCUIT_NO_HOP;
	c->started = c->progress = conf->ops->now(conf->user);
	c->deadline = c->started + CTL_CIRCUIT_BUILD_MS;
	for (size_t i = 0; i < CTL_CIRCUIT_HOPS; i++)
		c->hops[i].circuit = c;
	r = dp_circuit_new(conf->dp, c, &c->dp);
	if (r < 0) {
		free(c);
		return r;
	}
	*out = c;
	ctl_hop_start(&c->hops[0]);
	return 0;
}

void ctl_circuit_free(struct ctl_circuit *c)
{
	if (!c)
		return;
	c->unwinding = true;
	c->state = CTL_CIRCUIT_OVER;
	for (size_t i = CTL_CIRCUIT_HOPS; i-- > 0;) {
		if (c->hops[i].sa)
			ike_host_drop(c->conf.host, c->hops[i].sa, IKE_END_LOCAL);
		ctl_hop_fini(&c->hops[i]);
	}
	dp_circuit_free(c->dp);
	free(c);
}

uint64_t ctl_circuit_deadline(const struct ctl_circuit *c)
{
	return c->deadline;
}

/* The second is over: whoever has not been told hears it once, and no answer is waited for. */
static void force_over(struct ctl_circuit *c)
{
	c->unwinding = true;
	for (size_t i = CTL_CIRCUIT_HOPS; i-- > 0;)
		(void)ctl_hop_leave(&c->hops[i]);
	c->unwinding = false;
	c->broken = 0;
	unwind(c);
}

void ctl_circuit_tick(struct ctl_circuit *c)
{
	size_t up = 0;

	if (c->conf.ops->now(c->conf.user) < c->deadline)
		return;
	while (up < CTL_CIRCUIT_HOPS && c->hops[up].up)
		up++;
	c->silent |= c->state == CTL_CIRCUIT_BUILDING;
	if (c->state == CTL_CIRCUIT_BUILDING)
		ctl_circuit_fail(c, up, "hop %zu not up within %d s", up + 1, CTL_CIRCUIT_BUILD_MS / 1000);
	else if (c->state == CTL_CIRCUIT_CLOSING)
		force_over(c);
}

void ctl_circuit_poll(struct ctl_circuit *c)
{
	ctl_roam_poll(c);
	ctl_six_poll(c);
	for (size_t i = 0; i < CTL_CIRCUIT_HOPS; i++)
		ctl_hop_poll(&c->hops[i]);
}

void ctl_circuit_event(struct ctl_circuit *c, const struct dp_event *event)
{
	ctl_hop_event(&c->hops[event->layer], event);
}

void ctl_circuit_renew(struct ctl_circuit *c)
{
	for (size_t i = 0; i < CTL_CIRCUIT_HOPS; i++)
		ctl_hop_renew(&c->hops[i]);
}

int ctl_circuit_attach(struct ctl_circuit *c, int fd, unsigned int slot)
{
	if (c->state != CTL_CIRCUIT_READY) {
		close(fd);
		return -EAGAIN;
	}
	return dp_circuit_attach(c->dp, fd, slot);
}

int ctl_circuit_keep(struct ctl_circuit *c)
{
	return dp_circuit_keep(c->dp);
}

int ctl_circuit_flows(struct ctl_circuit *c)
{
	return dp_circuit_flows(c->dp);
}

int ctl_circuit_attach_host(struct ctl_circuit *c, unsigned int slot)
{
	return c->state == CTL_CIRCUIT_READY ? dp_circuit_attach_host(c->dp, slot) : -EAGAIN;
}

void ctl_circuit_established(struct ike_sa *sa)
{
	struct ctl_hop *hop = ike_sa_data(sa);
	struct ctl_circuit *c = hop->circuit;
	size_t next = ctl_hop_index(hop) + 1;

	if (c->state != CTL_CIRCUIT_BUILDING)
		return;
	if (!hop->up) {
		ctl_circuit_fail(c, next - 1, "hop %zu gave no child SA", next);
	} else if (next < CTL_CIRCUIT_HOPS) {
		c->progress = c->conf.ops->now(c->conf.user);
		ctl_hop_start(&c->hops[next]);
	} else {
		c->ready = c->conf.ops->now(c->conf.user);
		c->deadline = UINT64_MAX;
		set_state(c, CTL_CIRCUIT_READY);
	}
}

void ctl_circuit_ended(struct ike_sa *sa, enum ike_end why)
{
	struct ctl_hop *hop = ike_sa_data(sa);
	struct ctl_circuit *c = hop->circuit;
	size_t i = ctl_hop_index(hop);
	struct ike_sa_info info;

	ike_sa_info(sa, &info);
	hop->sa = NULL;
	if (i < c->broken)
		c->broken = i;
	if (c->state != CTL_CIRCUIT_CLOSING)
		c->silent = why == IKE_END_TIMEOUT;
	if (c->state == CTL_CIRCUIT_CLOSING)
		unwind(c);
	else if (c->refusal[0])
		ctl_circuit_fail(c, c->our_fault ? CTL_CIRCUIT_NO_HOP : i, "%s", c->refusal);
	else if (why == IKE_END_REFUSED)
		ctl_circuit_fail(c, i, "hop %zu refused: %s", i + 1, ike_notify_name(info.notify));
	else
		ctl_circuit_fail(c, i, "hop %zu: %s", i + 1, ike_end_name(why));
}

void ctl_circuit_info(const struct ctl_circuit *c, struct ctl_circuit_info *out)
{
	const struct ctl_hop *last = &c->hops[CTL_CIRCUIT_HOPS - 1];

	*out = (struct ctl_circuit_info){
		.id = c->conf.id,
		.state = c->state,
		.started = c->started,
		.ready = c->ready,
		.progress = c->progress,
		.path = &c->conf.path,
		.lease = last->up ? &last->lease : NULL,
		.why = c->why,
		.failed_hop = c->failed_hop,
		.silent = c->silent,
		.away = c->away,
		.moved = c->moved,
	};
	for (size_t i = 0; i < CTL_CIRCUIT_HOPS; i++)
		out->hops_up += c->hops[i].up;
}

int ctl_circuit_stats(struct ctl_circuit *c, size_t index, struct dp_stats *out)
{
	return dp_circuit_stats(c->dp, index, out);
}

int ctl_circuit_hop(const struct ctl_circuit *c, size_t index, struct ike_sa_info *out)
{
	if (!c->hops[index].sa)
		return -ENOENT;
	ike_sa_info(c->hops[index].sa, out);
	return 0;
}
