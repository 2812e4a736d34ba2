#!/bin/bash
# t_up: the whole host through the telescope. What leaves its links is counted through rogue routes, a killed daemon and its restart;
# names, excluded networks and commands, a captive portal, lockdown; `down` leaves nothing.
# limit: 1500 s
#
#      ra ── client1 ── lan 192.168.7.1 (printer, resolver), and a public network that it says is its own
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/world.sh"
run_where_esp_is "$0" "$@"
require_root
require_programs ippriv-node ippriv-client ippriv ippriv-directory

web=$(world_ip web)
LAN=192.168.7.1
PUBLIC=198.18.5.1
WRONG=192.0.2.99 # what the LAN's resolver says of WORLD_NAME

host() { ns_exec client1 "$@"; }
# fetch ADDRESS [SECONDS]: as whom the page there sees us.
fetch() { host curl -sS --max-time "${2:-8}" "http://$1/ip" | cut -d' ' -f1; }

# groups CMD…: with the control groups, which `ip netns exec` hides.
# shellcheck disable=SC2016
groups() { host sh -c 'mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec "$0" "$@"' "$@"; }
direct() { groups "$BUILD_DIR/ippriv" --control "$SCRATCH/client1.sock" "$@"; }

# name NAME: its address, by a resolv.conf that names the LAN's resolver.
# shellcheck disable=SC2016
name() {
	echo "nameserver $LAN" >"$SCRATCH/resolv.conf"
	host unshare -m sh -c 'mount --bind "$1" "$(readlink -f /etc/resolv.conf)" && exec timeout 12 getent ahostsv4 "$0"' "$1" \
		"$SCRATCH/resolv.conf" | awk 'NR == 1 {print $1}'
}

watch_start() { capture_link ra client1 && capture_link lan client1; }
# leaks [FILTER]: what was seen on the host's links that is neither IKE nor ESP nor the list nor a link's own business.
OWN="esp or arp or udp port 500 or udp port 4500 or (host $(world_ip dir) and tcp port 8080) or (icmp6 and ip6[40] >= 130)"
leaks() {
	capture_stop
	{ capture_link_read ra client1 "not ($OWN)${1:+ and not ($1)}"; capture_link_read lan client1 "not ($OWN)${1:+ and not ($1)}"; } | head -n 5
}
seen() { { capture_link_read ra client1 "$@"; capture_link_read lan client1 "$@"; } | wc -l; }

up() { ippriv client1 up "$@" >"$OUT/up.out" 2>&1; }
inner() { ns_ip client1 -o -4 addr show dev ippriv0 | awk '{split($4, a, "/"); print a[1]}'; }
has_inner() { [ -n "$(inner)" ]; }
by_tunnel() { [ "$(fetch "$web")" = "$(exit_ip)" ]; }
state() { ns_ip client1 rule; ns_ip client1 -6 rule; ns_ip client1 route show table all; host nft list ruleset; ns_ip client1 -o link | cut -d: -f2; }
has_ready() { ippriv client1 status | grep >/dev/null ': ready, free'; }
kill9() {
	kill -KILL "${world_pid[client1]}"
	wait "${world_pid[client1]}" 2>/dev/null
	unset "world_pid[client1]"
}

# --- the world

must "hosts on a routed Internet" world_up
ns_add lan
must "a link to a LAN" link client1 lan "192.168.7.2/24,2001:db8:7::2/64" "$LAN/24,2001:db8:7::1/64"
ns_ip lan addr add "$PUBLIC/32" dev lo
ns_ip lan route add 100.64.0.0/10 via 192.168.7.2
must "the services start" world_services
spawn lan lan python3 -I -S "$SOURCE/netns/services.py" --http "$LAN:80" --dns "$LAN:53" --name "$WORLD_NAME=$WRONG" \
	--name "directory.example.net=$(world_ip dir)" --log "$OUT/lan.requests"
