#!/bin/bash
# t_nat: clients and an entry behind NATs, the scenarios A to F of the draft of 2001 (nat.sh), all at once: pages through the
# telescope, what the links see, keepalives, and mappings that change under a transfer.
# limit: 600 s
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/world.sh"
. "$(dirname "$0")/circuits.sh"
. "$(dirname "$0")/nat.sh"
run_where_esp_is "$0" "$@"
require_root
require_programs ippriv-node ippriv-client ippriv ippriv-directory
BYTES=100000
KEEPALIVE=1 # seconds

must "hosts on a routed Internet, some behind NATs" nat_up
must "the servers start" eval "world_services && traffic_server 900"
must "what observers see is recorded" eval '
	capture_start nat1 lan -s 128 && capture_start nat2 lan -s 128 && capture_start rc to-clientD -s 128 &&
	capture_start dmz to-n6 -s 128 && capture_start n2 to-rb -s 128 && capture_start n3 to-rb -s 128 &&
	capture_start ra to-n1 -s 128 && capture_start clientC to-home -s 128'
world_directory_conf
world_relay_conf n1 "pool = \"$NAT_POOL\""
world_relay_conf n2 "pool = \"$NAT_POOL\""
world_relay_conf n3 "pool = \"$NAT_POOL\"" "exit = true" "dns = $(world_ip web)"
world_relay_conf n6 "listen = $NAT_DMZ"
must "directory and relays start" world_daemons n1 n2 n3 n6

# Side by side, as most of it is waiting.
for client in $NAT_CLIENTS; do
	entry=n1
	case $client in *[BD]) entry=n6 ;; esac
	circuits_client $client $entry n2 n3 "keepalive = $KEEPALIVE"
	spawn $client $client "$BUILD_DIR/ippriv-client" -c "$OUT/etc/$client.conf"
	world_pid[$client]=$spawned
