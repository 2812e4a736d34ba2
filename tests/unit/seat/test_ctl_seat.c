/*
 * A seat with circuits and a stock that are made here: what it takes, keeps and gives back. The linker
 * takes these functions instead of the client's own.
 */
#include "ippriv-client/ctl_seat.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "common/io/loop.h"

enum { CIRCUITS = 12 };

struct ctl_circuit {
	struct ctl_path path;
	struct ike_lease lease;
	bool ready, attached, kept, released;
	unsigned int slot;
	int attach_error, flows;
	uint64_t packets;
};

static struct ctl_circuit circuits[CIRCUITS];
static unsigned int taken_slots; /* a bit for each interface over there */
static bool wished;
static size_t given_back;

struct ctl_circuit *ctl_stock_take(struct ctl_stock *stock, void *taker, uid_t uid,
				   const struct ctl_stock_wish *wish)
{
	(void)stock, (void)wish;
	cr_assert(taker && uid == 7);
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
	if (c->attached)
		taken_slots &= ~(1u << c->slot);
}

void ctl_stock_give_back(struct ctl_stock *stock, struct ctl_circuit *c)
{
	(void)stock, (void)c;
	given_back++;
}

void ctl_stock_wish_add(struct ctl_stock *stock, struct ctl_stock_wish *wish)
{
	(void)stock, (void)wish;
	wished = true;
}

void ctl_stock_wish_del(struct ctl_stock *stock, struct ctl_stock_wish *wish)
{
	(void)stock, (void)wish;
	wished = false;
}

uint64_t ctl_stock_backoff(unsigned int failures, random_source random, void *ctx)
{
	(void)random, (void)ctx;
	return failures * 200;
}

void ctl_circuit_info(const struct ctl_circuit *c, struct ctl_circuit_info *out)
{
	*out = (struct ctl_circuit_info){ .id = (uint32_t)(c - circuits) + 1, .path = &c->path,
					  .lease = &c->lease };
}

int ctl_circuit_keep(struct ctl_circuit *c)
{
	cr_assert(c->attached && !c->released);
	c->kept = true;
	return 0;
}

int ctl_circuit_flows(struct ctl_circuit *c)
{
	return c->flows;
}

int ctl_circuit_stats(struct ctl_circuit *c, size_t index, struct dp_stats *out)
{
	cr_assert_eq(index, CTL_CIRCUIT_HOPS - 1);
	*out = (struct dp_stats){ .in.packets = c->packets };
	return 0;
}

static struct bench {
	struct io_loop *loop;
	struct io_timer *timer;
	struct ctl_seat *seat;
	size_t seated, empty, failed;
	int failed_with;
	bool final;
} b;

static int on_attach(void *user, struct ctl_circuit *c, unsigned int slot)
{
	(void)user;
	cr_assert(slot < CTL_SEAT_SLOTS);
	if (taken_slots & 1u << slot)
		return -EEXIST;
	if (c->attach_error)
		return c->attach_error;
	taken_slots |= 1u << slot;
	c->attached = true;
	c->slot = slot;
	return 0;
}

static void on_seated(void *user, struct ctl_circuit *c)
{
	(void)user;
	b.seated++;
	cr_assert_eq(ctl_seat_circuit(b.seat), c);
}

static void on_empty(void *user)
{
	(void)user;
	b.empty++;
}

static void on_failed(void *user, const struct ctl_circuit *c, int err, bool final)
{
	(void)user, (void)c;
	b.failed++;
	b.failed_with = err;
	b.final = final;
}

static void on_time(void *user)
{
	io_loop_stop(user);
}

static void run(uint64_t ms)
{
	io_timer_start(b.timer, ms);
	cr_assert_eq(io_loop_run(b.loop), 0);
}

static const struct ctl_seat_ops ops = { on_attach, on_seated, on_empty, on_failed };

static void start_with(uint32_t rotate, bool once)
{
	struct ctl_seat_conf conf = { .stock = (struct ctl_stock *)&b, .ops = &ops, .uid = 7,
				      .rotate = rotate, .once = once };

	for (size_t i = 0; i < CIRCUITS; i++)
		circuits[i].lease.address = addr_v4(0x64400001 + (uint32_t)i);
	cr_assert_eq(crypto_init(), 0);
	cr_assert_eq(io_loop_new(&b.loop), 0);
	cr_assert_eq(io_timer_new(b.loop, on_time, b.loop, &b.timer), 0);
	conf.loop = b.loop;
	cr_assert_eq(ctl_seat_new(&conf, &b.seat), 0);
}

static void start(uint32_t rotate)
{
	start_with(rotate, true);
}

static void end(void)
{
	ctl_seat_free(b.seat);
	cr_assert_not(wished);
	for (size_t i = 0; i < CIRCUITS; i++)
		cr_assert(!circuits[i].attached || circuits[i].released, "circuit %zu", i + 1);
	io_loop_free(b.loop);
}

Test(seat, waits_for_its_first_circuit)
{
	start(0);
	cr_assert(wished);
	cr_assert_not(ctl_seat_offer(b.seat));
	circuits[0].ready = true;
	cr_assert(ctl_seat_offer(b.seat));
	cr_assert_eq(b.seated, 1);
	cr_assert_eq(circuits[0].slot, 0);
	cr_assert_not(wished);
	circuits[1].ready = true;
	cr_assert_not(ctl_seat_offer(b.seat), "it has one");
	end();
}

