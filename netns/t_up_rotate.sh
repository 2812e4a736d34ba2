#!/bin/bash
# t_up_rotate: a host that is up gets another circuit by time, and by new-identity: new connections come from another exit, its resolver is
# asked; a download, a container's packets and questions from one port go on through the old one. Nothing in clear on the link, also
# when the daemon is killed with two circuits there; `down` with two leaves nothing.
# limit: 800 s
#
#      ra ── client1 ── box (a container, whose packets the client's host translates)
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/world.sh"
. "$(dirname "$0")/uplink.sh"
run_where_esp_is "$0" "$@"
require_root
require_programs ippriv-node ippriv-client ippriv ippriv-directory

ROTATE=16 # seconds, a quarter more or less
MEGABYTES=6
RATE=60k # bytes a second that the download takes: it lasts for several rotations
BOX=172.17.0.0/24
NOBODY=192.0.2.53 # the name server in resolv.conf
declare -A dns=([n1]=web [n2]=client2 [n5]=dir) # each exit has a resolver of its own
web=$(world_ip web)

host() { ns_exec client1 "$@"; }
lines() { wc -l <"$1" 2>/dev/null || echo 0; }
more_lines() { [ "$(lines "$1")" -gt "$2" ]; }
# The same pattern as services.py sends.
pattern() { python3 -c 'import hashlib, sys; print(hashlib.sha256(bytes(range(256)) * 4096 * int(sys.argv[1])).hexdigest())' $MEGABYTES; }
interfaces() { ns_ip client1 -o link show type xfrm | awk -F': ' '{sub(/@.*/, "", $2); if ($2 ~ /^ippriv[0-9]$/) print $2}' | sort | tr '\n' ' '; }
has_two() { [ "$(interfaces | wc -w)" -ge 2 ]; }
fetch() { host curl -sS --max-time "${1:-8}" "http://$web/ip" | cut -d' ' -f1; }
fetched() { [ -n "$(fetch)" ]; }
sources() { awk "/^http .*'\/ip'/ {print \$2}" "$OUT/web.requests"; }
more_sources() { [ "$(sources | sort -u | wc -l)" -gt 1 ]; }
state() { ns_ip client1 rule; ns_ip client1 -6 rule; ns_ip client1 route show table all; host nft list ruleset; ns_ip client1 -o link | cut -d: -f2; }

# talk ADDRESS PORT FILE NAME: a datagram each second from one port; in FILE who it came from, as the other side says, or "none". At
# port 53 it is a question for NAME, answered with "name".
talk='
import socket, sys, time
to, port = sys.argv[1], int(sys.argv[2])
names = b"".join(bytes([len(part)]) + part for part in sys.argv[4].encode().split(b"."))
question = b"\x12\x34\x01\0\0\1\0\0\0\0\0\0" + names + b"\0\0\1\0\1"
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", 0))
s.settimeout(4)
with open(sys.argv[3], "w", 1) as out:
    while True:
        try:
            s.sendto(question if port == 53 else b"x", (to, port))
            said = s.recv(512)
            print("name" if port == 53 else said.split()[0].decode(), file=out)
        except OSError:
            print("none", file=out)
        time.sleep(1)
'
looking='while [ ! -e "$0/stop" ]; do
		echo >>"$0/seen"
		curl -s -m 6 "http://$1/ip" >>"$0/answers" && echo >>"$0/good"
		sleep 1
	done'
# resolve NAME: asks for it once, by a resolv.conf that names nobody.
resolve() {
	echo "nameserver $NOBODY" >"$SCRATCH/resolv.conf"
	# shellcheck disable=SC2016
	host unshare -m sh -c 'mount --bind "$1" "$(readlink -f /etc/resolv.conf)" && exec timeout 12 getent ahostsv4 "$0"' "$1" \
		"$SCRATCH/resolv.conf" | awk 'NR == 1 {print $1}'
}
# resolver_of RELAY'S_ADDRESS: the log of the resolver that this exit names.
resolver_of() { echo "$OUT/${dns[$(world_who "$1")]}.requests"; }
asked_by() { awk '/^dns / {print $2}' "$(resolver_of "$1")" 2>/dev/null | grep -cx "$1"; }

