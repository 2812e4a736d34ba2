#!/bin/bash
# t_tunnels: overlay tunnels come when traffic asks, stay for later circuits, and come back after a relay's restart.
# limit: 840 s
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/world.sh"
. "$(dirname "$0")/circuits.sh"
run_where_esp_is "$0" "$@"
require_root
require_programs ippriv-node ippriv-client ippriv ippriv-directory
BOUND=60 # seconds until circuits work again

must "hosts on a routed Internet" world_up
must "the server starts" traffic_server
world_directory_conf
for relay in $WORLD_RELAYS; do
	world_relay_conf "$relay" "exit = true" "liveness = 5"
done
must "directory and relays start" world_daemons
tunnels() { for n in $WORLD_RELAYS; do tunnels_of "$n" | sed "s/^/$n /"; done; }
pairs() { tunnels | awk '{print $1 "-" $2}' | paste -sd' '; }
check_eq "nobody has a tunnel before somebody wants it" "" "$(pairs)"

# 1. On demand, kept, reused.
circuits_client client1 n1 n2 n3 "liveness = 5"
circuits_client client2 n3 n2 n1 "liveness = 5"
must "client 1 starts" world_start client1
must "it holds a circuit" hold client1 a
check_eq "the relays of its path have tunnels, nobody else" "n1-n2 n2-n1 n2-n3 n3-n2" "$(pairs)"
check_eq "the relay that had a packet to send has started each" "n1 n2 us n2 n1 them n2 n3 us n3 n2 them" \
	"$(tunnels | cut -d' ' -f1-3 | paste -sd' ')"
lost=$(($(xfrm_errors n1 XfrmOutNoStates) + $(xfrm_errors n2 XfrmOutNoStates)))
first=$(sed -n 's/.*circuit 1 is ready after \([0-9.]*\) s/\1/p' "$OUT/client1.log")
wait_for 20 grep -q 'circuit 2 is ready' "$OUT/client1.log"
second=$(sed -n 's/.*circuit 2 is ready after \([0-9.]*\) s/\1/p' "$OUT/client1.log")
echo "# the first circuit took $first s (packets dropped while a tunnel came: $lost), the second, over the same tunnels, $second s"
check "what asks for a tunnel is dropped until it is there; IKE repeats itself" test "$lost" -ge 2 -a "$lost" -le 12
before=$(tunnels | cut -d' ' -f1-3)
must "client 2 starts, the other way round" world_start client2
must "it holds a circuit" hold client2 b
check_eq "it uses the same tunnels" "$before" "$(tunnels | cut -d' ' -f1-3)"
check_eq "both work" "sent 5 back 5 foreign 0,sent 5 back 5 foreign 0" "$(traffic a udp "$TRAFFIC" a 5),$(traffic b udp "$TRAFFIC" b 5)"

# 2. Both at the same moment: what they say to each other is held back until both have begun.
release a
release b
world_stop client1 client2
ns_exec rc nft "add table ip hold; add chain ip hold c { type filter hook forward priority 0; }; \
	add rule ip hold c ip saddr { $(world_ip n4), $(world_ip n5) } ip daddr { $(world_ip n4), $(world_ip n5) } udp dport 500 counter drop"
circuits_client client1 n4 n5 n3 "liveness = 5"
circuits_client client2 n5 n4 n3 "liveness = 5"
must "client 1 wants n4 to n5" world_start client1
must "client 2 wants n5 to n4" world_start client2
starting() {
	relay_json "$1" |
		jq --arg with "$2" '[.tunnels[] | select(.relay == $with and .state == "starting" and .started_by_us)] | length'
}
both_started() { [ "$(starting n4 n5) $(starting n5 n4)" = "1 1" ]; }
check "both have started a tunnel" wait_for 20 both_started
ns_exec rc nft delete table ip hold
must "client 1 gets its circuit" hold client1 c
must "client 2 gets its circuit" hold client2 d
check_eq "both work" "sent 5 back 5 foreign 0,sent 5 back 5 foreign 0" "$(traffic c udp "$TRAFFIC" c 5),$(traffic d udp "$TRAFFIC" d 5)"
settled() { [ "$(tunnels_of n4 | grep -c '^n5 ')" = "$(tunnels_of n5 | grep -c '^n4 ')" ]; }
check "both hold the same number of tunnels with each other" wait_for 20 settled
echo "# n4 with n5: $(tunnels_of n4 | grep '^n5 ' | paste -sd,)"

# 3. A relay goes and comes back: by TERM, then by KILL.
works() { run_in "$1" ping -n -q -c 1 -W 2 "$(world_ip web)"; }
for how in TERM KILL; do
	kill -$how "${world_pid[n5]}"
	wait_for 5 is_gone "${world_pid[n5]}"
	went=$SECONDS
	must "n5 starts again after $how" world_start n5
	check "client 1, through n5 as middle, works within $BOUND s" wait_for $BOUND works client1
	echo "# after $((SECONDS - went)) s"
	check "client 2, through n5 as entry, works within $BOUND s" wait_for $BOUND works client2
	echo "# after $((SECONDS - went)) s"
done
