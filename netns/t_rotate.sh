#!/bin/bash
# t_rotate: a command that runs keeps its network: its circuit is replaced by time while a download goes on, byte for byte, through
# the old one and new connections come from another exit; when the exit dies new connections pass again without a word from anybody;
# a run that finds a circuit in stock begins at once.
# limit: 600 s
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/world.sh"
. "$(dirname "$0")/circuits.sh"
run_where_esp_is "$0" "$@"
require_root
require_programs ippriv-node ippriv-client ippriv ippriv-directory

ROTATE=12 # seconds, a quarter more or less
MEGABYTES=10
RATE=1500kbit # of the client's link, with a short queue: the download lasts for several times that
declare -A dns=([n1]=203.0.113.26 [n2]=203.0.113.6 [n5]=203.0.113.30) # web, dir, client2: to tell them apart

asked=0 # lines of the server's log before the command begins
sources() { tail -n +$((asked + 1)) "$OUT/web.requests" | awk "/^http .*'\/ip'/ {print \$2}"; }
more_sources() { [ "$(sources | sort -u | wc -l)" -gt "$1" ]; }
# The same pattern as services.py sends.
pattern() { python3 -c 'import hashlib, sys; print(hashlib.sha256(bytes(range(256)) * 4096 * int(sys.argv[1])).hexdigest())' $MEGABYTES; }
interfaces() { in_hold H ip -o link show type xfrm | awk -F': ' '{sub(/@.*/, "", $2); print $2}' | sort | tr '\n' ' '; }
# The command itself looks at what the web server sees, again and again, and at its resolver.
looking='trap "exit 0" TERM
	while :; do
		curl -s -m 8 "http://$1/ip" >/dev/null && echo >>"$0/good" || echo >>"$0/bad"
		cat /etc/resolv.conf >>"$0/resolvers"
		sleep 1
	done'
command='echo $$ >"$0/pid"
	curl -s "http://$1/mb/$2" | sha256sum >"$0/sum" & '$looking
waiting='{ exec 3<>"/dev/tcp/$1/80" && cat <&3; } 2>"$0/waited" & '$looking
web=$(world_ip web)

more_kinds() { [ "$(sort -u "$1" | wc -l)" -gt "$2" ]; }
attached() { ippriv client1 status --json | jq '[.circuits[] | select(.attached)] | length'; }
attached_is() { [ "$(attached)" = "$1" ]; }
lines() { wc -l <"$1" 2>/dev/null || echo 0; }
more_lines() { [ "$(lines "$1")" -gt "$2" ]; }

test_rotation() {
	local dir=$SCRATCH/rotate
	mkdir "$dir"
	asked=$(lines "$OUT/web.requests")
	spawn client1 rotate "$BUILD_DIR/ippriv" --control "$SCRATCH/client1.sock" run -- bash -c "$command" "$dir" "$web" $MEGABYTES
	hold_run[H]=$spawned
	must "a command runs, and downloads" wait_for 40 test -s "$dir/good"
	hold_pid[H]=$(<"$dir/pid")
	nsenter -t "${hold_pid[H]}" -n sysctl -qw net.netfilter.nf_conntrack_tcp_timeout_time_wait=2 \
		net.netfilter.nf_conntrack_tcp_timeout_close=2
	check_eq "with one interface" "ippriv0 " "$(interfaces)"
	check "new connections come from another exit while it goes on" wait_for 60 more_sources 1
	check_eq "the download is not over" 0 "$(lines "$dir/sum")"
	check "there are two interfaces or more" [ "$(interfaces | wc -w)" -gt 1 ]
	must "the download ends" wait_for 120 test -s "$dir/sum"
	check_eq "as it was sent" "$(pattern)" "$(cut -d' ' -f1 "$dir/sum")"
	check_eq "no new connection failed" 0 "$(lines "$dir/bad")"
	check "the command's resolver has followed" more_kinds "$dir/resolvers" 1
	echo "# sources in turn: $(sources | uniq -c | tr -s ' \n' ' ')"
	check "a circuit whose last connection has ended goes" wait_for 60 grep -q 'no connection of its is left' "$OUT/client1.log"
	kill "${hold_pid[H]}"
	check "the run ends" wait_for 10 is_gone "${hold_run[H]}"
	check "and its circuits with it" wait_for 10 attached_is 0
}

