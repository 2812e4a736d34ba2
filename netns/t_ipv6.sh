#!/bin/bash
# t_ipv6: IPv6 inside of a telescope that is IPv4 outside: programs in `ippriv run` reach IPv6 servers from the exit's address, by TCP,
# UDP and ping; what of the client shows; what exits refuse, and clients of exits; nothing of it in clear at the client, nothing left.
# limit: 600 s
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/world.sh"
. "$(dirname "$0")/circuits.sh"
. "$(dirname "$0")/six.sh"
run_where_esp_is "$0" "$@"
require_root
require_programs ippriv-node ippriv-client ippriv ippriv-directory

MSS=1246 # what fits into 1306 bytes
BYTES=200000

dropped() { ns_exec n3 nft list table ip6 ippriv_node | sed -n "s/.*packets \([0-9]*\) .*\"$1\".*/\1/p" | awk '{n += $1} END {print n + 0}'; }
# refused TEXT WHY CMD…: CMD fails, and the exit has counted it so.
refused() {
	local text=$1 why=$2 before
	shift 2
	before=$(dropped "$why")
	check_not "$text" in_hold H "$@"
	check "and the exit counts it: $why" [ "$(dropped "$why")" -gt "$before" ]
}
# Those that clients began.
flows() { ns_exec n3 sed 's/src=/\n/2; s/\n.*//' /proc/net/nf_conntrack | grep -c "^ipv6.*src=fd49:5070:7269:7600"; }

test_address() {
	local four
	four=$(hold_address H)
	# shellcheck disable=SC2046
	check_eq "the interface has the address that goes with $four, and no other" \
		"$(printf 'fd49:5070:7269:7600::%x:%x' $(awk -F. '{print $1 * 256 + $2, $3 * 256 + $4}' <<<"$four"))" "$(inner H)"
	check_eq "status says it" "$(inner H)" "$(ippriv client1 status --json | jq -r '.circuits[] | select(.attached) | .address6')"
	check "for people, too" grep -q 'fd49:5070' <(ippriv client1 status)
	check_eq "its relay knows it" 1 "$(relay_json n3 | jq --arg a "$(inner H)" '[.circuits[] | select(.assigned6 == $a)] | length')"
	check_eq "an entry and a middle gave none" "0 0" "$(for n in n1 n2; do
		relay_json $n | jq '[.circuits[] | select(.assigned6)] | length'; done | paste -sd' ')"
	check_eq "one default route" "default dev ippriv0" \
		"$(in_hold H ip -6 route show default | sed 's/ proto.*//')"
}

test_traffic() {
	check_eq "a page of an IPv6 server, which sees the exit" $EXIT "$(from_web H)"
	check "with a port of the exit's range" test "$(awk '/^http/ {p = $3} END {print p + 0}' "$OUT/web6.requests")" -ge 16384
	check "ping" in_hold H ping -6 -n -q -c 3 -i 0.2 -W 5 $WEB
	check_eq "UDP" "$EXIT" "$(in_hold H sh -c "echo hello | socat -t 5 - UDP6:[$WEB]:7" | cut -d' ' -f1)"
	check_eq "$BYTES bytes each way by TCP" good "$(traffic H tcp "$TRAFFIC" both $BYTES)"
	check_eq "datagrams" "sent 50 back 50 foreign 0" "$(traffic H udp "$TRAFFIC" grams 50)"
	check_eq "a port where nobody is says so at once" "Connection refused" \
		"$(in_hold H sh -c "echo hello | socat -t 5 - UDP6:[$WEB]:4444" 2>&1 | sed -n 's/.*: //p' | tail -n 1)"
	check_eq "IPv4 goes on beside it" "$(world_ip n3)" "$(in_hold H curl -s -m 10 "http://$web/ip" | cut -d' ' -f1)"
}

# What of the client's system shows.
heads() {
	capture_read rb to-web "ip6 src $EXIT and ($1)" -v |
		sed -n 's/^IP6 (\(.*\)hlim \([0-9]*\), next-header \([A-Za-z0-9]*\) .*/\1hlim \2 \3/p' | sort -u | paste -sd,
}
syns() {
	capture_read rb to-web "ip6 src $EXIT and ip6[53] & 2 != 0" |
		sed -n 's/.*Flags \(\[[^]]*\]\).*options \(\[.*\]\), length.*/\1 \2/p' | sed 's/wscale [0-9]*/wscale/' | sort -u | paste -sd,
}
test_heads() {
	in_hold H sysctl -qw net.ipv6.conf.all.hop_limit=200 net.ipv6.conf.ippriv0.hop_limit=200 net.ipv4.tcp_ecn=1
	check_eq "TCP with ECN" good "$(traffic H tcp "$TRAFFIC" ecn 20000)"
	check "ping with a traffic class and a flow label" in_hold H ping -6 -n -q -c 1 -W 5 -Q 0xb8 -F 0x12345 $WEB
	nap 0.3
	check_eq "hop limit, traffic class, flow label: all alike" "hlim 63 ICMPv6,hlim 63 TCP,hlim 63 UDP" "$(heads "ip6")"
	check_eq "SYN: no timestamps, no ECN, the segment that fits" \
		"[S] [mss $MSS,sackOK,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,wscale]" "$(syns)"
}