must "and those of the LAN" wait_for 30 has_line "$OUT/lan.log" 'services: ready*'
spawn client1 listener socat TCP-LISTEN:7777,fork,reuseaddr SYSTEM:'echo hello'
must "directory and relays start" world_daemons n1 n2 n4
nothing=$(state)
world_client_conf client1
must "the client starts" world_start client1
clean=$(state)
host sysctl -qw net.ipv4.conf.all.rp_filter=1

# --- up

check_eq "without the tunnel, the host is itself" "$(world_ip client1)" "$(fetch "$web")"
check_not "rp_filter would drop the entry's answers: up says so" up
check "in one line" grep -q 'src_valid_mark=1$' "$OUT/up.out"
check_eq "and changes nothing" "$clean" "$(state)"
host sysctl -qw net.ipv4.conf.all.src_valid_mark=1
check_eq "only root may" "ippriv: only root may do that; use sudo" \
	"$(ns_exec client1 setpriv --reuid 65534 --clear-groups "$BUILD_DIR/ippriv" --control "$SCRATCH/client1.sock" up 2>&1)"
must "watchers on both links" watch_start
must "the host goes up" up
fetches() { capture_read client1 to-ra "dst host $(world_ip dir) and tcp port 8080 and tcp[tcpflags] & (tcp-syn | tcp-ack) == tcp-syn" | wc -l; }
lists() { grep -c 'relay list with' "$OUT/client1.log"; }
fetches_before=$(fetches)
lists_before=$(lists)
check_eq "a page sees the exit" "$(exit_ip)" "$(fetch "$web")"
check "ping passes" host ping -c 2 -W 5 "$web"
check_eq "names are looked up at the exit, whatever resolv.conf says" "$web" "$(name "$WORLD_NAME")"
check_not "IPv6 goes nowhere" host ping -6 -c 1 -W 1 2001:db8:7::1
check_not "nor does the LAN" host ping -c 1 -W 1 $LAN

more_lists() { [ "$(lists)" -gt "$lists_before" ]; }
check "a newer list comes" wait_for 60 more_lists
check_eq "through the tunnel" "$fetches_before" "$(fetches)"

# --- networks that lie: TunnelVision, TunnelCrack, and who knocks at the tunnel's address

# The relays stay where they are: or the tunnel itself would go to the LAN, and with it everything, but nothing in clear.
for route in 203.0.113.0/28 203.0.113.16/29 203.0.113.32/27; do
	ns_ip client1 route add "$route" via "$(world_gateway client1)" dev to-ra
done
for route in 0.0.0.0/1 128.0.0.0/1 "$web/32"; do
	ns_ip client1 route add "$route" via $LAN dev to-lan
done
check "routes of a DHCP server's lead nothing away" by_tunnel
ns_ip client1 addr add 203.0.113.27/29 dev to-lan # says that web is on the link
ns_ip client1 addr add 198.18.5.2/24 dev to-lan
check "nor does a network that says it is the destination's" by_tunnel
check_not "a public network that is not is not asked" fetch "$PUBLIC" 2
check_not "nor by a program that chooses the link" host curl -sS --interface to-lan --max-time 2 "http://$PUBLIC/"
entry=$(ippriv client1 status --json | jq -r '.host.circuit as $id | .circuits[] | select(.id == $id) | .hops[0].address')
check_not "the entry is not spoken to in clear" host curl -sS --max-time 3 "http://$entry/"
ns_ip client1 addr del 203.0.113.27/29 dev to-lan
ns_ip client1 addr del 198.18.5.2/24 dev to-lan
for route in 0.0.0.0/1 128.0.0.0/1 "$web/32" 203.0.113.0/28 203.0.113.16/29 203.0.113.32/27; do
	ns_ip client1 route del "$route"
