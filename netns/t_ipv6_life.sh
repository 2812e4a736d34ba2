#!/bin/bash
# t_ipv6_life: what IPv6 inside a telescope outlives: new keys and small links; and what it is like where the exit has none, or the way
# is too narrow: no IPv6, at once.
# limit: 600 s
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/world.sh"
. "$(dirname "$0")/circuits.sh"
. "$(dirname "$0")/six.sh"
run_where_esp_is "$0" "$@"
require_root
require_programs ippriv-node ippriv-client ippriv ippriv-directory

MTU=1306
BYTES=200000

rekeys() { ippriv client1 status --json | jq '[.circuits[] | select(.attached) | .hops[2].rekeys] | add'; }
test_rekey() {
	local before
	before=$(rekeys)
	together pings in_hold H ping -6 -n -i 0.05 -c 300 -W 5 $WEB
	together transfer traffic H tcp "$TRAFFIC" rekey $BYTES 14
	together_end
	check "keys of the last layer are replaced meanwhile, $(($(rekeys) - before)) times" [ "$(rekeys)" -gt $((before + 1)) ]
	check_eq "no ping is lost" "300 packets transmitted, 300 received, 0% packet loss" \
		"$(sed -n 's/\(.*loss\),.*/\1/p' "$OUT/pings.out")"
	check_eq "the transfer is right" good "$(said transfer)"
}

ask_web() { in_hold H python3 -I -S "$SOURCE/netns/mtu.py" ask "[$WEB]:9001" "$1"; }
small() { ns_ip "$2" link set "to-$3" mtu "$1" && ns_ip "$3" link set "to-$2" mtu "$1"; }
# sizes TEXT: nothing of any size is lost, once the server has been told what fits.
sizes() {
	check_eq "$1: $BYTES bytes each way by TCP" good "$(traffic H tcp "$TRAFFIC" "$RANDOM" $BYTES)"
	check_eq "$1: datagrams of any size" "100 good 1230 good 1258 good 1259 good 4000 good 20000 good" \
		"$(in_hold H python3 -I -S "$SOURCE/netns/mtu.py" echo "[$WEB]:9001" 100 1230 1258 1259 4000 20000 | paste -sd' ')"
	check "$1: an echo of $MTU bytes, whole" in_hold H ping -6 -n -q -c 1 -W 3 -M do -s $((MTU - 48)) $WEB
}
no_six() { [ -z "$(inner H)" ]; }
test_mtu() {
	check_eq "what is too big comes not from the Internet" lost "$(ask_web $((MTU - 47)))"
	check_eq "for the exit says how much" "at most $MTU bytes" "$(ask_web $((MTU - 47)))"
	check_eq "and so much does" "$((MTU - 48)) bytes" "$(ask_web $((MTU - 48)))"
	sizes "1500 bytes"
	small 1280 rb n2
	sizes "the middle's link 1280"
	small 1500 rb n2
	small 1472 client1 ra
	sizes "client's link 1472"
}
# Where not even 1280 bytes fit there is none, as routers and hosts of IPv6 never make packets smaller than that.
test_narrow() {
	small 1420 client1 ra
	check "the client's link becomes too narrow for IPv6: it goes" wait_for 20 no_six
	check_eq "who wants it hears so" "Network is unreachable" \
		"$(in_hold H python3 -c "import socket; socket.create_connection(('$WEB', 80), 20)" 2>&1 | sed -n 's/.*\] //p')"
	check_eq "IPv4 goes on" "$(world_ip n3)" "$(in_hold H curl -s -m 10 "http://$web/ip" | cut -d' ' -f1)"
	check_eq "status does not say it any more" null "$(ippriv client1 status --json | jq -r '.circuits[] | select(.attached) | .address6')"
	small 1500 client1 ra
}

test_without() {
	local begin
	must "another client's circuit ends at an exit without IPv6" hold client2 W
	check_eq "no IPv6 address there" "" "$(in_hold W ip -o -6 addr show dev ippriv0)"
	begin=${EPOCHREALTIME/[.,]/}
	check_eq "who wants IPv6 hears that there is none" "Network is unreachable" \
		"$(in_hold W python3 -c "import socket; socket.create_connection(('$WEB', 80), 20)" 2>&1 | sed -n 's/.*\] //p')"
	check_eq "and takes IPv4" "$(world_ip n4)" \
		"$(in_hold W curl -s -m 10 --resolve "both.example:80:[$WEB],$web" http://both.example/ip | cut -d' ' -f1)"
	echo "# both together took $(((${EPOCHREALTIME/[.,]/} - begin) / 1000)) ms"
	check "at once" [ $(((${EPOCHREALTIME/[.,]/} - begin) / 1000)) -lt 9000 ] # of two slow programs
	check_eq "who has it takes either" $EXIT "$(in_hold H curl -6 -s -m 10 --resolve "both.example:80:[$WEB],$web" http://both.example/ip | cut -d' ' -f1)"
	release W
}

must "hosts on a routed Internet" world_up
must "IPv6 on some links" six_links
must "the services start" world_services
must "those of IPv6 too" six_services
ns_exec n3 sysctl -qw net.ipv6.conf.all.forwarding=0
world_directory_conf
world_relay_conf n3 "exit = true" "exit6 = true" "dns = $web"
check_eq "without forwarding it does not start, and says why" 1 \
	"$(ns_exec n3 "$BUILD_DIR/ippriv-node" -c "$OUT/etc/n3.conf" 2>&1 | grep -c 'sysctl -w net.ipv6.conf.all.forwarding=1')"
ns_exec n3 sysctl -qw net.ipv6.conf.all.forwarding=1
must "directory and relays start" six_relays
check "--check says so of IPv6" grep -q "ok.*exit6: net.ipv6.conf.all.forwarding is 1" \
	<(ns_exec n3 "$BUILD_DIR/ippriv-node" -c "$OUT/etc/n3.conf" --check)
circuits_client client1 n1 n2 n3 "child_life = 8"
circuits_client client2 n1 n2 n4
must "the clients start" world_start client1 client2
must "a circuit is held" hold client1 H
test_rekey
test_without
test_mtu
test_narrow
release H
world_stop client1 client2
