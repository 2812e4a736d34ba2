#!/bin/bash
# t_two_clients: two clients with several circuits each through shared relays, both ways at once; the death of one leaves the other alone.
# limit: 600 s
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
for relay in n1 n2 n3; do
	world_relay_conf $relay "exit = true"
done
must "directory and relays start" world_daemons n1 n2 n3
world_client_conf client1 "circuits = 2"
circuits_client client2 n1 n2 n3 "circuits = 2"
for client in client1 client2; do
	must "$client starts" world_start $client
done
for tag in a1 a2 a3; do
	must "client 1 holds circuit $tag" hold client1 $tag
done
for tag in b1 b2; do
	must "client 2 holds circuit $tag" hold client2 $tag
done
tags="a1 a2 a3 b1 b2"

for relay in n1 n2 n3; do
	assigned=$(circuits_of $relay | awk '{print $1}')
	check_eq "$relay has assigned no address twice" "$(sort -u <<<"$assigned" | wc -l)" "$(wc -l <<<"$assigned")"
done
for tag in $tags; do
	together "tcp-$tag" traffic "$tag" tcp "$TRAFFIC" "$tag" $BYTES
	together "udp-$tag" traffic "$tag" udp "$TRAFFIC" "$tag" 20 4000
	together "ping-$tag" ping_all "$tag" 10
done
together_end
for tag in $tags; do
	check_eq "$tag: $BYTES bytes each way are the right ones" good "$(said "tcp-$tag")"
	check_eq "$tag: 20 datagrams come back" "sent 20 back 20 foreign 0" "$(said "udp-$tag")"
	check_eq "$tag: 10 echoes come back" "10 received" "$(said "ping-$tag")"
done

# Client 2 dies without a word while both transfer.
for tag in $tags; do
	together "more-$tag" traffic "$tag" tcp "$TRAFFIC" "more-$tag" 1000000
done
sleep 1
kill -KILL "${world_pid[client2]}" "${hold_run[b1]}" "${hold_pid[b1]}"
wait_for 5 is_gone "${world_pid[client2]}"
for tag in a1 a2 a3; do
	wait_for 60 grep -q good "$OUT/more-$tag.out"
	check_eq "$tag: what was under way arrives although client 2 was killed" good "$(said "more-$tag")"
done
check_not "b2 has nothing to send on any more" in_hold b2 ping -n -q -c 1 -W 1 "$(world_ip web)"
check_eq "client 1 goes on" "sent 10 back 10 foreign 0" "$(traffic a1 udp "$TRAFFIC" again 10)"
must "client 2 starts again" world_start client2
must "and has a circuit" hold client2 b3
check_eq "which works" "sent 10 back 10 foreign 0" "$(traffic b3 udp "$TRAFFIC" b3 10)"