test_refusals() {
	check_not "a destination of nobody's, on the client itself" in_hold H curl -s -m 5 "http://[fd00::1]/"
	check_not "nor a neighbour" in_hold H ping -6 -n -q -c 1 -W 1 fe80::1%ippriv0
	check_not "nor all routers" in_hold H ping -6 -n -q -c 1 -W 1 ff02::2%ippriv0
	refused "6to4 is refused" "not a public address" ping -6 -n -q -c 1 -W 1 2002:a00:1::1
	refused "Teredo is refused" "not a public address" ping -6 -n -q -c 1 -W 1 2001:0:a00::1
	refused "a port that the policy closes" "exit policy" curl -s -m 2 "http://[$WEB]:81/ip"
	refused "a network that it closes" "exit policy" ping -6 -n -q -c 1 -W 1 2001:db8:bad::1
	check_not "the relay itself" in_hold H ping -6 -n -q -c 1 -W 1 $EXIT
	check_eq "no one from outside gets in" "" "$(ns_exec web ping -6 -n -q -c 1 -W 1 "$(inner H)" 2>/dev/null | grep ' 1 received')"
}

# The client's own kernel would not send such packets; its owner makes it.
test_spoof() {
	local id fd maker='' before all own
	id=$(in_hold H ip -d link show dev ippriv0 | sed -n 's/.*if_id \(0x[0-9a-f]*\).*/\1/p')
	for fd in /proc/"${world_pid[client1]}"/fd/*; do
		case $(readlink "$fd") in
		net:*) grep -q "if_id $id" <(nsenter --net="$fd" ip xfrm policy) && maker=$fd && break ;;
		esac
	done
	must "the namespace that encrypts the last layer is found" test -n "$maker"
	own=$(nsenter --net="$maker" ip -o -4 addr show | awk '$2 ~ /^ippriv/ {sub("/.*", "", $4); print $4; exit}')
	in_hold_root ip addr add 2001:db8:bad::7/128 dev ippriv0 nodad
	nsenter --net="$maker" ip xfrm policy add src 2001:db8:bad::7/128 dst ::/0 dir out priority 1 if_id "$id" \
		tmpl src "$own" dst "$(world_ip n3)" proto esp reqid $((id)) mode tunnel
	before=$(xfrm_errors n3 '^XfrmIn(NoPols|TmplMismatch)')
	all=$(capture_read rb to-n3 | wc -l)
	in_hold H ping -6 -n -q -c 4 -i 0.2 -W 1 -I 2001:db8:bad::7 $WEB >/dev/null 2>&1
	check_eq "four packets with another source end at the exit" 4 "$(($(xfrm_errors n3 '^XfrmIn(NoPols|TmplMismatch)') - before))"
	check_eq "and none goes on" 0 "$(capture_read rb to-n3 "ip6 host 2001:db8:bad::7" | wc -l)"
	in_hold_root ip addr del 2001:db8:bad::7/128 dev ippriv0
	check_eq "the right one does" $EXIT "$(from_web H)"
}
in_hold_root() { nsenter -t "${hold_pid[H]}" -n -- "$@"; }

# A router advertisement, a redirect, an echo request from the exit itself.
speak='import socket, sys
s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, 255)
s.bind((sys.argv[1], 0, 0, socket.if_nametoindex("ippriv-pool")))
for kind, body in ((134, b"\x40\x08\x07\x08" + bytes(8)), (128, bytes(4))):
    s.sendto(bytes([kind, 0, 0, 0]) + body, (sys.argv[2], 0, 0, 0))'
test_hostile_exit() {
	local routes link
	routes=$(in_hold H ip -6 route show)
	link=$(ns_ip n3 -o -6 addr show dev ippriv-pool scope link | awk '{sub("/.*", "", $4); print $4}')
	check "the exit speaks as a router" ns_exec n3 python3 -I -c "$speak" "$link" "$(inner H)"
	nap 1
	check_eq "nobody listens: the same routes" "$routes" "$(in_hold H ip -6 route show)"
	check_eq "the same address alone" 1 "$(inner H | wc -l)"
}

no_flows() { [ "$(flows)" = 0 ]; }
policies_of_six() { ns_exec n3 ip -6 xfrm policy | grep -c fd49:5070; }
none_left() { [ "$(policies_of_six)" = 0 ]; }
test_end() {
	check "the exit tracks connections" [ "$(flows)" -gt 0 ]
	capture_stop
	check_eq "in clear the client's link has shown nothing of it" 0 \
		"$(capture_link_read client1 ra "ip6 and (net $INNER or host $WEB or net 2001:db8:bad::/64 or net 2002::/16)" | wc -l)"
	release H
	check "it forgets them with the circuit" wait_for 10 no_flows
	world_stop client1
	check "and the policies" wait_for 20 none_left
	world_stop n3
	check_eq "a relay that stops leaves nothing" "$clean" "$(ns_state n3)"
	check_eq "nor does the client" "$clean_client" "$(ns_state client1)"
}

must "hosts on a routed Internet" world_up
must "IPv6 on some links" six_links
clean=$(ns_state n3) clean_client=$(ns_state client1)
must "the services start" world_services
must "those of IPv6 too" six_services
check "IPv6 works without the tunnel" ns_exec client1 ping -6 -n -q -c 1 -W 5 $WEB
must "directory and relays start" six_relays 'exit_policy = { "reject tcp *:81", "reject any [2001:db8:bad::/48]", "accept any" }'
circuits_client client1 n1 n2 n3
must "the client starts" world_start client1
must "its link is watched" capture_link client1 ra
must "the server's link is watched" capture_start rb to-web ip6
must "and the exit's" capture_start rb to-n3
must "a circuit is held" hold client1 H
test_address
test_traffic
test_heads
test_refusals
test_spoof
test_hostile_exit
test_end
