#include <criterion/criterion.h>
#include <string.h>

#include "ippriv-client/ctl_life.h"

static void all(void *ctx, void *out, size_t len)
{
	memcpy(out, ctx, len);
}

Test(life, is_drawn_between_four_and_nine_tenths)
{
	const struct ctl_life life = { 1000, 50000 };
	uint64_t least = UINT64_MAX, most = 0;

	for (uint64_t value = 0; value < 5001; value++) {
		struct dp_life drawn = ctl_life_draw(&life, all, &value);

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
		const struct ctl_life life = { seconds, 100000 };
		uint64_t value = seconds * 7919;
		struct dp_life drawn = ctl_life_draw(&life, all, &value);

		cr_assert_gt(drawn.soft_seconds, 0);
		cr_assert_lt(drawn.soft_seconds, drawn.hard_seconds);
	}
}
