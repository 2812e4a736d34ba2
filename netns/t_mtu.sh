#!/bin/bash
# t_mtu: small links do not swallow what is too big for them: at the client, between relays, at the exit and behind it, over IPv4 and
# IPv6; and what of a client's system the Internet sees in the heads of its packets.
#   client1 ── ra ── n1 entry      ra ── rb ── n2 middle, n3 exit, web      each test makes another of these links small
# limit: 600 s
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/world.sh"
. "$(dirname "$0")/circuits.sh"
run_where_esp_is "$0" "$@"
require_root
require_programs ippriv-node ippriv-client ippriv ippriv-directory
BYTES=200000
MTU=1306 MSS=$((MTU - 40))
SIX=2001:db8:0:a ENTRY6=2001:db8:0:c
web=$(world_ip web)

# small MTU A B: that link, at both ends.
small() { ns_ip "$2" link set "to-$3" mtu "$1" && ns_ip "$3" link set "to-$2" mtu "$1"; }

# whole: of how many bytes is the biggest echo that may not be fragmented and is answered: MTU, or what the client hears instead.
whole() {
	local size=$MTU
	for _ in 1 2 3 4; do
		if in_hold H ping -q -c 1 -W 3 -M do -s $((size - 28)) "$web" >/dev/null 2>&1; then
			echo "$size"
			return
		fi
		size=$(in_hold H ip route get "$web" | sed -n 's/.* mtu \([0-9]*\).*/\1/p')
		size=${size:-$MTU}
	done
	echo lost
}
# check_all TEXT WHOLE: nothing of any size is lost; WHOLE is a pattern for what `whole` says.
check_all() {
	local size
	check_eq "$1: $BYTES bytes each way by TCP" good "$(traffic H tcp "$TRAFFIC" "$RANDOM" $BYTES)"
	check_eq "$1: datagrams of any size" "100 good 1278 good 1279 good 4000 good 20000 good" \
		"$(in_hold H python3 -I -S "$SOURCE/netns/mtu.py" echo "$web:9001" 100 1278 1279 4000 20000 | paste -sd' ')"
	size=$(whole)
	check "$1: an echo that may not be fragmented, of $size bytes" grep -qx "$2" <<<"$size"
}
ask_web() { in_hold H python3 -I -S "$SOURCE/netns/mtu.py" ask "$web:9001" "$1"; }
# heads FILTER: how packets with that look at the server, each kind once: TTL, type of service, DF, id (0 or not).
heads() {
	capture_read rb to-web "src $(world_ip n3) and ($1)" -v |
		sed -n 's/.*(tos \([^,]*\), ttl \([0-9]*\), id \([0-9]*\),.*flags \[\([^]]*\)\].*/\2 tos \1 \4 id \3/p' |
		sed 's/id [1-9].*/id some/' | sort -u | paste -sd,
}
syns() { capture_read "$1" "$2" "$3" | sed -n 's/.*Flags \(\[[^]]*\]\).*options \(\[.*\]\), length.*/\1 \2/p' |
	sed 's/wscale [0-9]*/wscale/' | sort -u | paste -sd,; }
dropped() { ns_exec n3 nft list table ip ippriv_node | sed -n "s/.*packets \([0-9]*\) .*\"$1\".*/\1/p"; }

must "hosts on a routed Internet" world_up
printf '%s\n' "addr add $SIX::1/64 dev to-client1" "addr add $ENTRY6::1/64 dev to-n1" | ns_ip ra -batch -
printf '%s\n' "addr add $ENTRY6::2/64 dev to-ra" "route add default via $ENTRY6::1" | ns_ip n1 -batch -
must "a server of traffic" traffic_server
spawn web mtu python3 -I -S "$SOURCE/netns/mtu.py" serve "$web:9001"
must "one of datagrams" wait_for 20 has_line "$OUT/mtu.log" 'mtu: ready'
world_directory_conf
world_relay_conf n1 "address6 = \"$ENTRY6::2\""
world_relay_conf n2
world_relay_conf n3 "exit = true"
must "directory and relays start" world_daemons n1 n2 n3
circuits_client client1 n1 n2 n3
must "the client starts" world_start client1
must "a circuit is held" hold client1 H
must "the server's link is watched" capture_start rb to-web "host $(world_ip n3)"

# 1. Sizes, with links of 1500 bytes.
check_all "1500 bytes everywhere" $MTU
check_not "one byte more does not leave the client" in_hold H ping -q -c 1 -W 2 -M do -s $((MTU - 27)) "$web"

