#!/bin/bash
# t_telescope: one client through three relays. TCP, UDP, ICMP and DNS arrive, from the exit's address; what observers of the links
# could read; status; ordinary users; and after a stop nothing is left.
# limit: 800 s
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/world.sh"
. "$(dirname "$0")/observe.sh"
run_where_esp_is "$0" "$@"
require_root
require_programs ippriv-node ippriv-client ippriv ippriv-directory

NOBODY=65534
PAGE_MB=2
HOSTS="client1 $WORLD_RELAYS web dir"

# The page as services.py makes it, from its description: octets 0 to 255 over and over.
page_sum() { python3 -c "import hashlib; print(hashlib.sha256(bytes(range(256)) * (4096 * $1)).hexdigest())"; }

# From inside the telescope: one datagram, the answer is who sent it.
udp_echo='exec 3<>"/dev/udp/$0/7" && echo hello >&3 && timeout 10 dd bs=999 count=1 status=none <&3'

# A packet with another's source address, written by hand.
forge='import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
source, target = (socket.inet_aton(a) for a in sys.argv[1:])
s.sendto(bytes([0x45, 0, 0, 28, 0, 1, 0, 0, 64, 17, 0, 0]) + source + target + bytes([0, 9, 0, 9, 0, 8, 0, 0]), (sys.argv[2], 0))'

# field JSON FILTER
field() { jq -r "$2" <<<"$1"; }

# within TEXT LOW HIGH NUMBER
within() { check "$1 ($4)" test "$4" -ge "$2" -a "$4" -le "$3"; }

test_services() {
	local answer
	must "a shell runs in the telescope" session_open client1
	path=$(world_paths client1 | head -n 1)
	read -r entry middle exit <<<"$path"
	check_eq "entry, middle and exit are three relays" 3 "$(tr ' ' '\n' <<<"$path" | grep -c '^n[1-5]$')"
	echo "# path: ${path// / -> }"
	check_eq "a page of $PAGE_MB MB comes whole" "$(page_sum $PAGE_MB)" \
		"$(session bash -c "curl -sS --max-time 100 http://$web/mb/$PAGE_MB | sha256sum | cut -d' ' -f1")"
	status=$(ippriv client1 status --json)
	answer=$(session curl -sS --max-time 20 "http://$web/ip")
	check_eq "the server sees the exit's address" "$(world_ip "$exit")" "${answer% *}"
	answer=$(session bash -c "$udp_echo" "$web")
	check_eq "a datagram arrives from the exit's address, and its answer comes back" "$(world_ip "$exit")" "${answer% *}"
	check "ping is answered" session ping -c 3 -i 0.2 -W 5 "$web"
	answer=$(session getent ahostsv4 $WORLD_NAME)
	check_eq "a name is resolved" "$web" "${answer%% *}"
	check_eq "only the exit asked the resolver" "$(world_ip "$exit")" \
		"$(awk '$1 == "dns" {print $2}' "$OUT/web.requests" | sort -u)"
	check_eq "resolv.conf names the exit's resolver and nothing else" "nameserver $web" "$(session cat /etc/resolv.conf)"
	check_eq "loopback and ippriv0 are the only links" "ippriv0 lo" \
		"$(session bash -c "ip -o link | awk -F'[ :@]+' '{print \$2}' | sort | paste -sd ' '")"
}

test_no_other_way() {
	ns_add six
	link client1 six fd00:1::2/64 fd00:1::1/64 # where no observer stands
	check "the host has IPv6" ns_exec client1 ping -6 -c 1 -W 5 fd00:1::1
	check_not "the telescope has none" session ping -6 -c 1 -W 2 fd00:1::1
	check "a packet with the client's own address as its source is sent" session python3 -c "$forge" "$(world_ip client1)" "$web"
	check "and one with another assigned address" session python3 -c "$forge" 100.64.200.200 "$web"
	ns_ip client1 link del to-six
}

