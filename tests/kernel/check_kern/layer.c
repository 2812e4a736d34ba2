#include "tests/kernel/check_kern/layer.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/io/udp.h"

enum { REQID = KERN_REQID_CLIENT | 7, CIRCUIT = KERN_REQID_NODE | 4097, MARK = 9 << KERN_MARK_SHIFT };

#define ASSIGNED "100.64.0.7"
#define INSIDE "10.9.9.9"
#define ANY "0.0.0.0/0"

struct kern_path layer_path(const char *local, uint16_t local_port, const char *remote,
			    uint16_t remote_port)
{
	return (struct kern_path){ { check_addr(local), local_port },
				   { check_addr(remote), remote_port } };
}

struct kern_path layer_reverse(const struct kern_path *path)
{
	return (struct kern_path){ path->remote, path->local };
}

static void add_address(struct check_plan *p, struct kern_netns *ns, const char *link,
			const char *prefix)
{
	struct kern_op *op = check_op(p, KERN_OP_ADDRESS, ns);
	char addr[ADDR_TEXT];
	const char *slash = strchr(prefix, '/');

	snprintf(addr, sizeof(addr), "%.*s", (int)(slash - prefix), prefix);
	op->address.prefix.addr = check_addr(addr);
	op->address.prefix.len = (uint8_t)atoi(slash + 1);
	strcpy(op->address.link, link);
}

static void lay_cable(struct layer_net *n)
{
	struct kern_netns **all[] = { &n->s, &n->app, &n->a };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (kern_netns_new(n->k, all[i]) < 0)
			abort();
	check_shell("ip link add sa netns /proc/%d/fd/%d type veth peer name sa netns /proc/%d/fd/%d",
		    getpid(), n->s->fd, getpid(), n->a->fd);
	for (int i = 0; i < 2; i++)
		check_shell("nsenter --net=/proc/%d/fd/%d sysctl -qw net.ipv6.conf.sa.accept_dad=0",
			    getpid(), i ? n->a->fd : n->s->fd);
	add_address(&n->rest, n->s, "sa", "10.0.1.1/24");
	add_address(&n->rest, n->s, "sa", "10.0.1.3/24");
	add_address(&n->rest, n->s, "sa", "2001:db8::1/64");
	add_address(&n->rest, n->a, "sa", "10.0.1.2/24");
	add_address(&n->rest, n->a, "sa", "2001:db8::2/64");
	add_address(&n->rest, n->a, "lo", INSIDE "/32");
	strcpy(check_op(&n->rest, KERN_OP_LINK_UP, n->s)->link_up, "sa");
	strcpy(check_op(&n->rest, KERN_OP_LINK_UP, n->a)->link_up, "sa");
}

static void add_pair(struct check_plan *p, struct kern_netns *ns, const struct kern_path *path,
		     uint32_t spi_out, uint32_t spi_in, const struct kern_sa *like)
{
	struct kern_sa *out = &check_op(p, KERN_OP_SA, ns)->sa;
	struct kern_sa *in = &check_op(p, KERN_OP_SA, ns)->sa;

	*out = *in = *like;
	out->src = in->dst = path->local.addr;
	out->dst = in->src = path->remote.addr;
	out->spi = spi_out;
	in->spi = spi_in;
	in->set_mark = (struct kern_mark){ MARK, KERN_MARK_MASK };
	out->encap = (struct kern_encap){ path->local.port, path->remote.port };
	in->encap = (struct kern_encap){ path->remote.port, path->local.port };
	for (uint8_t i = 0; i < 36; i++) {
		out->key.bytes[i] = (uint8_t)(spi_out + i);
		in->key.bytes[i] = (uint8_t)(spi_in + i);
	}
}

static void add_policy(struct check_plan *p, struct kern_netns *ns, enum kern_dir dir, bool client,
		       const struct kern_path *path, const struct kern_sa *like)
{
	struct kern_policy *policy = &check_op(p, KERN_OP_POLICY, ns)->policy;
	bool out = dir == KERN_DIR_OUT;

	*policy = check_policy(dir, out == client ? ASSIGNED : ANY, out == client ? ANY : ASSIGNED);
	policy->if_id = like->if_id;
	policy->template_count = 1;
	policy->templates[0] = (struct kern_template){
		out ? path->local.addr : path->remote.addr,
		out ? path->remote.addr : path->local.addr, like->reqid };
}

static void plan_ends(struct layer_net *n, const struct kern_path *path,
		      const struct life *life)
{
	struct kern_path back = layer_reverse(path);
	struct kern_sa like = check_sa("10.0.1.1", "10.0.1.2", 1, REQID);

	like.if_id = REQID;
	like.life = *life;
	add_pair(&n->client, n->s, path, LAYER_OUT, LAYER_IN, &like);
	add_policy(&n->client, n->s, KERN_DIR_IN, true, path, &like);
	add_policy(&n->client, n->s, KERN_DIR_FWD, true, path, &like);
	add_policy(&n->client, n->s, KERN_DIR_OUT, true, path, &like);
	like.reqid = CIRCUIT;
	like.if_id = 0;
	like.life = (struct life){ 0 };
	add_pair(&n->relay, n->a, &back, LAYER_IN, LAYER_OUT, &like);
	add_policy(&n->relay, n->a, KERN_DIR_OUT, false, &back, &like);
	add_policy(&n->relay, n->a, KERN_DIR_IN, false, &back, &like);
	add_policy(&n->relay, n->a, KERN_DIR_FWD, false, &back, &like);
}

