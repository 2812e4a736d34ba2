#include <criterion/criterion.h>
#include <errno.h>

#include "common/kern/kern_ops.h"
#include "ippriv-client/dp_id.h"

Test(dp_id, starts_at_the_seed_and_never_repeats)
{
	static struct dp_id ids;
	uint32_t a, b, c;

	dp_id_init(&ids, 0xfff12345);
	cr_assert_eq(dp_id_take(&ids, &a), 0);
	cr_assert_eq(a, KERN_REQID_CLIENT | 0x12345);
	cr_assert_eq(dp_id_take(&ids, &b), 0);
	cr_assert_eq(b, a + 1);
	dp_id_give(&ids, a);
	cr_assert_eq(dp_id_take(&ids, &c), 0);
	cr_assert_eq(c, b + 1, "a number is not used again at once");
}

Test(dp_id, goes_round_without_zero_and_skips_what_is_used)
{
	static struct dp_id ids;
	uint32_t last, first, id;

	dp_id_init(&ids, KERN_ID_MASK);
	cr_assert_eq(dp_id_take(&ids, &last), 0);
	cr_assert_eq(last, KERN_REQID_CLIENT | KERN_ID_MASK);
	cr_assert_eq(dp_id_take(&ids, &first), 0);
	cr_assert_eq(first, KERN_REQID_CLIENT | 1);
	ids.next = KERN_ID_MASK;
	cr_assert_eq(dp_id_take(&ids, &id), 0);
	cr_assert_eq(id, KERN_REQID_CLIENT | 2);
}

Test(dp_id, says_when_there_is_none_left)
{
	static struct dp_id ids;
	uint32_t id, one = 0;

	dp_id_init(&ids, 1);
	for (size_t i = 0; i < DP_ID_MAX; i++)
		cr_assert_eq(dp_id_take(&ids, i == 7 ? &one : &id), 0);
	cr_assert_eq(dp_id_take(&ids, &id), -ENOSPC);
	dp_id_give(&ids, one);
	dp_id_give(&ids, one); /* no harm */
	cr_assert_eq(dp_id_take(&ids, &id), 0);
	cr_assert_eq(dp_id_take(&ids, &id), -ENOSPC);
}
