#include "ippriv-client/dp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <utlist.h>

#include "common/base/log.h"
#include "ippriv-client/dp_host.h"
#include "ippriv-client/dp_id.h"
#include "ippriv-client/dp_pairs.h"

/* A layer that stands, or that is prepared: of that the id, and the interface with its namespace. */
struct dp_standing {
	bool prepared;
	struct dp_path path;
	struct addr inner, inner6;
	struct dp_pairs pairs;
	struct kern_netns *behind; /* where its interface stands; NULL for the last layer */
	bool linked;
	struct kern_op link;
	size_t op_count;
	struct kern_op ops[2 * DP_PLAN_POLICIES + DP_PLAN_ADDRESS];
};

enum { SIDE_ROUTE = 1 }; /* in ops, behind the address: the default route, or what leads the host */

/* What a circuit has of one family where it is attached. */
struct dp_side {
	size_t count; /* 0: nothing */
	struct kern_op ops[SIDE_ROUTE + DP_HOST_LEAD];
};
_Static_assert((int)DP_PLAN_ADDRESS + DP_PLAN_KEPT <= (int)SIDE_ROUTE + DP_HOST_LEAD, "both fit");

struct dp_circuit {
	struct dp *dp;
	void *data;
	size_t count;
	struct dp_standing layers[DP_LAYERS];
	struct kern_netns *app; /* NULL: not attached */
	ino_t app_ino;          /* which namespace that is */
	bool leads;             /* what is new there goes by this circuit */
	struct kern_op app_link;
	struct dp_side four, six;
	struct dp_circuit *prev, *next;
};

struct dp {
	struct dp_kernel kernel;
	struct dp_id ids;
	struct dp_circuit *circuits;
	int events;      /* epoll of all namespaces' events */
	bool draining;   /* FROM has not said yet that it has no more */
	struct kern_netns *from;
};

