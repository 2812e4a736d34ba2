#include <criterion/criterion.h>
#include <string.h>

#include "common/base/random.h"

/* Counts up through the top of the range, so that what must be drawn anew is met. */
static void from_the_top(void *ctx, void *out, size_t len)
{
	uint64_t *next = ctx;

	cr_assert_eq(len, sizeof(*next));
	memcpy(out, next, len);
	(*next)++;
}

Test(random, numbers_below_a_bound_are_uniform)
{
	uint64_t next = UINT64_MAX; /* 2^64 - 1 = 0 modulo 3 and 5: only it is drawn anew */

	cr_assert_eq(random_below(from_the_top, &next, 3), 0);
	cr_assert_eq(next, 1);
	next = 7;
	cr_assert_eq(random_below(from_the_top, &next, 5), 2);
	next = 123;
	cr_assert_eq(random_below(from_the_top, &next, 1), 0);
}
