/* What the kernel tells: limits, mappings, routes; and what it eats. */
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "common/io/udp.h"
#include "tests/kernel/check_kern/layer.h"

static bool readable(int fd, int ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return poll(&pfd, 1, ms) == 1;
}

enum { LOOK_MS = 50 };

/* Waits for the next event, past those of others; none within MS: false. */
static bool next(struct kern_linux *k, struct kern_netns *ns, int ms, struct kern_event *out)
{
	int got = kern_linux_events_next(k, ns, out);

	for (int left = ms; got == 0 && left >= 0; left -= LOOK_MS)
		if (readable(kern_linux_events_fd(k, ns), left < LOOK_MS ? left : LOOK_MS))
			got = kern_linux_events_next(k, ns, out);
	return got == 1;
}

static void check_bytes(struct layer_net *n)
{
	struct kern_event e = { 0 };
	const struct kern_sa *out = &n->client.ops[0].sa;

	CHECK(kern_linux_events_fd(n->k, n->s) >= 0);
	CHECK(!next(n->k, n->s, 0, &e));
	CHECK(layer_echo(n, 40) == 40); /* above 1000 bytes in either direction */
	for (int i = 0; i < 2; i++) {
		CHECK(next(n->k, n->s, 2000, &e));
		CHECK(e.type == KERN_EVENT_EXPIRE && !e.hard && e.reqid == out->reqid);
		CHECK(e.spi == LAYER_OUT || e.spi == LAYER_IN);
		CHECK(addr_equal(e.spi == LAYER_OUT ? &e.src : &e.dst, &out->src));
	}
	CHECK(!next(n->k, n->s, 200, &e));
}

static void check_seconds(struct kern_linux *k)
{
	const struct kern *kern = kern_linux_ops(k);
	struct kern_op op = { .type = KERN_OP_SA };
	struct kern_event e = { 0 };

	CHECK(kern_linux_events_fd(k, NULL) >= 0);
	op.sa = check_sa("192.0.2.1", "192.0.2.2", 0x77, KERN_REQID_NODE | 9);
	op.sa.life = (struct life){ .soft_seconds = 1, .hard_seconds = 2 };
	CHECK_INT(kern, kern->add(kern->ctx, &op), 0);
	op.sa.spi++;
	op.sa.reqid = 9; /* somebody else's */
	CHECK_INT(kern, kern->add(kern->ctx, &op), 0);
	CHECK(next(k, NULL, 3000, &e) && e.type == KERN_EVENT_EXPIRE && e.spi == 0x77 && !e.hard);
	CHECK(next(k, NULL, 3000, &e) && e.type == KERN_EVENT_EXPIRE && e.spi == 0x77 && e.hard);
	CHECK(e.reqid == (KERN_REQID_NODE | 9) && addr_equal(&e.dst, &op.sa.dst));
	CHECK(!next(k, NULL, 300, &e));
	CHECK_INT(kern, check_count_sas(&k->own), 0);
}

/* The relay hears of a client that a NAT maps anew, once, and can follow. Who has not asked does not. */
static void check_mapping(struct layer_net *n)
{
	const struct kern *kern = kern_linux_ops(n->k);
	struct kern_path moved = n->path, back;
	struct kern_linux *there, *deaf;
	struct kern_event e = { 0 };

	moved.local.port = 1024;
	back = layer_reverse(&moved);
	check_enter(n->a, &there);
	CHECK(kern_linux_new(&deaf) == 0);
	CHECK(kern_linux_events_all_fd(there) >= 0 && kern_linux_events_fd(deaf, NULL) >= 0);
	check_leave(n->a);
	CHECK_INT(kern, kern->move(kern->ctx, n->client.ops, n->client.count, &moved), 0);
	for (int i = 0; i < 5; i++)
		CHECK(layer_pass(n->sender, n->receiver));
	CHECK(next(there, NULL, 2000, &e) && e.type == KERN_EVENT_MAPPING && e.spi == LAYER_OUT);
	CHECK(!readable(kern_linux_events_fd(deaf, NULL), 100));
	CHECK(e.reqid == n->relay.ops[0].sa.reqid);
	CHECK(addr_equal(&e.src, &n->path.local.addr) && addr_equal(&e.dst, &n->path.remote.addr));
	CHECK(addr_equal(&e.remote.addr, &moved.local.addr) && e.remote.port == 1024);
	CHECK(!next(there, NULL, 100, &e));
	CHECK_INT(kern, kern->move(kern->ctx, n->relay.ops, n->relay.count, &back), 0);
	CHECK(layer_echo(n, 5) == 5);
	CHECK(!next(there, NULL, 100, &e));
	n->path = moved;
	kern_linux_free(deaf);
	kern_linux_free(there);
}

