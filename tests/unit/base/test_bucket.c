/* A burst, then a rate. */
#include <criterion/criterion.h>

#include "common/base/bucket.h"

static const struct bucket_rate ten_a_second = { .tokens = 1, .period = 100, .burst = 3 };

Test(bucket, burst_then_rate)
{
	struct bucket b = { 0 };
	unsigned int taken = 0;

	for (int i = 0; i < 10; i++)
		taken += bucket_take(&b, &ten_a_second, 1000);
	cr_assert_eq(taken, 3);
	cr_assert_eq(bucket_next(&b, &ten_a_second), 1100);
	cr_assert_not(bucket_take(&b, &ten_a_second, 1099));
	cr_assert_eq(bucket_next(&b, &ten_a_second), 1100);
	cr_assert(bucket_take(&b, &ten_a_second, 1100));
	cr_assert_not(bucket_take(&b, &ten_a_second, 1100));
	for (uint64_t now = 1101; now <= 11100; now++)
		taken += bucket_take(&b, &ten_a_second, now);
	cr_assert_eq(taken, 3 + 100);
}

Test(bucket, never_more_than_burst)
{
	struct bucket b = { 0 };
	unsigned int taken = 0;

	for (int i = 0; i < 10; i++)
		taken += bucket_take(&b, &ten_a_second, UINT64_MAX - 1);
	cr_assert_eq(taken, 3);
	cr_assert_not(bucket_take(&b, &ten_a_second, 5), "time does not run backwards");
}

/* Part of an interval is not lost by asking in between. */
Test(bucket, asking_costs_nothing)
{
	static const struct bucket_rate one = { .tokens = 1, .period = 100, .burst = 1 };
	struct bucket b = { 0 };

	cr_assert(bucket_take(&b, &one, 0));
	for (uint64_t now = 1; now < 100; now++)
		cr_assert_not(bucket_take(&b, &one, now));
	cr_assert(bucket_take(&b, &one, 100));
}

static unsigned int take_all(struct bucket *b, const struct bucket_rate *r, uint64_t now)
{
	unsigned int n = 0;

	while (bucket_has(b, r, now)) {
		cr_assert(bucket_take(b, r, now));
		n++;
	}
	return n;
}

Test(bucket, burst_and_rate)
{
	static const struct bucket_rate rates[] = {
		{ 1, 1000, 1 }, { 10, 1000, 100 }, { 500, 1000, 5000 }, { 3, 1000, 7 },
		{ 100000, 1000, 1000000 },
	};

	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		struct bucket b = { 0 };
		uint64_t now = 5000;
		unsigned int got;

		cr_expect_eq(take_all(&b, &rates[i], now), rates[i].burst, "rate %zu", i);
		cr_expect_eq(take_all(&b, &rates[i], now), 0u);
		got = take_all(&b, &rates[i], now + 1000);
		cr_expect(got >= rates[i].tokens && got <= rates[i].tokens + 1, "rate %zu: %u", i, got);
		cr_expect_eq(take_all(&b, &rates[i], now + 10000000), rates[i].burst, "full again");
	}
}

/* What does not divide evenly is neither given away nor lost. */
Test(bucket, rates_are_exact)
{
	static const struct bucket_rate seven = { .tokens = 7, .period = 60000, .burst = 1 };
	struct bucket b = { 0 };
	uint64_t now = 0;

	for (int i = 0; i < 7; i++) {
		cr_assert(bucket_take(&b, &seven, now));
		now = bucket_next(&b, &seven);
		cr_assert_not(bucket_has(&b, &seven, now - 1));
	}
	cr_assert_geq(now, 60000);
	cr_assert_lt(now, 60007);
}

Test(bucket, largest_rates)
{
	static const struct bucket_rate all = { UINT32_MAX, UINT32_MAX, UINT32_MAX };
	struct bucket b = { .owed = (uint64_t)UINT32_MAX * UINT32_MAX };

	cr_assert_not(bucket_take(&b, &all, 0));
	cr_assert_eq(bucket_next(&b, &all), 1);
	cr_assert(bucket_take(&b, &all, 1));
	cr_assert_not(bucket_take(&b, &all, 1));
	cr_assert(bucket_take(&b, &all, UINT64_MAX));
}