has_free() { ippriv "$1" status --json | jq -e '[.circuits[] | select(.state == "ready" and (.attached | not))] | length > 0'; }

# warm: three runs that find a circuit in stock; in $best the least time that one took beside its command, in $first the command's own
# until the first byte, in ms.
warm() {
	local begin all page
	best=999999
	for _ in 1 2 3; do
		wait_for 60 has_free client2 || return 1
		begin=${EPOCHREALTIME/[.,]/}
		page=$(run_in client2 curl -s -m 30 -o /dev/null -w '%{time_starttransfer}' "http://$web/ip") || return 1
		all=$((${EPOCHREALTIME/[.,]/} - begin - 10#${page/./}))
		[ $((all / 1000)) -ge "$best" ] || { best=$((all / 1000)); first=$((10#${page/./} / 1000)); }
	done
}

# What a run takes by itself, processes and namespaces, is the same wherever the relays are: it says nothing to any of them.
test_warm() {
	local near
	must "three runs find circuits in stock" warm
	near=$best
	ns_exec client2 tc qdisc add dev to-rc root netem delay 500ms
	ns_exec rc tc qdisc add dev to-client2 root netem delay 500ms
	must "three more, far away" warm
	echo "# a run takes $near ms beside its command; with 1000 ms more for a round trip $best ms, while the command itself takes $first ms"
	check "a warm run adds less than one round trip" [ $((best - near)) -lt 1000 ]
	ns_exec client2 tc qdisc del dev to-rc root
	ns_exec rc tc qdisc del dev to-client2 root
}

# The exit vanishes without a word, as a machine whose power fails.
test_dead_exit() {
	local dir=$SCRATCH/dead exit router before start
	mkdir "$dir"
	spawn client2 dead "$BUILD_DIR/ippriv" --control "$SCRATCH/client2.sock" run -- bash -c "$waiting" "$dir" "$web"
	must "another command runs" wait_for 40 test -s "$dir/good"
	exit=$(ippriv client2 status --json | jq -r '.circuits[] | select(.attached and .state == "ready") | .hops[2].nickname')
	router=${world_router[$exit]}
	ns_ip "$exit" link set "to-$router" down
	start=$SECONDS
	nap 6
	before=$(lines "$dir/good")
	check "new connections work again when the exit $exit has died" wait_for 60 more_lines "$dir/good" "$before"
	echo "# after $((SECONDS - start)) s"
	check "who waits for an answer from the old one hears that it does not come" \
		wait_for 10 grep -q 'connection abort' "$dir/waited"
	check "it was said in one line at most" [ "$(lines "$OUT/dead.log")" -le 1 ]
	stop "$spawned"
	ns_ip "$exit" link set "to-$router" up
}

must "hosts on a routed Internet" world_up
must "the services start" world_services
world_directory_conf
for name in $WORLD_RELAYS; do
	world_relay_conf $name "exit = true" "dns = ${dns[$name]:-$web}" "liveness = 5"
done
must "directory and relays start" world_daemons
ns_exec client1 tc qdisc add dev to-ra root netem rate $RATE limit 40
ns_exec ra tc qdisc add dev to-client1 root netem rate $RATE limit 40
world_client_conf client1 "exit = { \"n1\", \"n2\", \"n5\" }" "rotate = $ROTATE" "circuits = 2"
world_client_conf client2 "liveness = 6" "circuits = 2"
must "the clients start" world_start client1 client2
test_warm
test_rotation
test_dead_exit
