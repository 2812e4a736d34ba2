#!/bin/bash
# bpf.sh: bpftrace beside what is measured; source it after systems.sh. Its programs say "counting" when they begin.

# bpf_start NAME ARGS…: its words go to OUT/NAME.log; sets bpf_pid. Back when it counts.
bpf_start() {
	local name=$1
	shift
	[ -e /sys/kernel/tracing/events ] || mount -t tracefs tracefs /sys/kernel/tracing
	spawn - "$name" bpftrace "$@"
	bpf_pid=$spawned
	wait_slowly 120 grep -q counting "$OUT/$name.log" && return
	echo "# bpftrace: $(tail -n 2 "$OUT/$name.log")"
	return 1
}

# bpf_end PID: it ends, and has said everything.
bpf_end() {
	kill -INT "$1"
	wait "$1" 2>/dev/null
}

# bpf_map NAME MAP: what it said of that map, given -f json: a line for each time.
bpf_map() { grep '^{' "$OUT/$1.log" | jq -c --arg map "$2" 'select(.type == "map" and .data[$map]) | .data[$map]'; }
