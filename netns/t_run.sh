#!/bin/bash
# t_run: what `ippriv run` shuts in and out: name lookups stay inside when the host replaces its files, root's command cannot leave,
# nobody connects to it from the exit; a circuit that a namespace refuses is kept; others see no path; SIGHUP is a normal stop.
# limit: 600 s
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/world.sh"
run_where_esp_is "$0" "$@"
require_root
require_programs ippriv-node ippriv-client ippriv ippriv-directory

NOBODY=65534
declare -A as=([root]=env [nobody]="setpriv --reuid $NOBODY --regid $NOBODY --clear-groups")

# The host's program writes the same again, as it does: a new file renamed over the old one. Nothing of the host's changes.
host_replaces() {
	cp -a -P "$1" "$1.ippriv-test" && mv -T "$1.ippriv-test" "$1"
}

# names_as WHO: a command of that user that looks at its files before and after the host has replaced its own.
names_as() {
	local who=$1 dir=$SCRATCH/names-$1
	mkdir -m 777 "$dir"
	# shellcheck disable=SC2086
	spawn client1 "names-$who" ${as[$who]} "$BUILD_DIR/ippriv" --control "$SCRATCH/client1.sock" run -- bash -c '
		cat /etc/resolv.conf >"$0/before"
		grep ^hosts: /etc/nsswitch.conf >"$0/services"
		until [ -e "$0/go" ]; do sleep 0.1; done
		cat /etc/resolv.conf >"$0/after"
		getent ahostsv4 "$1" >"$0/name"
		touch "$0/done"; sleep 60' "$dir" "$WORLD_NAME"
	must "$who: the command runs" wait_for 30 test -s "$dir/services"
	check_eq "$who: its resolv.conf names the exit's resolver" "nameserver $web" "$(cat "$dir/before")"
	must "the host replaces its resolv.conf" host_replaces /etc/resolv.conf
	must "and its nsswitch.conf" host_replaces /etc/nsswitch.conf
	touch "$dir/go"
	must "$who: the command goes on" wait_for 30 test -e "$dir/done"
	check_eq "$who: resolv.conf is what it was" "nameserver $web" "$(cat "$dir/after")"
	check_eq "$who: host names come from files and that resolver" "hosts: files myhostname dns" "$(cat "$dir/services")"
	check_eq "$who: a name is resolved through the exit" "$web" "$(awk 'NR == 1 {print $1}' "$dir/name")"
	stop "$spawned"
}

test_shut_in() {
	check_not "root's command does not take the tunnel down" run_in client1 ip link set ippriv0 down
	check_not "nor add an address" run_in client1 ip addr add 192.0.2.1/32 dev lo
	check_not "nor enter the host's namespace" run_in client1 nsenter --net=/proc/1/ns/net true
	check_not "nor mount" run_in client1 mount -t tmpfs tmpfs /mnt
	check "it may ping" run_in client1 ping -c 1 -W 5 "$web"
	check "this script may have a descriptor 9" readlink -e /proc/self/fd/9 9</dev/null
	check_not "the command gets no such one" run_in client1 readlink -e /proc/self/fd/9 9</dev/null
	check "but its input" run_in client1 readlink -e /proc/self/fd/0
	check_eq "/etc is read-only" "Read-only file system" "$(run_in client1 touch /etc/ippriv-test 2>&1 | sed 's/.*: //')"
}

exit_packets() { ippriv client1 status --json | jq -r '.circuits[] | select(.attached) | .hops[2].in.packets'; }

