#!/bin/bash
# t_roam: a client changes its address (to another network, behind a NAT, to IPv6 where there is no IPv4, and back), its NAT forgets
# it, its cable fails. TCP through the telescope goes on each time, and the new way is in use after two round trips to the entry.
# Round trips are counted, since an emulated machine's milliseconds say little: one for each message of IKE that the client has to
# send before ESP comes.
# limit: 600 s
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
SIX=2001:db8:0:a # the other network's IPv6, without NAT: …::2
NATTED6=$SIX::6
ENTRY6=2001:db8:0:c

# Between client1 and rc, on the backbone, and between ra and n1, the entry.
networks() {
	link client1 rc $AWAY/30 192.0.2.1/30,$SIX::1/64 || return 1
	printf '%s\n' "addr add $NATTED/30 dev to-ra" | ns_ip client1 -batch - &&
		printf '%s\n' "addr add 192.0.2.5/30 dev to-client1" "route add 192.0.2.0/30 via 198.51.100.9" \
			"addr add 2001:db8:0:b::1/64 dev to-rc" "addr add $ENTRY6::1/64 dev to-n1" "route add $SIX::/64 via 2001:db8:0:b::2" |
		ns_ip ra -batch - &&
		printf '%s\n' "addr add 2001:db8:0:b::2/64 dev to-ra" "route add $ENTRY6::/64 via 2001:db8:0:b::1" | ns_ip rc -batch - &&
		printf '%s\n' "addr add $ENTRY6::2/64 dev to-ra" "route add default via $ENTRY6::1" | ns_ip n1 -batch - &&
		ns_ip rb route add 192.0.2.0/30 via 198.51.100.6 || return 1
	ns_exec ra nft "add table ip nat; add chain ip nat post { type nat hook postrouting priority srcnat; };
		add rule ip nat post ip saddr $NATTED masquerade random
		add table ip6 nat; add chain ip6 nat post { type nat hook postrouting priority srcnat; };
		add rule ip6 nat post ip6 saddr $NATTED6 masquerade random"
}
VIA_HOME="default via $(world_gateway client1) dev to-ra src $HOME_NET"
VIA_NAT="default via 192.0.2.5 dev to-ra src $NATTED"
VIA_AWAY="default via 192.0.2.1 dev to-rc src $AWAY"
VIA_SIX="default via $SIX::1 dev to-rc src $SIX::2"
VIA_NAT6="default via $SIX::1 dev to-rc src $NATTED6"

watcher() {
	mkfifo "$SCRATCH/roam.ask" && exec {roam_ask}<>"$SCRATCH/roam.ask" || return 1
	spawn client1 roam python3 -I -S "$ROAM" watch "$SCRATCH/roam.ask"
	wait_for 30 has_line "$OUT/roam.log" 'roam: ready'
}
roam() { ask "$roam_ask" "$@"; }

# go ROUTE [LINE…]: that is the client's network from now on, after these changes.
go() {
	start=${EPOCHREALTIME/,/.}
	printf '%s\n' "${@:2}" "route replace $1" | ns_ip client1 -batch -
}
seen_at_entry() {
	relay_json n1 | jq -r '[.circuits[] | select(.state == "established").outer] | unique | join(" ")'
}
is_seen() { [ "$(seen_at_entry)" = "$1" ]; }
# check_back TEXT ADDRESS SEEN KIND: ESP has come within two round trips, as KIND; the entry sees the client there.
check_back() {
	local got
	got=$(roam rounds "$2" "$start" 20)
	check "$1: back after ${got% *} round trips (${got#* } ms)" test "${got% *}" -le 2
	check "$1: the entry sees it" wait_for 20 is_seen "$3"
	check_eq "$1: how ESP comes" "$4" "$(roam kinds "$2" "$start")"
}
transfer() { together "bulk-$1" traffic H tcp "$TRAFFIC" "$1" 100000; }
transferred() {
	together_end
	check_eq "$1: TCP has gone on" good "$(said "bulk-$2")"
}
in_use() { ippriv client1 status --json | jq -c '.circuits[] | select(.attached) | [.id, (.hops | map(.nickname))]'; }

must "hosts on a routed Internet, the client in two networks" eval "world_up && networks"
must "a server of traffic" traffic_server
world_directory_conf
world_relay_conf n1 "address6 = \"$ENTRY6::2\""
must "directory and relays start" world_daemons n1 n2 n3
circuits_client client1 n1 n2 n3
must "the client starts" world_start client1
must "a circuit is held" hold client1 H
before=$(in_use)
must "what the client sends and gets is watched" watcher
# Not by in_hold in the background: the end would stop a shell, and leave run-all.sh waiting for the ping.
spawn - ping nsenter -t "${hold_pid[H]}" -n -m -- ping -n -q -i 0.5 -w 300 "$(world_ip web)"
check_eq "the entry sees the client's address" "$HOME_NET" "$(seen_at_entry)"

transfer away
go "$VIA_AWAY" "link set to-ra down"
check_back "in another network" $AWAY $AWAY esp
transferred "in another network" away

ns_ip client1 link set to-ra up
transfer nat
go "$VIA_NAT" "link set to-rc down"
check_back "behind a NAT" $NATTED "$(world_gateway n1)" udp
transferred "behind a NAT" nat

ports() { ns_ip n1 xfrm state | sed -n 's/.*encap type espinudp sport \([0-9]*\) dport 4500.*/\1/p' | sort -u; }
old=$(ports)
transfer forget
check "a NAT forgets" ns_exec ra python3 -I -S "$ROAM" forget
changed() { [ -n "$(comm -13 <(echo "$old") <(ports))" ]; }
check "a NAT that forgets: the entry finds the new port" wait_for 20 changed
transferred "a NAT that forgets" forget

transfer cable
ns_ip client1 link set to-ra down
sleep 2
go "$VIA_NAT" "link set to-ra up"
check_back "a cable out for 2 s" $NATTED "$(world_gateway n1)" udp
transferred "a cable out for 2 s" cable

go "$VIA_HOME"
check_back "no NAT any more" "$HOME_NET" "$HOME_NET" esp

transfer six
go "$VIA_SIX" "link set to-ra down" "link set to-rc up" "addr add $SIX::2/64 dev to-rc" "addr add $NATTED6/64 dev to-rc"
check_back "IPv6 and no IPv4" $SIX::2 $SIX::2 esp
transferred "IPv6 and no IPv4" six

transfer nat6
go "$VIA_NAT6"
check_back "behind a NAT with IPv6" $NATTED6 "$ENTRY6::1" udp
transferred "behind a NAT with IPv6" nat6

transfer four
go "$VIA_HOME" "link set to-rc down" "link set to-ra up"
check_back "IPv4 again" "$HOME_NET" "$HOME_NET" esp
transferred "IPv4 again" four
check_eq "the same telescope all the time" "$before" "$(in_use)"