static void add_inside(struct layer_net *n)
{
	struct kern_op *op = check_op(&n->rest, KERN_OP_LINK, n->s);

	op->link = (struct kern_link){ .name = "h1", .if_id = REQID, .mtu = 1400, .target = n->app };
	add_address(&n->rest, n->app, "h1", ASSIGNED "/32");
	check_op(&n->rest, KERN_OP_ROUTE, n->app)->route =
		(struct kern_route){ .link = "h1", .dst = check_prefix(ANY) };
	/* A link that a packet to the client could be routed to, were there no policy. */
	check_op(&n->rest, KERN_OP_LINK, n->a)->link =
		(struct kern_link){ .kind = KERN_LINK_DUMMY, .name = "ippriv-pool" };
	check_op(&n->rest, KERN_OP_ROUTE, n->a)->route =
		(struct kern_route){ .link = "ippriv-pool", .dst = check_prefix("100.64.0.0/10") };
}

static int open_udp(struct kern_netns *ns, const char *addr, uint16_t port)
{
	struct endpoint local = { check_addr(addr), port };
	int fd = kern_netns_socket(ns, local.addr.family, SOCK_DGRAM, 0);

	CHECK(fd >= 0 && udp_bind(fd, &local, false) == 0);
	return fd;
}

static int open_inside(struct kern_netns *ns, const char *addr, const char *peer)
{
	struct endpoint remote = { check_addr(peer), 7000 };
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(&remote, &sa);
	int fd = open_udp(ns, addr, 7000);

	CHECK(connect(fd, (struct sockaddr *)&sa, len) == 0);
	return fd;
}

void layer_up(struct layer_net *n, struct kern_linux *k, const struct kern_path *path,
	      const struct life *life)
{
	const struct kern *kern = kern_linux_ops(k);

	*n = (struct layer_net){ .k = k, .path = *path };
	lay_cable(n);
	plan_ends(n, path, life);
	add_inside(n);
	CHECK_INT(kern, kern_plan_add(kern, n->rest.ops, n->rest.count), 0);
	CHECK_INT(kern, kern_plan_add(kern, n->client.ops, n->client.count), 0);
	CHECK_INT(kern, kern_plan_add(kern, n->relay.ops, n->relay.count), 0);
	n->udp[0] = open_udp(n->s, "0.0.0.0", 4500);
	n->udp[1] = open_udp(n->s, "::", 4500);
	n->udp[2] = open_udp(n->s, "0.0.0.0", 1024);
	n->udp[3] = open_udp(n->a, "0.0.0.0", 4500);
	n->udp[4] = open_udp(n->a, "::", 4500);
	for (size_t i = 0; i < LAYER_PORTS; i++)
		CHECK(udp_encap(n->udp[i]) == 0);
	n->sender = open_inside(n->app, ASSIGNED, INSIDE);
	n->receiver = open_inside(n->a, INSIDE, ASSIGNED);
}

bool layer_pass(int from, int to)
{
	struct pollfd pfd = { .fd = to, .events = POLLIN };
	char data[8];

	if (send(from, "x", 1, 0) != 1) {
		printf("     cannot send: %s\n", strerror(errno));
		return false;
	}
	/* The first packet waits for a neighbour, a second when that is slow. */
	return poll(&pfd, 1, 3000) == 1 && recv(to, data, sizeof(data), 0) == 1;
}

int layer_echo(struct layer_net *n, int count)
{
	int done = 0;

	for (int i = 0; i < count; i++)
		done += layer_pass(n->sender, n->receiver) && layer_pass(n->receiver, n->sender);
	return done;
}

void layer_down(struct layer_net *n)
{
	const struct kern *kern = kern_linux_ops(n->k);
	struct kern_netns *all[] = { n->app, n->s, n->a };

	for (size_t i = 0; i < LAYER_PORTS; i++)
		close(n->udp[i]);
	close(n->sender);
	close(n->receiver);
	if (check_failures)
		for (size_t i = 0; i < ARRAY_SIZE(all); i++)
			check_shell("nsenter --net=/proc/%d/fd/%d awk '$2>0' /proc/net/xfrm_stat",
				    getpid(), all[i]->fd);
	CHECK_INT(kern, kern_plan_del(kern, n->client.ops, n->client.count), 0);
	CHECK_INT(kern, kern_plan_del(kern, n->relay.ops, n->relay.count), 0);
	CHECK_INT(kern, kern_plan_del(kern, n->rest.ops, n->rest.count), 0);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		CHECK_INT(kern, check_count_sas(all[i]), 0);
		CHECK_INT(kern, check_count_policies(all[i]), 0);
		kern_netns_free(all[i]);
	}
}
