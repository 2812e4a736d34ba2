#!/bin/bash
# run.sh: install what is needed, build with both compilers, run every test. `sudo tests/run.sh`
#   --unit           no kernel tests, so no guest
#   --quick          lint, unit tests of one build (gcc with sanitizers), tshark on recorded sessions
#   --netns [NAME…]  only the end-to-end tests netns/t_NAME.sh (all without a name)
#   --fuzz [SECONDS [NAME…]]  only the fuzz targets tests/fuzz/fuzz_NAME.c, SECONDS each (default 60)
# IPPRIV_NETNS_BUILD=asan takes the programs with sanitizers into the end-to-end tests (slow in a guest; default gcc).
# Logs: out/ in the source tree. The last line counts everything; the status is 1 when anything failed or nothing ran.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/.." && pwd)
logs=$root/out
jobs=$(nproc)
netns_build=${IPPRIV_NETNS_BUILD:-gcc}
passed=0
failed=0
skipped=0
bad=()

# step TEXT FUNCTION ARGS…: with its time; what it prints is indented, so that only run.sh's last line stands alone.
step() {
	local text=$1 start=$SECONDS
	shift
	step_number=$((step_number + 1))
	echo "[$step_number/$step_count] $text"
	if "$@"; then
		echo "[$step_number/$step_count] done in $((SECONDS - start)) s"
		return 0
	fi
	echo "[$step_number/$step_count] FAILED after $((SECONDS - start)) s"
	bad+=("$text")
	return 1
}

indent() { sed -u 's/^/    /'; }

count() { passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + ${3:-0})); }

# counted LOG CMD…: runs a program that ends with 'N passed, N failed[, N skipped]' and adds its counts to ours.
counted() {
	local log=$logs/$1 status p f s
	shift
	"$@" 2>&1 | tee "$log" | indent
	status=${PIPESTATUS[0]}
	read -r p f s < <(grep -E '^[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?$' "$log" | tail -n 1 | tr -dc '0-9 \n')
	[ "$status" = 0 ] || [ "${f:-0}" != 0 ] || f=1
	count "${p:-0}" "${f:-0}" "${s:-0}"
	[ "$status" = 0 ]
}

install_packages() {
	"$here/install.sh" 2>&1 | indent
	return "${PIPESTATUS[0]}"
}

# build NAME COMPILER CMAKE_ARGS…: into build/NAME; the compiler's words are shown when it fails.
build() {
	local name=$1 compiler=$2 dir=$root/build/$1 log=$logs/build-$1.log
	shift 2
	if ! CC=$compiler cmake -S "$root" -B "$dir" -G Ninja "$@" >"$log" 2>&1; then
		indent <"$log"
		count 0 1
		return 1
	fi
	ninja -C "$dir" -j "$jobs" 2>&1 | tee -a "$log" | awk '
		/^\[[0-9]+\/[0-9]+\]/ { split($1, n, /[][\/]/); if (n[2] == 0 || (n[2] % 50 && n[2] != n[3])) next; print "    " n[2] " of " n[3]; fflush() }'
	if [ "${PIPESTATUS[0]}" != 0 ]; then
		grep -A 20 -m 3 -E '^FAILED|^ninja: error' "$log" | indent
		count 0 1
		return 1
	fi
	count 1 0
}

# run_program PROGRAM LOG: runs one Criterion program; LOG.end gets its status and milliseconds.
run_program() {
	local status=0 start=${EPOCHREALTIME/[.,]/}
	LSAN_OPTIONS=suppressions=$here/lsan.supp:print_suppressions=0 timeout -k 5 "$unit_limit" "$1" --color=never >"$2" 2>&1 </dev/null || status=$?
	echo "$status $(((${EPOCHREALTIME/[.,]/} - start) / 1000))" >"$2.end"
}