# who_asked NAME: the exits from which that name was asked for, whichever resolver.
who_asked() { cat "$OUT"/{web,client2,dir}.requests | awk -v name="'$1'" '$1 == "dns" && $4 == name {print $2}' | sort -u; }

# --- the world

must "hosts on a routed Internet" world_up
ns_add box
must "a container" link client1 box "172.17.0.1/24" "172.17.0.2/24"
ns_ip box route add default via 172.17.0.1
ns_router client1
host nft 'table ip others { chain post { type nat hook postrouting priority srcnat; ip saddr '$BOX' masquerade; }; }'
must "the services start" world_services
for name in client2 dir; do
	spawn "$name" "$name-services" python3 -I -S "$SOURCE/netns/services.py" --dns "$(world_ip $name):53" --name "$WORLD_NAME=$web" \
		--log "$OUT/$name.requests"
	must "a resolver on $name" wait_for 30 has_line "$OUT/$name-services.log" 'services: ready*'
done
world_directory_conf
for name in $WORLD_RELAYS; do
	world_relay_conf $name "exit = true" "dns = $(world_ip "${dns[$name]:-web}")"
done
must "directory and relays start" world_daemons
host sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.all.src_valid_mark=1 \
	net.netfilter.nf_conntrack_tcp_timeout_time_wait=2 net.netfilter.nf_conntrack_tcp_timeout_close=2 \
	net.netfilter.nf_conntrack_udp_timeout=15 net.netfilter.nf_conntrack_udp_timeout_stream=15
rm -rf "$OUT/state/client1"
must "the link is watched" uplink_watch ra to-client1
world_client_conf client1 'exit = { "n1", "n2", "n5" }' "rotate = $ROTATE" "circuits = 2"
must "the client starts" world_start client1
clean=$(state)
uplink_mark

# --- by time

must "the host goes up, without the container's network" ippriv client1 up --exclude $BOX
must "it has a circuit" wait_for 40 circuit
first=$(exit_ip)
check_eq "a page sees the exit" "$first" "$(fetch)"
check_eq "with one interface" "ippriv0 " "$(interfaces)"
check_eq "names are looked up" "$web" "$(resolve "$WORLD_NAME")"
mkdir "$SCRATCH/by-time"
dir=$SCRATCH/by-time
# shellcheck disable=SC2016
spawn client1 download bash -c 'curl -s --limit-rate "$3" "http://$1/mb/$2" | sha256sum >"$0/sum"' "$dir" "$web" $MEGABYTES $RATE
spawn box box python3 -c "$talk" "$web" 7 "$dir/box" ''
box=$spawned
spawn box box-names python3 -c "$talk" "$web" 53 "$dir/box-names" box.example.net
box_names=$spawned
spawn client1 names python3 -c "$talk" $NOBODY 53 "$dir/names" one-port.example.net
names=$spawned
spawn client1 looking bash -c "$looking" "$dir" "$web"
looker=$spawned
must "the container has an answer" wait_for 20 test -s "$dir/box"
before=$(sed -n 1p "$dir/box")
must "questions have, too" wait_for 20 test -s "$dir/names" -a -s "$dir/box-names"
old=$(circuit)
must "another circuit comes" wait_for 60 circuit_is_not "$old"
must "new connections come from another exit" wait_for 60 more_sources
nap 3
check_eq "the download goes on" 0 "$(lines "$dir/sum")"
check "there are two interfaces or more" has_two
now=$(exit_ip)
check_eq "a name is looked up" "$web" "$(resolve "$WORLD_NAME")"
check "at the new exit's resolver" [ "$(asked_by "$now")" -gt 0 -o "$(asked_by "$(exit_ip)")" -gt 0 ]
boxed=$(lines "$dir/box")
must "the download ends" wait_for 240 test -s "$dir/sum"
check_eq "as it was sent" "$(pattern)" "$(cut -d' ' -f1 "$dir/sum")"
touch "$dir/stop"
wait_for 10 is_gone "$looker"
check_eq "no new connection failed" "$(lines "$dir/seen")" "$(lines "$dir/good")"
check "the container's packets have gone on" wait_for 20 more_lines "$dir/box" $((boxed + 3))
check_eq "all through the circuit by which they began" "$before" "$(sort -u "$dir/box" | tr '\n' ' ' | sed 's/ $//')"
check_eq "its questions were all answered" "name" "$(sort -u "$dir/box-names" | tr '\n' ' ' | sed 's/ $//')"
check_eq "all by one exit" 1 "$(who_asked box.example.net | wc -l)"
check_eq "questions from one port were all answered" "name" "$(sort -u "$dir/names" | tr '\n' ' ' | sed 's/ $//')"
check_eq "all by one exit, too" 1 "$(who_asked one-port.example.net | wc -l)"
cp "$dir/box" "$OUT/box.said"
cp "$dir/names" "$OUT/names.said"
echo "# sources in turn: $(sources | uniq -c | tr -s ' \n' ' ')"
stop "$box" "$box_names" "$names"
check "a container may have ESP of its own" ns_exec box python3 -c 'import socket, sys
socket.socket(socket.AF_INET, socket.SOCK_RAW, 50).sendto(bytes(40), (sys.argv[1], 0))' "$web"
check "a circuit whose last connection has ended goes" wait_for 60 grep -q 'no connection of its is left' "$OUT/client1.log"
check_uplinks "while circuits were replaced" 100

