#!/bin/bash
# t_metrics: what relays and a client tell Prometheus, how coarse it is, and that nobody else can ask.
# limit: 480 s
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/world.sh"
. "$(dirname "$0")/circuits.sh"
run_where_esp_is "$0" "$@"
require_root
require_programs ippriv-node ippriv-client ippriv ippriv-directory
AT=127.0.0.1:9500 EVERY=60

numbers() { ns_exec "$1" curl -sf --max-time 10 "http://$AT/metrics"; }
number() { awk -v name="$2" '$1 == name { print $2 }' "$OUT/metrics-$1"; }
# looked RELAY: the numbers are newer than those that were kept.
looked() {
	numbers "$1" >"$OUT/new-$1" &&
		[ "$(sed -n 's/^ippriv_look_time_seconds //p' "$OUT/new-$1")" -gt "$(number "$1" ippriv_look_time_seconds)" ]
}
coarse() { awk '$1 ~ /_bytes_total/ && $2 % 1048576 { bad++ } $1 ~ /circuits|tunnels|messages|cookies|errors/ && $2 % 8 { bad++ } END { exit bad > 0 }' "$OUT/metrics-$1"; }

must "hosts on a routed Internet" world_up
must "a server of traffic" traffic_server
world_directory_conf
for relay in n1 n2 n3; do
	world_relay_conf $relay "metrics = \"$AT\"" "metrics_every = $EVERY" "exit = $([ $relay = n3 ] && echo true || echo false)"
done
must "directory and relays start" world_daemons n1 n2 n3
circuits_client client1 n1 n2 n3 "metrics = \"$AT\"" "metrics_every = $EVERY"
must "the client starts" world_start client1
must "a circuit is held" hold client1 H
for host in n1 n2 n3 client1; do
	check "$host has numbers" eval "numbers $host >'$OUT/metrics-$host'"
done
check_eq "none of the first look's is of a client" "0 0 0 0" \
	"$(number n1 'ippriv_circuits{role="entry"}') $(number n1 'ippriv_circuits{role="inner"}') $(number n1 'ippriv_tunnel_bytes_total{dir="in"}') $(number n1 ippriv_circuits_total)"
check_eq "traffic" good "$(traffic H tcp "$TRAFFIC" one 3000000)"
check_not "no number is newer" looked n1
for host in n1 n2 n3 client1; do
	check "$host looks again after $EVERY s" wait_for $((EVERY + 15)) looked $host
	cp "$OUT/new-$host" "$OUT/metrics-$host"
	check "$host: numbers are coarse" coarse $host
	check_eq "$host: labels are role, dir, reason" "" \
		"$(sed -n 's/^[^#]*{\(.*\)}.*/\1/p' "$OUT/metrics-$host" | tr ',' '\n' | grep -v '^\(role\|dir\|reason\)="[A-Za-z]*"$')"
	check_not "$host: no address, no relay" grep -e '[0-9]\.[0-9]' -e '"n[1-5]"' <(grep -v '^#' "$OUT/metrics-$host")
	check_eq "$host: relays in the list" 3 "$(number $host ippriv_list_relays)"
done
check_eq "the entry has 1 to 8 circuits of clients, and no others" "8 0" \
	"$(number n1 'ippriv_circuits{role="entry"}') $(number n1 'ippriv_circuits{role="inner"}')"
check_eq "the exit has none of clients, and 1 to 8 others" "0 8" \
	"$(number n3 'ippriv_circuits{role="entry"}') $(number n3 'ippriv_circuits{role="inner"}')"
check_eq "the client: 1 to 8 in use" 8 "$(number client1 'ippriv_circuits{role="used"}')"
for dir in in out; do
	bytes=$(number n2 "ippriv_tunnel_bytes_total{dir=\"$dir\"}")
	check "the middle: $bytes bytes $dir, of what went both ways" test "$bytes" -ge 6000000 -a "$bytes" -le 9000000
done
check_eq "the kernel's errors are there" 1 "$(grep -c '^ippriv_xfrm_errors_total{reason="XfrmInNoPols"} ' "$OUT/metrics-n1")"
check_not "nobody else can ask" ns_exec client1 curl -s --max-time 5 "http://$(world_ip n1):9500/metrics"
