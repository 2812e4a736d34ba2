#!/bin/bash
# t_rekey: a telescope whose keys live for seconds. While child and IKE SAs of every layer and of the overlay tunnels are replaced
# again and again, by time and by bytes, no ping of 100 a second is lost, and a TCP transfer both ways comes out right.
#
#   client1 == n1 -- n2 -- n3 -- web     n2-n3: keys replaced by bytes only; a spare circuit: by time only
#
# Limits in bytes do most: on a busy machine traffic slows down as daemons do, and a hard limit does not come before its time.
# limit: 600 s
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/world.sh"
. "$(dirname "$0")/circuits.sh"
run_where_esp_is "$0" "$@"
require_root
require_programs ippriv-node ippriv-client ippriv ippriv-directory

PINGS=3000
BYTES=4000000
RATE=2mbit # of the client's link, so that the transfer lasts; its windows are small, so that nothing waits for long
WINDOWS=(net.ipv4.tcp_rmem="4096 8192 16384" net.ipv4.tcp_wmem="4096 8192 16384")
MANY=10 # of child SAs

relay_status() { ns_exec "$1" "$BUILD_DIR/ippriv-node" -c "$OUT/etc/$1.conf" status --json; }

# rekeyed: a line for each SA pair: who, child SAs replaced, IKE SAs replaced. First the layers, as the client tells it.
rekeyed() {
	ippriv client1 status --json | jq -r '.circuits[] | (if .attached then "layer" else "spare" end) as $of | .hops[] |
		"\($of)-\(.nickname) \(.rekeys - .ike_rekeys) \(.ike_rekeys)"'
	for n in n1 n2; do
		relay_status $n | jq -r --arg n $n '.tunnels[] | select(.state == "established" and .relay > $n) |
			"tunnel-\($n)-\(.relay) \(.rekeys - .ike_rekeys) \(.ike_rekeys)"'
	done
}
# What kernels counted of packets that they could not place.
errors() {
	for n in n1 n2 n3 client1; do
		# shellcheck disable=SC2016
		echo "$n: $(ns_exec $n awk '$2 > 0 { printf "%s %s ", $1, $2 }' /proc/net/xfrm_stat)"
	done
}
in_use() { ippriv client1 status --json | jq -c '[.circuits[] | select(.attached) | .id]'; }

server() {
	TRAFFIC=$(world_ip web):9000
	ns_exec web sysctl -qw "${WINDOWS[@]}"
	spawn web traffic python3 "$SOURCE/netns/traffic.py" serve "$TRAFFIC"
	wait_for 20 grep -q 'traffic: ready' "$OUT/traffic.log"
}

must "hosts on a routed Internet" world_up
ns_exec client1 tc qdisc add dev to-ra root netem rate $RATE limit 10000
ns_exec ra tc qdisc add dev to-client1 root netem rate $RATE limit 10000
must "a server of traffic" server
world_directory_conf
world_relay_conf n1 "child_life = 8" "ike_life = 5"
world_relay_conf n2 "child_kilobytes = 300"
world_relay_conf n3 "child_kilobytes = 300" "exit = true"
must "directory and relays start" world_daemons n1 n2 n3
circuits_client client1 n1 n2 n3 "child_life = 8" "child_kilobytes = 450" "ike_life = 5"
must "the client starts" world_start client1
must "a circuit is held" hold client1 H
in_hold H sysctl -qw "${WINDOWS[@]}"
check_eq "it carries traffic" "sent 1 back 1 foreign 0" "$(traffic H udp "$TRAFFIC" warm 1)"
check_eq "ping is answered" "1 received" "$(ping_all H 1)"
circuit=$(in_use)
before=$(errors)
rekeyed >"$OUT/before"

together pings in_hold H ping -n -D -i 0.01 -c $PINGS -W 5 "$(world_ip web)"
together transfer traffic H tcp "$TRAFFIC" rekey $BYTES
together_end
rekeyed >"$OUT/after"
sed 's/^/# /' "$OUT/after"
tail -n 2 "$OUT/pings.out" | sed 's/^/# /'

check_eq "all pings are answered, once" "$PINGS packets transmitted, $PINGS received, 0% packet loss" \
	"$(sed -n 's/\(.*loss\),.*/\1/p' "$OUT/pings.out")"
check_eq "the TCP transfer is right both ways" good "$(said transfer)"
check_eq "the same telescope all the time" "$circuit" "$(in_use)"
check_eq "no kernel has met a packet that it could not place" "$before" "$(errors)"
check_eq "three layers, three spare ones, two tunnels" 8 "$(wc -l <"$OUT/after")"
while read -r who children ikes; do
	read -r children_before ikes_before < <(sed -n "s/^$who //p" "$OUT/before")
	children=$((children - children_before)) ikes=$((ikes - ikes_before))
	case $who in
	spare-*) check "$who: $children times new keys, by time" test $children -ge 2 ;;
	*) check "$who: $children times new keys" test $children -ge $MANY ;;
	esac
	[ "$who" = tunnel-n2-n3 ] || check "$who: $ikes times a new IKE SA" test $ikes -ge 4
done <"$OUT/after"
check_not "nobody's keys ran out" grep -h "not rekeyed in time" "$OUT"/n?.log "$OUT/client1.log"
