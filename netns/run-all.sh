#!/bin/bash
# run-all.sh [NAME…]: every end-to-end test netns/t_*.sh (or those named, without t_ and .sh), those with the highest limit first.
# Where they need guests there are two, side by side: each takes the next test when it is done with one. A test with a line
# '# guest: OPTIONS' in it (of tests/guest.sh) then has a guest of its own.
# A test fails by its status, by its checks, by its time limit (a line '# limit: N s' in it, 240 s without),
# by a core dump and by a kernel warning. Status 4 means skipped.
# Environment: BUILD_DIR (default build/gcc), IPPRIV_OUT, IPPRIV_LANES (guests, default 2), and what lib.sh names.
. "$(dirname "$0")/lib.sh"
IPPRIV_GUEST_OPTIONS=${IPPRIV_GUEST_OPTIONS:---timeout 5400}
QUEUE=${IPPRIV_QUEUE:-$OUT/queue} # one empty file for each test that nobody has taken yet

# queue_fill [NAME…]: NUMBER-NAME for each test; 2 when there is no such test.
queue_fill() {
	local name number=100
	rm -rf "$OUT"/queue* "$OUT/taken"
	mkdir -p "$QUEUE" "$OUT/taken"
	if [ $# = 0 ]; then
		# shellcheck disable=SC2046
		set -- $(cd "$SOURCE/netns" && for name in t_*.sh; do
			name=${name#t_}
			echo "$(limit_of "${name%.sh}") ${name%.sh}"
		done | sort -k1,1nr -k2 | cut -d' ' -f2)
	fi
	for name; do
		[ -e "$SOURCE/netns/t_$name.sh" ] || { echo "run-all: there is no netns/t_$name.sh" >&2; return 2; }
		number=$((number + 1))
		: >"$QUEUE/$number-$name"
	done
}

# queue_take: the next test's name, which is then nobody else's; fails when there is none left.
queue_take() {
	local file
	for file in "$QUEUE"/*; do
		if [ -e "$file" ] && mv "$file" "$OUT/taken/" 2>/dev/null; then
			file=${file##*/}
			echo "${file#*-}"
			return
		fi
	done
	return 1
}

limit_of() {
	local limit
	limit=$(sed -n 's/^# limit: \([0-9]*\) s.*/\1/p' "$SOURCE/netns/t_$1.sh" | head -n 1)
	echo "${limit:-240}"
}

# own_guests: takes the tests that want a guest of their own out of the queue; their names.
own_guests() {
	local file name
	for file in "$QUEUE"/*; do
		name=${file##*/*-}
		grep -q '^# guest: ' "$SOURCE/netns/t_$name.sh" || continue
		mkdir -p "$OUT/queue-$name"
		mv "$file" "$OUT/queue-$name/"
		echo "$name"
	done
}

# lane NUMBER [NAME…]: a guest for each test of that name, then one that works on the queue.
lane() {
	local number=$1 name options
	export IPPRIV_LANE=$number
	shift
	for name; do
		options=$(sed -n 's/^# guest: *//p' "$SOURCE/netns/t_$name.sh")
		IPPRIV_QUEUE=$OUT/queue-$name IPPRIV_GUEST_OPTIONS="$IPPRIV_GUEST_OPTIONS $options --name $name" bash "$0"
	done
	compgen -G "$QUEUE/*" >/dev/null || { echo "0 passed, 0 failed"; return; } # nothing is left for a guest
	IPPRIV_GUEST_OPTIONS="$IPPRIV_GUEST_OPTIONS --name lane$number" bash "$0"
}

# sum_up GUESTS: all that they found.
sum_up() {
	local found line name a b c p=0 f=0 s=0
	mapfile -t found < <(grep -hE '^[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?$' "$OUT"/lane*.log)
	for line in "${found[@]}"; do
		read -r a b c <<<"$(tr -dc '0-9 ' <<<"$line")"
		p=$((p + a)) f=$((f + b)) s=$((s + ${c:-0}))
	done
	[ ${#found[@]} = "$1" ] || { echo "# a guest did not end well: see $OUT/lane*.log"; f=$((f + 1)); }
	for line in "$OUT"/queue*/*; do
		[ ! -e "$line" ] || { echo "# not run: ${line##*-}"; f=$((f + 1)); }
	done
	grep -h '^--- .*: \(FAILED\|skipped\)' "$OUT"/lane*.log | while read -r line; do
		echo "$line"
		name=${line#--- }
		grep -s -A 3 '^not ok' "$OUT/${name%%:*}.log" | sed 's/^/    /' # what failed is read at the end
	done
	echo "$p passed, $f failed$([ $s = 0 ] || echo ", $s skipped")"
	[ $f = 0 ] && [ $p != 0 ]
}

# run_lanes COUNT: that many guests side by side; ends with the sum of what they found.
run_lanes() {
	local i lanes=$1 own tests jobs=()
	mapfile -t own < <(own_guests)
	tests=("$QUEUE"/*)
	[ -e "${tests[0]}" ] || tests=()
	[ "$lanes" -le ${#tests[@]} ] || lanes=${#tests[@]}
	[ "$lanes" -gt 0 ] || lanes=1
	for i in $(seq "$lanes"); do
		lane "$i" $([ "$i" != 1 ] || echo "${own[@]}") 2>&1 | tee "$OUT/lane$i.log" | sed -u "s/^/$i| /" &
		jobs+=($!)
	done
	wait "${jobs[@]}"
	sum_up $((lanes + ${#own[@]}))
}

trap - EXIT
clock_end # each test holds its own
if [ -z "${IPPRIV_LANE:-}" ]; then
	mkdir -p "$OUT"
	rm -f "$OUT"/lane*.log
	queue_fill "$@" || exit 2
	[ -n "${IPPRIV_GUEST:-}" ] || runs_here || { run_lanes "${IPPRIV_LANES:-2}"; exit; }
fi
run_where_esp_is "$0"
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

# one NAME: runs it, shows and keeps its output, adds up.
one() {
	local name=$1 limit log status counts start=$SECONDS warned cored said result
	log=$OUT/$name.log
	limit=$(limit_of "$name")
	warned=$(($(kernel_warnings 1 | wc -l) + 1))
	cored=$(cores)
	mkdir -p "$OUT/$name"
	echo "--- $name"
	IPPRIV_OUT=$OUT/$name BUILD_DIR=$BUILD_DIR IPPRIV_GUEST=${IPPRIV_GUEST:-here} timeout -k 10 "$limit" bash "$SOURCE/netns/t_$name.sh" \
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
	[ "$status" != 124 ] || said="over its limit of $limit s"
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

echo "# kernel $(uname -r), programs of $BUILD_DIR, up $(cut -d. -f1 /proc/uptime) s"
while name=$(queue_take); do
	one "$name"
done
[ ${#bad[@]} = 0 ] || echo "# failed: ${bad[*]}"
echo "$passed passed, $failed failed$([ $skipped = 0 ] || echo ", $skipped skipped")"
[ $failed = 0 ] && [ $passed != 0 ]
