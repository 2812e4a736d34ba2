#!/bin/bash
# network.sh: the network around a stock strongSwan that is a relay: what charon cannot do itself. As root, before charon starts:
#   network.sh start ADDRESS POOL UPLINK [exit]   ADDRESS: this relay's; POOL: what it assigns, A.B.0.0/16; UPLINK: the interface to
#                                                 the Internet; exit: clients may leave here
#   network.sh neighbour NUMBER ADDRESS POOL      another relay; NUMBER 1 to 255, its if_id in neighbour.conf; POOL: what it assigns
#   network.sh stop
#
#   from relay 1 ═ESP═▶ overlay SA ─▶ xfrm interface ─▶ netns swan-1 ─▶ veth ─▶ charon: ESP or IKE of a client
#   charon: a client's packet ─▶ rule "from POOL" ─▶ veth ─▶ netns swan-2 ─▶ xfrm interface ─▶ overlay SA ═ESP═▶ to relay 2
#
# Each neighbour has a network namespace because
# - charon lets its sockets bypass IPsec, and the kernel drops what comes to such a socket out of a tunnel in the same namespace;
# - two relays may assign the same address: there clients of relay NUMBER get 10.NUMBER.x.y in place of their A.B.x.y (this host
#   must have no other use for these);
# - the kernel holds what leaves a tunnel against the policies of all layers; between namespaces it forgets where a packet was.
set -euo pipefail

TABLE=4950     # routing table, and priority of the rule that leads there
NAME=swan      # prefix of namespaces and interfaces, the nftables table
RUN=${IPPRIV_NETWORK_RUN:-/run/ippriv-strongswan}
NETNS=${IPPRIV_NETWORK_NETNS:-} # before names of namespaces, which all namespaces of a machine share

# 16 bits of A.B.0.0/16
net() {
	[[ $1 =~ ^([0-9]+\.[0-9]+)\.0\.0/16$ ]] || { echo "network: pool $1: write A.B.0.0/16" >&2; exit 2; }
	echo "${BASH_REMATCH[1]}.0.0"
}

start() {
	local address=$1 pool=$2 uplink=$3 exit=${4:-} other=unreachable
	net "$pool" >/dev/null
	mkdir -p "$RUN"
	echo 1 >/proc/sys/net/ipv4/ip_forward
	[ -z "$exit" ] || other=throw # to the table for everything else
	# The pool's route: ESP takes what goes to a client on its way; without a client's SA it ends there. Its MTU: 1306 bytes in ESP.
	# The rule: where clients may go, to neighbours through their tunnels, and from an exit to the Internet.
	ip -batch - <<-IP
		link add $NAME-pool mtu 65535 up type dummy
		route add $pool dev $NAME-pool mtu 1362
		rule add from $pool priority $TABLE lookup $TABLE
		route add $other default table $TABLE
	IP
	nft -f - <<-NFT
		table ip $NAME {
			chain forward {
				type filter hook forward priority filter;
				# From the Internet into the pool: answers to what left here, nothing else.
				iifname "$uplink" ip daddr $pool ct state != { established, related } drop
				iifname "$uplink" ip daddr $pool tcp flags & syn == syn tcp option maxseg size set 1266
				ip saddr $pool oifname "$uplink" jump exits
				# Between clients and other relays: ESP and IKE, nothing else in clear.
				iifname "$NAME-*" meta ipsec missing udp sport != 500 drop
				iifname "$NAME-*" meta ipsec missing ip protocol != { esp, udp } drop
				oifname "$NAME-*" rt ipsec missing udp dport != 500 drop
				oifname "$NAME-*" rt ipsec missing ip protocol != { esp, udp } drop
			}
			chain input {
				type filter hook input priority filter;
				# Here they get ESP and IKE too, and from inside a telescope nothing at all.
				ip saddr $pool drop
				iifname "$NAME-*" udp dport != 500 drop
				iifname "$NAME-*" ip protocol != { esp, udp } drop
			}
			chain exits {
				# What tells clients' systems apart; the last is also what fits a telescope whole.
				ip hdrlength > 5 drop
				ip dscp set cs0 ip ecn set not-ect
				ip frag-off 0x4000 ip id set 0
				ip ttl set 64
				tcp flags & (syn | ack) == syn tcp flags set syn reset tcp option timestamp tcp option maxseg size set 1266
				# The exit policy: nothing to networks that are not the Internet, no mail.
				ip daddr { 0.0.0.0/8, 10.0.0.0/8, 100.64.0.0/10, 127.0.0.0/8, 169.254.0.0/16, 172.16.0.0/12, 192.168.0.0/16, 224.0.0.0/3 } drop
				tcp dport 25 drop
				ip protocol { tcp, udp, icmp } accept
				drop
			}
			chain out {
				type nat hook postrouting priority srcnat;
				ip saddr $pool oifname "$uplink" ip protocol { tcp, udp } snat to $address:16384-65535 fully-random
				ip saddr $pool oifname "$uplink" snat to $address
			}
		}
	NFT
}

neighbour() {
	local number=$1 other=$2 from to=10.$1.0.0 ns=$NAME-$1
	from=$(net "$3")
	ip netns add "$NETNS$ns"
	echo "$ns" >>"$RUN/neighbours"
	# The xfrm interface is made here, so its SAs and policies are those that charon installs here; it is used there.
	ip -batch - <<-IP
		link add $NAME-tunnel type xfrm dev lo if_id $number
		link set $NAME-tunnel netns $NETNS$ns
		link add $ns type veth peer name relay netns $NETNS$ns
		addr add 169.254.0.1 peer 169.254.$number.2 dev $ns
		link set $ns up
		route add $to/16 via 169.254.$number.2
		route add $other via 169.254.$number.2 table $TABLE
	IP
	# Packets of relay NUMBER itself, too, come in here and not where the route to it points.
	echo 0 >"/proc/sys/net/ipv4/conf/$ns/rp_filter"
	# What comes out of one goes into the other, whatever its addresses, but for the names of clients.
	ip -netns "$NETNS$ns" -batch - <<-IP
		link set $NAME-tunnel up
		addr add 169.254.$number.2 peer 169.254.0.1 dev relay
		link set relay up
		rule add iif relay lookup 1
		route add default dev $NAME-tunnel table 1
		rule add iif $NAME-tunnel lookup 2
		route add default via 169.254.0.1 dev relay table 2
	IP
	nsenter --net="/run/netns/$NETNS$ns" bash -s <<-INSIDE
		echo 1 >/proc/sys/net/ipv4/ip_forward
		echo 0 | tee /proc/sys/net/ipv4/conf/{all,relay,$NAME-tunnel}/rp_filter >/dev/null
		nft -f - <<-NFT
			table ip $NAME {
				chain names {
					type filter hook prerouting priority raw;
					notrack
					iifname "$NAME-tunnel" ip saddr $from/16 ip saddr set ip saddr & 0.0.255.255 | $to
					iifname "relay" ip daddr $to/16 ip daddr set ip daddr & 0.0.255.255 | $from
				}
			}
		NFT
	INSIDE
}

stop() {
	local ns
	while read -r ns; do
		ip link del "$ns"
		ip netns del "$NETNS$ns"
	done < <(cat "$RUN/neighbours" 2>/dev/null)
	ip -batch - <<-IP
		rule del priority $TABLE
		route flush table $TABLE
		link del $NAME-pool
	IP
	nft delete table ip $NAME
	rm -r "$RUN"
}

"$@"