static int events_hear(struct dp *dp, struct kern_netns *ns)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = ns };
	int fd = dp->kernel.events_fd(dp->kernel.owner, ns);

	if (fd < 0)
		return fd;
	return epoll_ctl(dp->events, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

/* Closing its descriptor takes the namespace out of the epoll. */
static void events_forget(struct dp *dp, const struct kern_netns *ns)
{
	if (dp->draining && dp->from == ns)
		dp->draining = false;
}

static void netns_give(struct dp *dp, struct kern_netns *ns)
{
	if (!ns)
		return;
	events_forget(dp, ns);
	dp->kernel.netns_free(ns);
}

static int netns_take(struct dp *dp, struct kern_netns **out)
{
	struct kern_netns *ns;
	int r = dp->kernel.netns_new(dp->kernel.owner, &ns);

	if (r < 0)
		return r;
	r = events_hear(dp, ns);
	if (r < 0)
		dp->kernel.netns_free(ns);
	else
		*out = ns;
	return r;
}

int dp_new(const struct dp_kernel *kernel, uint32_t seed, struct dp **out)
{
	struct dp *dp = calloc(1, sizeof(*dp));
	int r;

	if (!dp)
		return -ENOMEM;
	dp->kernel = *kernel;
	dp_id_init(&dp->ids, seed);
	dp->events = epoll_create1(EPOLL_CLOEXEC);
	r = dp->events < 0 ? -errno : events_hear(dp, NULL);
	if (r < 0) {
		dp_free(dp);
		return r;
	}
	*out = dp;
	return 0;
}

void dp_free(struct dp *dp)
{
	if (!dp)
		return;
	if (dp->events >= 0)
		close(dp->events);
	free(dp);
}

const char *dp_error(const struct dp *dp)
{
	return dp->kernel.kern->error(dp->kernel.kern->ctx);
}

uint32_t dp_mtu(void)
{
	return dp_plan_mtu(DP_LAYERS - 1);
}

int dp_events_fd(const struct dp *dp)
{
	return dp->events;
}

/* Says whose the kernel's event is. False: nobody's any more. */
static bool event_of(const struct dp *dp, const struct kern_event *event, struct dp_event *out)
{
	const struct dp_circuit *c;

	if (event->type != KERN_EVENT_EXPIRE)
		return false;
	DL_FOREACH(dp->circuits, c) {
		for (size_t i = 0; i < c->count; i++) {
			if (c->layers[i].pairs.id != event->reqid)
				continue;
			*out = (struct dp_event){
				.data = c->data,
				.layer = i,
				.spi = event->spi,
				.hard = event->hard,
			};
			return true;
		}
	}
	return false;
}

int dp_events_next(struct dp *dp, struct dp_event *out)
{
	struct epoll_event ready;
	struct kern_event event;
	int r;

	for (;;) {
		if (!dp->draining) {
			if (epoll_wait(dp->events, &ready, 1, 0) != 1)
				return 0;
			dp->from = ready.data.ptr;
			dp->draining = true;
		}
		r = dp->kernel.events_next(dp->kernel.owner, dp->from, &event);
		if (r > 0 && event_of(dp, &event, out))
			return 1;
		if (r <= 0)
			dp->draining = false;
		if (r < 0)
			return r;
	}
}

int dp_routes_fd(const struct dp *dp)
{
	return dp->kernel.route_fd(dp->kernel.owner);
}

void dp_routes_drain(const struct dp *dp)
{
	dp->kernel.route_drain(dp->kernel.owner);
}

int dp_circuit_new(struct dp *dp, void *data, struct dp_circuit **out)
{
	struct dp_circuit *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->dp = dp;
	c->data = data;
	DL_APPEND(dp->circuits, c);
	*out = c;
	return 0;
}

void dp_circuit_free(struct dp_circuit *c)
{
	if (!c)
		return;
	dp_circuit_cut(c, 0);
	DL_DELETE(c->dp->circuits, c);
	free(c);
}

/* The namespace that holds the SAs of the layer after COUNT others. */
static struct kern_netns *namespace_at(const struct dp_circuit *c, size_t count)
{
	return count == 0 ? NULL : c->layers[count - 1].behind;
}

int dp_circuit_socket(struct dp_circuit *c, int domain, int type, int protocol)
{
	if (c->count == DP_LAYERS)
		return -EINVAL;
	return c->dp->kernel.netns_socket(namespace_at(c, c->count), domain, type, protocol);
}

/* Fills S->ops; the interface is made before. */
static void standing_plan(struct dp_standing *s)
{
	dp_plan_policies(&s->path, &s->inner, s->pairs.id, s->pairs.ns, s->ops);
	s->op_count = DP_PLAN_POLICIES;
	if (s->inner6.family != 0) {
		dp_plan_policies(&s->path, &s->inner6, s->pairs.id, s->pairs.ns,
				 s->ops + s->op_count);
		s->op_count += DP_PLAN_POLICIES;
	}
	if (!s->behind)
		return;
	dp_plan_address(&s->inner, s->link.link.name, s->behind, s->ops + s->op_count);
	s->op_count += DP_PLAN_ADDRESS;
}

/* Takes down what there is, whatever fails. */
static int standing_fini(struct dp *dp, struct dp_standing *s)
{
	const struct kern *kern = dp->kernel.kern;
	int r = kern_plan_del(kern, s->ops, s->op_count);
	int r2 = dp_pairs_clear(&s->pairs), r3 = s->linked ? kern->del(kern->ctx, &s->link) : 0;

	netns_give(dp, s->behind);
	dp_id_give(&dp->ids, s->pairs.id);
	*s = (struct dp_standing){ 0 };
	return r < 0 ? r : r2 < 0 ? r2 : r3;
}

static int standing_link(struct dp *dp, struct dp_standing *s, size_t index)
{
	const struct kern *kern = dp->kernel.kern;
	char name[KERN_NAME];
	int r = netns_take(dp, &s->behind);

	if (r < 0)
		return r;
	snprintf(name, sizeof(name), DP_PLAN_PREFIX "%05x", s->pairs.id & KERN_ID_MASK);
	s->link = dp_plan_link(s->pairs.id, name, dp_plan_mtu(index), s->pairs.ns, s->behind);
	r = kern->add(kern->ctx, &s->link);
	s->linked = r == 0;
	return r;
}

/* Of layer C->count; nothing of it is left on failure. */
static int standing_prepare(struct dp_circuit *c)
{
	struct dp_standing *s = &c->layers[c->count];
	struct dp *dp = c->dp;
	int r;

	if (s->prepared)
		return 0;
	*s = (struct dp_standing){
		.prepared = true,
		.pairs = { .kern = dp->kernel.kern, .ns = namespace_at(c, c->count) },
	};
	r = dp_id_take(&dp->ids, &s->pairs.id);
	if (r == 0 && c->count + 1 < DP_LAYERS)
		r = standing_link(dp, s, c->count);
	if (r < 0)
		(void)standing_fini(dp, s);
	return r;
}

static int standing_install(struct dp *dp, struct dp_standing *s, const struct dp_layer *layer)
{
	int r;

	s->path = layer->path;
	s->inner = layer->inner;
	s->inner6 = layer->inner6;
	r = dp_pairs_add(&s->pairs, &s->path, &layer->pair, false);
	if (r < 0)
		return r;
	standing_plan(s);
	r = kern_plan_add(dp->kernel.kern, s->ops, s->op_count);
	if (r < 0)
		s->op_count = 0;
	return r;
}

int dp_circuit_prepare(struct dp_circuit *c)
{
	return c->count < DP_LAYERS ? standing_prepare(c) : 0;
}

int dp_circuit_push(struct dp_circuit *c, const struct dp_layer *layer)
{
	int r;

	if (c->count == DP_LAYERS)
		return -EINVAL;
	r = standing_prepare(c);
	if (r < 0)
		return r;
	r = standing_install(c->dp, &c->layers[c->count], layer);
	if (r < 0)
		(void)standing_fini(c->dp, &c->layers[c->count]);
	else
		c->count++;
	return r;
}

int dp_pair_add(struct dp_circuit *c, size_t index, const struct dp_pair *pair, bool in_only)
{
	if (index >= c->count)
		return -ENOENT;
	return dp_pairs_add(&c->layers[index].pairs, &c->layers[index].path, pair, in_only);
}

int dp_pair_switch(struct dp_circuit *c, size_t index, const struct dp_pair *pair)
{
	if (index >= c->count)
		return -ENOENT;
	return dp_pairs_switch(&c->layers[index].pairs, &c->layers[index].path, pair);
}

/* R: what came of removing. */
static void report_left(const struct dp_circuit *c, size_t index, int r)
{
	if (r < 0)
		log_warning("removing a replaced SA of layer %zu: %s (%s)", index + 1,
			    dp_error(c->dp), strerror(-r));
}

void dp_pair_mute(struct dp_circuit *c, size_t index, uint32_t spi_in)
{
	if (index < c->count)
		report_left(c, index, dp_pairs_mute(&c->layers[index].pairs, spi_in));
}

bool dp_pair_del(struct dp_circuit *c, size_t index, uint32_t spi_in)
{
	if (index >= c->count)
		return true;
	report_left(c, index, dp_pairs_del(&c->layers[index].pairs, spi_in));
	return dp_pairs_hear(&c->layers[index].pairs);
}

int dp_circuit_move(struct dp_circuit *c, size_t index, const struct dp_path *path)
{
	struct dp_standing *s = &c->layers[index];
	int r;

	if (index >= c->count)
		return -ENOENT;
	r = dp_pairs_move(&s->pairs, s->ops, path);
	if (r == 0)
		s->path = *path;
	return r;
}

static void end_sockets(struct dp_circuit *c, const struct addr *src)
{
	const struct kern *kern = c->dp->kernel.kern;
	int r = kern->sockets_end(kern->ctx, c->app, src);

	if (r < 0)
		log_debug("connections of a circuit that has ended are left: %s", strerror(-r));
}

static void lose_six(struct dp_circuit *c)
{
	struct addr inner6 = c->layers[DP_LAYERS - 1].inner6;

	c->layers[DP_LAYERS - 1].inner6 = (struct addr){ 0 };
	if (!c->app || c->six.count == 0)
		return;
	(void)kern_plan_del(c->dp->kernel.kern, c->six.ops, c->six.count);
	c->six.count = 0;
	end_sockets(c, &inner6);
}

/*
 * What is new in C's namespace goes by C, or, of IPv6, when C has none or ends, nowhere. The addresses
 * of old circuits may not stay then: for a socket without one, when there is no route, Linux chooses any
 * address that there is and looks again, and so would find the old circuit's table.
 */
static void withdraw_six(struct dp_circuit *c)
{
	struct dp_circuit *other;

	DL_FOREACH(c->dp->circuits, other)
		if (other != c && other->app && other->app_ino == c->app_ino)
			lose_six(other);
}

void dp_circuit_drop_six(struct dp_circuit *c)
{
	const bool led = c->leads && c->six.count > 0;

	lose_six(c);
	if (led)
		withdraw_six(c);
}

/*
 * The interface may be gone already, with the application's namespace or by its owner's hand; the
 * namespace it was made in takes it along in any case. Who has a connection from its address is told.
 */
static void detach(struct dp_circuit *c)
{
	const struct dp_standing *s = &c->layers[DP_LAYERS - 1];
	const struct kern *kern = c->dp->kernel.kern;

	if (!c->app)
		return;
	if (c->leads && c->six.count > 0)
		withdraw_six(c);
	(void)kern_plan_del(kern, c->six.ops, c->six.count);
	(void)kern_plan_del(kern, c->four.ops, c->four.count);
	(void)kern_plan_del(kern, &c->app_link, 1);
	end_sockets(c, &s->inner);
	if (c->six.count > 0)
		end_sockets(c, &s->inner6);
	c->dp->kernel.netns_free(c->app);
	c->app = NULL;
	c->leads = false;
}

void dp_circuit_cut(struct dp_circuit *c, size_t keep)
{
	int r;

	if (c->count < DP_LAYERS && c->layers[c->count].prepared)
		(void)standing_fini(c->dp, &c->layers[c->count]);
	while (c->count > keep) {
		struct dp_standing *s = &c->layers[c->count - 1];

		if (c->count == DP_LAYERS)
			detach(c);
		r = standing_fini(c->dp, s);
		if (r < 0)
			log_warning("taking down layer %zu: %s (%s); the next start clears it up",
				    c->count, dp_error(c->dp), strerror(-r));
		c->count--;
	}
}

/* INNER and the default route through the link that stands. */
static int side_add(struct dp_circuit *c, struct dp_side *side, const struct addr *inner)
{
	int r;

	dp_plan_address(inner, c->app_link.link.name, c->app, side->ops);
	side->ops[SIDE_ROUTE].route.replace = true;
	r = kern_plan_add(c->dp->kernel.kern, side->ops, DP_PLAN_ADDRESS);
	side->count = r == 0 ? DP_PLAN_ADDRESS : 0;
	return r;
}

/* The same with the host, whose routes have tables of their own: what has INNER is led as long as it stands. */
static int side_add_host(struct dp_circuit *c, struct dp_side *side, const struct addr *inner,
			 unsigned int slot)
{
	const uint32_t id = c->layers[DP_LAYERS - 1].pairs.id;
	size_t count;
	int r;

	dp_plan_address(inner, c->app_link.link.name, c->app, side->ops);
	count = SIDE_ROUTE + dp_host_lead(inner, c->app_link.link.name, slot, id, c->app,
					  side->ops + SIDE_ROUTE);
	r = kern_plan_add(c->dp->kernel.kern, side->ops, count);
	side->count = r == 0 ? count : 0;
	return r;
}

/* IPv6, where the exit has given an address and the namespace does not refuse it. */
static void add_six(struct dp_circuit *c, unsigned int slot, bool host)
{
	const struct addr *inner = &c->layers[DP_LAYERS - 1].inner6;
	int r = -ENOENT;

	if (inner->family != 0)
		r = host ? side_add_host(c, &c->six, inner, slot) : side_add(c, &c->six, inner);
	if (r == 0)
		return;
	withdraw_six(c);
	if (inner->family != 0)
		log_debug("a namespace goes without IPv6: %s", dp_error(c->dp));
}

static void take_lead(struct dp_circuit *c)
{
	struct dp_circuit *other;

	DL_FOREACH(c->dp->circuits, other)
		if (other->app && other->app_ino == c->app_ino)
			other->leads = other == c;
}

/* The link and IPv4. */
static int add_link(struct dp_circuit *c, unsigned int slot, bool host)
{
	const struct addr *inner = &c->layers[DP_LAYERS - 1].inner;
	const struct kern *kern = c->dp->kernel.kern;
	int r = kern->add(kern->ctx, &c->app_link);

	if (r < 0)
		return r;
	r = host ? side_add_host(c, &c->four, inner, slot) : side_add(c, &c->four, inner);
	if (r < 0)
		(void)kern->del(kern->ctx, &c->app_link);
	return r == -EEXIST ? -EADDRINUSE : r; /* the interface has been there: not as it was */
}

/* As dp_circuit_attach, or (HOST) as dp_circuit_attach_host. */
static int attach(struct dp_circuit *c, int fd, unsigned int slot, bool host)
{
	_cleanup_close_ int own = fd;
	char name[KERN_NAME];
	struct dp *dp = c->dp;
	const struct dp_standing *s = &c->layers[DP_LAYERS - 1];
	struct stat st;
	int r;

	if (c->count != DP_LAYERS)
		return -EINVAL;
	if (c->app)
		return -EBUSY;
	if (fstat(own, &st) < 0)
		return -errno;
	r = dp->kernel.netns_from_fd(dp->kernel.owner, own, &c->app);
	if (r < 0)
		return r;
	steal_fd(&own);
	c->app_ino = st.st_ino;
	snprintf(name, sizeof(name), DP_PLAN_LAST "%u", slot);
	c->app_link = dp_plan_link(s->pairs.id, name, dp_mtu(), s->pairs.ns, c->app);
	r = add_link(c, slot, host);
	if (r < 0) {
		dp->kernel.netns_free(c->app);
		c->app = NULL;
	} else {
		add_six(c, slot, host);
		take_lead(c);
	}
	return r;
}

int dp_circuit_attach(struct dp_circuit *c, int fd, unsigned int slot)
{
	return attach(c, fd, slot, false);
}

int dp_circuit_attach_host(struct dp_circuit *c, unsigned int slot)
{
	int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : attach(c, fd, slot, true);
}

static int side_keep(struct dp_circuit *c, struct dp_side *side, const struct addr *inner)
{
	struct kern_op *ops = side->ops + DP_PLAN_ADDRESS;
	int r;

	if (side->count != DP_PLAN_ADDRESS)
		return 0;
	dp_plan_keep(inner, c->app_link.link.name, c->layers[DP_LAYERS - 1].pairs.id, c->app, ops);
	r = kern_plan_add(c->dp->kernel.kern, ops, DP_PLAN_KEPT);
	if (r == 0)
		side->count += DP_PLAN_KEPT;
	return r;
}

int dp_circuit_keep(struct dp_circuit *c)
{
	const struct dp_standing *s = &c->layers[DP_LAYERS - 1];
	int r;

	if (!c->app)
		return -EINVAL;
	r = side_keep(c, &c->four, &s->inner);
	return r < 0 ? r : side_keep(c, &c->six, &s->inner6);
}

int dp_circuit_flows(struct dp_circuit *c)
{
	const struct dp_standing *s = &c->layers[DP_LAYERS - 1];
	const struct kern *kern = c->dp->kernel.kern;
	int r;

	if (!c->app)
		return -EINVAL;
	r = kern->flows_any(kern->ctx, c->app, &s->inner);
	if (r == 0 && c->six.count > 0)
		r = kern->flows_any(kern->ctx, c->app, &s->inner6);
	return r;
}

int dp_circuit_stats(struct dp_circuit *c, size_t index, struct dp_stats *out)
{
	if (index >= c->count)
		return -ENOENT;
	*out = dp_pairs_stats(&c->layers[index].pairs);
	return 0;
}