done
must "a DHCP client puts the default route anew, by its gateway alone" ns_ip client1 route replace default via "$(world_gateway client1)"
check_eq "the gateway is looked for on links, not in the tunnel" to-ra "$(ns_ip client1 route show default | sed 's/.* dev \([^ ]*\).*/\1/')"
check "and the tunnel goes on" by_tunnel
check_eq "this host has a listener" hello "$(host socat -t 2 - TCP:127.0.0.1:7777,connect-timeout=5 </dev/null)"
must "the tunnel has an address" wait_for 40 has_inner
address=$(inner)
check_not "the LAN does not reach it by the tunnel's address" ns_exec lan socat -t 2 - "TCP:$address:7777,connect-timeout=2" </dev/null
# ARP is answered for the host's own address, with rp_filter too, and not for the tunnel's.
ns_ip lan neigh flush dev to-client1
ns_ip lan route replace 100.64.0.0/10 dev to-client1
ns_exec lan sh -c "ping -c 2 -W 1 $address; ping -c 2 -W 1 192.168.7.2" >/dev/null
check_eq "who looks for the tunnel's address finds nobody" 0 "$(ns_ip lan neigh show "$address" | grep -c lladdr)"
check_eq "who looks for the host's own finds it" 1 "$(ns_ip lan neigh show 192.168.7.2 | grep -c lladdr)"
check_eq "which is the same still" "$address" "$(inner)"
check_eq "and has heard nothing from it" "" "$(leaks "src host $LAN")"
check "while there was something to see" test "$(seen esp)" -gt 10

# --- who dies

must "watchers again" watch_start
kill9
check_not "the daemon is killed: nothing passes" fetch "$web" 3
check_not "not even a name" name "$WORLD_NAME"
check_not "nor ping" host ping -c 2 -W 1 "$web"
ns_ip client1 route add "$web/32" via $LAN dev to-lan
check_not "nor along a new route" fetch "$web" 2
ns_ip client1 route del "$web/32"
must "it starts again" world_start client1
check "and goes up by itself" wait_for 40 circuit
check "the host is back" wait_for 20 by_tunnel
check_eq "nothing was seen in clear" "" "$(leaks)"

# --- exceptions

must "up with the LAN left out" up --exclude 192.168.7.0/24
check_eq "the printer is reached straight" 192.168.7.2 "$(fetch $LAN)"
check "the rest by the tunnel" by_tunnel
check_eq "and names too" "$web" "$(name "$WORLD_NAME")"
check_eq "the LAN reaches the host" hello "$(ns_exec lan socat -t 2 - TCP:192.168.7.2:7777,connect-timeout=5 </dev/null)"
check_not "nonsense is refused" up --exclude 0.0.0.0/0
check_eq "an excluded command goes straight" "$(world_ip client1)" "$(direct exclude -- curl -sS --max-time 8 "http://$web/ip" | cut -d' ' -f1)"
check_eq "as the user who called sudo" 65534 "$(SUDO_UID=65534 direct exclude -- id -u)"
check "others do not" by_tunnel
must "up without exceptions" up
check_not "the printer is out of reach again" fetch $LAN 2

# --- a captive portal

# shellcheck disable=SC2016
portal='p() { curl -sS --max-time 3 "http://$0/ip" | cut -d" " -f1; }
	echo "$(p) $(getent ahostsv4 "$1" | awk "NR == 1 {print \$1}")"
	[ -z "$2" ] || kill -KILL "$2"
	sleep "$3"; p'
