#include "client/fake_kern.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>

static int number_of(const struct kern_netns *ns)
{
	return ns ? ns->number : 0;
}

static struct kern_netns *place_of(const struct kern_op *op)
{
	return op->type == KERN_OP_LINK && op->link.target ? op->link.target : op->netns;
}

static bool same(const struct kern_op *a, const struct kern_op *b)
{
	if (a->type != b->type || place_of(a) != place_of(b))
		return false;
	switch (a->type) {
	case KERN_OP_SA:
		return a->sa.spi == b->sa.spi && addr_equal(&a->sa.dst, &b->sa.dst);
	case KERN_OP_POLICY:
		return a->policy.dir == b->policy.dir && a->policy.if_id == b->policy.if_id &&
		       prefix_equal(&a->policy.sel.src, &b->policy.sel.src) &&
		       prefix_equal(&a->policy.sel.dst, &b->policy.sel.dst);
	case KERN_OP_LINK:
		return strcmp(a->link.name, b->link.name) == 0;
	case KERN_OP_ADDRESS:
		return strcmp(a->address.link, b->address.link) == 0;
	case KERN_OP_ROUTE:
		return strcmp(a->route.link, b->route.link) == 0;
	case KERN_OP_LINK_UP:
	case KERN_OP_FIREWALL:
		return true;
	}
	return false;
}

static size_t find(const struct fake_kern *k, const struct kern_op *op)
{
	size_t i = 0;

	while (i < k->count && !same(&k->standing[i], op))
		i++;
	return i;
}

static void remember(struct fake_kern *k, const struct kern_op *op, bool add)
{
	if (k->event_count < FAKE_EVENTS)
		k->events[k->event_count++] = (struct fake_event){ add, op->type,
								   number_of(op->netns) };
	if ((op->netns && !op->netns->alive) || (place_of(op) && !place_of(op)->alive))
		k->wrong++;
}

static int fake_add(void *ctx, const struct kern_op *op)
{
	struct fake_kern *k = ctx;

	remember(k, op, true);
	if (++k->adds == k->fail_at)
		return k->fail_with;
	if (find(k, op) < k->count || k->count == FAKE_OPS) {
		k->wrong++;
		return -EEXIST;
	}
	k->standing[k->count++] = *op;
	return 0;
}

static int fake_del(void *ctx, const struct kern_op *op)
{
	struct fake_kern *k = ctx;
	size_t i = find(k, op);

	remember(k, op, false);
	if (i == k->count) {
		/* addresses and routes go with their link, no other thing goes by itself */
		k->wrong++;
		return -ENOENT;
	}
	memmove(&k->standing[i], &k->standing[i + 1], (--k->count - i) * sizeof(*op));
	return 0;
}

static int fake_stats(void *ctx, struct kern_netns *netns, const struct addr *dst, uint32_t spi,
		      struct kern_sa_stats *out)
{
	struct kern_op op = { .type = KERN_OP_SA, .netns = netns, .sa = { .dst = *dst, .spi = spi } };
	struct fake_kern *k = ctx;

	if (find(k, &op) == k->count)
		return -ENOENT;
	*out = (struct kern_sa_stats){ .bytes = k->packets * 100, .packets = k->packets };
	return 0;
}

static const char *fake_error(void *ctx)
{
	(void)ctx;
	return "the fake kernel was told to fail";
}

static int ns_make(struct kern_linux *owner, int fd, struct kern_netns **out)
{
	struct fake_kern *k = (struct fake_kern *)owner;

	if (k->namespace_count == FAKE_NAMESPACES)
		return -ENOSPC;
	*out = &k->namespaces[k->namespace_count++];
	**out = (struct kern_netns){ true, (int)k->namespace_count, fd };
	return 0;
}

static int ns_new(struct kern_linux *owner, struct kern_netns **out)
{
	return ns_make(owner, -1, out);
}

static void ns_free(struct kern_netns *ns)
{
	ns->alive = false;
	if (ns->fd >= 0)
		close(ns->fd);
}

/* In place of a socket a counter that tells its namespace: reading it gives the number, if any. */
static int ns_socket(struct kern_netns *ns, int domain, int type, int protocol)
{
	(void)domain, (void)type, (void)protocol;
	if (ns && !ns->alive)
		return -EBADF;
	return eventfd(ns ? (unsigned int)ns->number : 0, EFD_CLOEXEC | EFD_NONBLOCK);
}

void fake_kern_init(struct fake_kern *k)
{
	*k = (struct fake_kern){
		.ops = { .ctx = k, .add = fake_add, .del = fake_del, .sa_stats = fake_stats,
			 .error = fake_error },
		.fail_with = -ENOMEM,
	};
}

struct dp_kernel fake_kern_dp(struct fake_kern *k)
{
	return (struct dp_kernel){
		.kern = &k->ops,
		.owner = (struct kern_linux *)k,
		.netns_new = ns_new,
		.netns_from_fd = ns_make,
		.netns_free = ns_free,
		.netns_socket = ns_socket,
	};
}

size_t fake_kern_namespaces(const struct fake_kern *k)
{
	size_t n = 0;

	for (size_t i = 0; i < k->namespace_count; i++)
		n += k->namespaces[i].alive;
	return n;
}

size_t fake_kern_count(const struct fake_kern *k, enum kern_op_type type)
{
	size_t n = 0;

	for (size_t i = 0; i < k->count; i++)
		n += k->standing[i].type == type;
	return n;
}

const struct kern_sa *fake_kern_sa(const struct fake_kern *k, uint32_t spi)
{
	for (size_t i = 0; i < k->count; i++)
		if (k->standing[i].type == KERN_OP_SA && k->standing[i].sa.spi == spi)
			return &k->standing[i].sa;
	return NULL;
}
