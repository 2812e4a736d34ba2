#include <criterion/criterion.h>
#include <string.h>
#include <time.h>

#include "client/fake_kern.h"
#include "ippriv-client/ctl_stock.h"

static void lowest(void *ctx, void *out, size_t len)
{
	(void)ctx;
	memset(out, 0, len);
}

/* The value with which the jitter is greatest for every bound of 2^n * 250 + 1. */
static void chosen(void *ctx, void *out, size_t len)
{
	cr_assert_eq(len, sizeof(uint64_t));
	memcpy(out, ctx, len);
}

Test(stock, waits_twice_as_long_after_each_failure)
{
	static const uint64_t most[] = { 500, 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000 };

	for (unsigned int i = 0; i < ARRAY_SIZE(most); i++) {
		uint64_t half = most[i] / 2;

		cr_assert_eq(ctl_stock_backoff(i + 1, lowest, NULL), half);
		cr_assert_eq(ctl_stock_backoff(i + 1, chosen, &half), most[i]);
	}
	cr_assert_eq(ctl_stock_backoff(100000, lowest, NULL), 30000);
}

static struct dir_entry relay(uint8_t number)
{
	struct dir_entry e = { .port = 500, .address = addr_v4(0x05000000u + number) };

	memset(e.identity.bytes, number, sizeof(e.identity.bytes));
	return e;
}

Test(stock, knows_whether_a_path_is_listed)
{
	struct dir_entry entries[] = { relay(1), relay(2), relay(3), relay(4) };
	struct dir_list list = { .count = 4, .entries = entries };
	struct ctl_path path = { .hops = { entries[3], entries[0], entries[1] } };

	cr_assert(ctl_stock_listed(&list, &path));
	entries[2].address = addr_v4(1);
	cr_assert(ctl_stock_listed(&list, &path), "it is not in the path");
	entries[3].address = addr_v4(2);
	cr_assert_not(ctl_stock_listed(&list, &path), "the entry has moved");
	entries[3] = relay(4);
	entries[3].port = 4500;
	cr_assert_not(ctl_stock_listed(&list, &path));
	entries[3] = relay(4);
	cr_assert(ctl_stock_listed(&list, &path));
	list.count = 3;
	cr_assert_not(ctl_stock_listed(&list, &path), "the entry is gone");
}

struct bench {
	struct io_loop *loop;
	struct fake_kern kern;
	struct dp *dp;
	struct ctl_ike *ike;
	struct ctl_stock *stock;
	int wanted, ready;
};

static void on_ready(void *user)
{
	((struct bench *)user)->ready++;
}

static void on_lost(void *user, void *taker, struct ctl_circuit *circuit)
{
	(void)user, (void)taker, (void)circuit;
	cr_assert_fail("nobody has taken one");
}

static void on_wanted(void *user)
{
	((struct bench *)user)->wanted++;
}

static void on_stopped(void *user)
{
	io_loop_stop(((struct bench *)user)->loop);
}

static void on_time(void *user)
{
	io_loop_stop(((struct bench *)user)->loop);
}

static void run(struct bench *b, uint64_t ms)
{
	struct io_timer *timer;

	cr_assert_eq(io_timer_new(b->loop, on_time, b, &timer), 0);
	io_timer_start(timer, ms);
	cr_assert_eq(io_loop_run(b->loop), 0);
	io_timer_free(timer);
}

static void bench_open(struct bench *b, struct ctl_stock_conf *conf)
{
	static const struct ctl_stock_events events = { on_ready, on_lost, on_wanted, NULL, on_stopped };
	static const struct pins pins[PINS_HOPS];
	const struct ctl_ike_conf ike = { 30, 3600, 20, IKE_CIPHERS_CHACHA_ONLY };
	struct dp_kernel kernel;

	cr_assert_eq(crypto_init(), 0);
	fake_kern_init(&b->kern);
	kernel = fake_kern_dp(&b->kern);
	cr_assert_eq(io_loop_new(&b->loop), 0);
	cr_assert_eq(dp_new(&kernel, 1, &b->dp), 0);
	cr_assert_eq(ctl_ike_new(b->loop, &ike, &b->ike), 0);
	conf->events = &events;
	conf->pins = pins;
	conf->loop = b->loop;
	conf->ike = b->ike;
	conf->dp = b->dp;
	conf->user = b;
	cr_assert_eq(ctl_stock_new(conf, &b->stock), 0);
}

