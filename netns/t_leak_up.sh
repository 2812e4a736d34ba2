#!/bin/bash
# t_leak_up: known attacks on a client's host while the whole host uses the tunnel (`ippriv up`). What the client sends is counted at the
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

has_seat() { ippriv client1 status --json | jq -e '.host.circuit'; }

attacks_world
must "the client starts" world_start client1
must "a circuit is there" wait_for 60 has_free
must "the whole host goes through the tunnel" ippriv client1 up
uplink_mark
must "applications start" apps_start up
check_uplinks "applications start"
attacks
ending "a relay that ends the circuit" relay
must "the host has a circuit again" wait_for 60 has_seat
ending "kill -9 of ippriv-client" kill
uplink_mark
must "the client starts again" world_start client1
must "the host has a circuit" wait_for 60 has_seat
storm_on
nap 2
storm_off
check "applications have the tunnel again ($answered of $stormed)" test "$answered" -gt 0
check_uplinks "the client's start after a kill"
uplink_mark
storm_on
world_stop client1
nap 2
storm_off
check_uplinks "the client's stop"
uplink_read
check "all that the host has sent while it was up: $uplink_plain of $uplink_total packets in clear" test "$uplink_plain" = 0
apps_end
