#!/bin/bash
# t_telescope: one client through three relays: TCP, UDP, ICMP and DNS arrive, from the exit's address.
# limit: 240 s
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/world.sh"
run_where_esp_is "$0" "$@"
require_root
require_programs ippriv-node ippriv-client ippriv ippriv-directory

must "nine hosts on a routed Internet" world_up
before=$(for n in client1 $WORLD_RELAYS; do ns_state $n; done)
must "the services start" world_services
must "directory and relays start" world_daemons
world_client_conf client1
must "the client starts" world_start client1
check "a page comes through the telescope" run_in client1 curl -sS --max-time 60 -o "$OUT/page" "http://$(world_ip web)/mb/2"
