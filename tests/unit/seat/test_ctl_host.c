/*
 * The host with circuits, a stock and a kernel that are made here: what the firewall says before and after
 * each circuit. The linker takes these functions instead of the client's own.
 */
#include "ippriv-client/ctl_host.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/inner6.h"
#include "common/io/loop.h"
#include "common/kern/kern_shield.h"

enum { CIRCUITS = 8, RESOLVER = 0x09090900 };

struct ctl_circuit {
	struct ctl_path path;
	struct ike_lease lease;
	bool ready, attached, released;
	unsigned int slot;
	int attach_error;
	struct kern_shield before; /* the firewall when it was attached */
};

struct ctl_conn {
	char said[200];
};

static struct ctl_circuit circuits[CIRCUITS];
static void *taker;
static struct kern_shield shield;
static bool shut, indirect;
static size_t shields, ops;
static char folder[] = "/tmp/ippriv-host-XXXXXX";
static struct io_loop *loop;
static struct io_timer *timer;
static struct ctl_host *host;

struct ctl_circuit *ctl_stock_take(struct ctl_stock *stock, void *who, uid_t uid,
				   const struct ctl_stock_wish *wish)
{
	(void)stock, (void)wish;
	cr_assert_eq(uid, 0);
	taker = who;
	for (size_t i = 0; i < CIRCUITS; i++)
		if (circuits[i].ready) {
			circuits[i].ready = false;
			return &circuits[i];
		}
	return NULL;
}

void ctl_stock_release(struct ctl_stock *stock, struct ctl_circuit *c)
{
	(void)stock;
	cr_assert_not(c->released);
	c->released = true;
}

void ctl_stock_give_back(struct ctl_stock *stock, struct ctl_circuit *c)
{
	(void)stock;
	c->ready = true;
}

void ctl_stock_wish_add(struct ctl_stock *stock, struct ctl_stock_wish *wish)
{
	(void)stock, (void)wish;
}

void ctl_stock_wish_del(struct ctl_stock *stock, struct ctl_stock_wish *wish)
{
	(void)stock, (void)wish;
}

uint64_t ctl_stock_backoff(unsigned int failures, random_source random, void *ctx)
{
	(void)random, (void)ctx;
	return failures * 100;
}

void ctl_circuit_info(const struct ctl_circuit *c, struct ctl_circuit_info *out)
{
	*out = (struct ctl_circuit_info){ .id = (uint32_t)(c - circuits) + 1, .path = &c->path,
					  .lease = &c->lease };
}

int ctl_circuit_attach_host(struct ctl_circuit *c, unsigned int slot)
{
	c->before = shield;
	for (size_t i = 0; i < CIRCUITS; i++)
		if (circuits[i].attached && circuits[i].slot == slot)
			return -EEXIST;
	if (c->attach_error)
		return c->attach_error;
	c->attached = true;
	c->slot = slot;
	return 0;
}

int ctl_circuit_keep(struct ctl_circuit *c)
{
	cr_assert(c->attached);
	return 0;
}

int ctl_circuit_flows(struct ctl_circuit *c)
{
	(void)c;
	return 1;
}

int ctl_circuit_stats(struct ctl_circuit *c, size_t index, struct dp_stats *out)
{
	(void)c, (void)index;
	*out = (struct dp_stats){ 0 };
	return 0;
}

void dir_watch_indirect(struct dir_watch *watch, bool on)
{
	(void)watch;
	indirect = on;
}

bool dir_watch_reached(const struct dir_watch *watch)
{
	(void)watch;
	return true;
}

void ctl_reply(struct ctl_conn *conn, json_t *answer)
{
	char *text = json_dumps(answer, JSON_COMPACT | JSON_SORT_KEYS);

	snprintf(conn->said, sizeof(conn->said), "%s", text);
	free(text);
	json_decref(answer);
}

void ctl_reply_error(struct ctl_conn *conn, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(conn->said, sizeof(conn->said), fmt, args);
	va_end(args);
}

static int kern_add(void *ctx, const struct kern_op *op)
{
	(void)ctx;
	if (op->type == KERN_OP_SHIELD) {
		cr_assert(!op->shield->has_names || op->shield->tunnel[op->shield->names].family);
		shield = *op->shield;
		shut = true;
		shields++;
	} else {
		ops++;
	}
	return 0;
}

