#include "ippriv-client/dp.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/log.h"
#include "common/kern/kern_ops.h"
#include "ippriv-client/dp_id.h"
#include "ippriv-client/dp_plan.h"

/* A layer that stands. */
struct dp_standing {
	struct dp_layer layer; /* keys wiped */
	uint32_t id;
	struct kern_netns *behind; /* where its interface stands; NULL for the last layer */
	size_t op_count;
	struct kern_op ops[DP_PLAN_ESP + DP_PLAN_LINK]; /* keys wiped */
};

struct dp {
	struct dp_kernel kernel;
	struct dp_id ids;
};

struct dp_circuit {
	struct dp *dp;
	size_t count;
	struct dp_standing layers[DP_LAYERS];
	struct kern_netns *app; /* NULL: not attached */
	struct kern_op app_ops[DP_PLAN_LINK];
};

int dp_new(const struct dp_kernel *kernel, uint32_t seed, struct dp **out)
{
	struct dp *dp = calloc(1, sizeof(*dp));

	if (!dp)
		return -ENOMEM;
	dp->kernel = *kernel;
	dp_id_init(&dp->ids, seed);
	*out = dp;
	return 0;
}

void dp_free(struct dp *dp)
{
	free(dp);
}

const char *dp_error(const struct dp *dp)
{
	return dp->kernel.kern->error(dp->kernel.kern->ctx);
}

uint32_t dp_mtu(void)
{
	return dp_plan_mtu(dp_plan_mtu(dp_plan_mtu(DP_PLAN_LINK_MTU)));
}

int dp_circuit_new(struct dp *dp, struct dp_circuit **out)
{
	struct dp_circuit *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->dp = dp;
	*out = c;
	return 0;
}

void dp_circuit_free(struct dp_circuit *c)
{
	if (!c)
		return;
	dp_circuit_cut(c, 0);
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

static void layer_wipe(struct dp_layer *layer)
{
	secret_wipe(&layer->key_in);
	secret_wipe(&layer->key_out);
}

/* Fills S->ops; the namespace behind the layer is made before. */
static void standing_plan(struct dp_standing *s, size_t index, struct kern_netns *ns)
{
	char name[KERN_NAME];
	uint32_t mtu = DP_PLAN_LINK_MTU;

	dp_plan_esp(&s->layer, s->id, ns, s->ops);
	s->op_count = DP_PLAN_ESP;
	if (!s->behind)
		return;
	for (size_t i = 0; i <= index; i++)
		mtu = dp_plan_mtu(mtu);
	snprintf(name, sizeof(name), DP_PLAN_PREFIX "%05x", s->id & KERN_ID_MASK);
	dp_plan_link(&s->layer, s->id, name, mtu, ns, s->behind, s->ops + DP_PLAN_ESP);
	s->op_count += DP_PLAN_LINK;
}

static void standing_fini(struct dp *dp, struct dp_standing *s)
{
	layer_wipe(&s->layer);
	kern_plan_wipe(s->ops, s->op_count);
	if (s->behind)
		dp->kernel.netns_free(s->behind);
	dp_id_give(&dp->ids, s->id);
	*s = (struct dp_standing){ 0 };
}

int dp_circuit_push(struct dp_circuit *c, const struct dp_layer *layer)
{
	struct dp *dp = c->dp;
	struct dp_standing *s;
	int r;

	if (c->count == DP_LAYERS)
		return -EINVAL;
	s = &c->layers[c->count];
	*s = (struct dp_standing){ .layer = *layer };
	r = dp_id_take(&dp->ids, &s->id);
	if (r < 0) {
		layer_wipe(&s->layer);
		return r;
	}
	if (c->count + 1 < DP_LAYERS)
		r = dp->kernel.netns_new(dp->kernel.owner, &s->behind);
	if (r == 0) {
		standing_plan(s, c->count, namespace_at(c, c->count));
		r = kern_plan_add(dp->kernel.kern, s->ops, s->op_count);
	}
	if (r < 0) {
		standing_fini(dp, s);
		return r;
	}
	layer_wipe(&s->layer);
	kern_plan_wipe(s->ops, s->op_count);
	c->count++;
	return 0;
}

/*
 * The interface may be gone already, with the application's namespace or by its owner's hand; the
 * namespace it was made in takes it along in any case.
 */
static void detach(struct dp_circuit *c)
{
	if (!c->app)
		return;
	(void)kern_plan_del(c->dp->kernel.kern, c->app_ops, DP_PLAN_LINK);
	c->dp->kernel.netns_free(c->app);
	c->app = NULL;
}

void dp_circuit_cut(struct dp_circuit *c, size_t keep)
{
	int r;

	while (c->count > keep) {
		struct dp_standing *s = &c->layers[c->count - 1];

		if (c->count == DP_LAYERS)
			detach(c);
		r = kern_plan_del(c->dp->kernel.kern, s->ops, s->op_count);
		if (r < 0)
			log_warning("taking down layer %zu: %s (%s); the next start clears it up",
				    c->count, dp_error(c->dp), strerror(-r));
		standing_fini(c->dp, s);
		c->count--;
	}
}

int dp_circuit_attach(struct dp_circuit *c, int fd)
{
	_cleanup_close_ int own = fd;
	struct dp *dp = c->dp;
	const struct kern *kern = dp->kernel.kern;
	const struct dp_standing *s = &c->layers[DP_LAYERS - 1];
	int r;

	if (c->count != DP_LAYERS)
		return -EINVAL;
	if (c->app)
		return -EBUSY;
	r = dp->kernel.netns_from_fd(dp->kernel.owner, own, &c->app);
	if (r < 0)
		return r;
	steal_fd(&own);
	dp_plan_link(&s->layer, s->id, DP_PLAN_LAST, dp_mtu(), namespace_at(c, DP_LAYERS - 1),
		     c->app, c->app_ops);
	r = kern->add(kern->ctx, &c->app_ops[0]);
	if (r == 0) {
		r = kern_plan_add(kern, c->app_ops + 1, DP_PLAN_LINK - 1);
		if (r < 0)
			(void)kern->del(kern->ctx, &c->app_ops[0]);
		if (r == -EEXIST)
			r = -EADDRINUSE; /* the interface has been there: not as it was */
	}
	if (r < 0) {
		dp->kernel.netns_free(c->app);
		c->app = NULL;
	}
	return r;
}

int dp_circuit_stats(struct dp_circuit *c, size_t index, struct dp_stats *out)
{
	const struct kern *kern = c->dp->kernel.kern;
	struct kern_sa_stats in, sent;
	const struct dp_layer *layer;
	struct kern_netns *ns;
	int r;

	if (index >= c->count)
		return -ENOENT;
	layer = &c->layers[index].layer;
	ns = namespace_at(c, index);
	r = kern->sa_stats(kern->ctx, ns, &layer->local, layer->spi_in, &in);
	if (r == 0)
		r = kern->sa_stats(kern->ctx, ns, &layer->remote, layer->spi_out, &sent);
	if (r < 0)
		return r;
	*out = (struct dp_stats){
		.in = { in.bytes, in.packets },
		.out = { sent.bytes, sent.packets },
	};
	return 0;
}