# The exit host itself speaks to the command: it arrives in the namespace, and no further.
test_shut_out() {
	local exit address before
	must "a shell runs in the telescope" session_open client1
	exit=$(world_paths client1 | head -n 1 | cut -d' ' -f3)
	address=$(ippriv client1 status --json | jq -r '.circuits[] | select(.attached) | .address')
	session bash -c 'socat -u UDP-RECV:4444 "CREATE:$0" >/dev/null 2>&1 & sleep 0.5' "$SCRATCH/heard"
	session bash -c 'echo hello | socat -u - UDP-SENDTO:"$0:4444"; sleep 0.3' 127.0.0.1
	check_eq "the command hears itself" hello "$(cat "$SCRATCH/heard")"
	before=$(exit_packets)
	ns_exec "$exit" socat -u EXEC:'echo intruder' UDP-SENDTO:"$address:4444"
	check "a datagram of the exit's own comes to the command's namespace" wait_for 10 more_than "$before"
	check_eq "and not to the command" hello "$(cat "$SCRATCH/heard")"
	check "the circuit works on" session ping -c 1 -W 5 "$web"
	session bash -c 'kill $(pidof socat)' || true
	must "the shell ends" session_close
}
more_than() { [ "$(exit_packets)" -gt "$1" ]; }

attach='import array, json, os, socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
ns = array.array("i", [os.open("/proc/self/ns/net", os.O_RDONLY)])
s.sendmsg([b"{\"command\":\"attach\"}\n"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, ns)])
print(json.loads(s.makefile().readline()).get("error", "attached"))'

free_ready() { ippriv client1 status --json | jq -r '.circuits[] | select(.state == "ready" and (.attached | not)) | .id'; }
has_free() { [ -n "$(free_ready)" ]; }

test_refused_circuit() {
	local id i
	must "a circuit is ready" wait_for 30 has_free
	id=$(free_ready)
	for i in 1 2 3; do
		check_eq "a namespace that has an ippriv0 gets none" "there is an interface ippriv0 in that namespace; make a new one" \
			"$(ns_exec client1 unshare -n sh -c 'ip link add ippriv0 type dummy && exec python3 -c "$0" "$1"' "$attach" "$SCRATCH/client1.sock")"
	done
	check_eq "and the circuit is there still" "$id" "$(free_ready)"
	check "the next command gets it" run_in client1 ping -c 1 -W 5 "$web"
}

test_privacy() {
	must "a circuit is ready again" wait_for 30 has_free
	check_eq "root sees its path" 3 "$(ippriv client1 status --json | jq '[.circuits[] | select(.state == "ready")][0].hops | length')"
	check_eq "others see that it is there" "ready 0 null" "$(ns_exec client1 ${as[nobody]} \
		"$BUILD_DIR/ippriv" --control "$SCRATCH/client1.sock" status --json |
		jq -r '[.circuits[] | select(.state == "ready")][0] | "\(.state) \(.hops | length) \(.address)"')"
}

test_no_resolver() {
	world_client_conf client2 "exit = { \"n3\" }"
	must "a client whose exit has no resolver starts" world_start client2
	check_eq "run says so in one line" 1 "$(run_in client2 true 2>&1 | grep -c 'named no resolver')"
	check "addresses work" run_in client2 ping -c 1 -W 5 "$web"
}

test_hangup() {
	kill -HUP "${world_pid[client1]}"
	check "a hangup ends the client" wait_for 5 is_gone "${world_pid[client1]}"
	wait "${world_pid[client1]}"
	check_eq "as a normal stop" 0 $?
	unset "world_pid[client1]"
	check_eq "nothing is left" "$clean" "$(ns_state client1)"
}

web=$(world_ip web)
must "hosts on a routed Internet" world_up
clean=$(ns_state client1)
chmod 711 "$SCRATCH"
must "the services start" world_services
world_directory_conf
world_relay_conf n3 "exit = true"
for name in n1 n2 n4; do
	world_relay_conf $name "exit = true" "dns = $web"
done
must "directory and relays start" world_daemons n1 n2 n3 n4
world_client_conf client1 "exit = { \"n1\", \"n2\", \"n4\" }"
must "the client starts" world_start client1
names_as root
names_as nobody
test_shut_in
test_shut_out
test_refused_circuit
test_privacy
test_no_resolver
test_hangup
