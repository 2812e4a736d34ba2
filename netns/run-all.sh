#!/bin/bash
# run-all.sh [NAME…]: every end-to-end test netns/t_*.sh (or those named, without t_ and .sh), one after the other in one boot.
# A test fails by its status, by its checks, by its time limit (a line '# limit: N s' in it, 120 s without),
# by a core dump and by a kernel warning. Status 4 means skipped.
# Environment: BUILD_DIR (default build/gcc), IPPRIV_OUT, and what lib.sh names.
. "$(dirname "$0")/lib.sh"
IPPRIV_GUEST_OPTIONS=${IPPRIV_GUEST_OPTIONS:---timeout 1500}
run_where_esp_is "$0" "$@"
trap - EXIT
require_root

passed=0
failed=0
skipped=0
bad=()

kernel_warnings() {
	[ -n "${IPPRIV_GUEST:-}" ] || return 0
	dmesg | grep -E 'BUG: (KASAN|unable|kernel|sleeping)|WARNING: (CPU|possible)|general protection' | tail -n "+$1"
}

cores() { find "$OUT" -name 'core.*' | sort; }

# one FILE: runs it, shows and keeps its output, adds up.
one() {
	local file=$1 name limit log status counts start=$SECONDS warned cored said result
	name=$(basename "$file" .sh)
	name=${name#t_}
	log=$OUT/$name.log
	limit=$(sed -n 's/^# limit: \([0-9]*\) s.*/\1/p' "$file" | head -n 1)
	warned=$(($(kernel_warnings 1 | wc -l) + 1))
	cored=$(cores)
	mkdir -p "$OUT/$name"
	echo "--- $name"
	IPPRIV_OUT=$OUT/$name BUILD_DIR=$BUILD_DIR IPPRIV_GUEST=${IPPRIV_GUEST:-here} timeout -k 10 "${limit:-120}" bash "$file" \
		</dev/null 2>&1 | tee "$log" | sed -u 's/^/    /'
	status=${PIPESTATUS[0]}
	if [ "$status" = "$SKIP_STATUS" ]; then
		skipped=$((skipped + 1))
		echo "--- $name: skipped"
		return
	fi
	counts=$(grep -E '^[0-9]+ passed, [0-9]+ failed$' "$log" | tail -n 1)
	read -r p f <<<"$(sed 's/[a-z,]//g' <<<"${counts:-0 0}")"
	said=''
	[ "$status" != 124 ] || said="over its limit of ${limit:-120} s"
	[ -n "$counts" ] || said="${said:-no check reported}"
	[ "$status" = 0 ] || [ "$f" != 0 ] || said="${said:-status $status}"
	[ "$(cores)" = "$cored" ] || said="${said:+$said, }core dumped: $(comm -13 <(echo "$cored") <(cores) | tr '\n' ' ')"
	[ -z "$(kernel_warnings "$warned")" ] || said="${said:+$said, }kernel: $(kernel_warnings "$warned" | head -n 1)"
	[ -z "$said" ] || f=$((f + 1))
	passed=$((passed + p))
	failed=$((failed + f))
	result=passed
	if [ "$f" != 0 ]; then
		result="FAILED${said:+ ($said)}"
		bad+=("$name")
	fi
	echo "--- $name: $result, $p passed, $f failed, $((SECONDS - start)) s"
}

files=()
if [ $# = 0 ]; then
	for f in "$SOURCE"/netns/t_*.sh; do
		[ ! -e "$f" ] || files+=("$f")
	done
fi
for name; do
	[ -e "$SOURCE/netns/t_$name.sh" ] || { echo "run-all: there is no netns/t_$name.sh" >&2; exit 2; }
	files+=("$SOURCE/netns/t_$name.sh")
done
echo "# kernel $(uname -r), ${#files[@]} tests, programs of $BUILD_DIR, up $(cut -d. -f1 /proc/uptime) s"
for f in "${files[@]}"; do
	one "$f"
done
[ ${#bad[@]} = 0 ] || echo "# failed: ${bad[*]}"
echo "$passed passed, $failed failed$([ $skipped = 0 ] || echo ", $skipped skipped")"
[ $failed = 0 ] && [ $passed != 0 ]