static void bench_close(struct bench *b)
{
	ctl_stock_stop(b->stock);
	cr_assert_eq(io_loop_run(b->loop), 0);
	ctl_stock_free(b->stock);
	ctl_ike_free(b->ike);
	dp_free(b->dp);
	fake_kern_fini(&b->kern);
	io_loop_free(b->loop);
}

Test(stock, asks_for_a_list_once_when_its_own_expires)
{
	struct dir_entry entries[] = { relay(1), relay(2), relay(3) };
	struct dir_list list = { .count = 3, .entries = entries };
	struct ctl_stock_conf conf = { .keep = 1, .look_every = 300 };
	struct bench b = { 0 };

	bench_open(&b, &conf);
	ctl_stock_set_list(b.stock, NULL);
	run(&b, 20);
	cr_assert_eq(b.wanted, 0, "there has been none");
	list.valid_until = (uint64_t)time(NULL) + 1;
	ctl_stock_set_list(b.stock, &list); /* no exit in it: nothing is built */
	run(&b, 20);
	cr_assert_eq(b.wanted, 0);
	run(&b, 2000);
	cr_assert_eq(b.wanted, 1, "expired, seen by itself");
	run(&b, 800);
	cr_assert_eq(b.wanted, 1, "once");
	cr_assert_eq(b.ready, 0);
	bench_close(&b);
}

/* Circuits that are being built, their entries and exits. */
struct built {
	size_t count;
	uint32_t entries[16], exits[16];
};

static void note(void *user, struct ctl_circuit *circuit, const struct ctl_stock_holder *holder)
{
	struct built *built = user;
	struct ctl_circuit_info info;

	(void)holder;
	ctl_circuit_info(circuit, &info);
	if (info.state != CTL_CIRCUIT_BUILDING)
		return;
	built->entries[built->count] = addr_to_v4(&info.path->hops[0].address);
	built->exits[built->count++] = addr_to_v4(&info.path->hops[CTL_PATH_HOPS - 1].address);
}

static struct built built(const struct bench *b)
{
	struct built built = { 0 };

	ctl_stock_each(b->stock, note, &built);
	return built;
}

/* Each in a /16 of its own; nobody answers there. The first EXITS are exits. */
static void silent_relays(struct dir_entry entries[16], uint8_t exits)
{
	for (uint8_t i = 0; i < 16; i++) {
		entries[i] = relay(i + 1);
		entries[i].address = addr_v4(0x7f010001u + ((uint32_t)i << 16));
		entries[i].flags = i < exits ? DIR_FLAG_EXIT : 0;
	}
}

Test(stock, does_not_wait_for_relays_that_are_silent)
{
	struct dir_entry entries[16];
	struct dir_list list = { .count = 16, .entries = entries, .valid_until = UINT64_MAX };
	struct ctl_stock_conf conf = { .keep = 1, .look_every = 300 };
	struct bench b = { 0 };
	struct built now;

	silent_relays(entries, 16);
	bench_open(&b, &conf);
	ctl_stock_set_list(b.stock, &list);
	run(&b, 2000);
	cr_assert_eq(built(&b).count, 1, "as many as are wanted");
	run(&b, 1000);
	cr_assert_eq(built(&b).count, 2, "the first one is slow");
	run(&b, 10000);
	now = built(&b);
	cr_assert_eq(now.count, 4, "three slow ones at the most");
	for (size_t i = 0; i < now.count; i++)
		for (size_t k = 0; k < i; k++)
			cr_assert_neq(now.entries[i], now.entries[k], "a silent entry is not tried again");
	bench_close(&b);
}

/* Of two exits; by chance it would be half of them. */
Test(stock, hardly_builds_to_the_exit_that_somebody_leaves)
{
	struct dir_entry entries[16];
	struct dir_list list = { .count = 16, .entries = entries, .valid_until = UINT64_MAX };
	struct ctl_stock_conf conf = { .keep = 8, .look_every = 300 };
	struct ctl_stock_wish wish = { 0 };
	size_t same = 0, all = 0;
	struct built now;

	silent_relays(entries, 2);
	wish.not_exit = &entries[0].identity;
	for (size_t i = 0; i < 8; i++) {
		struct bench b = { 0 };

		bench_open(&b, &conf);
		ctl_stock_wish_add(b.stock, &wish);
		ctl_stock_set_list(b.stock, &list);
		run(&b, 20);
		now = built(&b);
		all += now.count;
		for (size_t k = 0; k < now.count; k++)
			same += now.exits[k] == addr_to_v4(&entries[0].address);
		ctl_stock_wish_del(b.stock, &wish);
		bench_close(&b);
	}
	cr_assert_eq(all, 64);
	cr_assert_leq(same, 12, "%zu of them", same);
}
