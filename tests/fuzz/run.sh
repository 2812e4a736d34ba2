#!/bin/bash
# run.sh [SECONDS] [NAME…]: builds the fuzz targets with clang into build/fuzz and runs each for SECONDS (default 60), two at a time,
# on a copy of its corpus; the tree is not written to. A finding's input goes to out/fuzz/NAME-*: run build/fuzz/tests/fuzz/fuzz_NAME FILE.
# Without a name all of them run. One line for each, then 'N passed, N failed'. IPPRIV_FUZZ_KEEP=1 leaves the inputs that reached
# something new in out/fuzz/found/NAME/.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
build=${BUILD_DIR:-$root/build/fuzz}
out=${IPPRIV_OUT:-$root/out}/fuzz
seconds=60
at_a_time=2

case ${1:-} in
'') ;;
*[!0-9]*) ;;
*) seconds=$1 && shift ;;
esac

build_targets() {
	CC=clang cmake -S "$root" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DFUZZ=ON -DTESTS=OFF &&
		ninja -C "$build" -j 2 fuzz
}

# run_target NAME: its words go to NAME.log, its end to NAME.end. What it finds is in the folder work.
run_target() {
	local name=$1 work status=0
	work=$(mktemp -d "$out/work.XXXXXX")
	mkdir "$work/found"
	TMPDIR=$work timeout -k 10 $((seconds + 60)) "$build/tests/fuzz/fuzz_$name" -max_total_time="$seconds" -max_len=4096 -timeout=20 \
		-rss_limit_mb=2048 -artifact_prefix="$out/$name-" "$work/found" "$here/corpus/$name" >"$out/$name.log" 2>&1 </dev/null || status=$?
	echo "$status" >"$out/$name.end"
	[ -z "${IPPRIV_FUZZ_KEEP:-}" ] || { mkdir -p "$out/found/$name" && cp -r "$work/found/." "$out/found/$name/"; }
	rm -rf "$work"
}

# judge NAME: a target that ran to its end from all of its seeds has passed.
judge() {
	local name=$1 status done_line
	status=$(cat "$out/$name.end" 2>/dev/null || echo none)
	done_line=$(grep -aE '^#[0-9]+[[:space:]]+DONE ' "$out/$name.log" | tail -n 1)
	if [ "$status" = 0 ] && [ -n "$done_line" ]; then
		printf 'ok - %-11s %s\n' "$name" "$(sed -E 's/^#([0-9]+).* cov: ([0-9]+).* corp: ([0-9]+).* exec\/s: ([0-9]+).*/\1 inputs, \4 a second, coverage \2 with \3 inputs kept/' <<<"$done_line")"
		return 0
	fi
	printf 'not ok - %s: status %s, see %s\n' "$name" "$status" "$out/$name.log"
	grep -aE 'ERROR: |runtime error: |SUMMARY: |Test unit written|deadly signal' "$out/$name.log" | head -n 8
	return 1
}

mkdir -p "$out"
if ! build_targets >"$out/build.log" 2>&1; then
	grep -a -A 20 -m 3 -E '^FAILED|error:|Error' "$out/build.log"
	echo "0 passed, 1 failed"
	exit 1
fi
names=("$@")
[ $# != 0 ] || for file in "$here"/fuzz_*.c; do
	name=$(basename "$file" .c)
	names+=("${name#fuzz_}")
done
rm -f "$out"/*.end "$out"/*-crash-* "$out"/*-leak-* "$out"/*-timeout-* "$out"/*-oom-*
export -f run_target
export out here build seconds
printf '%s\n' "${names[@]}" | xargs -P $at_a_time -I{} bash -c 'run_target "$1"' - {}
passed=0
failed=0
for name in "${names[@]}"; do
	if judge "$name"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
	fi
done
echo "$passed passed, $failed failed"
[ $failed = 0 ] && [ $passed != 0 ]