# 2. What shows. A system with another TTL, ECN, type of service and routes of its own making.
in_hold H sysctl -qw net.ipv4.ip_default_ttl=200 net.ipv4.tcp_ecn=1
spawn - inside nsenter -t "${hold_pid[H]}" -n -- tcpdump -i ippriv0 -w "$OUT/inside-ippriv0.pcap" -Z root -U --immediate-mode -n tcp
must "what the client sees is watched" wait_for 10 has_line "$OUT/inside.log" '*listening on*'
check_eq "TCP with ECN" good "$(traffic H tcp "$TRAFFIC" ecn 20000)"
for options in "-t 37 -Q 0xb8" "-M dont -Q 3"; do
	# shellcheck disable=SC2086
	check "ping $options is answered" in_hold H ping -q -c 1 -W 5 $options "$web"
done
before=$(dropped "IP options")
check_not "ping with IP options is not" in_hold H ping -q -c 1 -W 1 -R "$web"
check_eq "and is counted" $((before + 1)) "$(dropped "IP options")"
nap 0.5
check_eq "TCP: TTL, type of service, id" "63 tos 0x0 DF id 0" "$(heads "tcp and not tcp[13] & 4 != 0")"
check_eq "UDP and echoes: so; with an id where a router may have to fragment" "63 tos 0x0 DF id 0,63 tos 0x0 none id some" \
	"$(heads "(udp or icmp[icmptype] = icmp-echo) and ip[6:2] & 0x3fff = 0")"
check_eq "SYN: no timestamps, no ECN, the segment that fits" \
	"[S] [mss $MSS,sackOK,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,wscale]" "$(syns rb to-web "src $(world_ip n3) and tcp[13] & 2 != 0")"
check_eq "the server's SYN says that it takes 1460" "[S.] [mss 1460,nop,nop,sackOK,nop,wscale]" "$(syns rb to-web "src $web and tcp[13] & 2 != 0")"
check_eq "the client hears that it takes $MSS" "[S.] [mss $MSS,nop,nop,sackOK,nop,wscale]" "$(syns inside ippriv0 "src $web and tcp[13] & 2 != 0")"
stop "$spawned"

# 3. What is too big for the exit, or for a link behind it.
check_eq "what is too big comes not whole from the Internet" lost "$(ask_web $((MTU - 27)))"
check_eq "for the exit says how much" "at most $MTU bytes" "$(ask_web $((MTU - 27)))"
check_eq "and so much does" "$((MTU - 28)) bytes" "$(ask_web $((MTU - 28)))"
ns_ip rb route add "$web/32" dev to-web mtu 1300 # the server has to be told
check_not "a link of 1300 bytes before the server: the first echo of $MTU is lost" in_hold H ping -q -c 1 -W 1 -M do -s $((MTU - 28)) "$web"
check "the client hears why" grep -q 'mtu 1300' <(in_hold H ip route get "$web")
check_eq "TCP goes on" good "$(traffic H tcp "$TRAFFIC" behind $BYTES)"
ns_ip rb route del "$web/32"
in_hold H ip route flush cache

# 4. Small links. Nothing may shrink for those between relays; for the client's own the first layers do.
small 1420 rb n2
check_all "the middle's link 1420" $MTU
small 1280 rb n2
check_all "the middle's link 1280" $MTU
small 1500 rb n2
small 1280 ra rb
check_all "a router's link between relays 1280" $MTU
small 1500 ra rb
for mtu in 1420 1280; do
	small $mtu client1 ra
	check_all "client's link $mtu" '1[0-9]*'
done
small 1500 client1 ra

# 5. IPv6 between client and entry.
printf '%s\n' "addr add $SIX::2/64 dev to-ra" "route add default via $SIX::1" "route del default" \
	"addr del $(world_ip client1)/30 dev to-ra" | ns_ip client1 -batch -
by_six() { relay_json n1 | jq -e --arg at $SIX::2 '[.circuits[] | select(.state == "established").outer] | unique == [$at]'; }
must "the client moves to IPv6" wait_for 30 by_six
check_all "IPv6" '1[0-9]*'
small 1280 client1 ra
check_all "IPv6, client's link 1280" '1[0-9]*'
small 1500 client1 ra
small 1280 ra n1
check_all "IPv6, entry's link 1280" '1[0-9]*'
small 1500 ra n1
