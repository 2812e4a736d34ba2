#!/bin/bash
# t_up_six: the IPv6 of a host that is up goes through its circuit where the exit has it, from the exit's address, and nowhere else; it
# moves to the next circuit's while what goes by the old one goes on; where the next exit has none it ends. Nothing in clear on the link,
# also when the daemon is killed; `down` leaves all as it was.
# limit: 600 s
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/world.sh"
. "$(dirname "$0")/circuits.sh"
. "$(dirname "$0")/uplink.sh"
. "$(dirname "$0")/six.sh"
run_where_esp_is "$0" "$@"
require_root
require_programs ippriv-node ippriv-client ippriv ippriv-directory

OWN=2001:db8:a::2 # the client's on its link
BYTES=600000      # of a transfer: ten pieces, so that it hears soon of its end

declare -A six_of=([$(world_ip n3)]=$EXIT [$(world_ip n5)]=$EXIT5 [$(world_ip n4)]='')
host() { ns_exec client1 "$@"; }
state() { ns_ip client1 rule; ns_ip client1 -6 rule; ns_ip client1 route show table all; ns_ip client1 -6 route show table all | sed 's/ expires [0-9a-z]*//'; host nft list ruleset; }
exit_six() { echo "${six_of[$(exit_ip)]}"; }
page() { host curl -sS --max-time "${2:-8}" "http://$1/ip" | cut -d' ' -f1; }
page6() { page "[$WEB]" "$@"; }
page6_is() { [ "$(page6 2>/dev/null)" = "$1" ]; }
another() { # new-identity, and it has come
	local old
	old=$(circuit)
	ippriv client1 new-identity >/dev/null && wait_for 60 circuit_is_not "$old"
}
# until_exit TEST: others, until that is true of the exit's IPv6 address.
until_exit() {
	local i
	for i in 1 2 3 4 5 6 7 8; do
		# shellcheck disable=SC2086
		test $1 "$(exit_six)" && return
		another || return 1
	done
	return 1
}
# ask: what comes of a question to a name server by IPv6.
ask() {
	host python3 -c 'import socket, sys
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.settimeout(3)
try:
    s.sendto(b"\x12\x34\x01\0\0\1\0\0\0\0\0\0\x03web\x07example\x03net\0\0\1\0\1", (sys.argv[1], 53))
    print("answered by", s.recvfrom(512)[1][0])
except OSError as e:
    print(e.strerror or "nobody answers")' $WEB
}
asked() { grep -c '^dns' "$OUT/names6.requests"; }
dropped() { host nft list chain inet ippriv_client input | sed -n "s/.*ip6 daddr $1 counter packets \([0-9]*\) .*another link.*/\1/p"; }
inner_six() { ns_ip client1 -o -6 addr show scope global | awk '$2 ~ /^ippriv/ {sub("/.*", "", $4); print $4}'; }
# client EXITS: with a configuration of these, and up.
client() {
	world_client_conf client1 "exit = { $1 }" 'entry = { "n1" }' 'middle = { "n2" }' "circuits = 2"
	world_start client1
}
# transfer TAG SECONDS: by IPv6; what came of it ends up in $SCRATCH/TAG.
transfer() { spawn client1 "$1" bash -c 'exec python3 -I -S "$@" >"$0" 2>&1' "$SCRATCH/$1" "$SOURCE/netns/traffic.py" tcp "$TRAFFIC" "$1" $BYTES "$2"; }

must "hosts on a routed Internet" world_up
must "IPv6 on some links" six_links
must "the services start" world_services
must "those of IPv6 too" six_services
spawn web names6 python3 -I -S "$SOURCE/netns/services.py" --dns "[$WEB]:53" --name "web.example.net=$web" --log "$OUT/names6.requests"
must "a resolver that is reached by IPv6" wait_for 30 has_line "$OUT/names6.log" 'services: ready*'
must "directory and relays start" six_relays
host sysctl -qw net.netfilter.nf_conntrack_tcp_timeout_time_wait=2 net.netfilter.nf_conntrack_tcp_timeout_close=2 \
	net.netfilter.nf_conntrack_udp_timeout=5 net.netfilter.nf_conntrack_icmp_timeout=5 net.netfilter.nf_conntrack_icmpv6_timeout=5
