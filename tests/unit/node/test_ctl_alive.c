/* What the counters of a tunnel say about its other end. */
#include <criterion/criterion.h>

#include "ippriv-node/ctl_alive.h"

static struct ctl_alive alive;

static enum ctl_alive_news look(uint64_t in, uint64_t out, uint64_t now)
{
	struct dp_stats stats = { .packets_in = in, .packets_out = out };

	return ctl_alive_look(&alive, &stats, now);
}

Test(ctl_alive, idle_is_fine)
{
	for (uint64_t now = 1; now < 100000; now += CTL_ALIVE_EVERY)
		cr_expect_eq(look(0, 0, now), CTL_ALIVE_NOTHING);
}

Test(ctl_alive, traffic_both_ways_is_heard)
{
	for (uint64_t i = 1; i < 10; i++)
		cr_expect_eq(look(i, i * 3, i * CTL_ALIVE_EVERY), CTL_ALIVE_HEARD);
}

Test(ctl_alive, asks_when_only_we_talk)
{
	cr_expect_eq(look(7, 7, 1000), CTL_ALIVE_HEARD);
	cr_expect_eq(look(7, 8, 6000), CTL_ALIVE_NOTHING);
	cr_expect_eq(look(7, 9, 11000), CTL_ALIVE_NOTHING);
	cr_expect_eq(look(7, 10, 16000), CTL_ALIVE_ASK);
	cr_expect_eq(look(7, 11, 21000), CTL_ALIVE_NOTHING, "it has been asked");
	cr_expect_eq(look(7, 12, 26000), CTL_ALIVE_ASK, "and again");
	cr_expect_eq(look(8, 13, 31000), CTL_ALIVE_HEARD);
	cr_expect_eq(look(8, 14, 36000), CTL_ALIVE_NOTHING, "from the beginning");
}

Test(ctl_alive, asks_for_the_sake_of_traffic_only)
{
	cr_expect_eq(look(0, 1, 1000), CTL_ALIVE_NOTHING);
	for (uint64_t now = 6000; now < 60000; now += CTL_ALIVE_EVERY)
		cr_expect_eq(look(0, 1, now), CTL_ALIVE_NOTHING);
	cr_expect_eq(look(0, 2, 61000), CTL_ALIVE_ASK, "the last one was not answered either");
}
