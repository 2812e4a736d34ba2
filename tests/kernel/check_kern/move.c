/* A layer moves under traffic: nothing of its SAs changes but addresses and ports. */
#include <errno.h>
#include <linux/xfrm.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "common/kern/nl_attr.h"
#include "tests/kernel/check_kern/layer.h"

enum { AHEAD = 256, BYTES = 1536 };

/* An SA as the kernel tells it. */
struct told {
	_Alignas(8) uint8_t msg[BYTES];
	struct xfrm_usersa_info info;
	const struct nlattr *tb[XFRMA_MAX + 1];
	struct xfrm_replay_state_esn replay;
};

static int take(const struct nlmsghdr *msg, void *data)
{
	struct told *t = data;

	if (msg->nlmsg_len > sizeof(t->msg))
		return -EMSGSIZE;
	memcpy(t->msg, msg, msg->nlmsg_len);
	return nl_attr_message(t->msg, msg->nlmsg_len, XFRM_MSG_NEWSA, &t->info, sizeof(t->info),
			       t->tb, ARRAY_SIZE(t->tb));
}

static void ask(struct layer_net *n, const struct kern_op *op, struct told *t)
{
	const struct kern *kern = kern_linux_ops(n->k);
	_Alignas(8) uint8_t buf[XFRM_MSG_ROOM];
	size_t len;

	*t = (struct told){ 0 };
	CHECK_INT(kern, xfrm_msg_get_sa(buf, sizeof(buf), &op->sa.dst, op->sa.spi, &len), 0);
	CHECK_INT(kern, kern_netns_talk(op->netns, KERN_BUS_XFRM, buf, len, take, t), 0);
	CHECK(nl_attr_get(t->tb[XFRMA_REPLAY_ESN_VAL], &t->replay, sizeof(t->replay)) == 0);
}

/* The four SAs: the client's two, then the relay's. */
static void ask_all(struct layer_net *n, struct told t[4])
{
	for (size_t i = 0; i < 4; i++)
		ask(n, i < 2 ? &n->client.ops[i] : &n->relay.ops[i - 2], &t[i]);
}

static bool same_attr(const struct nlattr *a, const struct nlattr *b)
{
	if (!a || !b)
		return a == b;
	return a->nla_len == b->nla_len && memcmp(a, b, a->nla_len) == 0;
}

static struct xfrm_usersa_info without_place(const struct told *t)
{
	struct xfrm_usersa_info info = t->info;

	memset(&info.id.daddr, 0, sizeof(info.id.daddr));
	memset(&info.saddr, 0, sizeof(info.saddr));
	memset(&info.stats, 0, sizeof(info.stats));
	info.family = 0;
	return info;
}

static bool same_replay(const struct told *a, const struct told *b, uint32_t ahead)
{
	uint8_t *x = mnl_attr_get_payload(a->tb[XFRMA_REPLAY_ESN_VAL]);
	uint8_t *y = mnl_attr_get_payload(b->tb[XFRMA_REPLAY_ESN_VAL]);
	struct xfrm_replay_state_esn r = a->replay;

	r.oseq += ahead;
	memcpy(x, &r, sizeof(r));
	return a->tb[XFRMA_REPLAY_ESN_VAL]->nla_len == b->tb[XFRMA_REPLAY_ESN_VAL]->nla_len &&
	       memcmp(x, y, mnl_attr_get_payload_len(a->tb[XFRMA_REPLAY_ESN_VAL])) == 0;
}

/* From A to B, nothing in between but a move: key, limits, counters, marks, numbers, window. */
static void compare(const struct told *a, const struct told *b, uint32_t ahead)
{
	static const uint16_t same[] = { XFRMA_ALG_AEAD, XFRMA_SA_EXTRA_FLAGS, XFRMA_SET_MARK,
					 XFRMA_SET_MARK_MASK, XFRMA_IF_ID };
	struct xfrm_usersa_info x = without_place(a), y = without_place(b);

	CHECK(memcmp(&x, &y, sizeof(x)) == 0);
	for (size_t i = 0; i < ARRAY_SIZE(same); i++)
		CHECK(same_attr(a->tb[same[i]], b->tb[same[i]]));
	CHECK(same_replay(a, b, ahead));
}

static void expect_encap(const struct kern_op *op, const struct told *t)
{
	struct xfrm_msg_sa sa;

	CHECK(xfrm_msg_parse_sa(t->msg, ((const struct nlmsghdr *)t->msg)->nlmsg_len, &sa) == 0);
	CHECK(addr_equal(&sa.src, &op->sa.src) && addr_equal(&sa.dst, &op->sa.dst));
	CHECK(sa.encap.sport == op->sa.encap.sport && sa.encap.dport == op->sa.encap.dport);
}

