#include <criterion/criterion.h>
#include <string.h>

#include "common/base/life.h"

static void all(void *ctx, void *out, size_t len)
{
	memcpy(out, ctx, len);
}

Test(life, is_drawn_between_four_and_nine_tenths)
{
	const struct life_rule life = { 1000, 50000 };
	uint64_t least = UINT64_MAX, most = 0;

	for (uint64_t value = 0; value < 5001; value++) {
		struct life drawn = life_early(&life, all, &value);

		cr_assert(drawn.soft_seconds >= 800 && drawn.soft_seconds <= 900);
		cr_assert(drawn.soft_bytes >= 40000 && drawn.soft_bytes <= 45000);
		cr_assert_eq(drawn.hard_seconds, 1500);
		cr_assert_eq(drawn.hard_bytes, 75000);
		least = drawn.soft_seconds < least ? drawn.soft_seconds : least;
		most = drawn.soft_seconds > most ? drawn.soft_seconds : most;
	}
	cr_assert_eq(least, 800);
	cr_assert_eq(most, 900);
}

Test(life, is_sound_however_short)
{
	for (uint32_t seconds = 4; seconds < 60; seconds++) {
		const struct life_rule life = { seconds, 100000 };
		uint64_t value = seconds * 7919;
		struct life drawn = life_early(&life, all, &value);

		cr_assert_gt(drawn.soft_seconds, 0);
		cr_assert_lt(drawn.soft_seconds, drawn.hard_seconds);
	}
}

Test(life, is_late_for_who_does_not_ask)
{
	const struct life_rule rule = { 1000, 50000 };
	uint64_t least = UINT64_MAX, most = 0;

	for (uint64_t value = 0; value < 5001; value++) {
		struct life drawn = life_late(&rule, all, &value);

		cr_assert(drawn.soft_seconds >= 1000 && drawn.soft_seconds <= 1100);
		cr_assert(drawn.soft_bytes >= 50000 && drawn.soft_bytes <= 55000);
		cr_assert_eq(drawn.hard_seconds, (drawn.soft_seconds * 3 + 1) / 2);
		cr_assert_eq(drawn.hard_bytes, (drawn.soft_bytes * 3 + 1) / 2);
		least = drawn.soft_seconds < least ? drawn.soft_seconds : least;
		most = drawn.soft_seconds > most ? drawn.soft_seconds : most;
	}
	cr_assert_eq(least, 1000);
	cr_assert_eq(most, 1100);
}
