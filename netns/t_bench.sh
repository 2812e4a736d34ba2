#!/bin/bash
# t_bench: a short run of the benchmarks loss and setup (netns/bench.sh), us beside the direct path in the same run: no ratio has
# become worse. Absolute figures are not judged.
# limit: 1500 s
# guest: --icount --timeout 1800
. "$(dirname "$0")/lib.sh"
run_where_esp_is "$0" "$@"
require_root
require_programs ippriv-node ippriv-client ippriv ippriv-directory bench_load bench_tunnel bench_handshake

# within WHAT RATIO LIMIT: at most that.
within() {
	check "$1: $2, at most $3" awk "BEGIN { exit !($2 > 0 && $2 <= $3) }"
}
# figure FILE FILTER VALUE: of the one result line that the filter leaves, or nan.
figure() { jq -s "map(select($2)) | if length == 1 then .[0] | $3 else nan end" "$OUT/$1.jsonl"; }
median='sort | .[length / 2 | floor]'

export IPPRIV_BENCH_QUICK=1 IPPRIV_BENCH_SYSTEMS="direct ippriv" IPPRIV_BENCH_REPEATS=1
clock_free # theirs is held by them
must "loss and setup are measured" bash "$SOURCE/netns/bench/inside.sh" loss setup
clock_hold

segments=$(awk -F= '$1 == "mss_ippriv" { print $2 / 1448 }' "$OUT/environment")
for loss in 0 3; do
	for flows in 1 5; do
		of() { figure loss ".system == \"$1\" and .loss == $loss and .flows == $flows" "$2"; }
		ratio=$(awk "BEGIN { print $(of direct .goodput) * $segments / $(of ippriv .goodput) }")
		# One flow meets its losses by chance.
		[ "$loss$flows" = 31 ] && limit=1.4 || limit=1.05
		within "loss $loss %, flows: $flows: direct's goodput by ours, segments apart" "$ratio" $limit
		delay=$(awk "BEGIN { print $(of ippriv ".delays | $median") / ($(of direct ".delays | $median") + 4) }")
		within "loss $loss %, flows: $flows: our delay by direct's and 4 ms" "$delay" 1
	done
done
time_of() { figure setup ".system == \"$1\" and .kind == \"$2\"" ".times | $median"; }
within "the first byte on a warm circuit by direct's" "$(awk "BEGIN { print $(time_of ippriv "first byte") / $(time_of direct "first byte") }")" 1.05
within "a cold circuit by six round trips of its growing path" "$(awk "BEGIN { print $(time_of ippriv circuit) / 0.240 }")" 1.08
