#!/bin/bash
# t_guard: a client's circuits all begin at two relays, also after it was started again; another relay takes the place of one that is
# dead, as long as it is; with `guards = 0` they begin anywhere.
# limit: 800 s
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/world.sh"
run_where_esp_is "$0" "$@"
require_root
require_programs ippriv-node ippriv-client ippriv ippriv-directory

FILE=$OUT/state/client1/guards

all_ready() { [ "$(ippriv client1 status --json | jq '[.circuits[] | select(.state == "ready")] | length')" -ge "$1" ]; }
entries() { ippriv client1 status --json | jq -r '.circuits[] | select(.state == "ready") | .hops[0].nickname' | sort -u; }
# met FILE: adds the entries of some rounds of new circuits to it.
met() {
	local i
	for i in 1 2; do
		wait_for 60 all_ready 6 || return 1
		entries >>"$1"
		ippriv client1 new-identity >/dev/null || return 1
	done
}
different() { sort -u "$1" | wc -l; }
no_entry() { ! entries | grep -qx "$1"; }

must "hosts on a routed Internet" world_up
must "the services start" world_services
world_directory_conf
for name in $WORLD_RELAYS; do
	world_relay_conf "$name" "exit = true" "dns = $(world_ip web)" "liveness = 4"
done
must "directory and relays start" world_daemons
rm -rf "$OUT/state/client1"
world_client_conf client1 "circuits = 6" "liveness = 4"
must "the client starts" world_start client1
must "circuits come and go" met "$SCRATCH/first"
check_eq "they begin at two relays" 2 "$(different "$SCRATCH/first")"
check_eq "which the client has written down, with their time" 2 "$(grep -cxE '[0-9a-f]{64} [0-9]{10}' "$FILE")"
check_eq "nobody else can read it" 600 "$(stat -c %a "$FILE")"
world_stop client1
must "the client starts again" world_start client1
must "circuits come and go" met "$SCRATCH/second"
check_eq "they begin at the same relays" "$(sort -u "$SCRATCH/first")" "$(sort -u "$SCRATCH/second")"

dead=$(sort -u "$SCRATCH/first" | head -n 1)
kill -KILL "${world_pid[$dead]}"
wait "${world_pid[$dead]}" 2>/dev/null
unset "world_pid[$dead]"
must "$dead is dead: its circuits go" wait_for 60 no_entry "$dead"
must "circuits come and go" met "$SCRATCH/third"
check_eq "they begin at two relays again" 2 "$(sort -u "$SCRATCH/third" | grep -vcx "$dead")"
check "one of them is as before" grep -qx "$(sort -u "$SCRATCH/first" | tail -n 1)" "$SCRATCH/third"
check_eq "a third one is written down" 3 "$(wc -l <"$FILE")"

must "$dead starts again" world_start "$dead"
world_stop client1
must "the client starts again" world_start client1
must "circuits come and go" met "$SCRATCH/fourth"
# It is not known everywhere at once: a circuit that fails there is replaced by one from the third.
check_eq "at none but the three" 0 "$(sort -u "$SCRATCH/fourth" | grep -vcxf <(sort -u "$SCRATCH/first" "$SCRATCH/third"))"
check_eq "there is no fourth one" 3 "$(wc -l <"$FILE")"

# A network that lets nothing through, as a captive portal does.
ns_exec ra nft -f - <<'N'
table ip portal { chain forward { type filter hook forward priority 0; udp dport 500 drop; udp dport 4500 drop; ip protocol esp drop; }; }
N
has_failed() { [ "$(grep -c 'circuit [0-9]* failed: hop 1' "$OUT/client1.log")" -ge "$1" ]; }
ippriv client1 new-identity >/dev/null
start=$SECONDS
must "behind a portal nobody is reached" wait_for 120 has_failed 3
none_ready() { ! all_ready 1; }
check "no circuit is left" wait_for 60 none_ready
[ $((SECONDS - start)) -ge 65 ] || nap $((65 - SECONDS + start)) # the client minds a minute
ns_exec ra nft delete table ip portal
must "circuits are built again" wait_for 120 all_ready 6
ippriv client1 new-identity >/dev/null
must "circuits come and go" met "$SCRATCH/after"
check_eq "they begin where they did before" "$(sort -u "$SCRATCH/first")" "$(sort -u "$SCRATCH/after")"

world_stop client1
echo "not a key" >"$FILE"
world_client_conf client1 "circuits = 6" "guards = 0"
must "without guards the client starts" world_start client1
check "it says what is wrong with the file" grep -q "$FILE: not what ippriv-client writes" "$OUT/client1.log"
must "circuits come and go" met "$SCRATCH/any"
check "they begin anywhere ($(different "$SCRATCH/any") relays)" [ "$(different "$SCRATCH/any")" -gt 2 ]
