#include <criterion/criterion.h>

#include "common/ike/ike_bucket.h"

Test(ike_bucket, burst_then_rate)
{
	struct ike_bucket b = ike_bucket_full(3, 100, 1000);
	unsigned int taken = 0;

	for (int i = 0; i < 10; i++)
		taken += ike_bucket_take(&b, 1000);
	cr_assert_eq(taken, 3);
	cr_assert_eq(ike_bucket_next(&b), 1100);
	cr_assert_not(ike_bucket_take(&b, 1099));
	cr_assert_eq(ike_bucket_next(&b), 1100);
	cr_assert(ike_bucket_take(&b, 1100));
	cr_assert_not(ike_bucket_take(&b, 1100));
	for (uint64_t now = 1101; now <= 11100; now++)
		taken += ike_bucket_take(&b, now);
	cr_assert_eq(taken, 3 + 100);
}

Test(ike_bucket, never_more_than_burst)
{
	struct ike_bucket b = ike_bucket_full(3, 100, 1000);
	unsigned int taken = 0;

	for (int i = 0; i < 10; i++)
		taken += ike_bucket_take(&b, UINT64_MAX - 1);
	cr_assert_eq(taken, 3);
	cr_assert_not(ike_bucket_take(&b, 5), "time does not run backwards");
}

/* Part of an interval is not lost by asking in between. */
Test(ike_bucket, asking_costs_nothing)
{
	struct ike_bucket b = ike_bucket_full(1, 100, 0);

	cr_assert(ike_bucket_take(&b, 0));
	for (uint64_t now = 1; now < 100; now++)
		cr_assert_not(ike_bucket_take(&b, now));
	cr_assert(ike_bucket_take(&b, 100));
}
