#!/bin/bash
# t_napt: what an exit's NAPT and policy let out, whose port is whose, and that nothing else gets in or out.
# limit: 600 s
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/world.sh"
. "$(dirname "$0")/circuits.sh"
run_where_esp_is "$0" "$@"
require_root
require_programs ippriv-node ippriv-client ippriv ippriv-directory
LO=20000 HI=29999

WEB=$(world_ip web) EXIT=$(world_ip n3)
must "hosts on a routed Internet" world_up
must "the server starts" traffic_server
spawn web smtp python3 -I -S "$SOURCE/netns/traffic.py" serve "$WEB:25"
spawn n3 listener python3 -I -S "$SOURCE/netns/traffic.py" serve "$EXIT:1194"
spawn n3 local python3 -I -S "$SOURCE/netns/traffic.py" serve "127.0.0.1:1195"
for server in smtp listener local; do
	must "so does $server" wait_for 20 grep -q ready "$OUT/$server.log"
done
world_directory_conf
world_relay_conf n1
world_relay_conf n2 "exit = true" "exit_policy = { \"accept tcp $WEB/32:25\" }"
world_relay_conf n3 "exit = true" "nat_ports = \"$LO-$HI\""
must "directory and relays start" world_daemons n1 n2 n3
for relay in n1 n2 n3; do
	must "the link of $relay is watched" capture_start "${world_router[$relay]}" "to-$relay" "not host $(world_ip dir)"
done
for client in client1 client2; do
	circuits_client $client n1 n2 n3
	must "$client starts" world_start $client
	must "$client holds a circuit" hold $client of-$client
done
c1() { traffic of-client1 "$@"; }
c2() { traffic of-client2 "$@"; }
in_range() { test "$1" -ge $LO -a "$1" -le $HI; }
dropped() { ns_exec n3 nft list table ip ippriv_node | sed -n "s/.*packets \([0-9]*\) .*\"$1\".*/\1/p" | awk '{n += $1} END {print n + 0}'; }
seen() { capture_read rb to-n3 "$1" | wc -l; }

# 1. Ports.
chosen="500 53 1024 25000 40000"
# shellcheck disable=SC2086
mapped=$(c1 ports "$TRAFFIC" $chosen)
check_eq "each chosen port is answered" 5 "$(grep -c '^[0-9]' <<<"$mapped")"
while read -r port got; do
	check "port $port is seen as $got, a NAPT port" in_range "$got"
	check_not "which is not the chosen one" test "$got" = "$port"
done < <(paste <(tr ' ' '\n' <<<"$chosen") - <<<"$mapped")
many=$(c1 ports "$TRAFFIC" 30000-30199)
spread() { # of 200: in range, different, in each quarter of the range (50 expected), near the one before (4 expected)
	awk -v lo=$LO -v hi=$HI '
		$1 >= lo && $1 <= hi { good++; different += !seen[$1]++; quarter[int(($1 - lo) * 4 / (hi - lo + 1))]++ }
		NR > 1 && $1 - last < 100 && last - $1 < 100 { near++ }
		{ last = $1 }
		END {
			for (q = 0; q < 4; q++)
				even += quarter[q] >= 25 && quarter[q] <= 80
			print good + 0, different + 0, even, near < 25 ? "scattered" : "in order"
		}' <<<"$many"
}
check_eq "200 connections have 200 ports, all over the range, in no order" "200 200 4 scattered" "$(spread)"

# 2. Whose is whose. Client 2 tries the same port, the port that client 1 is seen at, and many more.
first=$(c1 ports "$TRAFFIC" 40000)
check_eq "client 1 keeps its port" "$first" "$(c1 ports "$TRAFFIC" 40000)"
others=$(c2 ports "$TRAFFIC" 40000 "$first" 31000-31099)
check_eq "client 2 is answered too" 102 "$(grep -c '^[0-9]' <<<"$others")"
check_not "client 2 is never seen at client 1's port" grep -qx "$first" <<<"$others"
together one c1 udp "$TRAFFIC" one 20 40000
together two c2 udp "$TRAFFIC" two 20 40000
together three c2 udp "$TRAFFIC" three 20 "$first"
together_end
for name in one two three; do
	check_eq "flow $name gets its own answers only" "sent 20 back 20 foreign 0" "$(said $name)"
done
check_eq "client 1 still has its port" "$first" "$(c1 ports "$TRAFFIC" 40000)"
together own1 c2 ports "$EXIT:1194" 41000
together own2 c2 ports "$EXIT:$first" 41001
together_end
check_eq "a client cannot ask the exit's own address" "lost lost" "$(said own1) $(said own2)"

# 3. The exit's own ports (CVE-2021-3773): a client sends from them to where they will be asked from.
ike_received() { relay_json n3 | jq .ike.malformed; }
shadow=("udp:500:$WEB:9001" "udp:1194:$WEB:9001" "udp:$first:$WEB:9001")
c2 send "$(hold_address of-client2)" 3 "${shadow[@]}"
check "they arrive, from NAPT ports" wait_for 5 test "$(seen "src $EXIT and dst $WEB and dst port 9001 and src portrange $LO-$HI")" -ge 9
before=$(ike_received)
ns_exec web python3 -I -S "$SOURCE/netns/traffic.py" send "$WEB" 1 "udp:9001:$EXIT:500"
received_more() { [ "$(ike_received)" = $((before + 1)) ]; }
check "what asks the exit's port 500 reaches its IKE" wait_for 5 received_more
check_eq "what asks the exit's port 1194 reaches who listens there" 9001 \
	"$(ns_exec web python3 -I -S "$SOURCE/netns/traffic.py" ports "$EXIT:1194" 9001)"