Test(seat, keeps_an_old_circuit_while_it_has_connections)
{
	start(0);
	circuits[0].ready = circuits[1].ready = true;
	cr_assert(ctl_seat_offer(b.seat));
	circuits[0].flows = 1;
	ctl_seat_rotate(b.seat);
	cr_assert_eq(b.seated, 2);
	cr_assert(circuits[0].kept && circuits[1].attached && !circuits[1].kept);
	cr_assert_eq(circuits[1].slot, 1);
	run(CTL_SEAT_LOOK_MS + 300);
	cr_assert_not(circuits[0].released);
	circuits[0].flows = 0;
	for (size_t i = 0; i < 6; i++) { /* others are ready meanwhile */
		run(CTL_SEAT_LOOK_MS / 5);
		circuits[2].ready = true;
		cr_assert_not(ctl_seat_offer(b.seat));
	}
	cr_assert(circuits[0].released);
	cr_assert_not(circuits[1].released);
	end();
}

Test(seat, rotates_by_time_and_waits_for_what_there_is)
{
	start(1);
	circuits[0].ready = true;
	cr_assert(ctl_seat_offer(b.seat));
	run(700);
	cr_assert_not(wished, "not yet");
	run(600);
	cr_assert_not(wished, "nothing has gone through it");
	circuits[0].packets = 1;
	run(1300);
	cr_assert(wished);
	cr_assert_eq(b.seated, 1, "there is no other");
	cr_assert_not(circuits[0].kept);
	circuits[1].ready = true;
	cr_assert(ctl_seat_offer(b.seat));
	cr_assert(circuits[0].kept && circuits[1].attached);
	end();
}

Test(seat, has_no_more_circuits_than_slots)
{
	start(0);
	for (size_t i = 0; i < CIRCUITS; i++)
		circuits[i].flows = circuits[i].ready = 1;
	for (size_t i = 0; i < CIRCUITS; i++)
		ctl_seat_rotate(b.seat);
	(void)ctl_seat_offer(b.seat);
	cr_assert_eq(ctl_seat_count(b.seat), CTL_SEAT_SLOTS);
	cr_assert_eq(b.seated, CTL_SEAT_SLOTS);
	cr_assert_eq(taken_slots, (1u << CTL_SEAT_SLOTS) - 1);
	end();
}

Test(seat, takes_no_two_of_one_address)
{
	start(0);
	circuits[0].ready = circuits[1].ready = circuits[2].ready = true;
	circuits[1].lease.address = circuits[0].lease.address = addr_v4(0x64400001);
	cr_assert(ctl_seat_offer(b.seat));
	ctl_seat_rotate(b.seat);
	cr_assert(circuits[1].released && !circuits[1].attached && !circuits[0].kept);
	cr_assert(ctl_seat_offer(b.seat));
	cr_assert(circuits[2].attached);
	end();
}

/* The interface of the dead one is there for a while. */
Test(seat, replaces_a_dead_circuit_at_once_the_next_later)
{
	start(0);
	circuits[0].ready = circuits[1].ready = circuits[2].ready = true;
	cr_assert(ctl_seat_offer(b.seat));
	circuits[0].attached = false; /* it goes by itself */
	ctl_seat_lost(b.seat, &circuits[0]);
	cr_assert_eq(b.seated, 2);
	cr_assert_eq(b.empty, 0);
	cr_assert_eq(circuits[1].slot, 1);
	cr_assert_not(circuits[0].kept);
	circuits[1].attached = false;
	ctl_seat_lost(b.seat, &circuits[1]);
	cr_assert_eq(b.empty, 1);
	cr_assert_null(ctl_seat_circuit(b.seat));
	run(150);
	cr_assert_eq(b.seated, 2);
	run(600);
	cr_assert_eq(b.seated, 3, "by itself");
	circuits[2].attached = false;
	ctl_seat_lost(b.seat, &circuits[2]);
	ctl_seat_lost(b.seat, &circuits[3]); /* nobody's here */
	cr_assert_eq(b.empty, 2);
	end();
}

Test(seat, is_refused_when_the_first_one_has_no_place)
{
	start(0);
	taken_slots = 1;
	circuits[0].ready = true;
	cr_assert_not(ctl_seat_offer(b.seat));
	cr_assert_eq(given_back, 1);
	cr_assert(b.failed == 1 && b.failed_with == -EEXIST && b.final);
	circuits[1].ready = true;
	cr_assert_not(ctl_seat_offer(b.seat), "that is the end");
	end();
}

Test(seat, goes_on_when_a_later_one_cannot_be_put)
{
	start(0);
	circuits[0].ready = circuits[1].ready = true;
	circuits[1].attach_error = -EPERM;
	cr_assert(ctl_seat_offer(b.seat));
	ctl_seat_rotate(b.seat);
	cr_assert(b.failed == 1 && !b.final);
	cr_assert(circuits[1].released);
	cr_assert_eq(ctl_seat_circuit(b.seat), &circuits[0]);
	cr_assert_not(circuits[0].released);
	end();
}

Test(seat, tries_again_where_it_may)
{
	start_with(0, false);
	circuits[0].ready = circuits[1].ready = circuits[2].ready = true;
	circuits[0].attach_error = -ERANGE;
	taken_slots = 1;
	cr_assert_not(ctl_seat_offer(b.seat));
	cr_assert(b.failed == 1 && b.failed_with == -ERANGE && !b.final);
	cr_assert(circuits[0].released);
	cr_assert_not(ctl_seat_offer(b.seat), "not at once");
	run(400);
	cr_assert_eq(ctl_seat_circuit(b.seat), &circuits[1], "by itself");
	cr_assert_eq(circuits[1].slot, 1, "the names in use are passed over");
	end();
}
