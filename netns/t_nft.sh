#!/bin/bash
# t_nft.sh BUILD: the relay's firewall in a real kernel. BUILD: build directory (check_nft).
# In namespaces of its own, also without root where users may make them. Needs nft, ip, ping, python3.
#
#   client 198.51.100.2, 100.64.0.2, .3 --- 198.51.100.1 relay 203.0.113.1 --- 203.0.113.2 server
#                                             192.0.2.1 (NAPT)
#
# There are no SAs here: what bears a pool address is in clear and must be dropped. NAPT is seen by
# letting the pool pass the checks for SAs by hand.
set -eu
if [ -z "${T_NFT_INSIDE:-}" ]; then
	T_NFT_INSIDE=1 exec unshare --user --map-root-user --net --mount --pid --fork --kill-child \
		"$0" "$@"
fi
here=$(cd "$(dirname "$0")" && pwd)
check=${1:?usage: t_nft.sh BUILD}/tests/kernel/check_nft
ruleset=$here/../tests/unit/kern/firewall.nft
work=$(mktemp -d)
trap 'umount -l "$work" && rmdir "$work"' EXIT
failed=0

expect() { # WHAT WANTED GOT
	if [ "$2" = "$3" ]; then
		echo "ok: $1"
	else
		echo "FAILED: $1: expected \"$2\", got \"$3\""
		failed=1
	fi
}
counted() { # CHAIN COMMENT: packets that the first such drop has counted
	nft list chain ip ippriv_node "$1" |
		sed -n "s/.*packets \([0-9]*\) .*comment \"$2\".*/\1/p" | head -1
}
dropped() { # WHAT CHAIN COMMENT COMMAND...: nothing comes back, this drop and no other counts
	local before all what=$1 chain=$2 comment=$3
	shift 3
	before=$(counted "$chain" "$comment")
	all=$(counted_all)
	expect "$what" nothing "$("$@")"
	expect "$what: \"$comment\" in $chain" $((before + 1)) "$(counted "$chain" "$comment")"
	expect "$what: once" $((all + 1)) "$(counted_all)"
}
counted_all() {
	nft list table ip ippriv_node |
		awk '{ for (i = 1; i < NF; i++) if ($i == "packets") n += $(i + 1) } END { print n + 0 }'
}
in_range() { # WHAT NUMBER: it is one of the NAPT ports
	if [ "$2" -ge 16384 ] 2> /dev/null && [ "$2" -le 65535 ]; then
		echo "ok: $1"
	else
		echo "FAILED: $1: \"$2\" is not within 16384-65535"
		failed=1
	fi
}
client() { nsenter --net="$work/client" "$@"; }
server() { nsenter --net="$work/server" "$@"; }
hold() { # NAME: a network namespace, kept at $work/NAME
	touch "$work/$1"
	unshare --net sh -c "ip link set lo up; mount --bind /proc/\$\$/ns/net '$work/$1'"
}

mount -t tmpfs tmpfs "$work"
mount -t proc proc /proc

# probe.py FROM PORT TO PORT: one datagram; prints the answer, or "nothing" after half a second.
cat > "$work/probe.py" <<'PY'
import socket, sys
source, sport, target, port = sys.argv[1:]
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(0.5)
s.bind((source, int(sport)))
try:
    s.sendto(b"?", (target, int(port)))
    print(s.recv(100).decode().strip())
except (TimeoutError, PermissionError, ConnectionError):
    print("nothing")
PY
# echoes.py: prints the id of each echo request that arrives, for a minute at most.
cat > "$work/echoes.py" <<'PY'
import signal, socket, struct
signal.alarm(60)
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
print("ready", flush=True)
while True:
    packet = s.recv(2000)
    if packet[20] == 8:
        print(struct.unpack_from(">H", packet, 24)[0], flush=True)
PY
probe() { client python3 "$work/probe.py" "$@"; }

hold client
hold server
ip link set lo up
ip link add c type veth peer name eth netns "$work/client"
ip link add s type veth peer name eth netns "$work/server"
ip addr add 198.51.100.1/24 dev c
ip addr add 203.0.113.1/24 dev s
ip addr add 192.0.2.1/32 dev lo
ip link set c up
ip link set s up
ip route add 100.64.0.0/16 dev c
echo 1 > /proc/sys/net/ipv4/ip_forward
for address in 198.51.100.2/24 100.64.0.2/32 100.64.0.3/32; do
	client ip addr add "$address" dev eth
