#!/bin/bash
# circuits.sh: circuits that stay open, and what relays and kernels say about them; source it after world.sh.

# circuits_client NAME ENTRY MIDDLE EXIT [LINES…]: a client's configuration with this path.
circuits_client() {
	local name=$1 entry=$2 middle=$3 exit=$4
	shift 4
	world_client_conf "$name" "entry = { \"$entry\" }" "middle = { \"$middle\" }" "exit = { \"$exit\" }" "$@"
}

declare -A hold_pid=() hold_run=() hold_ask=()

# hold CLIENT TAG: takes a circuit of the client, for as long as the test runs or until `release TAG`. Where there is a server of
# traffic, a program in the circuit's namespace waits for what `traffic TAG` asks for.
hold() {
	local client=$1 tag=$2 inside='exec sleep 600'
	rm -f "$SCRATCH/$tag.pid"
	if [ -n "${TRAFFIC:-}" ]; then
		[ -p "$SCRATCH/$tag.ask" ] || mkfifo "$SCRATCH/$tag.ask"
		exec {hold_ask[$tag]}<>"$SCRATCH/$tag.ask" # what is asked for before the program is ready waits there
		inside="exec python3 -I -S '$SOURCE/netns/traffic.py' agent '$SCRATCH/$tag.ask'"
	fi
	spawn "$client" "hold-$tag" "$BUILD_DIR/ippriv" --control "$SCRATCH/$client.sock" run -- \
		sh -c "echo \$\$ >\"\$0\" && $inside" "$SCRATCH/$tag.pid"
	hold_run[$tag]=$spawned
	wait_for 30 has_line "$SCRATCH/$tag.pid" '*' || {
		echo "# $client has no circuit: $(tail -n 2 "$OUT/hold-$tag.log" "$OUT/$client.log")"
		return 1
	}
	hold_pid[$tag]=$(<"$SCRATCH/$tag.pid")
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
	relay_json "$1" |
		jq -r '[.circuits[] | select(.state == "established")] | sort_by(.assigned, .via)[] | "\(.assigned) \(.outer) \(.via)"'
}

# tunnels_of RELAY: its overlay tunnels that are up, sorted: "RELAY us|them AGE".
tunnels_of() {
	relay_json "$1" | jq -r '[.tunnels[] | select(.state == "established")] | sort_by(.relay)[] |
		"\(.relay) \(if .started_by_us then "us" else "them" end) \(.age)"'
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

# traffic_server [SECONDS]: what traffic.py talks to, on web.
traffic_server() {
	TRAFFIC=$(world_ip web):9000
	spawn web traffic python3 -I -S "$SOURCE/netns/traffic.py" serve "$TRAFFIC" "$@"
	wait_for 30 has_line "$OUT/traffic.log" 'traffic: ready'
}
traffic() { # TAG ARGS…
	ask "${hold_ask[$1]}" "${@:2}"
}
ping_all() { # TAG COUNT: "COUNT received", duplicates show; it goes on until COUNT answers are there, for 30 s at most
	in_hold "$1" ping -n -c "$2" -w 30 -i 0.2 "$(world_ip web)" | sed -n 's/.*transmitted, \(.*received.*\), .*loss.*/\1/p'
}
