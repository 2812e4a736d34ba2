#!/bin/bash
# t_roam: a client changes its address (to another network, behind a NAT, back), its NAT forgets it, its cable fails. TCP through
# the telescope goes on each time, and the new way is in use after two round trips to the entry. Round trips are counted, since
# an emulated machine's milliseconds say little: one for each message of IKE that the client has to send before ESP comes.
# limit: 300 s
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/world.sh"
. "$(dirname "$0")/circuits.sh"
run_where_esp_is "$0" "$@"
require_root
require_programs ippriv-node ippriv-client ippriv ippriv-directory
ROAM=$SOURCE/netns/roam.py
HOME_NET=$(world_ip client1)
AWAY=192.0.2.2
NATTED=192.0.2.6 # at home, too, but who comes from here is translated

two_networks() {
	link client1 rc $AWAY/30 192.0.2.1/30 || return 1
	ns_ip client1 addr add $NATTED/30 dev to-ra && ns_ip ra addr add 192.0.2.5/30 dev to-client1 || return 1
	ns_ip rb route add 192.0.2.0/30 via 198.51.100.6 && ns_ip ra route add 192.0.2.0/30 via 198.51.100.9 || return 1
	ns_exec ra nft "add table ip nat; add chain ip nat post { type nat hook postrouting priority srcnat; };
		add rule ip nat post ip saddr $NATTED masquerade random"
}
VIA_HOME="default via $(world_gateway client1) dev to-ra src $HOME_NET"
VIA_NAT="default via 192.0.2.5 dev to-ra src $NATTED"
VIA_AWAY="default via 192.0.2.1 dev to-rc src $AWAY"

# go ROUTE [DEVICE]: that is the client's network from now on, and DEVICE's cable is out.
go() {
	start=${EPOCHREALTIME/,/.}
	printf '%s\n' ${2:+"link set $2 down"} "route replace $1" | ns_ip client1 -batch -
}
seen_at_entry() { circuits_of n1 | awk '{ print $2 }' | sort -u; }
is_seen() { [ "$(seen_at_entry)" = "$1" ]; }
# check_back TEXT DEVICE ADDRESS SEEN ROUNDS: the entry sees the client there, and ESP has come within so many round trips.
check_back() {
	local got
	check "$1: the entry sees it" wait_for 20 is_seen "$4"
	wait_for 10 eval "[ \"\$(python3 '$ROAM' rounds '$OUT/client1-$2.pcap' $3 $start)\" != '99 0' ]"
	got=$(python3 "$ROAM" rounds "$OUT/client1-$2.pcap" "$3" "$start")
	check "$1: back after ${got% *} round trips (${got#* } ms)" test "${got% *}" -le "$5"
}
transfer() { together "bulk-$1" traffic H tcp "$TRAFFIC" "$1" 100000; }
transferred() {
	together_end
	check_eq "$1: TCP has gone on" good "$(said "bulk-$2")"
}
in_use() { ippriv client1 status --json | jq -c '.circuits[] | select(.attached) | [.id, (.hops | map(.nickname))]'; }

must "hosts on a routed Internet, the client in two networks" eval "world_up && two_networks"
must "a server of traffic" traffic_server
must "directory and relays start" world_daemons n1 n2 n3
circuits_client client1 n1 n2 n3
must "the client starts" world_start client1
must "a circuit is held" hold client1 H
before=$(in_use)
must "what the client sends and gets is recorded" eval 'capture_start client1 to-ra -s 128 && capture_start client1 to-rc -s 128'
in_hold H ping -n -q -i 0.2 -w 300 "$(world_ip web)" >/dev/null &
pids+=($!)
check_eq "the entry sees the client's address" "$HOME_NET" "$(seen_at_entry)"

transfer away
go "$VIA_AWAY" to-ra
check_back "in another network" to-rc $AWAY $AWAY 2
transferred "in another network" away

ns_ip client1 link set to-ra up
transfer nat
go "$VIA_NAT" to-rc
check_back "behind a NAT" to-ra $NATTED "$(world_gateway n1)" 2
transferred "behind a NAT" nat

ports() { ns_ip n1 xfrm state | sed -n 's/.*encap type espinudp sport \([0-9]*\) dport 4500.*/\1/p' | sort -u; }
old=$(ports)
transfer forget
check "a NAT forgets" ns_exec ra python3 "$ROAM" forget
changed() { [ -n "$(comm -13 <(echo "$old") <(ports))" ]; }
check "a NAT that forgets: the entry finds the new port" wait_for 20 changed
transferred "a NAT that forgets" forget

transfer cable
ns_ip client1 link set to-ra down
sleep 2
ns_ip client1 link set to-ra up
go "$VIA_NAT"
check_back "a cable out for 2 s" to-ra $NATTED "$(world_gateway n1)" 2
transferred "a cable out for 2 s" cable

go "$VIA_HOME"
check_back "no NAT any more" to-ra "$HOME_NET" "$HOME_NET" 2
capture_stop
check "no NAT any more: ESP without UDP around it" \
	test "$(capture_read client1 to-ra "esp and dst host $HOME_NET" | wc -l)" -gt 0
check_eq "the same telescope all the time" "$before" "$(in_use)"
