/*
 * Two layers of a telescope and one overlay tunnel, as the daemons lay them, with real packets:
 *
 *  app ──ippriv0── hop1 ──h1── S ───────── A ═════════ B ───────── D
 *  100.64.0.9   100.64.0.7  10.0.1.1  10.0.1.2   10.0.2.1  10.0.2.2   10.0.3.1  10.0.3.2
 *
 * Each name is an anonymous namespace. A assigned 100.64.0.7, B assigned 100.64.0.9.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/kernel/check_kern/check.h"

enum { MARK = 5 << KERN_MARK_SHIFT, CIRCUIT = 4096 };

#define S "10.0.1.1"
#define A "10.0.1.2"
#define A_B "10.0.2.1"
#define B "10.0.2.2"
#define D "10.0.3.2"
#define S_A "100.64.0.7"
#define S_B "100.64.0.9"
#define POOL "100.64.0.0/16"
#define ANY "0.0.0.0/0"

struct net {
	struct kern_linux *k;
	struct kern_netns *s, *hop1, *app, *a, *b, *d;
};

static void cable(struct net *n, struct kern_netns *x, const char *x_addr, struct kern_netns *y,
		  const char *y_addr, const char *name)
{
	const struct kern *kern = kern_linux_ops(n->k);
	struct check_plan plan = { 0 };
	struct {
		struct kern_netns *ns;
		const char *addr;
	} ends[] = { { x, x_addr }, { y, y_addr } };

	check_shell("ip link add %s netns /proc/%d/fd/%d type veth peer name %s netns /proc/%d/fd/%d",
	      name, getpid(), x->fd, name, getpid(), y->fd);
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		struct kern_op *op = check_op(&plan, KERN_OP_ADDRESS, ends[i].ns);

		strcpy(op->address.link, name);
		op->address.prefix = (struct prefix){ check_addr(ends[i].addr), 24 };
		strcpy(check_op(&plan, KERN_OP_LINK_UP, ends[i].ns)->link_up, name);
	}
	CHECK_INT(kern, kern_plan_add(kern, plan.ops, plan.count), 0);
}

static void lay_cables(struct net *n)
{
	struct kern_netns **all[] = { &n->s, &n->hop1, &n->app, &n->a, &n->b, &n->d };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (kern_netns_new(n->k, all[i]) < 0)
			abort();
	cable(n, n->s, S, n->a, A, "sa");
	cable(n, n->a, A_B, n->b, B, "ab");
	cable(n, n->b, "10.0.3.1", n->d, D, "bd");
	for (int i = 0; i < 2; i++)
		check_shell("nsenter --net=/proc/%d/fd/%d sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'",
		      getpid(), i ? n->a->fd : n->b->fd);
	check_shell("nsenter --net=/proc/%d/fd/%d ip route add 100.64.0.0/10 via 10.0.3.1", getpid(),
	      n->d->fd);
}

static struct kern_sa *add_sa(struct check_plan *p, struct kern_netns *ns, const char *src,
			      const char *dst, uint32_t spi, uint32_t reqid)
{
	struct kern_op *op = check_op(p, KERN_OP_SA, ns);

	op->sa = check_sa(src, dst, spi, reqid);
	return &op->sa;
}

static struct kern_policy *add_policy(struct check_plan *p, struct kern_netns *ns,
				      enum kern_dir dir, const char *src, const char *dst)
{
	struct kern_op *op = check_op(p, KERN_OP_POLICY, ns);

	op->policy = check_policy(dir, src, dst);
	return &op->policy;
}

/* One layer at the client: made in NS towards REMOTE, its link moved to NEXT with address P. */
static void add_layer(struct check_plan *p, struct kern_netns *ns, struct kern_netns *next,
		      const char *local, const char *remote, uint32_t spi, uint32_t layer,
		      const char *link, const char *assigned, uint32_t mtu)
{
	static const enum kern_dir dirs[] = { KERN_DIR_OUT, KERN_DIR_IN, KERN_DIR_FWD };
	uint32_t id = KERN_REQID_CLIENT | layer;
	struct kern_op *op;

	add_sa(p, ns, local, remote, spi, id)->if_id = id;
	add_sa(p, ns, remote, local, spi + 1, id)->if_id = id;
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		bool out = dirs[i] == KERN_DIR_OUT;
		struct kern_policy *policy =
			add_policy(p, ns, dirs[i], out ? assigned : ANY, out ? ANY : assigned);

		policy->if_id = id;
		check_template(policy, out ? local : remote, out ? remote : local, id);
	}
	op = check_op(p, KERN_OP_LINK, ns);
	op->link = (struct kern_link){ .if_id = id, .mtu = mtu, .target = next };
	strcpy(op->link.name, link);
	op = check_op(p, KERN_OP_ADDRESS, next);
	op->address.prefix = check_prefix(assigned);
	strcpy(op->address.link, link);
	op = check_op(p, KERN_OP_ROUTE, next);
	op->route.dst = check_prefix(ANY);
	strcpy(op->route.link, link);
}

