#!/bin/bash
# t_overlap: two entries assign the same addresses to two clients; the telescopes meet at one middle and one exit.
# limit: 600 s
#
#   client1 ── n1 ──╮                    n1 and n4 have two addresses each, the same two, and all four are in use:
#                   n2 ── n3 ── web      two circuits of each client.
#   client2 ── n4 ──╯
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/world.sh"
. "$(dirname "$0")/circuits.sh"
run_where_esp_is "$0" "$@"
require_root
require_programs ippriv-node ippriv-client ippriv ippriv-directory
BYTES=300000

must "hosts on a routed Internet" world_up
must "the server starts" traffic_server
world_directory_conf
for relay in n1 n4; do
	world_relay_conf $relay 'pool = "100.64.0.0/30"'
done
world_relay_conf n2 'pool = "100.64.0.0/29"'
world_relay_conf n3 'pool = "100.64.0.0/29"' "exit = true"
must "directory and relays start" world_daemons n1 n2 n3 n4
circuits_client client1 n1 n2 n3
circuits_client client2 n4 n2 n3
must "client 1 starts" world_start client1
must "client 2 starts" world_start client2
tags="a1 a2 b1 b2"
for tag in $tags; do
	client=client1
	[ "${tag:0:1}" = a ] || client=client2
	must "$client holds circuit $tag" hold $client "$tag"
done

S1=$(world_ip client1) S2=$(world_ip client2)
check_eq "the entry of client 1 has assigned both its addresses" \
	"100.64.0.1 $S1 client,100.64.0.2 $S1 client" "$(circuits_of n1 | paste -sd,)"
check_eq "the entry of client 2 has assigned the same two" \
	"100.64.0.1 $S2 client,100.64.0.2 $S2 client" "$(circuits_of n4 | paste -sd,)"
check_eq "at the middle, both numbers stand for two clients each" \
	"100.64.0.1 n1,100.64.0.1 n4,100.64.0.2 n1,100.64.0.2 n4" \
	"$(circuits_of n2 | awk '{print $2, $3}' | sort | paste -sd,)"
check_eq "at the exit, the middle's numbers tell them apart" 4 "$(circuits_of n3 | awk '{print $2}' | sort -u | wc -l)"
check "a third circuit is refused: the entry has no address left" wait_for 10 grep -q 'circuit 3 failed: ' "$OUT/client1.log"

echo "# $(grep -m 1 'circuit 3 failed' "$OUT/client1.log")"
errors=$(for n in client1 client2 n1 n2 n3 n4; do xfrm_errors $n '^XfrmIn'; done)
for tag in $tags; do
	together "tcp-$tag" traffic "$tag" tcp "$TRAFFIC" "$tag" $BYTES
	together "udp-$tag" traffic "$tag" udp "$TRAFFIC" "$tag" 20 4000
	together "ping-$tag" ping_all "$tag" 10
done
together_end
for tag in $tags; do
	check_eq "$tag: its own $BYTES bytes each way" good "$(said "tcp-$tag")"
	check_eq "$tag: its own datagrams, from the same port as all" "sent 20 back 20 foreign 0" "$(said "udp-$tag")"
	check_eq "$tag: its own echoes" "10 received" "$(said "ping-$tag")"
done
check_eq "no kernel has met a packet of somebody else" "$errors" \
	"$(for n in client1 client2 n1 n2 n3 n4; do xfrm_errors $n '^XfrmIn'; done)"
check_eq "the addresses are still the same" "$(circuits_of n1 | awk '{print $1}')" "$(circuits_of n4 | awk '{print $1}')"

release a1
check "when one of the two goes, the other stays" test "$(traffic b1 udp "$TRAFFIC" after 5)" = "sent 5 back 5 foreign 0"
