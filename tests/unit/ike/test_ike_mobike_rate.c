/* Roaming without end: how many moves a relay follows, and that it follows the last one. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "common/ike/ike_sa_priv.h"
#include "duo_assert.h"
#include "mover.h"
#include "natbox.h"

TestSuite(ike_mobike_rate, .fini = teardown);

static void move_often(unsigned int times)
{
	char text[ADDR_TEXT];

	for (unsigned int k = 0; k < times; k++) {
		snprintf(text, sizeof(text), "198.18.0.%u", k + 1);
		move(text);
		duo_run(&duo, duo.now + 2 * ROUND_TRIP);
		cr_assert_eq(i->moves, k + 1, "every one is answered");
	}
}

Test(ike_mobike_rate, only_so_many_moves_are_followed_at_once)
{
	uint64_t t0;

	start("192.0.2.1", false);
	t0 = duo.now;
	move_often(12);
	cr_assert_lt(duo.now, t0 + IKE_PATH_PERIOD);
	cr_assert_eq(r->moves, IKE_PATH_BURST);
	duo_run(&duo, t0 + IKE_PATH_PERIOD + ROUND_TRIP + ONE_WAY);
	cr_assert_eq(r->moves, IKE_PATH_BURST + 1, "to the last, without another word from there");
	assert_at(&box.address, false);
	duo_run(&duo, t0 + 100000);
	cr_assert_eq(r->moves, IKE_PATH_BURST + 1);
	duo_assert_up(i);
	duo_assert_up(r);
}

Test(ike_mobike_rate, one_move_a_period)
{
	uint64_t t0;

	start("192.0.2.1", false);
	t0 = duo.now;
	move_often(200); /* in eight seconds */
	cr_assert_leq(r->moves, IKE_PATH_BURST + (duo.now - t0) / IKE_PATH_PERIOD);
	cr_assert_geq(r->moves, IKE_PATH_BURST + (duo.now - t0) / IKE_PATH_PERIOD - 1);
	duo_run(&duo, duo.now + 2 * IKE_PATH_PERIOD);
	assert_at(&box.address, false);
}

Test(ike_mobike_rate, late_move_waits_for_messages_too)
{
	struct addr last;

	start("192.0.2.1", false);
	move_often(IKE_PATH_BURST + 1);
	last = box.address;
	for (int k = 0; k < 5; k++) { /* they say nothing of a move, and change nothing of it */
		ike_host_probe(duo.a.host, i->sa);
		duo_run(&duo, duo.now + ROUND_TRIP);
	}
	cr_assert_eq(r->moves, IKE_PATH_BURST);
	cr_assert(r->sa->paths.late.on && r->sa->paths.late.go);
	duo_run(&duo, duo.now + IKE_PATH_PERIOD);
	assert_at(&last, false);
	cr_assert_eq(r->moves, IKE_PATH_BURST + 1);
}

Test(ike_mobike_rate, late_move_is_off_when_it_is_back)
{
	struct ike_path old;

	start("192.0.2.1", false);
	move_often(IKE_PATH_BURST);
	old = info(i).path;
	move("203.0.113.50");
	duo_run(&duo, duo.now + 2 * ROUND_TRIP);
	cr_assert(r->sa->paths.late.on);
	box.address = old.local.addr;
	box.channel = old.channel;
	cr_assert_eq(ike_host_move(duo.a.host, i->sa, &old), 0);
	duo_run(&duo, duo.now + 2 * ROUND_TRIP);
	cr_assert_not(r->sa->paths.late.on);
	duo_run(&duo, duo.now + 10000);
	cr_assert_eq(r->moves, IKE_PATH_BURST);
	assert_at(&old.local.addr, false);
}

Test(ike_mobike_rate, into_udp_and_out_of_it_counts_as_moves)
{
	struct ike_path path;

	start("192.0.2.1", false);
	path = info(i).path;
	for (unsigned int k = 0; k < 20; k++) {
		i->sa->paths.force_encap = k % 2 == 0;
		cr_assert_eq(ike_host_move(duo.a.host, i->sa, &path), 0);
		duo_run(&duo, duo.now + 2 * ROUND_TRIP);
	}
	cr_assert_eq(r->moves, IKE_PATH_BURST);
	duo_run(&duo, duo.now + 3 * IKE_PATH_PERIOD);
	assert_at(&path.local.addr, false);
}

Test(ike_mobike_rate, mappings_are_moves)
{
	static const struct bucket_rate rate = { 1, IKE_PATH_PERIOD, IKE_PATH_BURST };
	struct endpoint elsewhere = { { AF_INET, { 203, 0, 113, 99 } }, 4500 };

	start("10.0.0.2", true);
	for (unsigned int k = 0; k < 50; k++) {
		ike_host_mapping(duo.b.host, r->sa, &elsewhere);
		r->sa->paths.check.on = false; /* as if the answer had come from elsewhere */
		elsewhere.port++;
	}
	cr_assert_not(bucket_has(&r->sa->paths.tries, &rate, duo.now));
	cr_assert(r->sa->paths.late.on);
	duo_run(&duo, duo.now + 60000);
	cr_assert_eq(r->moves, 0);
	duo_assert_up(r);
}
