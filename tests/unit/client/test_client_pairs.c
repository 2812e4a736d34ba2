/* The SAs of one layer while one pair takes the place of another. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "client/fake_kern.h"
#include "ippriv-client/dp_pairs.h"

static struct fake_kern k;
static struct dp_pairs pairs;
static const struct dp_path path = { { { AF_INET, { 10, 0, 0, 1 } }, 0 },
				     { { AF_INET, { 10, 0, 0, 2 } }, 0 } };
static const struct dp_path other = { { { AF_INET, { 10, 0, 0, 7 } }, 4500 },
				      { { AF_INET, { 10, 0, 0, 2 } }, 4500 } };

static void setup(void)
{
	fake_kern_init(&k);
	pairs = (struct dp_pairs){ .kern = &k.ops, .id = KERN_REQID_CLIENT | 5 };
}

static void teardown(void)
{
	cr_expect_eq(dp_pairs_clear(&pairs), 0);
	cr_expect_eq(fake_kern_count(&k, KERN_OP_SA), 0);
	fake_kern_fini(&k);
}

TestSuite(dp_pairs, .init = setup, .fini = teardown);

static struct dp_pair pair_of(uint32_t n)
{
	struct dp_pair p = { .spi_in = 0x1000 + n, .spi_out = 0x2000 + n };

	p.key_in.len = p.key_out.len = 36;
	memset(p.key_in.bytes, 1, 36);
	memset(p.key_out.bytes, 2, 36);
	return p;
}

static int add(uint32_t n, bool in_only)
{
	struct dp_pair p = pair_of(n);

	return dp_pairs_add(&pairs, &path, &p, in_only);
}

static bool has_in(uint32_t n)
{
	return fake_kern_sa(&k, 0x1000 + n) != NULL;
}

static bool has_out(uint32_t n)
{
	return fake_kern_sa(&k, 0x2000 + n) != NULL;
}

Test(dp_pairs, are_a_few)
{
	for (uint32_t n = 0; n < DP_PAIRS_MAX; n++)
		cr_assert_eq(add(n, false), 0);
	cr_assert_eq(add(9, false), -ENOSPC);
	cr_expect_not(has_in(9));
	cr_assert_eq(dp_pairs_del(&pairs, 0x1001), 0);
	cr_expect(has_in(0) && has_in(2) && has_out(DP_PAIRS_MAX - 1));
	for (uint32_t n = 0; n + 1 < DP_PAIRS_MAX; n++) {
		cr_expect_eq(has_out(n), n != 1, "what is on its way through the old ones is not lost");
		cr_assert_eq(dp_pairs_mute(&pairs, 0x1000 + n), 0);
		cr_expect_not(has_out(n), "then only the newest sends");
	}
	cr_expect(has_in(0) && has_in(2) && has_out(DP_PAIRS_MAX - 1));
	cr_expect_not(has_in(1) || has_out(1));
	cr_assert_eq(dp_pairs_del(&pairs, 0x1001), 0, "once more is fine");
	cr_assert_eq(add(9, false), 0);
	cr_expect_eq(k.wrong, 0);
}

Test(dp_pairs, are_not_half_there_after_a_failure)
{
	cr_assert_eq(add(0, false), 0);
	k.fail_at = k.adds + 2;
	cr_assert_eq(add(1, false), -ENOMEM);
	cr_expect_not(has_in(1) || has_out(1));
	cr_expect(has_in(0) && has_out(0));
	cr_expect_eq(pairs.count, 1);
}

Test(dp_pairs, send_when_they_are_told_to)
{
	struct dp_pair p = pair_of(1);

	cr_assert_eq(add(0, false), 0);
	cr_assert_eq(add(1, true), 0);
	cr_expect(has_in(1) && !has_out(1));
	cr_assert_eq(dp_pairs_switch(&pairs, &path, &p), 0);
	cr_expect(has_out(1) && has_in(0) && has_out(0));
	cr_assert_eq(dp_pairs_switch(&pairs, &path, &p), 0, "it does already");
	cr_assert_eq(dp_pairs_mute(&pairs, 0x1000), 0);
	cr_expect(has_out(1) && has_in(0) && !has_out(0));
	cr_assert_eq(dp_pairs_mute(&pairs, 0x1000), 0, "once more is fine");
	p = pair_of(2);
	cr_assert_eq(dp_pairs_switch(&pairs, &path, &p), -ENOENT);
	cr_expect_eq(k.wrong, 0);
}

/* The peer has begun a rekeying when the host moves: the new SA receives, the old one sends. */
Test(dp_pairs, move_in_the_middle_of_a_rekeying)
{
	const struct addr inner = addr_v4(0x64400001);
	struct kern_op policies[DP_PLAN_POLICIES];
	struct dp_pair p = pair_of(1);

	dp_plan_policies(&path, &inner, pairs.id, NULL, policies);
	cr_assert_eq(kern_plan_add(&k.ops, policies, DP_PLAN_POLICIES), 0);
	cr_assert_eq(add(0, false), 0);
	cr_assert_eq(add(1, true), 0);
	cr_assert_eq(dp_pairs_move(&pairs, policies, &other), 0);
	cr_expect(has_in(1) && has_out(0));
	cr_expect_not(has_in(0) || has_out(1));
	cr_expect(addr_equal(&fake_kern_sa(&k, 0x1001)->dst, &other.local.addr));
	cr_expect_eq(fake_kern_sa(&k, 0x1001)->encap.dport, 4500);
	cr_expect(addr_equal(&fake_kern_sa(&k, 0x2000)->src, &other.local.addr));
	cr_expect(addr_equal(&policies[2].policy.templates[0].src, &other.local.addr));
	cr_assert_eq(dp_pairs_switch(&pairs, &other, &p), 0);
	cr_assert_eq(dp_pairs_del(&pairs, 0x1000), 0);
	cr_expect(has_in(1) && has_out(1));
	cr_expect_not(has_out(0));
	cr_assert_eq(kern_plan_del(&k.ops, policies, DP_PLAN_POLICIES), 0);
	cr_expect_eq(k.wrong, 0);
}