/* IKE behind its marker comes through, ESP and keepalives do not. */
static void check_socket(struct layer_net *n, const char *from, const char *to, int receiver)
{
	static const uint8_t ike[] = { 0, 0, 0, 0, 1, 2, 3, 4 }, esp[32] = { 1 }, alive = 0xff;
	struct endpoint local = { check_addr(from), 2000 }, remote = { check_addr(to), 4500 }, seen;
	int fd = kern_netns_socket(n->s, local.addr.family, SOCK_DGRAM, 0);
	uint8_t buf[64];
	uint32_t mark;

	CHECK(fd >= 0 && udp_bind(fd, &local, false) == 0);
	CHECK(udp_send(fd, &alive, 1, &remote, 0) == 1);
	CHECK(udp_send(fd, esp, sizeof(esp), &remote, 0) == sizeof(esp));
	CHECK(udp_send(fd, ike, sizeof(ike), &remote, 0) == sizeof(ike));
	CHECK(readable(receiver, 2000));
	CHECK(udp_recv(receiver, buf, sizeof(buf), &seen, &mark) == sizeof(ike));
	CHECK(memcmp(buf, ike, sizeof(ike)) == 0 && seen.port == 2000 &&
	      addr_equal(&seen.addr, &local.addr));
	CHECK(!readable(receiver, 100));
	close(fd);
}

static void check_routes(struct kern_linux *k)
{
	const struct kern *kern = kern_linux_ops(k);
	struct check_plan p = { 0 };
	int fd = kern_linux_route_fd(k);

	CHECK(fd >= 0 && kern_linux_route_fd(k) == fd);
	kern_linux_route_drain(k);
	CHECK(!readable(fd, 100));
	check_op(&p, KERN_OP_LINK, NULL)->link =
		(struct kern_link){ .kind = KERN_LINK_DUMMY, .name = "ippriv-pool" };
	check_op(&p, KERN_OP_ADDRESS, NULL)->address =
		(struct kern_address){ "ippriv-pool", check_prefix("192.0.2.1") };
	check_op(&p, KERN_OP_ADDRESS, NULL)->address =
		(struct kern_address){ "ippriv-pool", check_prefix("2001:db8::9") };
	check_op(&p, KERN_OP_ROUTE, NULL)->route =
		(struct kern_route){ .link = "ippriv-pool", .dst = check_prefix("198.51.100.0/24") };
	for (size_t i = 0; i < p.count; i++) {
		CHECK_INT(kern, kern->add(kern->ctx, &p.ops[i]), 0);
		CHECK(readable(fd, 1000));
		usleep(50000); /* what follows from it */
		kern_linux_route_drain(k);
		CHECK(!readable(fd, 0));
	}
	for (size_t i = p.count; i > 0; i--) {
		CHECK_INT(kern, kern->del(kern->ctx, &p.ops[i - 1]), 0);
		CHECK(readable(fd, 1000));
		usleep(50000);
		kern_linux_route_drain(k);
	}
}

/* Nothing with UDP around it stays. */
static void check_purged(struct layer_net *n)
{
	const struct kern *kern = kern_linux_ops(n->k);
	struct kern_linux *there;
	size_t removed = 0;

	check_enter(n->a, &there);
	CHECK_INT(kern, kern_linux_purge(there, KERN_REQID_NODE, "ippriv-none", NULL, &removed), 0);
	check_leave(n->a);
	CHECK(removed == n->relay.count);
	CHECK_INT(kern, check_count_sas(n->a), 0);
	kern_linux_free(there);
}

void check_events(struct kern_linux *k)
{
	const struct life life = { .soft_bytes = 1000 };
	struct kern_path nat = layer_path("10.0.1.1", 4500, "10.0.1.2", 4500);
	struct layer_net n;

	layer_up(&n, k, &nat, &life);
	check_bytes(&n);
	check_mapping(&n);
	check_socket(&n, "10.0.1.1", "10.0.1.2", n.udp[3]);
	check_socket(&n, "2001:db8::1", "2001:db8::2", n.udp[4]);
	check_purged(&n);
	layer_down(&n);
	check_seconds(k);
	check_routes(k);
}
