/* When the list is fetched next. Every draw is tried often: waits are random. */
#include <criterion/criterion.h>

#include "common/dir/dir_pace.h"
#include "dir/sample.h"

enum { DRAWS = 500 };

static struct dir_list list_of(uint32_t interval)
{
	const uint64_t published = SAMPLE_NOW;

	return (struct dir_list){ .published = published, .fresh_until = published + interval,
				  .valid_until = published + 10 * (uint64_t)interval };
}

/* After a newer list, AGE seconds old: all waits are from LO to HI milliseconds and differ. */
static void expect_wait(uint32_t refresh, uint32_t interval, uint64_t age, uint32_t lo, uint32_t hi)
{
	struct dir_list list = list_of(interval);
	uint32_t least = UINT32_MAX, most = 0;

	for (int i = 0; i < DRAWS; i++) {
		struct dir_pace pace = dir_pace_start(refresh);
		uint32_t wait = dir_pace_taken(&pace, &list, true, SAMPLE_NOW + age);

		least = wait < least ? wait : least;
		most = wait > most ? wait : most;
	}
	cr_expect(least >= lo && most <= hi, "%u..%u, not in %u..%u", least, most, lo, hi);
	cr_expect(lo == hi || least < most, "always %u", least);
}

static void setup(void)
{
	cr_assert_eq(crypto_init(), 0);
}

TestSuite(dir_pace, .init = setup);

Test(dir_pace, comes_when_there_is_a_newer_list)
{
	expect_wait(3600, 60, 0, 60000, 75000);
	expect_wait(3600, 60, 59, 1000, 16000);
	expect_wait(3600, 4000, 3999, 1000, 1001000);
	/* lists that say odd things */
	expect_wait(3600, 0, 0, 45000, 60000);
	expect_wait(86400, UINT32_MAX, 0, 64800000, 86400000);
	expect_wait(1, 60, 0, 1000, 1000);
}

/* In the test Internet relays refresh each 5 to 10 s, lists come each 20 s. */
Test(dir_pace, never_later_than_refresh)
{
	static const uint64_t ages[] = { 0, 1, 5, 9, 10, 11, 15, 19, 20, 21, 25, 1000, 1u << 30 };

	for (size_t i = 0; i < ARRAY_SIZE(ages); i++)
		expect_wait(10, 20, ages[i], ages[i] >= 10 && ages[i] < 20 ? 1000 : 7500, 10000);
	expect_wait(600, 86400, 0, 450000, 600000);
}

/* The clock here is ahead, or the authority cannot sign: the list is never fresh. */
Test(dir_pace, an_overdue_list_is_looked_for_ever_more_rarely)
{
	struct dir_pace pace = dir_pace_start(3600);
	struct dir_list list = list_of(60);
	uint64_t now = SAMPLE_NOW + 300, end = now + 24 * 3600;
	uint32_t wait = dir_pace_taken(&pace, &list, true, now), looks = 0;

	cr_assert(wait >= 45000 && wait <= 60000, "%u", wait);
	wait = dir_pace_taken(&pace, &list, false, now);
	cr_assert(wait >= 90000 && wait <= 120000, "%u", wait);
	for (; now < end; now += wait / 1000, looks++) {
		wait = dir_pace_taken(&pace, &list, false, now);
		cr_assert(wait >= 180000 && wait <= 3600000, "%u", wait);
	}
	cr_assert(looks >= 24 && looks < 24 * 4 / 3 + 8, "%u in a day", looks);
	wait = dir_pace_taken(&pace, &list, true, now);
	cr_assert(wait >= 45000 && wait <= 60000, "a newer one: from the start, not %u", wait);
}

Test(dir_pace, failures_double_up_to_a_minute)
{
	struct dir_pace pace = dir_pace_start(3600);
	struct dir_list list = list_of(60);

	for (uint32_t want = 1000; want < 60000; want *= 2)
		cr_assert_eq(dir_pace_failed(&pace), want);
	cr_assert_eq(dir_pace_failed(&pace), 60000);
	cr_assert_eq(dir_pace_failed(&pace), 60000);
	dir_pace_taken(&pace, &list, false, SAMPLE_NOW);
	cr_assert_eq(dir_pace_failed(&pace), 1000);
}
