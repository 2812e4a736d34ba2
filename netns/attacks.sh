#!/bin/bash
# attacks.sh: hostile networks and unlucky moments for a client's host; source it after world.sh, circuits.sh and uplink.sh. An application
# (the storm) tries all the time what leaktest tries, another one moves data over TCP, which has to go on.

ATTACK=$SOURCE/netns/attack.py
NOBODY=65534
HOME_NET=$(world_ip client1)
GATEWAY=$(world_gateway client1)
AWAY=192.0.2.2
ENTRY=n4
web=$(world_ip web)
entry=$(world_ip $ENTRY)

attacker() { ns_exec ra python3 -I -S "$ATTACK" "$@"; }
client_mac() { ns_exec client1 cat /sys/class/net/to-ra/address; }

# --- the world

# attacks_world [LINES…]: a client with two links that are observed, three relays for it; LINES are for its configuration.
attacks_world() {
	must "hosts on a routed Internet, the client in two networks" eval 'world_up && link client1 rc $AWAY/30 192.0.2.1/30'
	must "routes to the second network" eval 'ns_ip ra route add 192.0.2.0/30 via 198.51.100.9 && ns_ip rb route add 192.0.2.0/30 via 198.51.100.6'
	must "the client's links are observed" eval 'uplink_watch ra to-client1 && uplink_watch rc to-client1'
	chmod 711 "$SCRATCH"
	must "services" eval 'world_services && traffic_server 900'
	must "directory and relays start" world_daemons n1 n2 $ENTRY n5
	circuits_client client1 $ENTRY n2 n5 "circuits = 2" "child_life = 60" "liveness = 5"
}

# --- applications

storms=0
# storm_start MODE: the prober of leaktest, by `ippriv run`, or as an ordinary user in the host's own namespace.
storm_start() {
	local by=("$BUILD_DIR/ippriv" leaktest --probe)
	case $1 in
	run) by=("$BUILD_DIR/ippriv" --control "$SCRATCH/client1.sock" run -- "${by[@]}") ;;
	up) by=(setpriv --reuid $NOBODY --regid $NOBODY --clear-groups "${by[@]}") ;;
	esac
	rm -f "$SCRATCH/storm" # an earlier one may still read its own
	mkfifo "$SCRATCH/storm"
	exec {storm_in}<>"$SCRATCH/storm"
	storms=$((storms + 1)) # an earlier one may still write to its log
	storm_log=$OUT/storm$storms.log
	spawn client1 "storm$storms" bash -c 'exec "$@" <"$0"' "$SCRATCH/storm" "${by[@]}"
	storm_pid=$spawned
	printf '{"token": "0123456789abcdef", "tcp_sport": 10240, "server": "%s", "local": "%s", "gateway": "%s", "link": "to-ra",
		"lan": ["%s"], "entries": ["%s"], "links": ["to-ra", "to-rc"], "host_pid": 1, "host_fd": 99}\n' \
		"$web" "$HOME_NET" "$GATEWAY" "$GATEWAY" "$entry" | tr -d '\n\t' >&"$storm_in"
	echo >&"$storm_in"
	wait_for 60 has_line "$storm_log" '*"probed"*' || return 1
	prober=$storm_pid
	[ "$1" != run ] || prober=$(pgrep -P "$storm_pid")
}
storm_on() { echo stream >&"$storm_in"; }
# storm_off: its packets and answers into stormed and answered.
storm_off() {
	local before
	before=$(grep -c streamed "$storm_log")
	echo stop >&"$storm_in"
	wait_for 60 more_streamed "$before"
	read -r stormed answered <<<"$(grep streamed "$storm_log" | tail -n 1 | jq -r '"\(.streamed) \(.answered)"')"
}
more_streamed() { [ "$(grep -c streamed "$storm_log")" -gt "$1" ]; }
# Other processes of this script have the pipe's end, too: closing it would not do.
storm_end() {
	exec {storm_in}>&-
	kill "$prober" 2>/dev/null
}

# apps_start MODE: "run" or "up"; the storm, and who moves data when asked by `traffic H`.
apps_start() {
	mode=$1
	if [ "$mode" = run ]; then
		hold client1 H || return 1
	else
		[ -p "$SCRATCH/H.ask" ] || mkfifo "$SCRATCH/H.ask"
		exec {hold_ask[H]}<>"$SCRATCH/H.ask"
		spawn client1 agent python3 -I -S "$SOURCE/netns/traffic.py" agent "$SCRATCH/H.ask"
		hold_pid[H]=$spawned hold_run[H]=$spawned
	fi
	storm_start "$mode"
}
apps_end() {
	storm_end
	release H
}

# --- attacks: NAME_begin does it, NAME_end undoes it and checks what it did; both may be missing.