test_client_status() {
	local circuit size=$((PAGE_MB << 20)) i in_bytes in_packets below=0 address
	circuit='.circuits[] | select(.attached)'
	check_eq "status: the circuit in use is ready" ready "$(field "$status" "$circuit | .state")"
	check_eq "status: MTU" 1306 "$(field "$status" "$circuit | .mtu")"
	check_eq "ippriv0 has that MTU" 1306 "$(session bash -c "ip -o link show ippriv0 | sed 's/.* mtu \([0-9]*\) .*/\1/'")"
	address=$(session bash -c "ip -4 -o addr show ippriv0 | awk '{print \$4}'")
	check_eq "status: the address of ippriv0" "$address" "$(field "$status" "$circuit | .address")/32"
	check_eq "status: three hops, up" "entry middle exit" \
		"$(field "$status" "[$circuit | .hops[] | select(.up) | .role] | join(\" \")")"
	for i in 2 1 0; do
		in_bytes=$(field "$status" "$circuit | .hops[$i].in.bytes")
		in_packets=$(field "$status" "$circuit | .hops[$i].in.packets")
		# Each packet of 1306 bytes has 1266 of the page, and is up to 56 longer with each layer.
		within "status: bytes in by layer $((i + 1))" $((below > size ? below : size)) $((size * (115 - 5 * i) / 100)) "$in_bytes"
		within "status: packets in by layer $((i + 1))" $((size / 1266)) $((size * 11 / 10 / 1266)) "$in_packets"
		below=$in_bytes
	done
	check "status: for people" grep -q "exit .*$exit .*$(world_ip "$exit")" <(ippriv client1 status)
}

ask_status() { grep -q '"circuits"' <(echo '{"command":"status"}' | timeout 10 socat -t 5 - "UNIX-CONNECT:$SCRATCH/$1.sock"); }

relay_status() {
	local name=$1
	shift
	"$BUILD_DIR/ippriv-node" -c "$OUT/etc/$name.conf" status "$@"
}

# circuits_via RELAY FROM: all that it tells of the circuits that came by the overlay tunnel with FROM.
circuits_via() {
	relay_status "$1" --json --addresses | jq ".circuits[] | select(.via == \"$2\")"
}

test_relay_status() {
	local said client size=$((PAGE_MB << 20)) name
	client=$(world_ip client1)
	for name in $path; do
		said=$(relay_status "$name" --json)
		check_eq "$name: status is of $name" "$name" "$(field "$said" .nickname)"
		check "$name: status has circuits" test "$(field "$said" '[.circuits[] | select(.state == "established")] | length')" -ge 1
		check_not "$name: status has no client's address" grep -e "$client" -e outer -e '100\.64' <(field "$said" .circuits)
		check_not "$name: nor has the text" grep -F "$client" <(relay_status "$name")
	done
	said=$(relay_status "$entry" --json)
	within "$entry: bytes out of its busiest circuit" $size $((size * 13 / 10)) "$(field "$said" '[.circuits[].traffic.bytes_out] | max')"
	within "$entry: bytes in by the overlay tunnel with $middle" $size $((size * 13 / 10)) \
		"$(field "$said" ".tunnels[] | select(.relay == \"$middle\") | .traffic.bytes_in")"
	check "$entry: root may see the client's address" grep -qF "$client" <(relay_status "$entry" --json --addresses)
	check "$middle: root may see who assigned the circuit's outer address" grep -q '"outer": "100\.64' <(circuits_via "$middle" "$entry")
	check "$exit: so here" grep -q '"outer": "100\.64' <(circuits_via "$exit" "$middle")
	check_not "$middle: it has no client's address to show" grep -F "$client" <(circuits_via "$middle" "$entry")
	check_not "$exit: it has no client's address to show" grep -F "$client" <(circuits_via "$exit" "$middle")
	chmod 711 "$SCRATCH"
	check "root may talk to a relay's control socket" ask_status "$entry"
	check_not "others may not" as_nobody bash -c "$(declare -f ask_status); SCRATCH=$SCRATCH ask_status $entry"
	check "the client's socket is for all" as_nobody bash -c "$(declare -f ask_status); SCRATCH=$SCRATCH ask_status client1"
	check_not "$entry: no client's address in its log" grep -F "$client" <(grep -v ' debug: ' "$OUT/$entry.log")
}

test_observers() {
	local allowed
	must "the observers' captures are read" observe_stop
	check "no observer missed a packet" observe_complete
	allowed=$(sort -u "$OUT/paths" | observe_allowed client1 web)
	check_eq "on all links: ESP and IKE between neighbours, the list, and plain between exit and server; nothing else" "" \
		"$(observe_only "$allowed" "$(observe_pairs)")"
	check_eq "the client's address: with entries and the directory only" "" \
		"$(observe_only "$(grep -w client1 <<<"$allowed")" "$(observe_reads client1 | cut -d' ' -f2-)")"
	check_eq "the server's address: with exits only" "" \
		"$(observe_only "$(grep -w web <<<"$allowed")" "$(observe_reads web | cut -d' ' -f2-)")"
	check_eq "on the client's link no server's address" "" "$(observe_reads web | grep '^client1 ')"
	check_eq "on the server's link no client's address" "" "$(observe_reads client1 | grep '^web ')"
	check_eq "on the client's link: ESP and IKE with entries, the list" "esp ike list" \
		"$(observe_pairs client1 | cut -d' ' -f1 | sort -u | paste -sd ' ')"
	within "ESP on the client's link" $((PAGE_MB << 20 >> 11)) 100000 "$(observe_packets esp client1)"
	check_eq "on the server's link: what was asked for" "dns http icmp udp" \
		"$(observe_pairs web | cut -d' ' -f1 | sort -u | paste -sd ' ')"
}