static void add_pool_route(struct check_plan *p, struct kern_netns *ns)
{
	check_op(p, KERN_OP_LINK, ns)->link =
		(struct kern_link){ .kind = KERN_LINK_DUMMY, .name = "ippriv-pool", .mtu = 65535 };
	check_op(p, KERN_OP_ROUTE, ns)->route =
		(struct kern_route){ .link = "ippriv-pool", .dst = check_prefix("100.64.0.0/10") };
}

/* A: circuit of S, overlay to B (reqid 5 at both ends). */
static void add_entry(struct check_plan *p, struct kern_netns *ns)
{
	uint32_t overlay = KERN_REQID_NODE | 5, circuit = KERN_REQID_NODE | CIRCUIT;

	add_pool_route(p, ns);
	add_sa(p, ns, A_B, B, 0x9001, overlay);
	add_sa(p, ns, B, A_B, 0x9002, overlay)->set_mark =
		(struct kern_mark){ MARK, KERN_MARK_MASK };
	check_template(add_policy(p, ns, KERN_DIR_OUT, POOL, B), A_B, B, overlay);
	check_template(add_policy(p, ns, KERN_DIR_FWD, B, POOL), B, A_B, overlay);
	add_sa(p, ns, S, A, 0x1001, circuit);
	add_sa(p, ns, A, S, 0x1002, circuit);
	check_template(add_policy(p, ns, KERN_DIR_OUT, ANY, S_A), A, S, circuit);
	check_template(add_policy(p, ns, KERN_DIR_FWD, S_A, ANY), S, A, circuit);
}

/* B: the circuit that comes from S_A through the overlay of A; it forwards to D in clear. */
static void add_exit(struct check_plan *p, struct kern_netns *ns)
{
	uint32_t overlay = KERN_REQID_NODE | 5, circuit = KERN_REQID_NODE | CIRCUIT;
	struct kern_policy *policy;

	add_pool_route(p, ns);
	add_sa(p, ns, A_B, B, 0x9001, overlay)->set_mark =
		(struct kern_mark){ MARK, KERN_MARK_MASK };
	add_sa(p, ns, B, A_B, 0x9002, overlay);
	policy = add_policy(p, ns, KERN_DIR_IN, POOL, B);
	policy->mark = (struct kern_mark){ MARK, KERN_MARK_MASK };
	policy->priority = 100;
	check_template(policy, A_B, B, overlay);
	policy = add_policy(p, ns, KERN_DIR_OUT, B, POOL);
	policy->mark = (struct kern_mark){ MARK, KERN_MARK_MASK };
	policy->priority = 100;
	check_template(policy, B, A_B, overlay);
	add_sa(p, ns, S_A, B, 0x2001, circuit);
	add_sa(p, ns, B, S_A, 0x2002, circuit);
	policy = add_policy(p, ns, KERN_DIR_OUT, ANY, S_B);
	check_template(policy, B, S_A, circuit);
	check_template(policy, B, A_B, overlay);
	policy = add_policy(p, ns, KERN_DIR_FWD, S_B, ANY);
	check_template(policy, S_A, B, circuit);
	check_template(policy, A_B, B, overlay);
}

