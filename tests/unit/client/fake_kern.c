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
		return strcmp(a->address.link, b->address.link) == 0 &&
		       prefix_equal(&a->address.prefix, &b->address.prefix);
	case KERN_OP_ROUTE:
		return strcmp(a->route.link, b->route.link) == 0 &&
		       a->route.table == b->route.table &&
		       a->route.dst.addr.family == b->route.dst.addr.family &&
		       a->route.unreachable == b->route.unreachable;
	case KERN_OP_RULE:
		return a->rule.priority == b->rule.priority && a->rule.table == b->rule.table &&
		       prefix_equal(&a->rule.from, &b->rule.from) &&
		       prefix_equal(&a->rule.to, &b->rule.to) &&
		       a->rule.family == b->rule.family && a->rule.proto == b->rule.proto &&
		       a->rule.dport == b->rule.dport;
	case KERN_OP_LINK_UP:
	case KERN_OP_SPD_HASH:
	case KERN_OP_FIREWALL:
	case KERN_OP_FIREWALL6:
	case KERN_OP_SHIELD:
	case KERN_OP_DIRECT:
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
	if (op->type == KERN_OP_SHIELD)
		k->shield = *op->shield;
	if (op->type == KERN_OP_SHIELD && find(k, op) < k->count)
		return 0; /* replaced */
	if (find(k, op) < k->count || k->count == FAKE_OPS) {
		k->wrong++;
		return -EEXIST;
	}
	k->base[k->count] = k->packets;
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
	memmove(&k->base[i], &k->base[i + 1], (k->count - i) * sizeof(k->base[0]));
	return 0;
}

static int fake_stats(void *ctx, struct kern_netns *netns, const struct addr *dst, uint32_t spi,
		      struct kern_sa_stats *out)
{
	struct kern_op op = { .type = KERN_OP_SA, .netns = netns, .sa = { .dst = *dst, .spi = spi } };
	struct fake_kern *k = ctx;
	size_t i = find(k, &op);
	uint64_t packets;

	if (i == k->count)
		return -ENOENT;
	packets = k->packets - k->base[i];
	*out = (struct kern_sa_stats){ .bytes = packets * 100, .packets = packets };
	return 0;
}

static void move_sa(struct kern_op *op, const struct kern_path *from, const struct kern_path *to)
{
	bool in = addr_equal(&op->sa.src, &from->remote.addr);

	op->sa.src = in ? to->remote.addr : to->local.addr;
	op->sa.dst = in ? to->local.addr : to->remote.addr;
	op->sa.encap = in ? (struct kern_encap){ to->remote.port, to->local.port } :
			    (struct kern_encap){ to->local.port, to->remote.port };
}

static void move_policy(struct kern_op *op, const struct kern_path *to)
{
	bool out = op->policy.dir == KERN_DIR_OUT;

	op->policy.templates[0].src = out ? to->local.addr : to->remote.addr;
	op->policy.templates[0].dst = out ? to->remote.addr : to->local.addr;
}

/* One pair of SAs and the policies, as kern_ops.h has it. */
static int fake_move(void *ctx, struct kern_op *ops, size_t count, const struct kern_path *to)
{
	struct fake_kern *k = ctx;
	struct kern_path from = { 0 };
	size_t sas = 0, policies = 0;

	k->moves++;
	for (size_t i = 0; i < count; i++) {
		sas += ops[i].type == KERN_OP_SA;
		policies += ops[i].type == KERN_OP_POLICY;
		if (ops[i].type == KERN_OP_POLICY && ops[i].policy.dir == KERN_DIR_OUT)
			from = (struct kern_path){ { ops[i].policy.templates[0].src, 0 },
						   { ops[i].policy.templates[0].dst, 0 } };
	}
	if (sas != 2 || policies != 3)
		k->wrong++;
	if (k->move_fails)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		size_t at = find(k, &ops[i]);

		if (at == k->count) {
			k->wrong++;
			return -ENOENT;
		}
		if (ops[i].type == KERN_OP_SA)
			move_sa(&ops[i], &from, to);
		else
			move_policy(&ops[i], to);
		k->standing[at] = ops[i];
		if (ops[i].type == KERN_OP_SA && k->move_forgets)
			k->base[at] = k->packets;
	}
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
	**out = (struct kern_netns){ true, (int)k->namespace_count, fd, -1 };
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
	if (ns->news_fd >= 0)
		close(ns->news_fd);
}