static void expect_at(const struct layer_net *n, const struct kern_path *path)
{
	const struct kern_sa *out = &n->client.ops[0].sa;
	const struct kern_policy *policy = &n->client.ops[4].policy;

	CHECK(addr_equal(&out->src, &path->local.addr) && addr_equal(&out->dst, &path->remote.addr));
	CHECK(out->encap.sport == path->local.port && out->encap.dport == path->remote.port);
	CHECK(addr_equal(&policy->templates[0].src, &path->local.addr));
	CHECK(check_count_sas(n->s) == 2 && check_count_sas(n->a) == 2);
	CHECK(check_count_policies(n->s) == 3 && check_count_policies(n->a) == 3);
}

/* Both ends to PATH (the client's); AHEAD: what outbound numbers skip. Traffic before and after. */
static void move_to(struct layer_net *n, const struct kern_path *path, uint32_t ahead)
{
	const struct kern *kern = kern_linux_ops(n->k);
	struct kern_path back = layer_reverse(path);
	struct told before[4], after[4];

	ask_all(n, before);
	CHECK_INT(kern, kern->move(kern->ctx, n->client.ops, n->client.count, path), 0);
	CHECK_INT(kern, kern->move(kern->ctx, n->relay.ops, n->relay.count, &back), 0);
	ask_all(n, after);
	for (size_t i = 0; i < 4; i++) {
		compare(&before[i], &after[i], i % 2 == 0 ? ahead : 0);
		expect_encap(i < 2 ? &n->client.ops[i] : &n->relay.ops[i - 2], &after[i]);
	}
	expect_at(n, path);
	CHECK_INT(kern, layer_echo(n, 10), 10);
	ask_all(n, before);
	for (size_t i = 0; i < 4; i++) {
		CHECK(before[i].replay.oseq == after[i].replay.oseq + (i % 2 == 0 ? 10 : 0));
		CHECK(before[i].info.curlft.packets == after[i].info.curlft.packets + 10);
	}
	n->path = *path;
}

/* Every way to change, each with its kernel call. */
static void check_paths(struct layer_net *n)
{
	const struct {
		const char *local;
		uint16_t local_port;
		const char *remote;
		uint16_t remote_port;
		uint32_t ahead;
	} steps[] = {
		{ "10.0.1.3", 0, "10.0.1.2", 0, AHEAD },        /* another address */
		{ "10.0.1.3", 0, "10.0.1.2", 0, 0 },            /* none */
		{ "10.0.1.3", 4500, "10.0.1.2", 4500, AHEAD },  /* a NAT turns up */
		{ "10.0.1.3", 1024, "10.0.1.2", 4500, 0 },      /* it maps anew */
		{ "10.0.1.1", 4500, "10.0.1.2", 4500, AHEAD },  /* both */
		{ "10.0.1.1", 0, "10.0.1.2", 0, AHEAD },        /* no NAT any more */
		{ "2001:db8::1", 0, "2001:db8::2", 0, AHEAD },  /* IPv6 */
		{ "2001:db8::1", 4500, "2001:db8::2", 4500, AHEAD },
		{ "10.0.1.1", 4500, "10.0.1.2", 4500, AHEAD },  /* and back */
		{ "2001:db8::1", 0, "2001:db8::2", 0, AHEAD },
		{ "10.0.1.1", 4500, "10.0.1.2", 4500, AHEAD },
		{ "10.0.1.3", 0, "10.0.1.2", 0, AHEAD },
	};

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		int before = check_failures;
		struct kern_path path = layer_path(steps[i].local, steps[i].local_port,
						   steps[i].remote, steps[i].remote_port);

		move_to(n, &path, steps[i].ahead);
		if (check_failures > before)
			printf("     in step %zu\n", i);
	}
}

/* Outbound numbers above 32 bits go on, and the peer takes them. */
static void check_esn(struct layer_net *n)
{
	const struct kern *kern = kern_linux_ops(n->k);
	struct kern_op *out = &n->client.ops[0];
	struct told t;
	struct xfrm_msg_again again = { .src = out->sa.src, .dst = out->sa.dst };
	_Alignas(8) uint8_t buf[XFRM_MSG_AGAIN_ROOM];
	size_t len;

	for (int i = 0; i < 3; i++) {
		/* By steps that a receiver with ESN can follow. */
		ask(n, out, &t);
		again.ahead = 0x7fff0000;
		CHECK_INT(kern, xfrm_msg_again(buf, sizeof(buf), t.msg,
					       ((struct nlmsghdr *)t.msg)->nlmsg_len, &again, &len), 0);
		CHECK_INT(kern, kern->del(kern->ctx, out), 0);
		CHECK_INT(kern, kern_netns_talk(out->netns, KERN_BUS_XFRM, buf, len, NULL, NULL), 0);
		CHECK(layer_pass(n->sender, n->receiver));
	}
	ask(n, out, &t);
	CHECK(t.replay.oseq_hi == 1);
	move_to(n, &(struct kern_path){ { check_addr("10.0.1.1"), 4500 },
					{ check_addr("10.0.1.2"), 4500 } }, AHEAD);
	move_to(n, &(struct kern_path){ { check_addr("10.0.1.3"), 0 },
					{ check_addr("10.0.1.2"), 0 } }, AHEAD);
	ask(n, out, &t);
	CHECK(t.replay.oseq_hi == 1);
}