behind() { # SECONDS PID WAIT
	echo "nameserver $LAN" >"$SCRATCH/resolv.conf"
	# shellcheck disable=SC2016
	groups unshare -m sh -c 'mount --bind "$1" "$(readlink -f /etc/resolv.conf)" && shift && exec "$0" "$@"' \
		"$BUILD_DIR/ippriv" "$SCRATCH/resolv.conf" --control "$SCRATCH/client1.sock" portal "$1" -- sh -c "$portal" "$web" "$WORLD_NAME" "$2" "$3" 2>&1
}
check_not "a portal of an hour is refused" direct portal 3600 -- true
check_eq "a portal's command goes straight, and its names" "$(world_ip client1) $WRONG"$'\n'"$(world_ip client1)" "$(behind 60 '' 1)"
must "watchers again" watch_start
said=$(behind 40 "${world_pid[client1]}" 41)
check_eq "the door shuts by itself, with the daemon dead" "$(world_ip client1) $WRONG" "$(grep -v '^curl: ' <<<"$said")"
unset "world_pid[client1]"
check_not "nobody else has gone through" fetch "$web" 2
check_eq "what was seen was the command's" "" "$(leaks "host $web or udp port 53")"

# --- lockdown

must "the daemon starts" world_start client1
check "and the host is up" wait_for 60 by_tunnel
check "lockdown" ippriv client1 lockdown on
check_eq "down is refused" "ippriv: lockdown is on: without the tunnel nothing would pass; ippriv lockdown off first" "$(ippriv client1 down 2>&1)"
check "still up" by_tunnel
check "lockdown ends" ippriv client1 lockdown off
check "down" ippriv client1 down
gone() { ! ns_ip client1 link show ippriv0; }
check "the tunnel goes" wait_for 10 gone
check_eq "all is as it was" "$clean" "$(state)"
check_eq "the host is itself" "$(world_ip client1)" "$(fetch "$web")"
check "lockdown without the tunnel" ippriv client1 lockdown on
check_not "nothing passes" fetch "$web" 2
check_not "no name either" name "$WORLD_NAME"
check "but ippriv run" run_in client1 curl -sS --max-time 8 -o /dev/null "http://$web/ip"
world_stop client1
host nft 'delete table inet ippriv_client; delete table arp ippriv_client' # the machine starts again
check "at boot" host "$BUILD_DIR/ippriv-client" -c "$OUT/etc/client1.conf" --lockdown
check_not "nothing passes" fetch "$web" 2
must "the daemon starts" world_start client1
check_not "nothing passes" fetch "$web" 2
check_eq "status says so" "host: down, lockdown on" "$(ippriv client1 status | grep ^host)"
world_stop client1
check "somebody removes it all" host "$BUILD_DIR/ippriv-client" -c "$OUT/etc/client1.conf" --open
check_eq "and nothing is left" "$nothing" "$(state)"

# --- a directory that has a name

# shellcheck disable=SC2016
start_named() {
	spawn client1 client1 unshare -m sh -c 'mount --bind "$0" "$(readlink -f /etc/resolv.conf)" && exec "$@"' "$SCRATCH/resolv.conf" \
		"$BUILD_DIR/ippriv-client" -c "$OUT/etc/client1.conf"
	world_pid[client1]=$spawned
	wait_for 30 has_line "$OUT/client1.log" '*: ready'
}
sed -i 's|^directory = .*|directory = "http://directory.example.net:8080"|' "$OUT/etc/client1.conf"
rm "$OUT/state/client1/newest-list"
echo "nameserver 203.0.113.254" >"$SCRATCH/resolv.conf" # nobody
must "the daemon starts, and cannot look up its directory" start_named
check_not "up is refused" up
check "as nobody knows where that is" grep -q 'directory.example.net.*is not known' "$OUT/up.out"
check_eq "the host is itself" "$(world_ip client1)" "$(fetch "$web")"
echo "nameserver $LAN" >"$SCRATCH/resolv.conf"
must "it can, and has a circuit" wait_for 60 has_ready
must "the host goes up" up
check "by the tunnel" wait_for 20 by_tunnel
must "watchers" watch_start
kill9
must "it starts again, in a host that is shut" start_named
check "and goes up, without a name server" wait_for 60 by_tunnel
check_eq "nothing was seen in clear" "" "$(leaks)"
check "down" ippriv client1 down
world_stop client1
check_eq "and nothing is left" "$nothing" "$(state)"
