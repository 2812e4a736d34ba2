/* A burst, then a rate, out of one number. */
#include <criterion/criterion.h>

#include "ippriv-node/ctl_bucket.h"

static unsigned int take_all(struct ctl_bucket *b, const struct ctl_rate *r, uint64_t now)
{
	unsigned int n = 0;

	while (ctl_bucket_has(b, r, now)) {
		ctl_bucket_take(b, r, now);
		n++;
	}
	return n;
}

Test(ctl_bucket, burst_and_rate)
{
	static const struct ctl_rate rates[] = { { 1, 1 }, { 10, 100 }, { 500, 5000 }, { 3, 7 },
						 { 100000, 1000000 } };

	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		struct ctl_bucket b = { 0 };
		uint64_t now = 5000;
		unsigned int got;

		cr_expect_eq(take_all(&b, &rates[i], now), rates[i].burst, "rate %zu", i);
		cr_expect_eq(take_all(&b, &rates[i], now), 0u);
		got = take_all(&b, &rates[i], now + 1000);
		cr_expect(got >= rates[i].rate && got <= rates[i].rate + 1, "rate %zu: %u", i, got);
		cr_expect_eq(take_all(&b, &rates[i], now + 10000000), rates[i].burst, "full again");
	}
}