# judge_program PROGRAM LOG: what came of it. Its exit status alone is not enough: Criterion ends with 0 when the process of a
# test only leaked, and when there was no test in it.
judge_program() {
	local name log=$2 status took synthesis tested ok left f reason=''
	name=$(basename "$1")
	read -r status took <"$log.end"
	synthesis=$(grep -aE 'Synthesis: Tested: ' "$log" | tail -n 1)
	read -r tested ok _ <<<"$(tr -dc '0-9 ' <<<"${synthesis#*Synthesis}")"
	left=$(grep -ac '^skipped: ' "$log") # Criterion itself is silent about skipped tests
	f=$((${tested:-0} - ${ok:-0}))
	if [ "$status" = 124 ] || [ "$status" = 137 ]; then
		reason="over its limit of $unit_limit s"
	elif [ "${tested:-0}" = 0 ] && { [ "$left" = 0 ] || [ -z "$synthesis" ]; }; then
		reason="no test ran, status $status"
	elif [ $f = 0 ] && [ "$status" != 0 ]; then
		reason="status $status"
	elif [ $f = 0 ] && grep -qaE 'Sanitizer:|runtime error:' "$log"; then
		reason="a sanitizer complained"
	fi
	[ -z "$reason" ] || f=$((f + 1))
	count "${ok:-0}" "$f" "$left"
	if [ "$f" = 0 ]; then
		printf '    %-28s %4d passed, %6d ms\n' "$name" "${ok:-0}" "$took"
		return 0
	fi
	printf '    %-28s FAILED: %s passed, %s failed%s; %s:\n' "$name" "${ok:-0}" "$f" "${reason:+ ($reason)}" "$log"
	grep -av '^ *$' "$log" | head -n 60 | sed 's/^/      /'
	return 1
}

# unit BUILD: every program test_* under build/BUILD/tests.
unit() {
	local program status=0 programs
	mapfile -t programs < <(find "$root/build/$1/tests" -name 'test_*' -type f -perm -u+x 2>/dev/null | sort)
	if [ ${#programs[@]} = 0 ]; then
		echo "    there are no test programs in build/$1/tests"
		count 0 1
		return 1
	fi
	export -f run_program
	export here unit_limit
	rm -f "$logs/$1"-test_*
	printf '%s\n' "${programs[@]}" | xargs -P "$jobs" -I{} bash -c 'run_program "$1" "$2-$(basename "$1").log"' - {} "$logs/$1"
	for program in "${programs[@]}"; do
		judge_program "$program" "$logs/$1-$(basename "$program").log" || status=1
	done
	return $status
}

end_to_end() {
	rm -rf "$logs/netns"
	mkdir -p "$logs/netns"
	BUILD_DIR=$root/build/$netns_build IPPRIV_OUT=$logs/netns counted netns.log "$root/netns/run-all.sh" "$@"
}

# What runs end to end; gcc builds the unit tests with sanitizers.
build_gcc() { build gcc gcc -DCMAKE_BUILD_TYPE=RelWithDebInfo -DUNIT=OFF; }
build_clang() { build clang clang -DCMAKE_BUILD_TYPE=RelWithDebInfo; }
build_asan() { build asan gcc -DCMAKE_BUILD_TYPE=Debug -DASAN=ON; }
dissect() { IPPRIV_OUT=$logs counted tshark.log "$here/tshark/run.sh" "$@"; }
fuzz() { IPPRIV_OUT=$logs counted fuzz.log "$here/fuzz/run.sh" "$@"; }
lint() { counted lint.log "$here/lint/run.sh"; }

# The steps of each mode; a build that failed takes its tests with it, everything else goes on.
steps() {
	case $mode in
	netns)
		step "build with $netns_build" "build_$netns_build" && step "end-to-end tests on a real kernel" end_to_end "$@"
		return ;;
	fuzz)
		step "fuzz targets" fuzz "$@"
		return ;;
	esac
	step "lint" lint
	if [ $mode != quick ]; then
		step "build with gcc" build_gcc
		built_gcc=$?
		step "build with clang" build_clang && step "unit tests, clang" unit clang
	fi
	if step "build with gcc and sanitizers" build_asan; then
		step "unit tests, gcc with sanitizers" unit asan
		step "tshark reads recorded sessions" dissect asan
	fi
	[ $mode != all ] || step "fuzz targets, a minute each" fuzz 60
	if [ $mode = all ] && [ $built_gcc = 0 ]; then
		step "end-to-end tests on a real kernel" end_to_end
	fi
}

case ${1:-} in
'') mode=all step_count=10 ;;
--unit) mode=unit step_count=8 ;;
--quick) mode=quick step_count=5 ;;
--netns) mode=netns step_count=3 ;;
--fuzz) mode=fuzz step_count=2 ;;
*) sed -n '2,/^set/{/^#/p}' "$0" >&2; exit 2 ;;
esac
[ $# = 0 ] || shift
step_number=0
unit_limit=120
mkdir -p "$logs"
if step "install what is missing" install_packages; then
	steps "$@"
else
	count 0 1
fi
for b in "${bad[@]}"; do
	echo "failed: $b"
done
echo "all of it took $SECONDS s; logs are in $logs"
echo "$passed passed, $failed failed$([ $skipped = 0 ] || echo ", $skipped skipped")"
[ $failed = 0 ] && [ $passed != 0 ]
