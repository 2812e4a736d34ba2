#!/bin/bash
# circuits.sh: circuits that stay open, and what relays and kernels say about them; source it after world.sh.

# circuits_client NAME ENTRY MIDDLE EXIT [LINES…]: a client's configuration with this path.
circuits_client() {
	local name=$1 entry=$2 middle=$3 exit=$4
	shift 4
	world_client_conf "$name" "entry = { \"$entry\" }" "middle = { \"$middle\" }" "exit = { \"$exit\" }" "$@"
}

declare -A hold_pid=() hold_run=()

# hold CLIENT TAG: takes a circuit of the client, for as long as the test runs or until `release TAG`.
hold() {
	local client=$1 tag=$2
	rm -f "$SCRATCH/$tag.pid"
	# shellcheck disable=SC2016
	spawn "$client" "hold-$tag" "$BUILD_DIR/ippriv" --control "$SCRATCH/$client.sock" run -- \
		sh -c 'echo $$ >"$0.new" && mv "$0.new" "$0" && exec sleep 600' "$SCRATCH/$tag.pid"
	hold_run[$tag]=$spawned
	wait_for 30 test -s "$SCRATCH/$tag.pid" || {
		echo "# $client has no circuit: $(tail -n 2 "$OUT/hold-$tag.log" "$OUT/$client.log")"
		return 1
	}
	hold_pid[$tag]=$(cat "$SCRATCH/$tag.pid")
}

# in_hold TAG CMD…: CMD in the namespace of that circuit.
in_hold() {
	local tag=$1
	shift
	nsenter -t "${hold_pid[$tag]}" -n -m -- "$@"
}

release() {
	stop "${hold_run[$1]}"
	unset "hold_run[$1]" "hold_pid[$1]"
}

hold_address() { in_hold "$1" ip -o -4 addr show dev ippriv0 | awk '{print $4}' | cut -d/ -f1; }

# circuits_of RELAY: its circuits, sorted: "ASSIGNED OUTER VIA".
circuits_of() {
	ns_exec "$1" "$BUILD_DIR/ippriv-node" -c "$OUT/etc/$1.conf" status --json --addresses | python3 -c '
import json, sys
for c in sorted(json.load(sys.stdin)["circuits"], key=lambda c: (c["assigned"], c["via"])):
    if c["state"] == "established":
        print(c["assigned"], c["outer"], c["via"])'
}

# tunnels_of RELAY: its overlay tunnels that are up, sorted: "RELAY us|them AGE".
tunnels_of() {
	ns_exec "$1" "$BUILD_DIR/ippriv-node" -c "$OUT/etc/$1.conf" status --json | python3 -c '
import json, sys
for t in sorted(json.load(sys.stdin)["tunnels"], key=lambda t: t["relay"]):
    if t["state"] == "established":
        print(t["relay"], "us" if t["started_by_us"] else "them", t["age"])'
}

# xfrm_errors NAME [PATTERN]: what the namespace's kernel has counted of that, all in one number.
xfrm_errors() { ns_exec "$1" awk -v p="${2:-^Xfrm}" '$1 ~ p { n += $2 } END { print n + 0 }' /proc/net/xfrm_stat; }

# together NAME CMD…: CMD in the background, its output to OUT/NAME.out; `together_end` waits for all of them.
together_pids=()
together() {
	local name=$1
	shift
	"$@" >"$OUT/$name.out" 2>&1 </dev/null &
	together_pids+=($!)
	pids+=($!)
}
together_end() {
	wait "${together_pids[@]}"
	together_pids=()
}
said() { cat "$OUT/$1.out"; }

# traffic_server: what traffic.py talks to, on web.
traffic_server() {
	TRAFFIC=$(world_ip web):9000
	spawn web traffic python3 "$SOURCE/netns/traffic.py" serve "$TRAFFIC"
	wait_for 20 grep -q 'traffic: ready' "$OUT/traffic.log"
}
traffic() { # TAG ARGS…
	local tag=$1
	shift
	in_hold "$tag" python3 "$SOURCE/netns/traffic.py" "$@"
}
ping_all() { # TAG COUNT: "COUNT received", duplicates show; it goes on until COUNT answers are there, for 30 s at most
	in_hold "$1" ping -n -c "$2" -w 30 -i 0.2 "$(world_ip web)" | sed -n 's/.*transmitted, \(.*received.*\), .*loss.*/\1/p'
}
