#!/bin/bash
# world.sh: a small routed Internet for the end-to-end tests and the demo; source it after lib.sh.
#
#      dir    client1   n1               n2   n3   web
#        \        |     /                  \   |   /
#         +------ ra --+------------------- rb ---+
#                   \                      /
#                    +-------- rc --------+            three backbone routers, a triangle
#                            / |  \  \
#                     client2  n4  n5  quiet           every host has a link and a /30 of its own
#
# Hosts live in 203.0.113.0/24, the backbone in 198.51.100.0/24. Traffic of a host with another crosses
# one or two routers; a capture on the routers' side of a link shows what its observer sees.
# Daemons write to OUT/NAME.log; their files are under OUT/etc and OUT/state, their sockets in SCRATCH.

WORLD_RELAYS="n1 n2 n3 n4 n5"
WORLD_CLIENTS="client1 client2"
declare -A world_router=([dir]=ra [client1]=ra [n1]=ra [n2]=rb [n3]=rb [web]=rb [client2]=rc [n4]=rc [n5]=rc)
declare -A world_number=([dir]=1 [client1]=2 [n1]=3 [n2]=4 [n3]=5 [web]=6 [client2]=7 [n4]=8 [n5]=9)
WORLD_NAME=www.example.net # what the resolver on web knows
WORLD_LOG_LEVEL=${WORLD_LOG_LEVEL:-debug} # of relays and clients
WORLD_REFRESH=${WORLD_REFRESH:-5} # seconds between a relay's looks at the list

# world_ip HOST: its address. The routers' end of its link is one less.
world_ip() { echo "203.0.113.$((4 * world_number[$1] + 2))"; }
world_gateway() { echo "203.0.113.$((4 * world_number[$1] + 1))"; }

# world_who ADDRESS: the host with that address, else the address itself.
world_who() {
	local host
	for host in "${!world_number[@]}"; do
		if [ "$1" = "$(world_ip "$host")" ]; then
			echo "$host"
			return
		fi
	done
	echo "$1"
}

# world_routes ROUTER VIA: lines for `ip -batch`: that router's hosts are reached through VIA.
world_routes() {
	local host
	for host in "${!world_router[@]}"; do
		[ "${world_router[$host]}" != "$1" ] || echo "route add 203.0.113.$((4 * world_number[$host]))/30 via $2"
	done
}

