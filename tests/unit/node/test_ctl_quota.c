/* How many circuits an address and an entry may have, and how fast. */
#include <criterion/criterion.h>
#include <errno.h>

#include "ippriv-node/ctl_quota.h"

static struct ctl_quota *quota;
static const uint64_t start = 1000000;

static int take(uint32_t address, uint32_t index, uint64_t now)
{
	struct addr a = addr_v4(address);

	return ctl_quota_take(quota, &a, index, now);
}

static void give(uint32_t address, uint32_t index, uint64_t now)
{
	struct addr a = addr_v4(address);

	ctl_quota_give(quota, &a, index, now);
}

static void setup(void)
{
	cr_assert_eq(ctl_quota_new(1000, &quota), 0);
}

static void teardown(void)
{
	ctl_quota_free(quota);
}

TestSuite(ctl_quota, .init = setup, .fini = teardown);

Test(ctl_quota, a_burst_then_the_rate)
{
	for (int i = 0; i < CTL_QUOTA_BURST; i++) {
		cr_assert_eq(take(1, 0, start), 0, "%d", i);
		give(1, 0, start);
	}
	cr_expect_eq(take(1, 0, start), -EBUSY, "closing them gives no new tokens");
	cr_expect_eq(take(1, 0, start + 99), -EBUSY);
	cr_expect_eq(take(2, 0, start), 0, "another address");
	cr_expect_eq(take(1, 3, start), 0, "the same number behind an entry is somebody else");
	cr_expect_eq(take(1, 0, start + 100), 0);
	cr_expect_eq(take(1, 0, start + 100), -EBUSY);
	cr_expect_eq(take(1, 0, start + 200), 0);
	for (int i = 0; i < 10; i++)
		cr_expect_eq(take(1, 0, start + 1200), 0);
	cr_expect_eq(take(1, 0, start + 1200), -EBUSY);
}

Test(ctl_quota, so_many_at_one_time)
{
	uint64_t now = start;

	for (int i = 0; i < CTL_QUOTA_ADDRESS; i++, now += 1000)
		cr_assert_eq(take(1, 0, now), 0);
	cr_expect_eq(take(1, 0, now), -EBUSY);
	give(1, 0, now);
	cr_expect_eq(take(1, 0, now), 0);
}

Test(ctl_quota, a_peer_has_half)
{
	for (uint32_t i = 0; i < 500; i++)
		cr_assert_eq(take(100 + i, 7, start), 0);
	cr_expect_eq(take(1, 7, start), -EBUSY);
	cr_expect_eq(take(1, 8, start), 0);
	cr_expect_eq(take(1, 0, start), 0);
	give(100, 7, start);
	cr_expect_eq(take(1, 7, start), 0);
}

Test(ctl_quota, forgets_those_with_full_buckets)
{
	for (uint32_t i = 1; i <= 50; i++) {
		cr_assert_eq(take(i, 0, start), 0);
		if (i > 1)
			give(i, 0, start);
	}
	cr_expect_eq(take(60, 0, start + 9999), 0);
	cr_expect_eq(ctl_quota_known(quota), (size_t)51);
	cr_expect_eq(take(61, 0, start + 10000), 0);
	cr_expect_eq(ctl_quota_known(quota), (size_t)3, "the one with a circuit and the two new ones");
}
