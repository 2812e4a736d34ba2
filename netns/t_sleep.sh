#!/bin/bash
# t_sleep: a laptop behind a NAT sleeps ten minutes, twice: it wakes up where it was, then in another network. A TCP connection
# through the telescope goes on both times, in the same circuit.
# limit: 3600 s
# guest: --icount --timeout 1800
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/world.sh"
run_where_esp_is "$0" "$@"
require_root
require_programs ippriv-node ippriv-client ippriv ippriv-directory
SLEEP=600
WORLD_REFRESH=15
begun=$EPOCHSECONDS

# The telescope in use: its number and path.
in_use() { ippriv client1 status --json | jq -c '.circuits[] | select(.attached) | [.id, (.hops | map(.nickname))]'; }

# say WORD: through the connection that stays open, and back. No program is read for it, so the clock may be free.
say() {
	clock_free
	session eval "echo $1 >&5 && read -r -t 100 said <&5 && echo \"\$said\""
	clock_hold
}

# All processes of the laptop stand still, and its link is down.
suspend() {
	ns_ip client1 link set "$1" down
	asleep=$(ip netns pids "$(ns client1)"; pgrep -P "$session_pid"; echo "$session_pid")
	# shellcheck disable=SC2086
	kill -STOP $asleep
	nap $SLEEP
}

wake() {
	# shellcheck disable=SC2086
	kill -CONT $asleep
}

# Seconds from waking up until the connection has carried a word there and back, into $took.
answers() {
	local start=$EPOCHSECONDS
	heard=$(say "$1")
	took=$((EPOCHSECONDS - start))
}

must "hosts on a routed Internet" world_up
ns_exec ra nft -f - <<N
table ip nat {
	chain post {
		type nat hook postrouting priority srcnat
		ip saddr $(world_ip client1) ip daddr != $(world_ip dir) masquerade random
	}
}
N
spawn web echo socat "TCP-LISTEN:7,bind=$(world_ip web),reuseaddr,fork" PIPE
must "directory, relays and client start" eval 'world_daemons n1 n2 n3 && world_client_conf client1 && world_start client1'
must "a shell runs in the telescope" session_open client1
before=$(in_use)
echo "# $before"
check "a connection is open" session eval "exec 5<>/dev/tcp/$(world_ip web)/7"
check_eq "it carries words" one "$(say one)"

ns_exec ra sysctl -qw net.netfilter.nf_conntrack_udp_timeout_stream=30
suspend to-ra
check_eq "the NAT has forgotten the laptop" 0 "$(ns_exec ra grep -c 'dport=4500' /proc/net/nf_conntrack)"
ns_ip client1 link set to-ra up
ns_ip client1 route replace default via "$(world_gateway client1)"
wake
answers two
check_eq "awake in the same network: the connection goes on" two "$heard"
check "within ten seconds ($took)" test $took -le 10
check_eq "in the same telescope" "$before" "$(in_use)"

suspend to-ra
link client1 rc 192.0.2.2/30 192.0.2.1/30
ns_ip rb route add 192.0.2.0/30 via 198.51.100.6
ns_ip ra route add 192.0.2.0/30 via 198.51.100.9
ns_ip client1 route replace default via 192.0.2.1
wake
answers three
check_eq "awake in another network: the connection goes on" three "$heard"
check "within ten seconds ($took)" test $took -le 10
check_eq "in the same telescope" "$before" "$(in_use)"
check "a new connection works, too" session bash -c "exec 6<>/dev/tcp/$(world_ip web)/7 && echo x >&6 && read -r -t 20 y <&6 && [ \$y = x ]"
must "the shell ends" session_close
took=$((EPOCHSECONDS - begun - 2 * SLEEP))
check "the clock did not jump: all else took less than two minutes ($took s)" test $took -lt 120