# attack TEXT NAME: with all applications at work.
attack() {
	local text=$1 name=$2
	uplink_mark
	storm_on
	together "bulk-$name" traffic H tcp "$TRAFFIC" "$name" 400000 3
	nap 0.5
	! declare -F "${name}_begin" >/dev/null || "${name}_begin"
	nap 1
	! declare -F "${name}_end" >/dev/null || "${name}_end"
	together_end
	storm_off
	check_eq "$text: TCP in the tunnel goes on" good "$(said "bulk-$name")"
	check "$text: probes come back ($answered of $stormed)" test "$answered" -gt 0
	check_uplinks "$text" 100
}

# dhcp OPTION…: a server of the attacker's on the link, and the client's host asks it.
dhcp() {
	spawn ra dnsmasq dnsmasq --keep-in-foreground --log-facility=- --conf-file=/dev/null --port=0 --interface=to-client1 --user=root --no-ping \
		--dhcp-authoritative --dhcp-leasefile="$SCRATCH/dnsmasq.leases" --dhcp-range="$HOME_NET,$HOME_NET,255.255.255.252,600" "$@"
	dnsmasq=$spawned
	wait_for 60 has_line "$OUT/dnsmasq.log" '*DHCP, IP range*' || return 1
	: >"$SCRATCH/resolv.conf"
	# It would write the resolver's file of the machine that this runs on.
	spawn client1 dhclient unshare -m bash -c 'mount --bind "$0" "$(realpath /etc/resolv.conf)" && exec dhclient "$@"' \
		"$SCRATCH/resolv.conf" -d -4 -1 -lf "$SCRATCH/dhclient.leases" -pf "$SCRATCH/dhclient.pid" to-ra
	dhclient=$spawned
}
dhcp_end() { stop "$dhclient" "$dnsmasq"; }
has_route() { ns_ip client1 -4 route show $1 | grep >/dev/null .; }

tunnelvision_begin() {
	dhcp --dhcp-option="121,0.0.0.0/1,$GATEWAY,128.0.0.0/1,$GATEWAY,192.0.0.0/2,$GATEWAY,$web/32,$GATEWAY,$entry/32,$GATEWAY,0.0.0.0/0,$GATEWAY"
	check "TunnelVision: the DHCP client takes the routes" wait_for 60 has_route "exact $web/32"
}
tunnelvision_end() {
	check_eq "TunnelVision: all of them are there" "0.0.0.0/1 128.0.0.0/1 192.0.0.0/2 $web $entry" \
		"$(for r in 0.0.0.0/1 128.0.0.0/1 192.0.0.0/2 "$web/32" "$entry/32"; do ns_ip client1 route show exact "$r" via "$GATEWAY"; done |
			awk '{print $1}' | paste -sd ' ')"
	dhcp_end
	printf 'route del %s\n' 0.0.0.0/1 128.0.0.0/1 192.0.0.0/2 "$web/32" "$entry/32" | ns_ip client1 -batch -
}

# The attacker answers for all of the public network that he calls local.
localnet_begin() {
	ns_exec ra sysctl -qw net.ipv4.conf.to-client1.proxy_arp=1
	dhcp --dhcp-option-force=1,255.255.255.0 --dhcp-option="121,0.0.0.0/0,$GATEWAY"
	check "LocalNet: the web server's network is local" wait_for 60 has_route "exact 203.0.113.0/24"
}
localnet_end() {
	check_not "LocalNet: the host reaches it without a router" grep -q via <(ns_ip client1 route get "$web")
	dhcp_end
	ns_ip client1 addr del "$HOME_NET/24" dev to-ra
	ns_exec ra sysctl -qw net.ipv4.conf.to-client1.proxy_arp=0
}