static int kern_del(void *ctx, const struct kern_op *op)
{
	(void)ctx;
	if (op->type == KERN_OP_SHIELD)
		shut = false;
	else if (ops > 0)
		ops--;
	return 0;
}

static const char *kern_error(void *ctx)
{
	(void)ctx;
	return "as the test says";
}

static const struct kern kern = { .add = kern_add, .del = kern_del, .error = kern_error };

static void on_time(void *user)
{
	io_loop_stop(user);
}

static void run(uint64_t ms)
{
	io_timer_start(timer, ms);
	cr_assert_eq(io_loop_run(loop), 0);
}

static void start(void)
{
	const struct host_state up = { .up = true };
	struct ctl_host_conf conf = { .kern = &kern, .directory = "http://192.0.2.1:8080",
				      .folder = folder };

	cr_assert_eq(crypto_init(), 0);
	cr_assert(mkdtemp(folder));
	for (uint32_t i = 0; i < CIRCUITS; i++) {
		circuits[i].lease.address = addr_v4(0x64400001 + i);
		circuits[i].lease.dns[0] = addr_v4(RESOLVER + i);
		circuits[i].lease.dns_count = 1;
	}
	cr_assert_eq(host_state_save(folder, &up), 0);
	cr_assert_eq(io_loop_new(&loop), 0);
	cr_assert_eq(io_timer_new(loop, on_time, loop, &timer), 0);
	conf.loop = loop;
	cr_assert_eq(ctl_host_new(&conf, &host), 0);
	cr_assert(shut && ops == 0, "before anything else");
	cr_assert_eq(ctl_host_serve(host, (struct ctl_stock *)&loop, NULL), 0);
	cr_assert_gt(ops, 0);
}

static void end(void)
{
	char path[sizeof(folder) + 8];

	ctl_host_free(host);
	for (size_t i = 0; i < CIRCUITS; i++)
		cr_assert(!circuits[i].attached || circuits[i].released, "circuit %zu", i + 1);
	io_timer_free(timer);
	io_loop_free(loop);
	snprintf(path, sizeof(path), "%s/host", folder);
	unlink(path);
	rmdir(folder);
}

TestSuite(host, .init = start, .fini = end);

static bool names_by(const struct kern_shield *s, unsigned int seat, uint32_t circuit)
{
	const struct addr resolver = addr_v4(RESOLVER + circuit);

	return s->has_names && s->names == seat && addr_equal(&s->resolver, &resolver) &&
	       addr_equal(&s->tunnel[seat], &circuits[circuit].lease.address);
}

static json_int_t current(void)
{
	json_t *status = ctl_host_status(host);
	json_int_t id = json_integer_value(json_object_get(status, "circuit"));

	json_decref(status);
	return id;
}

/* It dies by itself: its interface is there for a while. */
static void lose(size_t i)
{
	circuits[i].released = true;
	cr_assert(ctl_host_lost(host, taker, &circuits[i]));
}

Test(host, is_let_through_before_it_goes_through)
{
	cr_assert_eq(current(), 0);
	cr_assert(shut && !shield.has_names && !shield.tunnel[0].family);
	circuits[0].ready = true;
	ctl_host_ready(host);
	cr_assert_not(circuits[0].before.has_names);
	cr_assert(addr_equal(&circuits[0].before.tunnel[0], &circuits[0].lease.address));
	cr_assert(names_by(&shield, 0, 0));
	cr_assert_eq(current(), 1);
	cr_assert(indirect);
	cr_assert_eq(shields, 3);
	cr_assert_not(ctl_host_lost(host, &circuits, &circuits[0]), "somebody else's");
	cr_assert_eq(current(), 1);
}

Test(host, rotates_and_keeps_the_old_one)
{
	circuits[0].ready = true;
	ctl_host_ready(host);
	cr_assert(ctl_host_rotate(host));
	cr_assert_eq(current(), 1, "there is no other");
	circuits[1].ready = true;
	ctl_host_ready(host);
	cr_assert(names_by(&circuits[1].before, 0, 0), "names go the old way until it is there");
	cr_assert(addr_equal(&circuits[1].before.tunnel[1], &circuits[1].lease.address));
	cr_assert(names_by(&shield, 1, 1));
	cr_assert(addr_equal(&shield.tunnel[0], &circuits[0].lease.address));
	cr_assert_eq(current(), 2);
	cr_assert_not(circuits[0].released);
	lose(0);
	cr_assert_eq(current(), 2);
	cr_assert(names_by(&shield, 1, 1) && indirect);
}

