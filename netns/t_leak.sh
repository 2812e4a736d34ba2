#!/bin/bash
# t_leak: known attacks on a client's host while applications use the tunnel by `ippriv run`. What the client sends is counted at the
# other ends of its links: 0 packets in clear.
# limit: 1500 s
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/world.sh"
. "$(dirname "$0")/circuits.sh"
. "$(dirname "$0")/uplink.sh"
. "$(dirname "$0")/attacks.sh"
run_where_esp_is "$0" "$@"
require_root
require_programs ippriv-node ippriv-client ippriv ippriv-directory

# TunnelCrack ServerIP, the other way: the directory's name is answered by an attacker.
forged_directory() {
	spawn web forged python3 -I -S "$ATTACK" directory "$web:8080"
	wait_for 60 has_line "$OUT/forged.log" 'directory: ready'
	world_client_conf client2
	sed -i 's|^directory = .*|directory = "http://directory.example.net:8080"|' "$OUT/etc/client2.conf"
	echo "$web directory.example.net" >"$SCRATCH/hosts"
	spawn client2 client2 unshare -m bash -c 'mount --bind "$0" /etc/hosts && exec "$@"' "$SCRATCH/hosts" \
		"$BUILD_DIR/ippriv-client" -c "$OUT/etc/client2.conf"
	world_pid[client2]=$spawned
	check "a forged name of the directory: the client asks the forger" wait_for 60 has_line "$OUT/forged.log" 'asked *'
	check "and says what is wrong with his list" wait_for 60 has_line "$OUT/client2.log" '*no new relay list*'
	check_eq "and takes nothing of it" "null 0" "$(ippriv client2 status --json | jq -r '"\(.list) \(.circuits | length)"')"
	world_stop client2
}

attacks_world
uplink_mark
must "the client starts" world_start client1
must "applications start" apps_start run
check_uplinks "the client's start"
attacks
forged_directory
ending "a relay that ends the circuit" relay
apps_end
for name in parent kill; do
	must "a circuit is there" wait_for 60 has_free
	must "applications start again" storm_start run
	ending "kill -9 of ${name/kill/ippriv-client}" $name
	storm_end
done
uplink_mark
must "the client starts again" world_start client1
must "a circuit is there" wait_for 60 has_free
world_stop client1
check_uplinks "the client's start after a kill, and its stop"
uplink_read
check "all that the client has sent: $uplink_plain of $uplink_total packets in clear" test "$uplink_plain" = 0
