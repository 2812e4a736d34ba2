#!/bin/bash
# t_flows: what an exit's connection tracking knows of a client goes with its circuit, with a kill and with a stop; and nothing else.
# limit: 480 s
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/world.sh"
run_where_esp_is "$0" "$@"
require_root
require_programs ippriv-node ippriv-client ippriv ippriv-directory

PORT=9000
web=$(world_ip web)
# Says something five times a second and prints the echo, for ever.
talk="(while sleep 0.2; do echo tick; done) | socat - TCP:$web:$PORT"

# flows FIELDS: n3's connections whose text has that, the original direction only.
flows() { ns_exec n3 sed 's/src=/\n/2; s/\n.*//' /proc/net/nf_conntrack | grep -c -- "$1"; }
has_flows() { [ "$(flows "$1")" -ge "${2:-1}" ]; }
no_flows() { [ "$(flows "$1")" = 0 ]; }

says() { [ "$(wc -l <"$OUT/$1.log")" -gt "${2:-0}" ]; }
says_more() { wait_for 5 says "$1" "$(wc -l <"$OUT/$1.log")"; }

# talk_from CLIENT LOG: a connection through its telescope; $address: what the exit gave it.
talk_from() {
	spawn "$1" "$2" "$BUILD_DIR/ippriv" --control "$SCRATCH/$1.sock" run -- sh -c "$talk"
	wait_for 30 says "$2" || return 1
	address=$(ippriv "$1" status --json | jq -r '.circuits[] | select(.attached) | .address')
	[ -n "$address" ]
}

must "hosts on a routed Internet" world_up
must "the services start" world_services
spawn web echo socat "TCP-LISTEN:$PORT,fork,reuseaddr" EXEC:cat
world_directory_conf
world_relay_conf n1
world_relay_conf n2
world_relay_conf n3 "exit = true" "dns = $web"
must "directory and relays start, one of them an exit" world_daemons n1 n2 n3
for name in client1 client2; do
	world_client_conf "$name"
	must "$name starts" world_start "$name"
done

spawn n3 own sh -c "$talk"
own="src=$(world_ip n3) dst=$web .*dport=$PORT"
must "the exit's host has a connection of its own" wait_for 10 has_flows "$own"
must "client2 has one" talk_from client2 talk2
two="src=$address "
must "client1 has one" talk_from client1 talk1
one="src=$address "
run_in client2 ping -c 1 -W 5 "$web" >/dev/null
check_not "the clients have different addresses at the exit" test "$one" = "$two"
check "the exit tracks the first" has_flows "ESTABLISHED.*$one"
check "and the second" has_flows "ESTABLISHED.*$two"

# More connections than a client may have, each with one datagram that nobody answers; says from which address.
flood="import socket
for port in range(20000, 21200):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(('', port))
    s.connect(('$web', 9))
    s.send(b'?')
    address = s.getsockname()[0]
    s.close()
print(address, flush=True)"
too_many() { ns_exec n3 nft list chain ip ippriv_node out_of_pool | sed -n 's/.*packets \([0-9]*\) .*"too many connections".*/\1/p'; }
# shellcheck disable=SC2016
spawn client1 flood "$BUILD_DIR/ippriv" --control "$SCRATCH/client1.sock" run -- sh -c 'python3 -c "$0"; sleep 300' "$flood"
must "client1 tries 1200 connections at a time" wait_for 60 says flood
many="src=$(cat "$OUT/flood.log") "
check "has 1024 of them" wait_for 10 has_flows "$many" 1024
# The kernel forgets a connection that another processor has not confirmed after two ticks, and so counts one too few.
check "and hardly one more" test "$(flows "$many")" -le 1032
check "the others were dropped" test "$(too_many)" -ge 100
check "the other client's works" says_more talk2

world_stop client1
check "the flood is forgotten, too" wait_for 10 no_flows "$many"
check "the first is forgotten with its circuit" wait_for 5 no_flows "$one"
check "the other client's is not" has_flows "ESTABLISHED.*$two"
check "nor the host's own" has_flows "ESTABLISHED.*$own"
check "the other client's works" says_more talk2

world_stop n3
check "a stop forgets all of the pool" no_flows "src=100\.64\."
check "but not the host's own" has_flows "$own"

must "the exit starts again" world_start n3
world_stop client2
must "client2 starts again" world_start client2
must "client2 has a connection again" talk_from client2 talk3
two="src=$address "
kill -KILL "${world_pid[n3]}"
wait "${world_pid[n3]}" 2>/dev/null
check "a killed exit forgets nothing" wait_for 3 has_flows "ESTABLISHED.*$two"
must "it starts again" world_start n3
check "and has forgotten all of its pool" no_flows "src=100\.64\."
check "but not its host's own" has_flows "ESTABLISHED.*$own"
check "which works" says_more own
