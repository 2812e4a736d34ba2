#include <criterion/criterion.h>

#include "ippriv-client/ctl_quota.h"

static unsigned int take_all(struct ctl_quota *q, uid_t uid, uint64_t now)
{
	unsigned int n = 0;

	while (n < 100 && ctl_quota_take(q, uid, now))
		n++;
	return n;
}

Test(quota, a_burst_then_one_at_a_time)
{
	struct ctl_quota q = { 0 };
	uint64_t now = 5;

	cr_assert_eq(take_all(&q, 1000, now), CTL_QUOTA_BURST);
	cr_assert_not(ctl_quota_take(&q, 1000, now + CTL_QUOTA_EVERY_MS - 1));
	cr_assert_eq(take_all(&q, 1000, now + CTL_QUOTA_EVERY_MS), 1);
	cr_assert_eq(take_all(&q, 1000, now + 4 * CTL_QUOTA_EVERY_MS), 3);
	cr_assert_eq(take_all(&q, 1000, now + 1000 * CTL_QUOTA_EVERY_MS), CTL_QUOTA_BURST,
		     "no more is saved up");
}

Test(quota, says_what_is_left)
{
	struct ctl_quota q = { 0 };

	for (unsigned int left = CTL_QUOTA_BURST; left > 0; left--) {
		cr_assert_eq(ctl_quota_left(&q, 1000, 3), left);
		cr_assert(ctl_quota_take(&q, 1000, 3));
	}
	cr_assert_eq(ctl_quota_left(&q, 1000, 3), 0);
	cr_assert_eq(ctl_quota_left(&q, 1001, 3), CTL_QUOTA_BURST);
	cr_assert_eq(ctl_quota_left(&q, 1000, 3 + CTL_QUOTA_EVERY_MS - 1), 0);
	cr_assert_eq(ctl_quota_left(&q, 1000, 3 + 2 * CTL_QUOTA_EVERY_MS), 2);
	cr_assert_eq(ctl_quota_left(&q, 1000, 3 + 100 * CTL_QUOTA_EVERY_MS), CTL_QUOTA_BURST);
}

Test(quota, each_user_has_its_own)
{
	struct ctl_quota q = { 0 };

	cr_assert_eq(take_all(&q, 1000, 0), CTL_QUOTA_BURST);
	cr_assert_eq(take_all(&q, 1001, 0), CTL_QUOTA_BURST);
	cr_assert_eq(take_all(&q, 0, 0), CTL_QUOTA_BURST);
	cr_assert_eq(take_all(&q, 1000, 1), 0);
	cr_assert_eq(take_all(&q, 1001, 1), 0);
}

Test(quota, of_too_many_users_the_busiest_stay_known)
{
	struct ctl_quota q = { 0 };

	cr_assert_eq(take_all(&q, 1000, 0), CTL_QUOTA_BURST);
	for (uid_t uid = 2000; uid < 2000 + 3 * CTL_QUOTA_USERS; uid++)
		cr_assert(ctl_quota_take(&q, uid, 1));
	cr_assert_eq(take_all(&q, 1000, 2), 0);
}