static int open_events(int *fd)
{
	if (*fd < 0)
		*fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return *fd;
}

static int events_fd(struct kern_linux *owner, struct kern_netns *ns)
{
	return open_events(ns ? &ns->news_fd : &((struct fake_kern *)owner)->news_fd);
}

static int events_next(struct kern_linux *owner, struct kern_netns *ns, struct kern_event *out)
{
	struct fake_kern *k = (struct fake_kern *)owner;
	uint64_t value;

	for (size_t i = 0; i < k->news_count; i++) {
		struct fake_news news = k->news[i];

		if (news.netns != number_of(ns))
			continue;
		memmove(&k->news[i], &k->news[i + 1], (--k->news_count - i) * sizeof(news));
		*out = news.event;
		return news.lost ? -ENOBUFS : 1;
	}
	return read(events_fd(owner, ns), &value, sizeof(value)) < 0 && errno != EAGAIN ? -errno :
											   0;
}

static int route_fd(struct kern_linux *owner)
{
	return open_events(&((struct fake_kern *)owner)->routes);
}

static void route_drain(struct kern_linux *owner)
{
	uint64_t value;

	while (read(route_fd(owner), &value, sizeof(value)) > 0)
		;
}

/* In place of a socket a counter that tells its namespace: reading it gives the number, if any. */
static int ns_socket(struct kern_netns *ns, int domain, int type, int protocol)
{
	(void)domain, (void)type, (void)protocol;
	if (ns && !ns->alive)
		return -EBADF;
	return eventfd(ns ? (unsigned int)ns->number : 0, EFD_CLOEXEC | EFD_NONBLOCK);
}

static int fake_flows(void *ctx, struct kern_netns *netns, const struct addr *src)
{
	(void)netns, (void)src;
	return ((struct fake_kern *)ctx)->flows;
}

static int fake_end(void *ctx, struct kern_netns *netns, const struct addr *src)
{
	struct fake_kern *k = ctx;

	(void)src;
	k->wrong += !netns || !netns->alive;
	k->ended++;
	return -EPROTONOSUPPORT;
}

void fake_kern_init(struct fake_kern *k)
{
	*k = (struct fake_kern){
		.ops = { .ctx = k, .add = fake_add, .del = fake_del, .sa_stats = fake_stats,
			 .move = fake_move, .flows_any = fake_flows, .sockets_end = fake_end,
			 .error = fake_error },
		.fail_with = -ENOMEM,
		.news_fd = -1,
		.routes = -1,
	};
}

void fake_kern_fini(struct fake_kern *k)
{
	if (k->news_fd >= 0)
		close(k->news_fd);
	if (k->routes >= 0)
		close(k->routes);
	k->news_fd = k->routes = -1;
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
		.events_fd = events_fd,
		.events_next = events_next,
		.route_fd = route_fd,
		.route_drain = route_drain,
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

static const struct kern_op *sa_op(const struct fake_kern *k, uint32_t spi)
{
	for (size_t i = 0; i < k->count; i++)
		if (k->standing[i].type == KERN_OP_SA && k->standing[i].sa.spi == spi)
			return &k->standing[i];
	return NULL;
}

const struct kern_sa *fake_kern_sa(const struct fake_kern *k, uint32_t spi)
{
	const struct kern_op *op = sa_op(k, spi);

	return op ? &op->sa : NULL;
}

int fake_kern_sa_place(const struct fake_kern *k, uint32_t spi)
{
	return number_of(sa_op(k, spi)->netns);
}

void fake_kern_tell(struct fake_kern *k, const struct fake_news *news)
{
	int fd = news->netns ? k->namespaces[news->netns - 1].news_fd : k->news_fd;

	if (fd < 0 || k->news_count == FAKE_NEWS || eventfd_write(fd, 1) < 0) {
		k->wrong++;
		return;
	}
	k->news[k->news_count++] = *news;
}

void fake_kern_expire(struct fake_kern *k, uint32_t spi, bool hard)
{
	const struct kern_sa *sa = fake_kern_sa(k, spi);
	const struct fake_news news = {
		.netns = fake_kern_sa_place(k, spi),
		.event = { .type = KERN_EVENT_EXPIRE, .reqid = sa->reqid, .src = sa->src,
			   .dst = sa->dst, .spi = spi, .hard = hard },
	};

	fake_kern_tell(k, &news);
}
