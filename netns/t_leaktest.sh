#!/bin/bash
# t_leaktest: `ippriv leaktest` finds nothing in the tunnel, whatever is done to the host meanwhile, and everything outside of it; who
# counts packets at the other ends of the client's links agrees.
# limit: 1500 s
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/world.sh"
. "$(dirname "$0")/circuits.sh"
. "$(dirname "$0")/uplink.sh"
. "$(dirname "$0")/attacks.sh"
run_where_esp_is "$0" "$@"
require_root
require_programs ippriv-node ippriv-client ippriv ippriv-directory

leaktest() { ippriv client1 leaktest --server "$web" "$@"; }
# The same on a host whose resolver is on the LAN.
leaktest_lan() {
	echo "nameserver $GATEWAY" >"$SCRATCH/resolv.conf"
	ns_exec client1 unshare -m bash -c 'mount --bind "$0" "$(realpath /etc/resolv.conf)" && exec "$@"' "$SCRATCH/resolv.conf" \
		"$BUILD_DIR/ippriv" --control "$SCRATCH/client1.sock" leaktest --server "$web" "$@"
}
count() { jq "[.tests[].probes[] | select($1)] | length" "$SCRATCH/leaktest"; }
# tested TEXT STATUS CMD…: its report is in SCRATCH/leaktest.
tested() {
	local status
	uplink_mark
	"${@:3}" --json >"$SCRATCH/leaktest"
	status=$?
	cp "$SCRATCH/leaktest" "$OUT/$1.json"
	check_eq "$1: exit status" "$2" "$status" || sed 's/^/#   /' "$SCRATCH/leaktest"
}
by_sudo() { SUDO_UID=$NOBODY leaktest "$@"; }
by_nobody() {
	ns_exec client1 setpriv --reuid $NOBODY --regid $NOBODY --clear-groups \
		"$BUILD_DIR/ippriv" --control "$SCRATCH/client1.sock" leaktest --server "$web" "$@"
}

test_leaktest() {
	local command
	for command in leaktest by_sudo; do
		must "a circuit is there" wait_for 60 has_free
		tested $command 0 $command
		check_uplinks "$command: the observer agrees"
		check_eq "$command: no probe leaked" 0 "$(count '.leaked > 0')"
		check "$command: probes came back ($(count '.outcome == "answered"'))" test "$(count '.outcome == "answered"')" -ge 8
	done
	check_eq "the probes ran as that user" nobody "$(jq -r .tests[0].user "$SCRATCH/leaktest")"
	must "a circuit is there" wait_for 60 has_free
	tested by_nobody 2 by_nobody
	check "without root it says what is missing" grep -q 'run it as root' <(jq -r .tests[0].why "$SCRATCH/leaktest")
	check "and what it saw" test "$(jq .tests[0].circuit_packets "$SCRATCH/leaktest")" -gt 0
}

test_disrupt() {
	tested disrupt 0 leaktest --disrupt --kill
	wait "${world_pid[client1]}" 2>/dev/null
	check_uplinks "leaktest --disrupt: the observer agrees" 100
	check_eq "leaktest --disrupt: it did all" 6 "$(jq '[.tests[].disrupted[] | select(.done and .sent > 0)] | length' "$SCRATCH/leaktest")"
	check_eq "leaktest --disrupt: and undid it" "$1" "$(network)"
	must "the client starts again" world_start client1
}
network() { printf '%s\n' "link show" "addr show" "route show" | ns_ip client1 -o -batch - | sed 's/.*qlen.*state/state/; s/^[0-9]*: //' | sort; }

test_outside() {
	ns_ip ra addr add 2001:db8:1::1/64 dev to-client1
	printf '%s\n' "addr add 2001:db8:1::2/64 dev to-ra" "route add default via 2001:db8:1::1" | ns_ip client1 -6 -batch -
	tested outside 1 leaktest_lan --outside
	uplink_since
	check_eq "leaktest --outside: the observer has counted the same" "$plain" "$(jq .tests[0].leaked "$SCRATCH/leaktest")"
	check_eq "leaktest --outside: every probe leaks" "" "$(jq -r '.tests[0].probes[] | select(.leaked == 0).name' "$SCRATCH/leaktest" | paste -sd ' ')"
}

has_seat() { ippriv client1 status --json | jq -e '.host.circuit'; }

test_up() {
	must "the whole host goes through the tunnel" ippriv client1 up
	must "a circuit is there" wait_for 60 has_free
	tested up 0 by_sudo
	check_uplinks "leaktest when the host is up: the observer agrees"
	check_eq "leaktest when the host is up: it tests run and host" "run host" "$(jq -r '[.tests[].place] | join(" ")' "$SCRATCH/leaktest")"
	check "leaktest when the host is up: probes came back ($(count '.outcome == "answered"'))" test "$(count '.outcome == "answered"')" -ge 16
	tested up-disrupt 0 by_sudo --disrupt --kill
	wait "${world_pid[client1]}" 2>/dev/null
	check_uplinks "leaktest --disrupt when the host is up: the observer agrees" 100
	must "the client starts again" world_start client1
	must "the host has a circuit" wait_for 60 has_seat
	check "the host is no longer up" ippriv client1 down
}

attacks_world
must "the client starts" world_start client1
test_leaktest
must "a circuit is there" wait_for 60 has_free
test_disrupt "$(network)"
test_outside
test_up
uplink_mark
world_stop client1
check_uplinks "the client's stop"