/* What move cannot do it says, and then changes nothing. */
static void check_refused(struct layer_net *n)
{
	const struct kern *kern = kern_linux_ops(n->k);
	struct kern_path there = layer_path("10.0.1.1", 0, "10.0.1.2", 0), bad = there;
	struct check_plan p = n->client;

	bad.local.port = 4500;
	CHECK_INT(kern, kern->move(kern->ctx, p.ops, p.count, &bad), -EINVAL);
	bad = layer_path("10.0.1.1", 0, "2001:db8::2", 0);
	CHECK_INT(kern, kern->move(kern->ctx, p.ops, p.count, &bad), -EINVAL);
	CHECK_INT(kern, kern->move(kern->ctx, p.ops, 4, &there), -EINVAL); /* no outbound policy */
	CHECK_INT(kern, kern->move(kern->ctx, p.ops + 1, 4, &there), -EINVAL); /* one SA */
	p.ops[4].policy.template_count = 2;
	p.ops[4].policy.templates[1] = p.ops[4].policy.templates[0];
	CHECK_INT(kern, kern->move(kern->ctx, p.ops, p.count, &there), -EINVAL);
	p = n->client;
	p.ops[3].policy.mark = (struct kern_mark){ 1, 1 };
	CHECK_INT(kern, kern->move(kern->ctx, p.ops, p.count, &there), -EINVAL);
	CHECK_INT(kern, layer_echo(n, 3), 3);
	/* Gone: a policy here, an SA there. */
	CHECK_INT(kern, kern->del(kern->ctx, &n->client.ops[3]), 0);
	CHECK_INT(kern, kern->move(kern->ctx, n->client.ops, n->client.count, &there), -ENOENT);
	CHECK_INT(kern, kern->del(kern->ctx, &n->relay.ops[0]), 0);
	there = layer_reverse(&there);
	CHECK_INT(kern, kern->move(kern->ctx, n->relay.ops, n->relay.count, &there), -ENOENT);
}

/* Numbered datagrams through the layer until END. */
struct flood {
	int fd;
	atomic_bool end;
	uint32_t sent;
};

static void *flood(void *data)
{
	const struct timespec gap = { .tv_nsec = 100000 };
	struct flood *f = data;

	while (!f->end) {
		if (send(f->fd, &f->sent, sizeof(f->sent), 0) == sizeof(f->sent))
			f->sent++;
		nanosleep(&gap, NULL);
	}
	return NULL;
}

/* Counts what has arrived; what comes twice or late is a failure. */
static uint32_t drain(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	uint32_t got = 0, number, next = 0;

	while (poll(&pfd, 1, 300) == 1 && recv(fd, &number, sizeof(number), 0) == sizeof(number)) {
		CHECK(number >= next);
		next = number + 1;
		got++;
	}
	return got;
}

/* The client moves to and fro while its packets go out. */
static void check_flood(struct layer_net *n)
{
	enum { MOVES = 24 };
	static const char *const local[] = { "10.0.1.1", "10.0.1.3" };
	const struct timespec pause = { .tv_nsec = 20000000 };
	const struct kern *kern = kern_linux_ops(n->k);
	struct flood f = { .fd = n->sender };
	int room = 4 << 20;
	uint32_t got;
	pthread_t thread;

	CHECK(setsockopt(n->receiver, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) == 0);
	CHECK(pthread_create(&thread, NULL, flood, &f) == 0);
	for (int i = 0; i < MOVES; i++) {
		struct kern_path path = layer_path(local[i / 2 % 2], i % 2 ? 1024 : 4500, "10.0.1.2",
						   4500);

		nanosleep(&pause, NULL);
		CHECK_INT(kern, kern->move(kern->ctx, n->client.ops, n->client.count, &path), 0);
	}
	f.end = true;
	pthread_join(thread, NULL);
	got = drain(n->receiver);
	printf("     %u datagrams during %d moves, %u lost\n", f.sent, MOVES, f.sent - got);
	/* A number that two processors have used at a move is taken once. */
	CHECK(got <= f.sent && f.sent - got <= MOVES && f.sent > 200);
}

void check_move(struct kern_linux *k)
{
	const struct life life = { 3600, 7200, 1 << 29, 1 << 30 };
	struct kern_path plain = layer_path("10.0.1.1", 0, "10.0.1.2", 0);
	struct kern_path nat = layer_path("10.0.1.1", 4500, "10.0.1.2", 4500);
	struct layer_net n;

	layer_up(&n, k, &plain, &life);
	CHECK(layer_echo(&n, 10) == 10);
	check_paths(&n);
	check_esn(&n);
	check_refused(&n);
	layer_down(&n);
	layer_up(&n, k, &nat, &life);
	CHECK(layer_echo(&n, 10) == 10);
	check_flood(&n);
	layer_down(&n);
}
