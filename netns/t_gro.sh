#!/bin/bash
# t_gro: relays and clients whose interfaces gather packets (GRO); a relay refuses the module that would drop them then.
# limit: 600 s
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/world.sh"
. "$(dirname "$0")/circuits.sh"
run_where_esp_is "$0" "$@"
require_root
require_programs ippriv-node ippriv-client ippriv ippriv-directory

must "hosts on a routed Internet" world_up
must "the server starts" traffic_server
world_directory_conf
for relay in n1 n2 n3; do
	world_relay_conf $relay "exit = true"
done
gro() { ns_exec "$1" ethtool -k "to-${world_router[$1]}" | sed -n 's/^generic-receive-offload: //p'; }
for host in n1 n2 n3 client1; do
	ns_exec $host ethtool -K "to-${world_router[$host]}" gro on
	check_eq "$host has GRO on" on "$(gro $host)"
done
must "directory and relays start" world_daemons n1 n2 n3
circuits_client client1 n1 n2 n3
must "the client starts" world_start client1
must "it holds a circuit" hold client1 a
check_eq "a transfer arrives whole" good "$(traffic a tcp "$TRAFFIC" gro 1000000)"
check_eq "datagrams do" "sent 10 back 10 foreign 0" "$(traffic a udp "$TRAFFIC" gro 10)"
for host in n1 n2 n3 client1; do
	check_eq "$host drops nothing by ESP" 0 "$(xfrm_errors $host '^XfrmIn')"
done

if [ "${IPPRIV_GUEST:-}" != 1 ]; then
	echo "# esp4_offload is loaded in a guest only, not on this machine"
	exit 0
fi
loaded() { [ -e /sys/module/esp4_offload ]; }
unloaded() { modprobe -r esp4_offload && ! loaded; }
# However this ends, the tests that follow have to find it unloaded.
let_go() {
	local status=$?
	cleanup
	wait_for 20 unloaded
	return $status
}
trap 'let_go; at_exit' EXIT
must "esp4_offload is loaded" modprobe esp4_offload

# What happens to who runs when it is loaded.
ping_through() { in_hold a ping -n -q -c 1 -W 2 "$(world_ip web)"; }
if ping_through >/dev/null; then
	echo "# a circuit that stands still passes packets with esp4_offload"
else
	echo "# a circuit that stands passes nothing with esp4_offload"
fi
world_stop n2
timeout 10 ip netns exec "$(ns n2)" "$BUILD_DIR/ippriv-node" -c "$OUT/etc/n2.conf" >"$OUT/refused.log" 2>&1 </dev/null
check_eq "a relay does not start with it" 2 $?
check_eq "it says so in one line" 1 "$(wc -l <"$OUT/refused.log")"
check "and what to do" grep -q 'modprobe -r esp4_offload' "$OUT/refused.log"
echo "# $(cat "$OUT/refused.log")"
check_eq "it has touched nothing" "" "$(ns_exec n2 bash -c 'ip xfrm policy; ip xfrm state; nft list ruleset; ip link show ippriv-pool 2>/dev/null')"
# SAs that were made meanwhile hold it.
world_stop client1 n1 n3
must "esp4_offload is unloaded" wait_for 20 unloaded
for host in n1 n2 n3 client1; do
	must "then $host starts" world_start $host
done
works() { run_in client1 ping -n -q -c 1 -W 2 "$(world_ip web)"; }
check "and circuits work again" wait_for 90 works
