#include <criterion/criterion.h>

#include "directory/dir_rate.h"

static struct addr address(const char *text)
{
	struct addr a;

	cr_assert_eq(addr_parse(text, &a), 0);
	return a;
}

/* How many of COUNT requests at NOW are allowed. */
static int take(struct dir_rate *rate, const struct addr *from, uint64_t now, int count)
{
	int allowed = 0;

	for (int i = 0; i < count; i++)
		allowed += dir_rate_take(rate, from, now);
	return allowed;
}

Test(dir_rate, a_burst_then_the_average)
{
	struct addr a = address("192.0.2.1"), b = address("192.0.2.2");
	struct dir_rate *rate;

	cr_assert_eq(dir_rate_new(6, &rate), 0);
	cr_assert_eq(take(rate, &a, 1000, 10), 6);
	cr_assert_eq(take(rate, &b, 1000, 10), 6, "each address for itself");
	cr_assert_eq(take(rate, &a, 10999, 10), 0);
	cr_assert_eq(take(rate, &a, 11000, 10), 1);
	cr_assert_eq(take(rate, &a, 31000, 10), 2);
	cr_assert_eq(take(rate, &a, 10 * 60000, 10), 6, "no more is saved up");
	cr_assert_eq(take(rate, &a, UINT64_MAX, 10), 6);
	dir_rate_free(rate);
}

Test(dir_rate, no_limit)
{
	struct addr a = address("192.0.2.1");
	struct dir_rate *rate;

	cr_assert_eq(dir_rate_new(0, &rate), 0);
	cr_assert_eq(take(rate, &a, 1, 10000), 10000);
	dir_rate_free(rate);
}

Test(dir_rate, ipv6_counts_by_64)
{
	struct addr a = address("2001:db8::1"), b = address("2001:db8::2");
	struct addr c = address("2001:db8:0:1::1");
	struct dir_rate *rate;

	cr_assert_eq(dir_rate_new(1, &rate), 0);
	cr_assert_eq(take(rate, &a, 1, 1), 1);
	cr_assert_eq(take(rate, &b, 1, 1), 0);
	cr_assert_eq(take(rate, &c, 1, 1), 1);
	dir_rate_free(rate);
}

Test(dir_rate, the_table_is_bounded_and_forgets_the_oldest)
{
	struct addr first = addr_v4(1), second = addr_v4(2), a;
	struct dir_rate *rate;

	cr_assert_eq(dir_rate_new(1, &rate), 0);
	for (uint32_t i = 1; i <= DIR_RATE_ADDRESSES; i++) {
		a = addr_v4(i);
		cr_assert_eq(take(rate, &a, 1, 2), 1);
	}
	cr_assert_eq(take(rate, &first, 1, 1), 0, "seen again: now the second is the oldest");
	a = addr_v4(0xffffffff);
	cr_assert_eq(take(rate, &a, 1, 1), 1);
	cr_assert_eq(take(rate, &first, 1, 1), 0);
	cr_assert_eq(take(rate, &second, 1, 1), 1, "forgotten, so it may ask again");
	dir_rate_free(rate);
}