# The addresses inside the tunnel: what a relay has assigned.
inner() { for name in $ENTRY n2 n5; do circuits_of "$name"; done | awk '{print $1}' | sort -u; }
# injected ADDRESS…: what the client sends in answer to that.
injected() {
	local before
	uplink_read && before=$uplink_plain
	frames=$(attacker inject to-client1 "$(client_mac)" "$web:9000" "$@")
	nap 0.3
	uplink_read && reaction=$((uplink_plain - before))
}
injection_begin() {
	local right wrong
	mapfile -t right < <(inner)
	wrong=("${right[@]/#100.64./100.99.}")
	check "injection: the tunnel's addresses are known (${#right[@]})" test ${#right[@]} -ge 3
	injected "${right[@]}"
	check_eq "injection: no answer to $frames packets to the right addresses" 0 "$reaction"
	injected "${wrong[@]}"
	check_eq "injection: nor to $frames packets to wrong ones" 0 "$reaction"
	check_eq "injection: ARP does not tell which are right" 0 "$(uplink_tells)"
}

has_default6() { ns_ip client1 -6 route show default | grep >/dev/null 'proto ra'; }
advertise_begin() {
	ns_exec client1 sysctl -qw net.ipv6.conf.to-ra.accept_ra=1 net.ipv6.conf.to-ra.disable_ipv6=0
	attacker advertise to-client1 2001:db8:bad:: >/dev/null
	check "router advertisement: the host has IPv6 by the attacker" wait_for 60 has_default6
}
advertise_end() {
	ns_ip client1 -6 route flush proto ra
	ns_ip client1 -6 addr flush dev to-ra scope global
}

# spi: of what the client sends to the entry; whoever stands on the link sees it.
spi() { ns_ip client1 xfrm state | awk -v to="$entry" '/^src/ {hit = $4 == to} hit && /spi/ {print $4; exit}'; }
redirect_begin() {
	attacker redirect to-client1 "$(client_mac)" "$GATEWAY" "$HOME_NET" "$entry" "$(spi)" >/dev/null
}
# With new keys there is another SPI, perhaps just then.
shrink() {
	attacker shrink to-client1 "$(client_mac)" "$GATEWAY" "$HOME_NET" "$entry" "$(spi)" >/dev/null
	grep -q 'mtu 600' <(ns_ip client1 route get "$entry")
}
shrink_begin() { check "fragmentation needed: the host believes it" wait_for 20 shrink; }
shrink_end() { ns_ip client1 route flush cache; }

# The host's program writes the same again, as it does: a new file renamed over the old one. Nothing of the host's changes.
resolver_begin() { cp -a -P /etc/resolv.conf /etc/resolv.conf.ippriv-test && mv -T /etc/resolv.conf.ippriv-test /etc/resolv.conf; }
# name_is ADDRESS CMD…: the name's, looked up by CMD in front of getent.
name_is() { [ "$("${@:2}" getent ahostsv4 $WORLD_NAME | awk 'NR == 1 {print $1}')" = "$1" ]; }
# In a host that is up, the file names the LAN's resolver, which is there no more than others.
resolver_end() {
	echo "nameserver $GATEWAY" >"$SCRATCH/resolv.conf"
	local in=(in_hold H)
	[ "$mode" = run ] || in=(ns_exec client1 unshare -m bash -c 'mount --bind "$0" "$(realpath /etc/resolv.conf)" && exec "$@"' "$SCRATCH/resolv.conf")
	check "resolv.conf replaced: names come from the exit's resolver" wait_for 30 name_is "$web" "${in[@]}"
}

flap_begin() {
	ns_ip client1 link set to-ra down
	nap 1
}
flap_end() { printf '%s\n' "link set to-ra up" "route replace default via $GATEWAY dev to-ra" | ns_ip client1 -batch -; }

rekeys() { ippriv client1 status --json | jq '[.circuits[].hops[].rekeys] | add // 0'; }
rekey_begin() { rekeyed=$(rekeys); wait_for 90 more_rekeys "$rekeyed"; }
more_rekeys() { [ "$(rekeys)" -gt "$1" ]; }
rekey_end() { check "keys are replaced under load ($(($(rekeys) - rekeyed)))" more_rekeys "$rekeyed"; }

roam_begin() {
	printf '%s\n' "route replace default via 192.0.2.1 dev to-rc src $AWAY" "link set to-ra down" | ns_ip client1 -batch -
	nap 1
}
roam_end() {
	printf '%s\n' "link set to-ra up" "route replace default via $GATEWAY dev to-ra src $HOME_NET" | ns_ip client1 -batch -
}

# All processes of the host stand still, and its link is down.
sleep_begin() {
	local asleep
	ns_ip client1 link set to-ra down
	asleep=$(ip netns pids "$(ns client1)"; echo "$prober ${hold_pid[H]}")
	# shellcheck disable=SC2086
	kill -STOP $asleep
	nap 5
	# shellcheck disable=SC2086
	kill -CONT $asleep
}
sleep_end() { flap_end; }

attacks() {
	attack "TunnelVision" tunnelvision
	attack "TunnelCrack LocalNet" localnet
	attack "TunnelCrack ServerIP" serverip
	attack "packets from the link to the tunnel's addresses" injection
	attack "IPv6 router advertisement" advertise
	attack "ICMP redirect" redirect
	attack "ICMP fragmentation needed" shrink
	attack "resolv.conf replaced" resolver
	attack "link flap" flap
	attack "another uplink" roam
	attack "sleep" sleep
	attack "rekeying" rekey
}

# --- ends: applications whose circuit goes away, and goes on trying

# ending TEXT NAME: NAME_begin takes the circuits or the daemon away.
ending() {
	uplink_mark
	storm_on
	nap 0.5
	"$2_begin"
	nap 1.5
	storm_off
	check "$1: applications try on ($stormed packets)" test "$stormed" -gt 0
	check_uplinks "$1"
}
relay_begin() {
	world_stop n5
	[ "$mode" != run ] || check "a relay ends the circuit: the application is told" wait_for 60 grep -q 'circuit has ended' "$storm_log"
	must "the relay comes back" world_start n5
}
parent_begin() {
	kill -KILL "$storm_pid"
	wait "$storm_pid" 2>/dev/null
}
kill_begin() {
	kill -KILL "${world_pid[client1]}"
	wait "${world_pid[client1]}" 2>/dev/null
	unset "world_pid[client1]"
}

has_free() { ippriv client1 status --json | jq -e '[.circuits[] | select(.state == "ready" and (.attached | not))] | length > 0'; }

