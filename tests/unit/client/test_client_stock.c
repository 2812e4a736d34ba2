#include <criterion/criterion.h>
#include <string.h>

#include "ippriv-client/ctl_stock.h"

static void lowest(void *ctx, void *out, size_t len)
{
	(void)ctx;
	memset(out, 0, len);
}

/* The value with which the jitter is greatest for every bound of 2^n * 250 + 1. */
static void chosen(void *ctx, void *out, size_t len)
{
	cr_assert_eq(len, sizeof(uint64_t));
	memcpy(out, ctx, len);
}

Test(stock, waits_twice_as_long_after_each_failure)
{
	static const uint64_t most[] = { 500, 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000 };

	for (unsigned int i = 0; i < ARRAY_SIZE(most); i++) {
		uint64_t half = most[i] / 2;

		cr_assert_eq(ctl_stock_backoff(i + 1, lowest, NULL), half);
		cr_assert_eq(ctl_stock_backoff(i + 1, chosen, &half), most[i]);
	}
	cr_assert_eq(ctl_stock_backoff(100000, lowest, NULL), 30000);
}