/* A move in the middle of a rekeying that the other side then gives up. */
Test(dp_pairs, that_cannot_receive_any_more)
{
	const struct addr inner = addr_v4(0x64400001);
	struct kern_op policies[DP_PLAN_POLICIES];

	cr_expect_not(dp_pairs_hear(&pairs));
	dp_plan_policies(&path, &inner, pairs.id, NULL, policies);
	cr_assert_eq(kern_plan_add(&k.ops, policies, DP_PLAN_POLICIES), 0);
	cr_assert_eq(add(0, false), 0);
	cr_assert_eq(add(1, true), 0);
	cr_assert_eq(dp_pairs_move(&pairs, policies, &other), 0);
	cr_expect(dp_pairs_hear(&pairs));
	cr_assert_eq(dp_pairs_del(&pairs, 0x1001), 0);
	cr_expect(has_out(0));
	cr_expect_not(dp_pairs_hear(&pairs));
	cr_assert_eq(kern_plan_del(&k.ops, policies, DP_PLAN_POLICIES), 0);
}

Test(dp_pairs, count_what_is_gone)
{
	struct dp_stats stats;

	cr_assert_eq(add(0, false), 0);
	k.packets = 4;
	cr_assert_eq(add(1, false), 0);
	cr_assert_eq(dp_pairs_mute(&pairs, 0x1000), 0);
	k.packets = 6;
	stats = dp_pairs_stats(&pairs);
	cr_expect_eq(stats.in.packets, 6 + 2);
	cr_assert_eq(dp_pairs_del(&pairs, 0x1000), 0);
	k.packets = 7;
	stats = dp_pairs_stats(&pairs);
	cr_expect_eq(stats.in.packets, 6 + 3);
	cr_expect_eq(stats.out.packets, 4 + 3, "the old one sent no longer than it had to");
}
