/* How long the keys of a child SA may be used. */
#include <criterion/criterion.h>

#include "ippriv-node/ctl_keys.h"

static struct life drawn(uint32_t seconds, uint64_t bytes, bool esn)
{
	struct ike_child child = { .esn = esn, .encr = IKE_ENCR_AES_GCM_16 };
	struct life_rule life = { .seconds = seconds, .bytes = bytes };
	struct dp_keys keys;

	cr_assert_geq(crypto_init(), 0);
	ctl_keys_from_child(&child, &life, &keys);
	return keys.life;
}

static void expect_between(uint64_t n, uint64_t lo, uint64_t hi)
{
	cr_expect(n >= lo && n <= hi, "%llu is not within %llu and %llu", (unsigned long long)n,
		  (unsigned long long)lo, (unsigned long long)hi);
}

Test(ctl_keys, up_to_a_tenth_later_than_said)
{
	static const uint32_t seconds[] = { 1, 4, 9, 10, 999, 3600, 86400 };
	static const uint64_t bytes[] = { 1 << 20, 1ull << 36, 1ull << 40 };

	for (size_t i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++) {
		uint64_t least = UINT64_MAX, most = 0;

		for (int k = 0; k < 200; k++) {
			struct life l = drawn(seconds[i], bytes[i % 3], true);

			expect_between(l.soft_seconds, seconds[i], seconds[i] + seconds[i] / 10);
			expect_between(l.hard_seconds, l.soft_seconds * 3 / 2,
				       l.soft_seconds * 3 / 2 + 1);
			expect_between(l.soft_bytes, bytes[i % 3],
				       bytes[i % 3] + bytes[i % 3] / 10);
			expect_between(l.hard_bytes, l.soft_bytes * 3 / 2, l.soft_bytes * 3 / 2 + 1);
			least = l.soft_seconds < least ? l.soft_seconds : least;
			most = l.soft_seconds > most ? l.soft_seconds : most;
		}
		cr_expect(seconds[i] < 10 || least < most, "all alike");
	}
}

/* The smallest packet has 20 bytes. */
Test(ctl_keys, sequence_numbers_do_not_run_out)
{
	struct life l = drawn(3600, 1ull << 36, false);

	cr_expect_lt(l.hard_bytes / 20, 1ull << 32);
	cr_expect_eq(drawn(3600, 1ull << 20, false).soft_bytes >> 20, 1ull);
}
