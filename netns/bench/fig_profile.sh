#!/bin/bash
# fig_profile.sh: where the instructions go in a bulk transfer: samples of kernel stacks, each system

# profiled SYSTEM TAGS LOAD_OPTIONS…: a sample each 200,003 instructions (5 kHz of the guest's clock).
profiled() {
	local system=$1 tags=$2 said stacks
	shift 2
	spawn - "profile-$system" bpftrace -e "BEGIN { printf(\"counting\n\"); }
		profile:hz:4999 /pid != ${clock_holder:-0}/ { @stacks[kstack(40)] = count(); }"
	wait_slowly 120 grep -q counting "$OUT/profile-$system.log" || { echo "# bpftrace: $(tail -n 2 "$OUT/profile-$system.log")"; return 1; }
	said=$(load "$system" "$@" 2>&1)
	kill -INT "$spawned"
	wait_slowly 30 is_gone "$spawned"
	stacks=$(python3 -B "$SOURCE/netns/bench/stacks.py" "$OUT/profile-$system.log")
	result "$system" "$tags, \"profile\": ${stacks:-{\}}" "$said"
}

systems=$(chosen ippriv wireguard tor direct)
# shellcheck disable=SC2086
systems_up $systems || exit 1
runs_all=$(($(wc -w <<<"$systems") * 2 * $(repeats 1 | wc -l)))
for repeat in $(repeats 1); do
	for system in $systems; do
		bytes=$(quick 2000000 20000000)
		profiled "$system" "\"way\": \"down\", \"repeat\": $repeat" -n "$bytes"
		profiled "$system" "\"way\": \"up\", \"repeat\": $repeat" -u -n "$bytes"
	done
done
