#!/bin/bash
# t_ipv6_rotate: a command whose circuit is replaced keeps its connections by IPv6, and new ones come from another exit; when the new
# exit has no IPv6, there is none, and what goes by the old one ends.
# limit: 600 s
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/world.sh"
. "$(dirname "$0")/circuits.sh"
. "$(dirname "$0")/six.sh"
run_where_esp_is "$0" "$@"
require_root
require_programs ippriv-node ippriv-client ippriv ippriv-directory

LAST=50 # seconds that a transfer lasts

# In turn: whom IPv4, IPv6 and IPv4 again come from, while a transfer by IPv6 goes on.
looking='trap "kill \$!; exit 1" TERM
	echo $$ >"$0/pid"
	python3 -I -S "$4" tcp "$2" "$RANDOM" 300000 "$5" >"$0/said" 2>&1 &
	while :; do
		for at in "$3" "[$1]" "$3"; do curl -s -m 4 "http://$at/ip" | cut -d" " -f1 | tr "\n" " "; done >>"$0/now"
		echo >>"$0/now"
		sleep 0.5
	done'
sources() { awk -v f="$2" 'NF >= 2 && $f ~ /:/ {print $f}' "$1/now" | sort -u | wc -l; }
more_sources() { [ "$(sources "$1" 2)" -gt 1 ]; }
looked() { [ "$(wc -l <"$1/now")" -ge 1 ]; }
# rotating TAG EXITS: client2 with these, each in turn, and a command that looks and begins where there is IPv6.
rotating() {
	local dir=$SCRATCH/$1
	world_client_conf client2 "exit = { $2 }" "entry = { \"n1\" }" "middle = { \"n2\" }" "rotate = 10" "circuits = 2"
	must "a client of the exits $2 starts" world_start client2
	for _ in 1 2 3 4 5 6 7 8; do
		rm -rf "$dir"
		mkdir "$dir"
		spawn client2 "$1" "$BUILD_DIR/ippriv" --control "$SCRATCH/client2.sock" run -- bash -c "$looking" "$dir" $WEB "$TRAFFIC" \
			"$web" "$SOURCE/netns/traffic.py" $LAST
		run=$spawned
		wait_for 40 looked "$dir" && has_line "$dir/now" '*:*' && break
		kill "$(<"$dir/pid")"
		wait_for 10 is_gone "$run"
	done
	check "a command runs, with IPv6" has_line "$dir/now" '*:*'
}
stop_client2() {
	kill "$(<"$1/pid")"
	wait_for 10 is_gone "$run"
	world_stop client2
}
test_rotation() {
	local dir=$SCRATCH/both
	rotating both '"n3", "n5"'
	check "new connections by IPv6 come from another exit while it goes on" wait_for 60 more_sources "$dir"
	check_eq "a transfer goes on meanwhile" "" "$(cat "$dir/said")"
	must "it ends" wait_for 90 test -s "$dir/said"
	check_eq "as it was sent" good "$(cat "$dir/said")"
	check_eq "IPv6 was always there" 0 "$(head -n -1 "$dir/now" | awk 'NF == 2' | wc -l)"
	sed 's/^/# /' "$dir/now"
	must "the client stops" stop_client2 "$dir"
}
# LINES: how often IPv4 came from n4 before and after, and IPv6 from an exit ($1 = 3) or from none (2).
seen() { awk -v n="$2" -v a="$(world_ip n4)" 'NF == n && $1 == a && $n == a' "$1/now" | wc -l; }
seen_without() { [ "$(seen "$1" 2)" -gt 1 ]; }
test_rotation_to_none() {
	local dir=$SCRATCH/one
	rotating one '"n3", "n4"'
	check "the exit without IPv6 has its turn" wait_for 60 seen_without "$dir"
	check_eq "then nothing new goes by the old circuit" 0 "$(seen "$dir" 3)"
	must "the transfer by the old one ends" wait_for 20 test -s "$dir/said"
	check "and its program hears so" grep -q 'connection abort' "$dir/said"
	sed 's/^/# /' "$dir/now"
	must "the client stops" stop_client2 "$dir"
}

must "hosts on a routed Internet" world_up
must "IPv6 on some links" six_links
must "the services start" world_services
must "those of IPv6 too" six_services
must "directory and relays start" six_relays
test_rotation
test_rotation_to_none
