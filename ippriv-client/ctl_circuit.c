#include "ippriv-client/ctl_circuit.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/log.h"
#include "common/wire/ike_names.h"

/* Every relay assigns from these: RFC 6598's shared address space. */
static const struct prefix pools = { { AF_INET, { 100, 64 } }, 10 };

struct ctl_hop {
	struct ctl_circuit *circuit;
	struct ike_sa *sa;    /* NULL: not started, or over */
	bool channel_open, up, closing;
	struct ike_path path;
	struct ike_lease lease;
	uint64_t packets_seen;
};

struct ctl_circuit {
	struct ctl_circuit_conf conf;
	enum ctl_circuit_state state;
	uint64_t started, ready, deadline;
	struct dp_circuit *dp;
	struct ctl_hop hops[CTL_CIRCUIT_HOPS];
	size_t broken;   /* hops from here on are out of reach */
	size_t failed_hop;
	bool silent;
	bool unwinding;
	bool our_fault; /* what `refusal` says is not the hop's fault */
	char refusal[CTL_CIRCUIT_WHY]; /* why child_up has refused, "": it has not */
	char why[CTL_CIRCUIT_WHY];
};

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

static size_t hop_index(const struct ctl_hop *hop)
{
	return (size_t)(hop - hop->circuit->hops);
}

static void set_state(struct ctl_circuit *c, enum ctl_circuit_state state)
{
	log_debug("circuit %u: %s -> %s", c->conf.id, ctl_circuit_state_name(c->state),
		  ctl_circuit_state_name(state));
	c->state = state;
	c->conf.ops->changed(c->conf.user, c);
}

static void hop_fini(struct ctl_hop *hop)
{
	struct ctl_circuit *c = hop->circuit;

	dp_circuit_cut(c->dp, hop_index(hop));
	hop->up = false;
	if (hop->channel_open)
		c->conf.ops->channel_close(c->conf.user, hop->path.channel);
	hop->channel_open = false;
}

/* Says goodbye to the hop, or drops it when it is out of reach. False: its answer is to come. */
static bool hop_leave(struct ctl_hop *hop)
{
	struct ike_host *host = hop->circuit->conf.host;

	if (hop->sa && hop_index(hop) >= hop->circuit->broken)
		ike_host_drop(host, hop->sa, IKE_END_LOCAL);
	else if (hop->sa && !hop->closing) {
		hop->closing = true;
		ike_host_close(host, hop->sa);
	}
	return hop->sa == NULL;
}

