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
	struct ctl_quota_conf conf = { .most = 1000, .rate = 200, .peer_most = 500,
				       .peer_rate = 60 };

	cr_assert_eq(ctl_quota_new(&conf, &quota), 0);
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

Test(ctl_quota, a_peer_has_a_rate)
{
	for (uint32_t i = 0; i < 60 * CTL_QUOTA_AHEAD; i++) {
		cr_assert_eq(take(100 + i, 7, start), 0, "%u", i);
		give(100 + i, 7, start);
	}
	cr_expect_eq(take(1, 7, start), -EBUSY, "however many addresses it has");
	cr_expect_eq(take(1, 8, start), 0, "another peer");
	cr_expect_eq(take(1, 0, start), 0);
	cr_expect_eq(take(1, 7, start + 16), -EBUSY);
	cr_expect_eq(take(1, 7, start + 17), 0);
}

Test(ctl_quota, the_relay_has_a_rate)
{
	for (uint32_t i = 0; i < 200 * CTL_QUOTA_AHEAD; i++) {
		cr_assert_eq(take(100 + i, i % 10, start), 0, "%u", i);
		give(100 + i, i % 10, start);
	}
	for (uint32_t i = 0; i < 10; i++)
		cr_expect_eq(take(1, i, start), -EBUSY);
	cr_expect_eq(take(1, 9, start + 5), 0);
	cr_expect_eq(take(1, 9, start + 5), -EBUSY);
}

Test(ctl_quota, the_relay_has_so_many)
{
	uint64_t now = start;

	for (uint32_t i = 0; i < 1000; i++, now += 10)
		cr_assert_eq(take(100 + i, 1 + i % 3, now), 0);
	cr_expect_eq(take(1, 0, now), -EBUSY);
	give(100, 1, now);
	cr_expect_eq(take(1, 0, now), 0);
}

Test(ctl_quota, follows_who_moves)
{
	struct addr a = addr_v4(1), b = addr_v4(2);
	uint64_t now = start;

	for (int i = 0; i < CTL_QUOTA_ADDRESS; i++, now += 1000)
		cr_assert_eq(take(1, 0, now), 0);
	cr_expect_eq(take(1, 0, now), -EBUSY);
	cr_assert_eq(ctl_quota_move(quota, &a, &b, now), 0);
	cr_expect_eq(take(1, 0, now), 0);
	cr_expect_eq(take(1, 0, now), -EBUSY);
	cr_assert_eq(ctl_quota_move(quota, &b, &a, now), -EBUSY, "no way to have more than 256");
	give(1, 0, now);
	cr_assert_eq(ctl_quota_move(quota, &b, &a, now), 0);
	cr_expect_eq(take(1, 0, now), -EBUSY);
	give(1, 0, now);
	cr_expect_eq(take(1, 0, now), 0);
}

Test(ctl_quota, an_ipv6_network_is_one_client)
{
	struct addr a, other;

	cr_assert_eq(addr_parse("2001:db8:1:2::1", &a), 0);
	cr_assert_eq(addr_parse("2001:db8:1:3::1", &other), 0);
	for (int i = 0; i < CTL_QUOTA_BURST; i++) {
		a.bytes[15] = (uint8_t)i;
		cr_assert_eq(ctl_quota_take(quota, &a, 0, start), 0);
	}
	a.bytes[8] = 7;
	cr_expect_eq(ctl_quota_take(quota, &a, 0, start), -EBUSY);
	cr_expect_eq(ctl_quota_take(quota, &other, 0, start), 0);
	ctl_quota_give(quota, &a, 0, start);
}

static enum ctl_quota_full full(uint32_t address, uint32_t index)
{
	struct addr a = addr_v4(address);

	return ctl_quota_full(quota, &a, index);
}

Test(ctl_quota, says_which_share_is_full)
{
	uint64_t now = start;

	for (int i = 0; i < CTL_QUOTA_ADDRESS; i++, now += 1000) {
		cr_expect_eq(full(1, 0), CTL_QUOTA_ROOM);
		cr_assert_eq(take(1, 0, now), 0);
	}
	cr_expect_eq(full(1, 0), CTL_QUOTA_FULL_ADDRESS);
	cr_expect_eq(full(1, 3), CTL_QUOTA_ROOM);
	for (uint32_t i = 0; i < 500; i++, now += 1000)
		cr_assert_eq(take(100 + i, 7, now), 0);
	cr_expect_eq(full(1, 7), CTL_QUOTA_FULL_PEER);
	cr_expect_eq(full(2, 0), CTL_QUOTA_ROOM);
	for (uint32_t i = 0; i < 1000 - 500 - CTL_QUOTA_ADDRESS; i++, now += 1000)
		cr_assert_eq(take(100 + i, 8, now), 0);
	cr_expect_eq(full(2, 0), CTL_QUOTA_FULL_RELAY);
	cr_expect_eq(full(2, 9), CTL_QUOTA_FULL_RELAY);
	cr_expect_eq(full(2, 7), CTL_QUOTA_FULL_PEER, "the narrower one");
}

Test(ctl_quota, a_rate_is_no_full_share)
{
	for (int i = 0; i < CTL_QUOTA_BURST; i++) {
		cr_assert_eq(take(1, 0, start), 0);
		give(1, 0, start);
	}
	cr_expect_eq(take(1, 0, start), -EBUSY);
	cr_expect_eq(full(1, 0), CTL_QUOTA_ROOM);
}

Test(ctl_quota, same_address)
{
	struct addr a, b, c, d = addr_v4(1), e = addr_v4(2);

	cr_assert_eq(addr_parse("2001:db8:1:2::1", &a), 0);
	cr_assert_eq(addr_parse("2001:db8:1:2:3::1", &b), 0);
	cr_assert_eq(addr_parse("2001:db8:1:3::1", &c), 0);
	cr_expect(ctl_quota_same(&a, &b));
	cr_expect_not(ctl_quota_same(&a, &c));
	cr_expect(ctl_quota_same(&d, &d));
	cr_expect_not(ctl_quota_same(&d, &e));
	cr_expect_not(ctl_quota_same(&a, &d));
}
