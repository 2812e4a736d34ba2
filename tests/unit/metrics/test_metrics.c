/* The text that Prometheus reads, and how coarse its numbers are. */
#include <criterion/criterion.h>
#include <string.h>

#include "common/metrics/metrics.h"

Test(metrics, text_format)
{
	struct metrics_text t = { 0 };

	metrics_family(&t, METRICS_GAUGE, "ippriv_tunnels", "How many.");
	metrics_value(&t, "ippriv_tunnels", &(struct metrics_labels){ 0 }, 8);
	metrics_family(&t, METRICS_COUNTER, "ippriv_bytes_total", "Bytes.");
	metrics_value(&t, "ippriv_bytes_total", &(struct metrics_labels){ .role = "entry", .dir = "in" }, 1048576);
	metrics_value(&t, "ippriv_bytes_total", &(struct metrics_labels){ .dir = "out", .reason = "x" },
		      UINT64_MAX);
	cr_assert_eq(t.err, 0);
	cr_assert_str_eq(t.text, "# HELP ippriv_tunnels How many.\n# TYPE ippriv_tunnels gauge\n"
				 "ippriv_tunnels 8\n"
				 "# HELP ippriv_bytes_total Bytes.\n# TYPE ippriv_bytes_total counter\n"
				 "ippriv_bytes_total{role=\"entry\",dir=\"in\"} 1048576\n"
				 "ippriv_bytes_total{dir=\"out\",reason=\"x\"} 18446744073709551615\n");
	cr_assert_eq(t.len, strlen(t.text));
	metrics_fini(&t);
	cr_assert_null(t.text);
}

Test(metrics, grows)
{
	struct metrics_text t = { 0 };
	size_t each = strlen("ippriv_tunnels{reason=\"many\"} 100000\n");

	for (size_t i = 0; i < 5000; i++)
		metrics_value(&t, "ippriv_tunnels", &(struct metrics_labels){ .reason = "many" }, 100000 + i);
	cr_assert_eq(t.err, 0);
	cr_assert_eq(t.len, 5000 * each);
	cr_assert_eq(strncmp(t.text + t.len - each, "ippriv_tunnels{reason=\"many\"} 104999\n", each), 0);
	metrics_fini(&t);
}

Test(metrics, rounding)
{
	static const struct {
		uint64_t value, bytes, events, crowd;
	} cases[] = {
		{ 0, 0, 0, 0 },
		{ 1, 0, 0, 8 },
		{ 7, 0, 0, 8 },
		{ 8, 0, 8, 8 },
		{ 9, 0, 8, 16 },
		{ (1 << 20) - 1, 0, (1 << 20) - 8, 1 << 20 },
		{ 1 << 20, 1 << 20, 1 << 20, 1 << 20 },
		{ (3 << 20) + 5, 3 << 20, 3 << 20, (3 << 20) + 8 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cr_expect_eq(metrics_round_bytes(cases[i].value), cases[i].bytes);
		cr_expect_eq(metrics_round_events(cases[i].value), cases[i].events);
		cr_expect_eq(metrics_round_crowd(cases[i].value), cases[i].crowd);
	}
	cr_expect_eq(metrics_round_bytes(UINT64_MAX), UINT64_MAX - 0xfffff);
	cr_expect_eq(metrics_round_events(UINT64_MAX), UINT64_MAX - 7);
}