# --- by new-identity, in lockdown

sed -i 's/^rotate = .*/rotate = 0/' "$OUT/etc/client1.conf"
world_stop client1
uplink_mark
must "the client starts again" world_start client1
must "it has a circuit" wait_for 60 circuit
check "lockdown" ippriv client1 lockdown on
hold() { spawn client1 hold socat -u "TCP:$web:80" "CREATE:$SCRATCH/held"; held=$spawned; }
hold
must "a page is fetched" wait_for 20 fetched
old=$(circuit)
check_eq "new-identity of somebody else's does nothing to the host" 0 \
	"$(host setpriv --reuid 65534 --clear-groups "$BUILD_DIR/ippriv" --control "$SCRATCH/client1.sock" new-identity | grep -c 'the host')"
check "root's does" grep -q 'so does the host$' <(ippriv client1 new-identity)
must "another circuit has the host" wait_for 60 circuit_is_not "$old"
check_eq "a page sees its exit" "$(exit_ip)" "$(fetch)"
check "the old circuit is there still" has_two
check_not "the connection is, too" is_gone "$held"
check "lockdown ends" ippriv client1 lockdown off
check_uplinks "after a new identity"

# --- who dies, with two of them

uplink_mark
rules_two=$(ns_ip client1 rule show proto 73 | wc -l)
kill -KILL "${world_pid[client1]}"
wait "${world_pid[client1]}" 2>/dev/null
unset "world_pid[client1]"
check_not "the daemon is killed: nothing passes" fetch 3
check_not "no name either" resolve "$WORLD_NAME"
stop "$held"
uplink_since
check "nor the old connection: $plain of $total packets in clear" test "$plain" = 0
must "it starts again" world_start client1
must "and goes up by itself" wait_for 60 circuit
check "a page is fetched" wait_for 20 fetched
check_eq "rules are those of one circuit" $((rules_two - 3)) "$(ns_ip client1 rule show proto 73 | wc -l)"
check_uplinks "from the kill on"

# --- down with two

hold
old=$(circuit)
check "a new identity" ippriv client1 new-identity
must "another circuit has the host" wait_for 60 circuit_is_not "$old"
check "there are two" has_two
check "down" ippriv client1 down
gone() { [ -z "$(interfaces)" ]; }
check "both go" wait_for 10 gone
all_gone() { [ "$clean" = "$(state)" ]; }
wait_for 5 all_gone
check_eq "all is as it was" "$clean" "$(state)"
check_eq "the host is itself" "$(world_ip client1)" "$(fetch)"
stop "$held"