done
for client in $NAT_CLIENTS; do
	check "$client is ready" wait_for 30 grep -q ': ready$' "$OUT/$client.log"
	must "and has a circuit" hold $client ${client#client}
done
tags="A1 A2 B C D E F"

# --- pages

# The address that web sees. A shell takes less time to start than a browser.
ask='exec 3<>/dev/tcp/$0/80 && printf "GET /ip HTTP/1.0\r\n\r\n" >&3 && tail -n 1 <&3'
page() { # TAG
	in_hold "$1" timeout 30 bash -c "$ask" "$(world_ip web)" | cut -d' ' -f1
}
for tag in $tags; do
	together "page-$tag" page "$tag"
	together "tcp-$tag" traffic "$tag" tcp "$TRAFFIC" "$tag" $BYTES
done
F=$(hold_address F)
together clear ns_exec lan curl -s -m 60 --interface "$F" "http://$(world_ip web)/ip"
together_end
declare -A what=([A1]="A, first client behind a NAT" [A2]="A, second client behind it" [B]="B, NAT before either end"
	[C]="C, client behind two NATs" [D]="D, entry behind a 1:1 NAT" [E]="E, address as A's first client, another NAT"
	[F]="F, client that is a gateway")
for tag in $tags; do
	check_eq "${what[$tag]}: a page shows the exit's address" "$(world_ip n3)" "$(said "page-$tag")"
	check_eq "${what[$tag]}: $BYTES bytes each way are the right ones" good "$(said "tcp-$tag")"
done
outer() { circuits_of "$1" | awk '{ print $2 }' | sort -u | while read -r ip; do world_who "$ip"; done | sort | paste -sd' '; }
check_eq "at n1, clients are known by their NATs" "nat1 nat2" "$(outer n1)"
check_eq "at n6 behind its NAT, by theirs or their own" "clientD nat1" "$(outer n6)"
check_eq "n1 tells A's clients apart by their ports, C's, too" 3 "$(nat_ports n1 "$(world_ip nat1)" | wc -l)"
check_eq "and E's from F's" 2 "$(nat_ports n1 "$(world_ip nat2)" | wc -l)"
check_eq "F: a host of the LAN goes out in clear as ever, although the exit has assigned its address $F" "$(world_ip nat2)" "$(said clear | cut -d' ' -f1)"

# --- keepalives

is_alive='udp dst port 4500 and udp[4:2] = 9 and udp[8] = 255'
alive_of() { # NAME DEVICE SOURCE: how many so far
	capture_read "$1" "$2" "src host $3 and $is_alive" | wc -l
}
# Of the client's circuits, one in use and others in reserve, the first is idle or not.
alive_idle=$(alive_of nat1 lan $NAT_LAN.3)
sleep 6
alive_idle=$(($(alive_of nat1 lan $NAT_LAN.3) - alive_idle))
alive_busy=$(alive_of nat1 lan $NAT_LAN.3)
in_hold A2 ping -n -q -i 0.2 -w 6 "$(world_ip web)" >/dev/null
alive_busy=$(($(alive_of nat1 lan $NAT_LAN.3) - alive_busy))
check "keepalives keep mappings alive ($alive_idle in 6 s)" test $alive_idle -ge 3
check "only idle circuits send them ($alive_busy when one of them is busy)" test $alive_busy -lt $alive_idle

# --- a NAT forgets

# Slow enough to last, wherever this runs.
ns_exec clientA1 tc qdisc add dev to-nat1 root tbf rate 400kbit burst 10k latency 300ms
before=$(nat_ports n1 "$(world_ip nat1)")
new_ports() { comm -13 <(echo "$before") <(nat_ports n1 "$(world_ip nat1)") | wc -l; }
has_new_ports() { [ "$(new_ports)" -ge "$1" ]; }
together more traffic A1 tcp "$TRAFFIC" more 800000
sleep 1
check "nat1 forgets its mappings" nat_forget nat1 lan
check "n1 follows" wait_for 30 has_new_ports 1
check "home forgets, too" nat_forget home to-clientC
check "the transfer is still under way" kill -0 "${together_pids[0]}"
together_end
check_eq "A: a transfer goes on when the NAT maps anew" good "$(said more)"
for tag in A2 B C; do
	together "again-$tag" traffic "$tag" tcp "$TRAFFIC" "again-$tag" 20000
done
together_end
# Seen once: C's circuit in use sent nothing from here on. Its link's capture stays, too.
why() {
	ns_exec "client$1" awk '$2 { print "#", $0 }' /proc/net/xfrm_stat
	tail -n 12 "$OUT/client$1.log" | sed 's/^/# /'
}
for tag in A2 B C; do
	check_eq "${what[$tag]}: goes on, too" good "$(said "again-$tag")" || why "$tag"
done
# Circuits in reserve are followed when they say something next.
check "n1 has followed the three clients behind nat1 to new ports ($(new_ports))" has_new_ports 3

# --- what observers have seen

capture_stop
alive_d=$(alive_of rc to-clientD "$(world_ip clientD)")
check_eq "a client that is behind no NAT sends no keepalives" 0 "$alive_d"
# And the page that a host behind clientF got in clear, and what a router's bridge says when it comes up.
known="udp port 500 or udp port 4500 or (tcp and host $(world_ip dir)) or (tcp port 80 and host $NAT_LAN.3 and host $(world_ip web))"
known+=" or (igmp and src host $NAT_LAN.1)"
for link in "nat1 lan" "nat2 lan" "rc to-clientD"; do
	# shellcheck disable=SC2086
	check_eq "on $link: UDP 500 and 4500, the directory, nothing else" "" "$(capture_read $link "ip and not ($known)" | head -n 3)"
done
odd="udp port 4500 and udp[4:2] > 9 and udp[8:4] = 0"
check "IKE on 4500 is behind its marker" test "$(capture_read nat1 lan "$odd" | wc -l)" -gt 0
check "ESP is in UDP" test "$(capture_read nat1 lan "udp port 4500 and udp[4:2] > 9 and not udp[8:4] = 0" | wc -l)" -gt 100
for link in "n2 to-rb" "n3 to-rb"; do
	# shellcheck disable=SC2086
	check_eq "on $link, outside or inside of tunnels: no UDP around ESP" 0 "$(capture_read $link udp port 4500 | wc -l)"
	# shellcheck disable=SC2086
	check "there is ESP between relays" test "$(capture_read $link "esp and src net 203.0.113.0/24" | wc -l)" -gt 100
	# shellcheck disable=SC2086
	check "and ESP of clients in it" test "$(capture_read $link "esp and src net 100.64.0.0/10" | wc -l)" -gt 100
done
RELAYS="host $(world_ip n2) or host $(world_ip n3) or host $(world_ip n6)"
check_eq "between n1 and relays: ESP and IKE on 500 only" "" \
	"$(capture_read ra to-n1 "($RELAYS) and not esp and not udp port 500" | head -n 3)"
check_eq "between n6 and relays, too" "" \
	"$(capture_read dmz to-n6 "(host $(world_ip n2) or host $(world_ip n3)) and not esp and not udp port 500" | head -n 3)"
