#!/bin/bash
# nat.sh: hosts behind NAT routers on the routed Internet; source it after world.sh and circuits.sh.
#
#   clientA1 .2 ─╮
#   clientA2 .3 ─┤                                             rb: n2, n3, web
#   clientB  .5 ─┼─ nat1 ── ra ── n1, dir
#   home     .4 ─╯   192.168.1.0/24, many:1                    rc: clientD
#     ╰─ clientC 10.0.0.2, home is a NAT, too
#   clientE  .2 ─┬─ nat2 ── rc                     n6 ── dmz ── rc    1:1, n6 has 10.1.0.2 and
#   clientF  .3 ─╯   the same 192.168.1.0/24                          publishes dmz's address
#     ╰─ lan 100.64.0.1 to .30, what the relays assign, too; clientF, .33, is its gateway and a NAT
#
# Scenarios of draft-huttunen-ipsec-esp-in-udp (2001): A clientA1 and clientA2, B clientB to n6, C clientC, D clientD to n6,
# E clientA1 and clientE, F clientF. All entries but n6 are n1.

NAT_CLIENTS="clientA1 clientA2 clientB clientC clientD clientE clientF"
NAT_LAN=192.168.1
NAT_DMZ=10.1.0.2
NAT_HOME=100.64.0 # clientF's LAN
NAT_POOL=$NAT_HOME.0/27

unset 'world_router[client1]' 'world_router[client2]' 'world_router[n4]' 'world_router[n5]'
world_router+=([nat1]=ra [nat2]=rc [dmz]=rc [clientD]=rc)
world_number+=([nat1]=10 [nat2]=11 [dmz]=12 [clientD]=13)
WORLD_RELAYS="n1 n2 n3"

# nat_port HOST: the router's end of the cable to it joins the router's bridge.
nat_port() { echo "link set to-$1 master lan up"; }

# nat_host NAME ROUTER ADDRESS GATEWAY [LINE…]
nat_host() {
	local name=$1 router=$2 address=$3 gateway=$4
	shift 4
	settle "$name" "addr add $address/24 dev to-$router" "link set to-$router up" "route add default via $gateway" "$@"
}

# nat_rules NAME WAN RULE…: in the chain post; what comes from WAN by itself is dropped, as such boxes do.
nat_rules() {
	ns_exec "$1" nft -f - <<-END
		table ip nat {
			chain post { type nat hook postrouting priority 100; oifname "$2" $3; }
			chain self { type filter hook input priority 0; iifname "$2" ct state new drop; }
		}
	END
}

# nat_up: the world with all of this; nothing runs yet.
nat_up() {
	local bridge=("link add lan type bridge" "addr add $NAT_LAN.1/24 dev lan" "link set lan up")
	local i many=()
	for i in {1..30}; do
		many+=("addr add $NAT_HOME.$i/26 dev to-clientF")
	done
	world_up || return 1
	wire "clientA1 clientA2 clientB clientC clientE clientF home lan n6" "nat1 clientA1" "nat1 clientA2" "nat1 clientB" "nat1 home" \
		"nat2 clientE" "nat2 clientF" "home clientC" "clientF lan" "dmz n6" || return 1
	settle nat1 "${bridge[@]}" "$(nat_port clientA1)" "$(nat_port clientA2)" "$(nat_port clientB)" "$(nat_port home)"
	settle nat2 "${bridge[@]}" "$(nat_port clientE)" "$(nat_port clientF)"
	settle dmz "addr add 10.1.0.1/24 dev to-n6" "link set to-n6 up"
	nat_host clientA1 nat1 $NAT_LAN.2 $NAT_LAN.1
	nat_host clientA2 nat1 $NAT_LAN.3 $NAT_LAN.1
	nat_host clientB nat1 $NAT_LAN.5 $NAT_LAN.1
	nat_host home nat1 $NAT_LAN.4 $NAT_LAN.1 "addr add 10.0.0.1/24 dev to-clientC" "link set to-clientC up"
	nat_host clientC home 10.0.0.2 10.0.0.1
	nat_host clientE nat2 $NAT_LAN.2 $NAT_LAN.1
	nat_host clientF nat2 $NAT_LAN.3 $NAT_LAN.1 "addr add $NAT_HOME.33/26 dev to-lan" "link set to-lan up"
	settle lan "${many[@]}" "link set to-clientF up" "route add default via $NAT_HOME.33"
	nat_host n6 dmz $NAT_DMZ 10.1.0.1
	settled || return 1
	ns_router nat1 nat2 dmz home clientF n6
	# Ports at random, so that a mapping that is forgotten never comes back by itself.
	nat_rules nat1 to-ra "masquerade random"
	nat_rules nat2 to-rc "masquerade random"
	nat_rules home to-nat1 "masquerade random"
	nat_rules clientF to-nat2 masquerade
	world_number[n6]=${world_number[dmz]} # what it publishes
	ns_exec dmz nft -f - <<-END
		table ip nat {
			chain pre { type nat hook prerouting priority -100; ip daddr $(world_ip dmz) dnat to $NAT_DMZ; }
			chain post { type nat hook postrouting priority 100; ip saddr $NAT_DMZ oifname "to-rc" snat to $(world_ip dmz); }
		}
	END
}

# nat_forget NAME DEVICE: that router forgets all its connections, while nothing comes in from its clients, by DEVICE.
nat_forget() {
	# shellcheck disable=SC2016
	ns_exec "$1" bash -c 'ip link set "$0" down && python3 -I -S -c "$1"; status=$?; ip link set "$0" up && exit $status' "$2" '
import socket, struct
NETLINK_NETFILTER, CT_DELETE, REQUEST_ACK = 12, 1 << 8 | 2, 5
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
s.send(struct.pack("=IHHIIBBH", 20, CT_DELETE, REQUEST_ACK, 1, 0, socket.AF_INET, 0, 0))
error = struct.unpack("=i", s.recv(4096)[16:20])[0]
raise SystemExit(error and f"the kernel says {error}")'
}

# nat_ports RELAY [ADDRESS]: the far UDP ports of the relay's inbound SAs (with that far address), sorted.
nat_ports() {
	ns_ip "$1" xfrm state | awk -v from="${2:-}" '
		/^src/ { src = $2 }
		$1 == "encap" && (from == "" || src == from) {
			for (i = 1; i < NF; i++) if ($i == "sport" && $(i + 1) != 4500) print $(i + 1)
		}' | sort -u
}
