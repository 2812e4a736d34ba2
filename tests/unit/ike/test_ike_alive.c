/* What the counters of a tunnel say about its other end. */
#include <criterion/criterion.h>

#include "common/ike/ike_alive.h"

static struct ike_alive alive;

static enum ike_alive_news look(uint64_t in, uint64_t out, uint64_t now)
{
	return ike_alive_look(&alive, in, out, now, IKE_ALIVE_SILENCE);
}

Test(ike_alive, idle_is_fine)
{
	for (uint64_t now = 1; now < 100000; now += IKE_ALIVE_EVERY)
		cr_expect_eq(look(0, 0, now), IKE_ALIVE_NOTHING);
}

Test(ike_alive, traffic_both_ways_is_heard)
{
	for (uint64_t i = 1; i < 10; i++)
		cr_expect_eq(look(i, i * 3, i * IKE_ALIVE_EVERY), IKE_ALIVE_HEARD);
}

Test(ike_alive, asks_when_only_we_talk)
{
	cr_expect_eq(look(7, 7, 1000), IKE_ALIVE_HEARD);
	cr_expect_eq(look(7, 8, 6000), IKE_ALIVE_NOTHING);
	cr_expect_eq(look(7, 9, 11000), IKE_ALIVE_NOTHING);
	cr_expect_eq(look(7, 10, 16000), IKE_ALIVE_ASK);
	cr_expect_eq(look(7, 11, 21000), IKE_ALIVE_NOTHING, "it has been asked");
	cr_expect_eq(look(7, 12, 26000), IKE_ALIVE_ASK, "and again");
	cr_expect_eq(look(8, 13, 31000), IKE_ALIVE_HEARD);
	cr_expect_eq(look(8, 14, 36000), IKE_ALIVE_NOTHING, "from the beginning");
}

Test(ike_alive, asks_for_the_sake_of_traffic_only)
{
	cr_expect_eq(look(0, 1, 1000), IKE_ALIVE_NOTHING);
	for (uint64_t now = 6000; now < 60000; now += IKE_ALIVE_EVERY)
		cr_expect_eq(look(0, 1, now), IKE_ALIVE_NOTHING);
	cr_expect_eq(look(0, 2, 61000), IKE_ALIVE_ASK, "the last one was not answered either");
}