static int bound(struct kern_netns *ns, const char *addr, uint16_t port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = kern_netns_socket(ns, AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	sin.sin_addr.s_addr = inet_addr(addr);
	CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&sin, sizeof(sin)) == 0);
	return fd;
}

static void send_to(int fd, const char *text, const char *addr, uint16_t port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(port) };

	sin.sin_addr.s_addr = inet_addr(addr);
	CHECK(sendto(fd, text, strlen(text), 0, (struct sockaddr *)&sin, sizeof(sin)) ==
	      (ssize_t)strlen(text));
}

/* Receives TEXT within MS milliseconds; fills who sent it and the mark (0 when there is none). */
static bool receive(int fd, const char *text, int ms, struct sockaddr_in *from, uint32_t *mark)
{
	char data[2048], control[CMSG_SPACE(sizeof(*mark))];
	struct iovec iov = { data, sizeof(data) };
	struct msghdr msg = { .msg_name = from, .msg_namelen = sizeof(*from), .msg_iov = &iov,
			      .msg_iovlen = 1, .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	struct cmsghdr *c;
	ssize_t n;

	*mark = 0;
	if (poll(&pfd, 1, ms) != 1)
		return false;
	n = recvmsg(fd, &msg, 0);
	c = n < 0 ? NULL : CMSG_FIRSTHDR(&msg);
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_MARK)
		memcpy(mark, CMSG_DATA(c), sizeof(*mark));
	return n == (ssize_t)strlen(text) && memcmp(data, text, strlen(text)) == 0;
}

/* IKE of hop 2: one layer to A, from there by the overlay; the mark tells B where it came from. */
static void check_ike(struct net *n)
{
	int client = bound(n->hop1, S_A, 500), relay = bound(n->b, B, 500), on = 1;
	struct sockaddr_in from = { 0 };
	uint32_t mark = 0;

	CHECK(setsockopt(relay, SOL_SOCKET, SO_RCVMARK, &on, sizeof(on)) == 0);
	send_to(client, "init", B, 500);
	CHECK(receive(relay, "init", 3000, &from, &mark));
	CHECK((mark & KERN_MARK_MASK) == MARK);
	CHECK(from.sin_addr.s_addr == inet_addr(S_A) && from.sin_port == htons(500));
	/* Without the mark the answer has no policy and dies in the pool's dummy link. */
	send_to(relay, "lost", S_A, 500);
	CHECK(setsockopt(relay, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) == 0);
	send_to(relay, "answer", S_A, 500);
	CHECK(receive(client, "answer", 3000, &from, &mark));
	close(client);
	close(relay);
}

static void check_through(struct net *n)
{
	int app = bound(n->app, S_B, 7000), server = bound(n->d, D, 7);
	char big[1200 + 1];
	struct sockaddr_in from = { 0 };
	uint32_t mark;

	memset(big, 'x', 1200);
	big[1200] = '\0';
	for (int i = 0, before = check_failures; i < 20 && check_failures == before; i++) {
		send_to(app, big, D, 7);
		CHECK(receive(server, big, 3000, &from, &mark));
		CHECK(from.sin_addr.s_addr == inet_addr(S_B));
		send_to(server, big, S_B, 7000);
		CHECK(receive(app, big, 3000, &from, &mark));
		CHECK(from.sin_addr.s_addr == inet_addr(D));
	}
	close(app);
	close(server);
}