# world_up: all hosts, links and routes; nothing runs yet.
world_up() {
	local host number forward cables=("ra rb" "rb rc" "rc ra")
	local -A lines=(
		[ra]="addr add 198.51.100.1/30 dev to-rb|addr add 198.51.100.10/30 dev to-rc|link set to-rb up|link set to-rc up|forward"
		[rb]="addr add 198.51.100.5/30 dev to-rc|addr add 198.51.100.2/30 dev to-ra|link set to-rc up|link set to-ra up|forward"
		[rc]="addr add 198.51.100.9/30 dev to-ra|addr add 198.51.100.6/30 dev to-rb|link set to-ra up|link set to-rb up|forward"
	)
	for host in "${!world_router[@]}"; do
		number=$((4 * world_number[$host]))
		cables+=("${world_router[$host]} $host")
		lines[${world_router[$host]}]+="|addr add 203.0.113.$((number + 1))/30 dev to-$host|link set to-$host up"
		forward=''
		[[ " $WORLD_RELAYS " != *" $host "* ]] || forward='|forward'
		lines[$host]="addr add 203.0.113.$((number + 2))/30 dev to-${world_router[$host]}|link set to-${world_router[$host]} up"
		lines[$host]+="|route add default via 203.0.113.$((number + 1))$forward"
	done
	lines[ra]+="|$(world_routes rb 198.51.100.2; world_routes rc 198.51.100.9)"
	lines[rb]+="|$(world_routes ra 198.51.100.1; world_routes rc 198.51.100.6)"
	lines[rc]+="|$(world_routes ra 198.51.100.10; world_routes rb 198.51.100.5)"
	wire "ra rb rc ${!world_router[*]}" "${cables[@]}" || return 1
	for host in "${!lines[@]}"; do
		settle "$host" "${lines[$host]//|/$'\n'}"
	done
	settled || return 1
	mkdir -p "$OUT/etc" "$OUT/state"
	rm -f "$OUT/web.requests" "$OUT"/etc/*.conf # of an earlier run
}

# world_conf NAME KIND LINES…: OUT/etc/NAME.conf.
world_conf() {
	local name=$1
	shift
	printf '%s\n' "$@" >"$OUT/etc/$name.conf"
}

world_directory_conf() {
	[ -s "$OUT/etc/dir.pub" ] || "$BUILD_DIR/ippriv-directory" --keygen "$OUT/etc/dir.key" >"$OUT/etc/dir.pub"
	mkdir -p "$OUT/state/dir"
	world_conf dir "listen = \"$(world_ip dir):8080\"" "identity = \"$OUT/etc/dir.key\"" "state = \"$OUT/state/dir\"" \
		"interval = 20" "list_life = 600"
}

# world_relay_conf RELAY [LINES…]: later lines of ours win over none: give only keys that are not here.
world_relay_conf() {
	local name=$1
	shift
	mkdir -p "$OUT/state/$name"
	[ -s "$OUT/etc/$name.key" ] || "$BUILD_DIR/ippriv-directory" --keygen "$OUT/etc/$name.key" >"$OUT/etc/$name.pub"
	world_conf "$name" "address = $(world_ip "$name")" "identity = \"$OUT/etc/$name.key\"" "nickname = \"$name\"" \
		"directory = \"http://$(world_ip dir):8080\"" "authorities = { \"$(cat "$OUT/etc/dir.pub")\" }" \
		"control = \"$SCRATCH/$name.sock\"" "refresh = $WORLD_REFRESH" "state = \"$OUT/state/$name\"" \
		"log_level = \"$WORLD_LOG_LEVEL\"" "$@"
}

world_client_conf() {
	local name=$1
	shift
	mkdir -p "$OUT/state/$name"
	world_conf "$name" "directory = \"http://$(world_ip dir):8080\"" "authorities = { \"$(cat "$OUT/etc/dir.pub")\" }" \
		"control = \"$SCRATCH/$name.sock\"" "state = \"$OUT/state/$name\"" "log_level = \"$WORLD_LOG_LEVEL\"" "$@"
}

declare -A world_pid=() # of what runs, by host

# world_start NAME…: the daemons of those hosts, side by side, with their configuration; returns when all say ready.
world_start() {
	local name program
	for name; do
		case $name in
		dir) program=ippriv-directory ;;
		client*) program=ippriv-client ;;
		*) program=ippriv-node ;;
		esac
		spawn "$name" "$name" "$BUILD_DIR/$program" -c "$OUT/etc/$name.conf"
		world_pid[$name]=$spawned
	done
	for name; do
		wait_for 90 has_line "$OUT/$name.log" '*: ready' || {
			echo "# $name did not start: $(tail -n 3 "$OUT/$name.log")"
			return 1
		}
	done
}

world_stop() {
	local name
	for name; do
		stop "${world_pid[$name]}"
		unset "world_pid[$name]"
	done
}

# world_services: page, echo and resolver on web; requests in OUT/web.requests.
world_services() {
	local ip
	ip=$(world_ip web)
	spawn web web python3 -I -S "$SOURCE/netns/services.py" --http "$ip:80" --udp "$ip:7" --dns "$ip:53" \
		--name "$WORLD_NAME=$ip" --log "$OUT/web.requests"
	world_pid[web]=$spawned
	wait_for 30 has_line "$OUT/web.log" 'services: ready*'
}

# world_listed COUNT: every relay that runs has a list with that many. Before that, not every path can be had. Tried often: no process.
world_listed() {
	local name lines
	for name in $WORLD_RELAYS; do
		[ -n "${world_pid[$name]:-}" ] || continue
		mapfile lines <"$OUT/$name.log"
		[[ ${lines[*]} == *"relay list with $1 relays"* ]] || return 1
	done
}

# world_daemons [RELAY…]: directory, then these relays (all without arguments), dns and exit as configured here.
world_daemons() {
	local name
	[ $# -gt 0 ] || set -- $WORLD_RELAYS
	world_directory_conf
	world_start dir || return 1
	for name; do
		[ -s "$OUT/etc/$name.conf" ] || world_relay_conf "$name" "exit = true" "dns = $(world_ip web)"
	done
	world_start "$@" && wait_for 30 world_listed $#
}

# relay_json RELAY…: what each says of itself and, to root, of its clients: a line of JSON. It is asked often, and ippriv-node has
# more libraries to load than perl.
relay_json() {
	local socks=("${@/#/$SCRATCH/}")
	# shellcheck disable=SC2016
	perl -MSocket -e '
		alarm 10;
		for my $path (@ARGV) {
			my $relay;
			socket($relay, AF_UNIX, SOCK_STREAM, 0) && connect($relay, sockaddr_un($path)) or die "$path: $!\n";
			syswrite $relay, "{\"command\": \"status\", \"addresses\": true}\n";
			print scalar readline($relay) // die "$path: no answer\n";
		}' "${socks[@]/%/.sock}"
}

# ippriv NAME ARGS…: the command, on that client.
ippriv() {
	local name=$1
	shift
	ns_exec "$name" "$BUILD_DIR/ippriv" --control "$SCRATCH/$name.sock" "$@"
}

# Of client1 when its host is up: the circuit that it goes through (fails: there is none), and that one's exit.
circuit() { ippriv client1 status --json | jq -e '.host.circuit'; }
circuit_is_not() { local now; now=$(circuit) && [ "$now" != "$1" ]; }
exit_ip() { ippriv client1 status --json | jq -r '.host.circuit as $id | .circuits[] | select(.id == $id) | .hops[2].address'; }

# run_in NAME CMD…: a command through that client's telescope.
run_in() {
	local name=$1
	shift
	ippriv "$name" run -- "$@"
}

# session_open NAME: a shell in one `ippriv run` on that client, so that several commands share a circuit.
# Its words to the error output are in OUT/session.log.
session_open() {
	coproc SESSION { exec ip netns exec "$PREFIX-$1" "$BUILD_DIR/ippriv" --control "$SCRATCH/$1.sock" run -- bash \
		2>>"$OUT/session.log"; }
	session_pid=$SESSION_PID
	pids+=("$session_pid")
	exec {session_in}>&"${SESSION[1]}" {session_out}<&"${SESSION[0]}"
	session true
}

# session CMD ARGS…: in that shell; output and status are the command's. 124 when it takes over two minutes.
session() {
	local status said
	printf '{ %s; } </dev/null >%q 2>&1; echo $?\n' "${*@Q}" "$SCRATCH/session.said" >&"$session_in" || return 125
	read -r -t 120 status <&"$session_out" || return 124
	mapfile said <"$SCRATCH/session.said"
	printf %s "${said[@]}"
	return "$status"
}

session_close() {
	echo exit >&"$session_in"
	exec {session_in}>&- {session_out}<&-
	wait_for 5 is_gone "$session_pid" || return 1
	wait "$session_pid" 2>/dev/null
}

# world_paths NAME: the relays of each of that client's circuits, a line "ENTRY MIDDLE EXIT" each; the one in use first.
world_paths() {
	ippriv "$1" status --json | jq -r '.circuits | sort_by(.attached | not)[] | .hops | map(.nickname) | join(" ")'
}