/* Goes on taking down, innermost first, until it must wait. Ended SAs call it again. */
static void unwind(struct ctl_circuit *c)
{
	if (c->unwinding)
		return;
	c->unwinding = true;
	for (size_t i = CTL_CIRCUIT_HOPS; i-- > 0;) {
		if (!hop_leave(&c->hops[i])) {
			c->unwinding = false;
			return;
		}
		hop_fini(&c->hops[i]);
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

static void fail(struct ctl_circuit *c, size_t hop, const char *fmt, ...) _printf_(3, 4);

static void fail(struct ctl_circuit *c, size_t hop, const char *fmt, ...)
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

void ctl_circuit_close(struct ctl_circuit *c)
{
	fail(c, CTL_CIRCUIT_NO_HOP, "closed");
}

static int hop_open(struct ctl_hop *hop)
{
	struct ctl_circuit *c = hop->circuit;
	size_t i = hop_index(hop);
	const struct dir_entry *relay = &c->conf.path.hops[i];
	int fd, r;

	fd = dp_circuit_socket(c->dp, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return fd;
	hop->path.remote = (struct endpoint){ relay->address, relay->port };
	if (i > 0)
		hop->path.local.addr = c->hops[i - 1].lease.address;
	r = c->conf.ops->channel_open(c->conf.user, fd, &hop->path);
	hop->channel_open = r == 0;
	return r;
}

static void hop_start(struct ctl_hop *hop)
{
	struct ctl_circuit *c = hop->circuit;
	size_t i = hop_index(hop);
	const struct prefix any = { .addr = addr_v4(0) };
	struct ike_init_conf init = {
		.auth = c->conf.path.hops[i].flags & DIR_FLAG_PSK ? IKE_AUTH_PSK : IKE_AUTH_NULL,
		.peer = c->conf.path.hops[i].identity,
		.want_lease = true,
		.ts_local = { 1, { any } },
		.ts_remote = { 1, { any } },
	};
	int r;

	r = hop_open(hop);
	if (r == 0) {
		init.path = hop->path;
		r = ike_host_initiate(c->conf.host, &init, hop, &hop->sa);
	}
	if (r < 0)
		fail(c, CTL_CIRCUIT_NO_HOP, "cannot speak to hop %zu: %s", i + 1, strerror(-r));
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
	c->started = conf->ops->now(conf->user);
	c->deadline = c->started + CTL_CIRCUIT_BUILD_MS;
	for (size_t i = 0; i < CTL_CIRCUIT_HOPS; i++)
		c->hops[i].circuit = c;
	r = dp_circuit_new(conf->dp, &c->dp);
	if (r < 0) {
		free(c);
		return r;
	}
	*out = c;
	hop_start(&c->hops[0]);
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
		hop_fini(&c->hops[i]);
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
		(void)hop_leave(&c->hops[i]);
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
		fail(c, up, "hop %zu not up within %d s", up + 1, CTL_CIRCUIT_BUILD_MS / 1000);
	else if (c->state == CTL_CIRCUIT_CLOSING)
		force_over(c);
}

void ctl_circuit_poll(struct ctl_circuit *c)
{
	struct dp_stats stats;

	for (size_t i = 0; i < CTL_CIRCUIT_HOPS; i++) {
		struct ctl_hop *hop = &c->hops[i];

		if (!hop->up || !hop->sa || dp_circuit_stats(c->dp, i, &stats) < 0)
			continue;
		if (stats.in.packets > hop->packets_seen)
			ike_host_heard(c->conf.host, hop->sa);
		hop->packets_seen = stats.in.packets;
	}
}

int ctl_circuit_attach(struct ctl_circuit *c, int fd)
{
	if (c->state != CTL_CIRCUIT_READY) {
		close(fd);
		return -EAGAIN;
	}
	return dp_circuit_attach(c->dp, fd);
}

static bool covers(const struct ike_ts_list *list, const struct addr *a)
{
	for (size_t i = 0; i < list->count; i++)
		if (prefix_contains(&list->items[i], a))
			return true;
	return false;
}

/* Whether what the hop granted carries the telescope: an address of ours, and a way on. */
static int judge(const struct ctl_hop *hop, const struct ike_child *child,
		 const struct ike_lease *lease)
{
	const struct ctl_circuit *c = hop->circuit;
	size_t i = hop_index(hop);

	if (!lease || !prefix_contains(&pools, &lease->address) ||
	    !covers(&child->ts_local, &lease->address))
		return -EADDRNOTAVAIL;
	if (i + 1 < CTL_CIRCUIT_HOPS &&
	    !covers(&child->ts_remote, &c->conf.path.hops[i + 1].address))
		return -EHOSTUNREACH;
	return 0;
}

int ctl_circuit_child_up(struct ike_sa *sa, const struct ike_child *child,
			 const struct ike_lease *lease)
{
	struct ctl_hop *hop = ike_sa_data(sa);
	struct ctl_circuit *c = hop->circuit;
	struct dp_layer layer = {
		.local = hop->path.local.addr,
		.remote = hop->path.remote.addr,
		.spi_in = child->spi_in,
		.spi_out = child->spi_out,
		.aead = child->encr == IKE_ENCR_AES_GCM_16 ? DP_AEAD_AES_GCM_256 :
							     DP_AEAD_CHACHA20_POLY1305,
		.esn = child->esn,
	};
	int r;

	if (c->state != CTL_CIRCUIT_BUILDING)
		return -ECANCELED;
	r = judge(hop, child, lease);
	if (r < 0) {
		snprintf(c->refusal, sizeof(c->refusal), "hop %zu granted what is of no use: %s",
			 hop_index(hop) + 1, strerror(-r));
		return r;
	}
	layer.inner = lease->address;
	layer.key_in = child->key_in;
	layer.key_out = child->key_out;
	r = dp_circuit_push(c->dp, &layer);
	secret_wipe(&layer.key_in);
	secret_wipe(&layer.key_out);
	if (r < 0) {
		snprintf(c->refusal, sizeof(c->refusal), "installing layer %zu: %s (%s)",
			 hop_index(hop) + 1, dp_error(c->conf.dp), strerror(-r));
		c->our_fault = r != -EEXIST; /* the hop has chosen the SPI that is taken */
		return r;
	}
	hop->lease = *lease;
	hop->up = true;
	return 0;
}

void ctl_circuit_established(struct ike_sa *sa)
{
	struct ctl_hop *hop = ike_sa_data(sa);
	struct ctl_circuit *c = hop->circuit;
	size_t next = hop_index(hop) + 1;

	if (c->state != CTL_CIRCUIT_BUILDING)
		return;
	if (!hop->up) {
		fail(c, next - 1, "hop %zu gave no child SA", next);
	} else if (next < CTL_CIRCUIT_HOPS) {
		hop_start(&c->hops[next]);
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
	size_t i = hop_index(hop);
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
		fail(c, c->our_fault ? CTL_CIRCUIT_NO_HOP : i, "%s", c->refusal);
	else if (why == IKE_END_REFUSED)
		fail(c, i, "hop %zu refused: %s", i + 1, ike_notify_name(info.notify));
	else
		fail(c, i, "hop %zu: %s", i + 1, ike_end_name(why));
}

void ctl_circuit_info(const struct ctl_circuit *c, struct ctl_circuit_info *out)
{
	const struct ctl_hop *last = &c->hops[CTL_CIRCUIT_HOPS - 1];

	*out = (struct ctl_circuit_info){
		.id = c->conf.id,
		.state = c->state,
		.started = c->started,
		.ready = c->ready,
		.path = &c->conf.path,
		.lease = last->up ? &last->lease : NULL,
		.why = c->why,
		.failed_hop = c->failed_hop,
		.silent = c->silent,
	};
	for (size_t i = 0; i < CTL_CIRCUIT_HOPS; i++)
		out->hops_up += c->hops[i].up;
}

int ctl_circuit_stats(struct ctl_circuit *c, size_t index, struct dp_stats *out)
{
	return dp_circuit_stats(c->dp, index, out);
}