rm -rf "$OUT/state/client1"
must "the link is watched" uplink_watch ra to-client1
must "the client starts" client '"n3", "n5"'
clean=$(state)
check_eq "the host has IPv6 of its own" $OWN "$(page6)"
check_eq "and asks a name server by it" "answered by $WEB" "$(ask)"
questions=$(asked)
uplink_mark

# --- exits with IPv6

must "the host goes up" ippriv client1 up
must "it has a circuit" wait_for 40 circuit
check_eq "a page of an IPv6 server, which sees the exit" "$(exit_six)" "$(page6)"
check "ping" host ping -6 -n -q -c 3 -i 0.2 -W 5 $WEB
check_eq "UDP" "$(exit_six)" "$(host sh -c "echo hello | socat -t 5 - UDP6:[$WEB]:7" | cut -d' ' -f1)"
check_eq "nobody is asked for names by IPv6" "Operation not permitted" "$(ask)"
check_eq "not a question gets there" "$questions" "$(asked)"
check "a neighbour with a public address is reached through the tunnel" host ping -6 -n -q -c 1 -W 5 2001:db8:a::1
inside=$(inner_six)
check "the address is one of exits' ($inside)" grep -q '^fd49:5070:7269:7600::' <<<"$inside"
ns_ip ra route add "$inside/128" via $OWN
check_not "who sends packets to it by the link has no answer" ns_exec ra ping -6 -n -q -c 2 -i 0.2 -W 2 "$inside"
check "but the firewall them ($(dropped "$inside"))" [ "$(dropped "$inside")" -ge 2 ]
ns_ip ra route del "$inside/128"
transfer kept 50
must "a transfer has begun" wait_for 20 host sh -c 'ss -Htn6 state established | grep >/dev/null 9000'
first=$(exit_six)
must "another exit comes" until_exit "$first !="
check_eq "a page sees that one" "$(exit_six)" "$(page6)"
check_eq "the transfer goes on by the old one" "" "$(cat "$SCRATCH/kept")"
must "and ends" wait_for 90 test -s "$SCRATCH/kept"
check_eq "as it was sent" good "$(cat "$SCRATCH/kept")"
check_uplinks "IPv6 through the tunnel" 100

# --- who dies

uplink_mark
kill -KILL "${world_pid[client1]}"
wait "${world_pid[client1]}" 2>/dev/null
unset "world_pid[client1]"
check_not "the daemon is killed: nothing passes by IPv6" page6 3
must "it starts again" client '"n3", "n4"'
must "and goes up by itself" wait_for 60 circuit
check_uplinks "from the kill on"

# --- the next exit has none

must "an exit with IPv6 comes" until_exit -n
check "a page sees it" wait_for 20 page6_is $EXIT
transfer ended 60
must "a transfer has begun" wait_for 20 host sh -c 'ss -Htn6 state established | grep >/dev/null 9000'
uplink_mark
must "an exit without IPv6 comes" until_exit -z
check_not "then IPv6 goes nowhere" page6 3
check "IPv4 goes on" [ "$(page "$web")" = "$(world_ip n4)" ]
must "the transfer by the old one ends" wait_for 20 test -s "$SCRATCH/ended"
check "its program hears so" grep -q 'connection abort' "$SCRATCH/ended"
check_uplinks "without IPv6"
must "an exit with IPv6 comes again" until_exit -n
check "and IPv6 with it" wait_for 20 page6_is $EXIT

# --- down

check "down" ippriv client1 down
gone() { [ -z "$(inner_six)" ]; }
check "its addresses go" wait_for 10 gone
is_clean() { [ "$clean" = "$(state)" ]; }
wait_for 5 is_clean
check_eq "all is as it was" "$clean" "$(state)"
check_eq "the host is itself" $OWN "$(page6)"