# 4. Echo ids.
for n in 1 2; do
	together "echo$n" in_hold of-client$n ping -n -q -c 3 -i 0.3 -W 3 -e 500 "$WEB"
done
together_end
check_eq "echoes with the same id of both are answered" 2 "$(cat "$OUT"/echo?.out | grep -c ' 3 received')"
ids=$(capture_read rb to-n3 "src $EXIT and icmp[icmptype] = icmp-echo" | sed -n 's/.* id \([0-9]*\),.*/\1/p' | sort -u)
check_eq "the server sees two ids" 2 "$(wc -l <<<"$ids")"
for id in $ids; do
	check "id $id is in the NAPT range" in_range "$id"
done

# 5. Where nobody may go.
own=$(hold_address of-client1)
private="10.1.2.3 172.16.0.1 192.168.1.1 169.254.1.1 198.18.0.1 240.0.0.1"
packets=()
for target in $private 100.64.0.1; do
	packets+=("icmp:$target" "udp:4000:$target:9000")
done
before=$(dropped 'not a public address') before_pool=$(dropped 'client to client')
c1 send "$own" 1 "${packets[@]}"
all_dropped() { [ "$(($(dropped 'not a public address') - before)) $(($(dropped 'client to client') - before_pool))" = "12 2" ]; }
check "the exit drops what goes to $private and to a pool address" wait_for 10 all_dropped
in_hold of-client1 bash -c 'ip route del local 127.0.0.0/8 dev lo table local; ip route del local 127.0.0.1 dev lo table local
	sysctl -qw net.ipv4.conf.all.route_localnet=1'
before=$(seen "dst $EXIT and esp")
c1 send "$own" 2 "udp:4000:127.0.0.1:1195"
check "two packets for 127.0.0.1 arrive at the exit" wait_for 5 test "$(seen "dst $EXIT and esp")" -ge $((before + 2))
ns_exec n3 sysctl -qw net.ipv4.conf.all.route_localnet=1
c1 send "$own" 2 "udp:4000:127.0.0.1:1195"
check_eq "nobody answers from there, not even when the host allows it" 0 "$(seen "host 127.0.0.1")"
check_eq "none of this leaves the exit" 0 "$(seen "src $EXIT and (dst net 10.0.0.0/8 or dst net 172.16.0.0/12 or dst net 192.168.0.0/16 or dst net 169.254.0.0/16 or dst net 100.64.0.0/10 or dst net 127.0.0.0/8 or dst net 198.18.0.0/15 or dst net 240.0.0.0/4)")"

# 6. The exit policy: mail by default, then what n2 says.
connects() { timeout 3 "$@" bash -c "</dev/tcp/${TARGET/://}"; }
TARGET=$WEB:25
check "port 25 answers without a telescope" connects ip netns exec "$(ns client1)"
before=$(dropped 'exit policy')
check_not "an exit refuses port 25 by default" connects nsenter -t "${hold_pid[of-client1]}" -n
check "and counts it" test "$(dropped 'exit policy')" -gt "$before"
TARGET=$TRAFFIC
check "and lets others pass" connects nsenter -t "${hold_pid[of-client1]}" -n
release of-client2
world_stop client2
circuits_client client2 n3 n1 n2
must "client 2 goes through n2" world_start client2
must "and holds a circuit" hold client2 narrow
check_not "an exit whose rules name something else refuses port 9000" connects nsenter -t "${hold_pid[narrow]}" -n
TARGET=$WEB:25
check "it lets pass what they name" connects nsenter -t "${hold_pid[narrow]}" -n
check_not "and no echo" in_hold narrow ping -n -q -c 1 -W 2 "$WEB"

# 7. From outside.
ns_ip rb route add 100.64.0.0/10 via "$EXIT"
arrived() { in_hold of-client1 ip -s link show dev ippriv0 | awk '/RX:/ { getline; print $2 }'; }
before=$(arrived)
check "the client's interface counts" test "$before" -gt 0
ns_exec web python3 -I -S "$SOURCE/netns/traffic.py" send "$WEB" 2 "icmp:$own" "udp:9000:$own:40000" "50:$own" "udp:500:$own:500"
check "eight packets for a pool address reach the exit" wait_for 5 test "$(seen "src $WEB and dst $own")" = 8
check_eq "none gets to the client" "$before" "$(arrived)"
ns_ip rb route del 100.64.0.0/10 via "$EXIT"

check_eq "client 1 still works" "sent 5 back 5 foreign 0" "$(c1 udp "$TRAFFIC" end 5)"
for relay in n1 n2 n3; do
	check_eq "no pool address in clear leaves $relay" 0 "$(capture_read "${world_router[$relay]}" "to-$relay" "src net 100.64.0.0/10" | wc -l)"
done
