#include <criterion/criterion.h>
#include <errno.h>

#include "ippriv-node/ctl_pool.h"

static struct ctl_pool *pool_of(const char *text)
{
	struct ctl_pool *pool = NULL;
	struct prefix p;

	cr_assert_eq(prefix_parse(text, &p), 0);
	cr_assert_eq(ctl_pool_new(&p, &pool), 0);
	return pool;
}

Test(ctl_pool, every_address_but_the_ends_is_leased_once)
{
	struct ctl_pool *pool = pool_of("100.64.3.0/24");
	bool seen[256] = { false };
	struct addr a;

	for (int i = 0; i < 254; i++) {
		uint32_t low;

		cr_assert_eq(ctl_pool_lease(pool, (uint32_t)i * 77, &a), 0);
		cr_assert_eq(addr_to_v4(&a) >> 8, 0x644003u);
		low = addr_to_v4(&a) & 0xff;
		cr_assert(low != 0 && low != 255 && !seen[low]);
		seen[low] = true;
	}
	cr_expect_eq(ctl_pool_lease(pool, 5, &a), -EADDRNOTAVAIL);
	ctl_pool_free(pool);
}

Test(ctl_pool, a_returned_address_can_be_leased_again)
{
	struct ctl_pool *pool = pool_of("100.64.3.0/30");
	struct addr a, b, c;

	cr_assert_eq(ctl_pool_lease(pool, 1, &a), 0);
	cr_assert_eq(ctl_pool_lease(pool, 1, &b), 0);
	cr_expect_not(addr_equal(&a, &b));
	cr_expect_eq(ctl_pool_lease(pool, 1, &c), -EADDRNOTAVAIL);
	ctl_pool_return(pool, &b);
	ctl_pool_return(pool, &b);
	cr_assert_eq(ctl_pool_lease(pool, 0, &c), 0);
	cr_expect(addr_equal(&b, &c));
	cr_expect_eq(ctl_pool_lease(pool, 0, &c), -EADDRNOTAVAIL, "returned twice is free once");
	ctl_pool_free(pool);
}

Test(ctl_pool, foreign_addresses_and_the_ends_are_not_taken_back)
{
	struct ctl_pool *pool = pool_of("100.64.3.0/30");
	struct addr a, foreign = addr_v4(0x0a000001), first = addr_v4(0x64400300);

	ctl_pool_return(pool, &foreign);
	ctl_pool_return(pool, &first);
	cr_assert_eq(ctl_pool_lease(pool, 0, &a), 0);
	cr_assert_eq(ctl_pool_lease(pool, 0, &a), 0);
	cr_expect_eq(ctl_pool_lease(pool, 0, &a), -EADDRNOTAVAIL);
	ctl_pool_free(pool);
}

Test(ctl_pool, refuses_what_is_no_pool)
{
	struct ctl_pool *pool;
	struct prefix p;

	cr_assert_eq(prefix_parse("100.0.0.0/9", &p), 0);
	cr_expect_eq(ctl_pool_new(&p, &pool), -EINVAL);
	cr_assert_eq(prefix_parse("100.64.0.0/31", &p), 0);
	cr_expect_eq(ctl_pool_new(&p, &pool), -EINVAL);
	cr_assert_eq(prefix_parse("2001:db8::/64", &p), 0);
	cr_expect_eq(ctl_pool_new(&p, &pool), -EINVAL);
}