/* The client lays policies for an address that A did not assign: A drops it, and B, in turn. */
static void check_spoof(struct net *n)
{
	const struct kern *kern = kern_linux_ops(n->k);
	struct check_plan p = { 0 };
	struct sockaddr_in from = { 0 };
	uint32_t mark, layer1 = KERN_REQID_CLIENT | 1, layer2 = KERN_REQID_CLIENT | 2;
	struct kern_policy *policy;
	int hop1, app, relay = bound(n->b, B, 500), server = bound(n->d, D, 7);

	policy = add_policy(&p, n->s, KERN_DIR_OUT, "100.64.0.8", ANY);
	policy->if_id = layer1;
	check_template(policy, S, A, layer1);
	policy = add_policy(&p, n->hop1, KERN_DIR_OUT, "100.64.0.8", ANY);
	policy->if_id = layer2;
	check_template(policy, S_A, B, layer2);
	check_op(&p, KERN_OP_ADDRESS, n->hop1)->address =
		(struct kern_address){ "h1", check_prefix("100.64.0.8") };
	check_op(&p, KERN_OP_ADDRESS, n->app)->address =
		(struct kern_address){ "ippriv0", check_prefix("100.64.0.8") };
	CHECK_INT(kern, kern_plan_add(kern, p.ops, p.count), 0);
	hop1 = bound(n->hop1, "100.64.0.8", 500);
	app = bound(n->app, "100.64.0.8", 7000);
	send_to(hop1, "spoof", B, 500);
	send_to(app, "spoof", D, 7);
	CHECK(!receive(relay, "spoof", 500, &from, &mark));
	CHECK(!receive(server, "spoof", 500, &from, &mark));
	CHECK_INT(kern, kern_plan_del(kern, p.ops, p.count), 0);
	close(hop1);
	close(app);
	close(relay);
	close(server);
}

static void check_counted(struct net *n)
{
	const struct kern *kern = kern_linux_ops(n->k);
	struct kern_sa_stats out = { 0 }, in = { 0 };
	struct addr b = check_addr(B), s_a = check_addr(S_A);

	CHECK_INT(kern, kern->sa_stats(kern->ctx, n->hop1, &b, 0x2001, &out), 0);
	CHECK_INT(kern, kern->sa_stats(kern->ctx, n->hop1, &s_a, 0x2002, &in), 0);
	/* 20 datagrams of 1200 bytes and their headers; the spoofed one counts on the way out. */
	CHECK(out.packets == 21 && in.packets == 20);
	CHECK(in.bytes == 20 * 1228 && out.use_time >= out.add_time && in.use_time >= in.add_time);
}

static void check_packets(struct net *n)
{
	check_ike(n);
	check_through(n);
	check_spoof(n);
	check_counted(n);
}

void check_traffic(struct kern_linux *k)
{
	const struct kern *kern = kern_linux_ops(k);
	struct net n = { .k = k };
	struct kern_netns **all[] = { &n.app, &n.hop1, &n.s, &n.a, &n.b, &n.d };
	struct check_plan p = { 0 };
	int err;

	lay_cables(&n);
	add_entry(&p, n.a);
	add_exit(&p, n.b);
	add_layer(&p, n.s, n.hop1, S, A, 0x1001, 1, "h1", S_A, 1446);
	add_layer(&p, n.hop1, n.app, S_A, B, 0x2001, 2, "ippriv0", S_B, 1390);
	err = kern_plan_add(kern, p.ops, p.count);
	CHECK_INT(kern, err, 0);
	if (err == 0)
		check_packets(&n);
	if (check_failures)
		for (size_t i = 0; i < ARRAY_SIZE(all); i++)
			check_shell("nsenter --net=/proc/%d/fd/%d awk '$2>0' /proc/net/xfrm_stat",
			      getpid(), (*all[i])->fd);
	CHECK_INT(kern, kern_plan_del(kern, p.ops, p.count), 0);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		CHECK_INT(kern, check_count_sas(*all[i]), 0);
		CHECK_INT(kern, check_count_policies(*all[i]), 0);
		kern_netns_free(*all[i]);
	}
}