# attached CLIENT: id and relays of the circuit that this very `ippriv run` has, and the exit's address as the server sees it.
attached() {
	run_in "$1" bash -c "$(printf '%q --control %q status --json; curl -sS --max-time 20 http://%s/ip' \
		"$BUILD_DIR/ippriv" "$SCRATCH/$1.sock" "$web")" >"$SCRATCH/attached"
	seen=$(tail -n 1 "$SCRATCH/attached")
	sed '$d' "$SCRATCH/attached" | jq -r '.circuits[] | select(.attached) | [.id, .hops[2].nickname] | join(" ")'
}

test_consecutive_runs() {
	local i id out ids=()
	for i in 1 2; do
		attached client1 >"$SCRATCH/run"
		read -r id out <"$SCRATCH/run"
		check_eq "run $i: the server sees the exit of its own circuit" "$(world_ip "${out:-none}")" "${seen% *}"
		ids+=("$id")
	done
	check_not "consecutive runs have circuits of their own" test "${ids[0]}" = "${ids[1]}"
}

as_nobody() { setpriv --reuid $NOBODY --regid $NOBODY --clear-groups "$@"; }

run_as_nobody() { ns_exec client1 setpriv --reuid $NOBODY --regid $NOBODY --clear-groups \
	"$BUILD_DIR/ippriv" --control "$SCRATCH/client1.sock" run -- "$@"; }

test_run() {
	local status
	run_in client1 bash -c 'exit 7'
	check_eq "run: the command's exit status" 7 $?
	run_in client1 /nonexistent/program 2>/dev/null
	check_eq "run: a command that is not there" 127 $?
	run_in client1 /etc/passwd 2>/dev/null
	check_eq "run: a file that is no program" 126 $?
	spawn client1 signal "$BUILD_DIR/ippriv" --control "$SCRATCH/client1.sock" run -- \
		bash -c 'trap "echo got TERM; exit 9" TERM; echo here; while :; do sleep 0.1; done'
	must "run: a command that waits" wait_for 20 grep -q here "$OUT/signal.log"
	kill -TERM "$spawned"
	wait "$spawned"
	check_eq "run: a signal is handed on, and the status is what the command makes of it" "9 got TERM" "$? $(tail -n 1 "$OUT/signal.log")"
	spawn client1 signal2 "$BUILD_DIR/ippriv" --control "$SCRATCH/client1.sock" run -- bash -c 'echo here; exec sleep 60'
	must "run: another" wait_for 20 grep -q here "$OUT/signal2.log"
	kill -HUP "$spawned"
	wait "$spawned"
	check_eq "run: ended by a signal" $((128 + 1)) $?
	check "an ordinary user's page comes through the telescope" run_as_nobody curl -sS --max-time 20 -o /dev/null "http://$web/mb/1"
	check_eq "that user stays who he is" "$NOBODY" "$(run_as_nobody id -u)"
	check "that user may ping and resolve names" run_as_nobody ping -c 1 -W 5 $WORLD_NAME
	run_as_nobody bash -c 'exit 5'
	check_eq "that user gets the exit status" 5 $?
}

test_stop() {
	local name state pid
	must "the client has circuits again" wait_for 20 grep -q . <(world_paths client1)
	for name in client1 $WORLD_RELAYS dir; do
		pid=${world_pid[$name]}
		kill -TERM "$pid"
		check "$name ends by itself" wait_for 5 is_gone "$pid"
		wait "$pid"
		check_eq "$name: exit status" 0 $?
		unset "world_pid[$name]"
	done
	world_stop web
	for name in $HOSTS; do
		check_eq "nothing is left on $name" "${before[$name]}" "$(ns_state "$name")"
		check_eq "no process is left on $name" "" "$(ip netns pids "$PREFIX-$name")"
	done
	check_eq "no control socket is left" "" "$(find "$SCRATCH" -type s)"
}

declare -A before=()
web=$(world_ip web)
must "nine hosts on a routed Internet" world_up
for name in $HOSTS; do
	before[$name]=$(ns_state "$name")
done
must "the services start" world_services
must "observers on the links" observe_start dir client1 $WORLD_RELAYS web
must "directory and relays start" world_daemons
world_client_conf client1
must "the client starts" world_start client1
test_services
test_no_other_way
test_client_status
test_relay_status
world_paths client1 >"$OUT/paths"
test_observers
must "the shell ends" session_close
test_consecutive_runs
test_run
test_stop