done
client ip link set eth up
client ip route add default via 198.51.100.1
server ip addr add 203.0.113.2/24 dev eth
server ip link set eth up
server ip route add default via 203.0.113.1
server "$here/services.py" --udp 203.0.113.2:7 --seconds 120 > "$work/server.out" &
"$here/services.py" --udp 192.0.2.1:500 --seconds 120 > "$work/relay.out" &
server python3 "$work/echoes.py" > "$work/echoes" &
for i in $(seq 50); do
	if grep -q ready "$work/server.out" && grep -q ready "$work/relay.out" &&
		grep -q ready "$work/echoes"; then
		break
	fi
	sleep 0.1
done

# 1. What the kernel holds is what nft makes of the text; others' tables stay.
nft add table ip others
expect "load an exit's" ok "$("$check" exit)"
expect "replace it" ok "$("$check" exit)"
nft list ruleset > "$work/ours"
expect "delete it" ok "$("$check" delete)"
expect "others' table stays" "table ip others {
}" "$(nft list ruleset)"
expect "nothing to delete" "delete: No such file or directory" "$("$check" delete || true)"
nft -f "$ruleset"
nft list ruleset > "$work/text"
expect "same as nft's own" "" "$(diff "$work/ours" "$work/text")"
expect "replace by a relay without exit" ok "$("$check" middle)"
expect "no NAPT, no conntrack in it" 0 "$(nft list ruleset | grep -c 'snat\|ct ' || true)"

# 2. A pool address in clear goes nowhere; others' traffic passes as it is.
expect "load the exit's again" ok "$("$check" exit)"
expect "others pass" "198.51.100.2 4000" "$(probe 198.51.100.2 4000 203.0.113.2 7)"
expect "others reach the relay" "198.51.100.2 4000" "$(probe 198.51.100.2 4000 192.0.2.1 500)"
dropped "pool to the Internet" out_of_pool "pool address in clear" \
	probe 100.64.0.2 4000 203.0.113.2 7
dropped "pool to the relay's IKE" input "pool address in clear" \
	probe 100.64.0.2 500 192.0.2.1 500
dropped "Internet to the pool" into_pool "no circuit" \
	server python3 "$work/probe.py" 203.0.113.2 4000 100.64.0.2 4000
dropped "relay to the pool" output "no circuit" \
	python3 "$work/probe.py" 198.51.100.1 4000 100.64.0.2 4000

# 3. NAPT, with the checks for SAs out of the way.
nft insert rule ip ippriv_node out_of_pool ip daddr 203.0.113.2 jump exit
nft insert rule ip ippriv_node into_pool ct direction reply ct state established,related accept
nft insert rule ip ippriv_node last ip daddr 100.64.0.0/10 accept
for port in 22 500 4000 40000; do
	read -r address mapped < <(probe 100.64.0.2 $port 203.0.113.2 7)
	expect "port $port: the relay's address" 192.0.2.1 "$address"
	in_range "port $port: a NAPT port" "$mapped"
done
read -r address other < <(probe 100.64.0.3 40000 203.0.113.2 7)
in_range "same port of another client" "$other"
expect "a binding of its own" different "$([ "$other" = "$mapped" ] || echo different)"
again=$(probe 100.64.0.2 40000 203.0.113.2 7)
expect "the binding holds meanwhile" "192.0.2.1 $mapped" "$again"
for id in 500 40000; do
	client ping -q -c 1 -W 1 -e $id -I 100.64.0.2 203.0.113.2 > "$work/ping" ||
		expect "echo with id $id" answered "$(cat "$work/ping")"
	in_range "echo id $id" "$(tail -1 "$work/echoes")"
done
# Port shadow: a client tries to have a binding where the relay's IKE listens.
expect "a client asks a closed port" nothing "$(probe 100.64.0.2 500 203.0.113.2 9)"
expect "IKE at the relay is still the relay's" "203.0.113.2 9" \
	"$(server python3 "$work/probe.py" 203.0.113.2 9 192.0.2.1 500)"
exit $failed
