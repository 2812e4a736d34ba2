#!/bin/bash
# fig_stress.sh: goodput over time while the middle relay's host is under load of cpu, io, memory and disk (the report's figure 11)
# In the guest all hosts share one processor. So that the load meets the middle relay only, everything else runs at raised
# priority, as if it had its own machine; the middle's daemon once at normal and once at raised priority.

STRESS_KINDS=$(quick "cpu" "cpu io vm hdd")
CALM=$(quick 2 4)
LOADED=$(quick 4 8)

# raise SYSTEM NICE: the priority of the middle's daemon; of all others, the highest, and of the kernel's thread that works for all.
raise() {
	local host pid x=${letter[$1]}
	renice -n -20 -p "$(pgrep -x ksoftirqd/0)" >/dev/null
	for host in S A C D; do
		for pid in $(ip netns pids "$PREFIX-$x$host"); do
			renice -n -20 -p "$pid" >/dev/null
		done
	done
	for pid in $(ip netns pids "$PREFIX-${x}B"); do
		renice -n "$2" -p "$pid" >/dev/null
	done
}

# stressed SYSTEM KIND NICE REPEAT
stressed() {
	local said workers
	shape "$1" 10 0 10mbit
	raise "$1" "$3"
	load_high "$1" -t $((CALM + LOADED + CALM)) -w 0 -b 100 >"$OUT/stressed" 2>&1 &
	workers=$!
	sleep "$CALM"
	case $2 in
	vm) said=(--vm 4 --vm-bytes 64M) ;;
	hdd) said=(--hdd 4 --hdd-bytes 16M --temp-path "$OUT") ;;
	*) said=("--$2" 20) ;;
	esac
	[ "$2" = none ] || ns_exec "${letter[$1]}B" stress-ng "${said[@]}" --timeout "$LOADED" -q >"$OUT/stress.log" 2>&1
	wait $workers
	result "$1" "\"kind\": \"$2\", \"nice\": $3, \"from\": $CALM, \"to\": $((CALM + LOADED)), \"repeat\": $4" "$(cat "$OUT/stressed")"
	sleep 2
}

load_high() {
	local system=$1 proxy=()
	shift
	[[ $system != tor* ]] || proxy=(-s 127.0.0.1:9050)
	through "$system" nice -n -20 "$LOAD" "${proxy[@]}" "$@" "$SERVER"
}

systems=$(chosen ippriv tor)
# shellcheck disable=SC2086
systems_up $systems || exit 1
runs_all=$(($(wc -w <<<"$systems") * $(wc -w <<<"$STRESS_KINDS") * 2 * $(repeats 1 | wc -l)))
for repeat in $(repeats 1); do
	for kind in $STRESS_KINDS; do
		for nice in 0 -20; do
			for system in $systems; do
				stressed "$system" "$kind" "$nice" "$repeat"
			done
		done
	done
done