Test(host, has_no_names_while_there_is_no_circuit)
{
	circuits[0].ready = circuits[1].ready = circuits[2].ready = true;
	ctl_host_ready(host);
	(void)ctl_host_rotate(host);
	lose(1);
	cr_assert_eq(current(), 3, "the next one takes its place");
	cr_assert(names_by(&shield, 2, 2));
	lose(2);
	cr_assert_eq(current(), 0);
	cr_assert(shut && !shield.has_names && !shield.resolver.family && !indirect);
	cr_assert_not(circuits[0].released, "flows go on through the old one");
	circuits[3].ready = true;
	run(1000);
	cr_assert_eq(current(), 4);
	cr_assert(names_by(&shield, 3, 3));
}

Test(host, takes_no_address_that_is_not_a_relays_to_give)
{
	circuits[0].ready = circuits[1].ready = true;
	circuits[0].lease.address = addr_v4(0xc0a80101);
	ctl_host_ready(host);
	cr_assert(circuits[0].released && !circuits[0].attached);
	cr_assert(!shield.tunnel[0].family && current() == 0);
	run(250);
	cr_assert_eq(current(), 2);
}

Test(host, knows_an_address_once)
{
	circuits[0].ready = circuits[1].ready = true;
	circuits[1].lease.address = circuits[0].lease.address;
	ctl_host_ready(host);
	lose(0);
	cr_assert_eq(current(), 2);
	cr_assert_not(circuits[1].before.has_names);
	cr_assert(circuits[1].slot == 1 && names_by(&shield, 1, 1));
	cr_assert(!shield.tunnel[0].family, "or packets would be led to the one that died");
}

Test(host, knows_ipv6_of_each)
{
	struct addr six = inner6_addr(&circuits[0].lease.address);

	circuits[0].ready = true;
	circuits[0].lease.address6 = six;
	ctl_host_ready(host);
	cr_assert(addr_equal(&circuits[0].before.tunnel6[0], &six), "before it is there");
	circuits[1].ready = true;
	lose(0);
	cr_assert_eq(current(), 2);
	cr_assert(addr_equal(&shield.tunnel6[0], &six) && !shield.tunnel6[1].family);
	circuits[2].lease.address = circuits[0].lease.address;
	circuits[2].ready = true;
	lose(1);
	run(1000);
	cr_assert_eq(current(), 3);
	cr_assert_not(shield.tunnel6[0].family, "its IPv4 address is another one's now");
}

Test(host, goes_on_when_another_one_cannot_be_put)
{
	circuits[0].ready = circuits[1].ready = true;
	circuits[1].attach_error = -EPERM;
	ctl_host_ready(host);
	(void)ctl_host_rotate(host);
	cr_assert(circuits[1].released);
	cr_assert(names_by(&shield, 0, 0) && !shield.tunnel[1].family);
	cr_assert_eq(current(), 1);
}

Test(host, comes_down_with_both)
{
	json_t *down = json_pack("{s:s}", "command", "down");
	struct ctl_conn conn = { 0 };
	struct host_state s;
	char why[100];

	circuits[0].ready = circuits[1].ready = true;
	ctl_host_ready(host);
	(void)ctl_host_rotate(host);
	cr_assert(ctl_host_request(host, &conn, 7, down));
	cr_assert_str_eq(conn.said, "only root may do that; use sudo");
	cr_assert(ctl_host_request(host, &conn, 0, down));
	cr_assert_str_eq(conn.said, "{\"ok\":true}");
	cr_assert(circuits[0].released && circuits[1].released && !shut && ops == 0 && !indirect);
	cr_assert_not(ctl_host_rotate(host));
	cr_assert_eq(host_state_load(folder, &s, why, sizeof(why)), 0);
	cr_assert_not(host_state_shut(&s));
	json_decref(down);
}
