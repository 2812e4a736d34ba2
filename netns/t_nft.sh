#!/bin/bash
# limit: 600 s
# t_nft: the relay's firewall, loaded by check_nft into a real kernel, with circuits (SAs) made by hand.
#
#   client 198.51.100.2 ── 198.51.100.1 relay 203.0.113.1 ── 203.0.113.2 server
#          100.64.0.2 .3 ═════ ESP ═════ 192.0.2.1 (NAPT)
. "$(dirname "$0")/lib.sh"
run_where_esp_is "$0" "$@"
require_root
require_programs tests/kernel/check_nft

relay() { ns_exec relay "$@"; }
check_nft() { relay "$BUILD_DIR/tests/kernel/check_nft" "$@"; }
counted() { # CHAIN COMMENT: what the first such drop has counted, and all counters
	relay nft list table ip ippriv_node | awk -v chain="$1" -v comment="comment \"$2\"" '
		$1 == "chain" { here = $2 == chain }
		{
			for (i = 1; i < NF; i++)
				if ($i == "packets") {
					all += $(i + 1)
					if (here && index($0, comment) && found == "")
						found = $(i + 1)
				}
		}
		END { print found == "" ? "none" : found, all + 0 }'
}
check_dropped() { # TEXT CHAIN COMMENT CMD…: CMD gets no answer; this drop has counted one packet, no other any
	local text=$1 chain=$2 comment=$3 before all
	shift 3
	read -r before all < <(counted "$chain" "$comment")
	check_eq "$text: no answer" nothing "$("$@")"
	check_eq "$text: counted in $chain, '$comment', once" "$((before + 1)) $((all + 1))" "$(counted "$chain" "$comment")"
}
check_nat_port() { check "$1: $2 is a NAPT port" test "$2" -ge 16384 -a "$2" -le 65535; }

# probe.py does in its namespace what lines "FILE WHAT ARGS" ask for, until it is killed; FILE appears with the answer:
#   udp FROM PORT TO PORT: one datagram; the answer or, after half a second, "nothing".
#   raw PROTOCOL FROM TO: one packet of that protocol.
#   refuse FROM CLIENT PORT TO PORT: tells TO that FROM refuses what TO has sent to CLIENT.
cat >"$OUT/probe.py" <<'PY'
import os, socket, struct, sys

def send_raw(protocol, source, target, data):
    s = socket.socket(socket.AF_INET, socket.SOCK_RAW, protocol)
    s.bind((source, 0))
    s.sendto(data, (target, 0))

def probe(kind, args):
    if kind == "raw":
        send_raw(int(args[0]), args[1], args[2], bytes(32))
    elif kind == "refuse":
        source, client, client_port, target, port = args
        told = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 28, 1, 0, 64, 17, 0, socket.inet_aton(target),
                           socket.inet_aton(client)) + \
            struct.pack(">HHHH", int(port), int(client_port), 8, 0)
        check = 0xffff - sum(struct.unpack(">18H", bytes([3, 3, 0, 0, 0, 0, 0, 0]) + told)) % 0xffff
        send_raw(1, source, target, struct.pack(">BBHI", 3, 3, check, 0) + told)
    else:
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.settimeout(0.5)
        s.bind((args[0], int(args[1])))
        s.sendto(b"?", (args[2], int(args[3])))
        return s.recv(100).decode().strip()
    return "nothing"

for line in open(os.open(sys.argv[1], os.O_RDWR)):
    reply, kind, *args = line.split()
    try:
        answer = probe(kind, args)
    except (TimeoutError, PermissionError, ConnectionError):
        answer = "nothing"
    except OSError as error:
        answer = repr(error)
    with open(reply + ".new", "w") as file:
        file.write(answer)
    os.rename(reply + ".new", reply)
PY
# echoes.py: prints the id of each echo request that arrives, for five minutes at most.
cat >"$OUT/echoes.py" <<'PY'
import signal, socket, struct
signal.alarm(300)
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
print("ready", flush=True)
while True:
    packet = s.recv(2000)
    if packet[20] == 8:
        print(struct.unpack_from(">H", packet, 24)[0], flush=True)
PY
declare -A prober=()
probers() { # NAME…
	local name
	scratch
	mkfifo "${@/#/$SCRATCH/probe-}" || return 1
	for name; do
		exec {prober[$name]}<>"$SCRATCH/probe-$name"
		spawn "$name" "probe-$name" python3 -I -S "$OUT/probe.py" "$SCRATCH/probe-$name"
	done
}
probe_in() { ask "${prober[$1]}" "${@:2}"; } # NAME ARGS…
probe() { probe_in client "$@"; }

esp() { # NAME SOURCE DESTINATION SPI REQID
	ns_ip "$1" xfrm state add src "$2" dst "$3" proto esp spi "$4" reqid "$5" mode tunnel \
		aead 'rfc4106(gcm(aes))' 0x0102030405060708090a0b0c0d0e0f1011121314 128 sel src 0.0.0.0/0 dst 0.0.0.0/0
}
policy() { # NAME DIRECTION OUTER_SOURCE OUTER_DESTINATION REQID SELECTOR…
	local name=$1 dir=$2 src=$3 dst=$4 reqid=$5
	shift 5
	ns_ip "$name" xfrm policy add dir "$dir" "$@" tmpl src "$src" dst "$dst" proto esp reqid "$reqid" mode tunnel
}

ns_add client relay server
ns_router relay
link client relay 198.51.100.2/24 198.51.100.1/24
link relay server 203.0.113.1/24 203.0.113.2/24
ns_ip relay addr add 192.0.2.1/32 dev lo
ns_ip relay route add default via 203.0.113.2
ns_ip relay link add pool type dummy
ns_ip relay link set pool up
ns_ip relay route add 100.64.0.0/10 dev pool
ns_ip client route add default via 198.51.100.1
ns_ip server route add default via 203.0.113.1
for address in 100.64.0.2 100.64.0.3 100.65.0.2; do
	ns_ip client addr add $address/32 dev lo
done

# 1. What the kernel holds is what nft makes of the text; others' tables stay.
relay nft add table ip others
check_eq "an exit's table is loaded" ok "$(check_nft exit)"
check_eq "and replaced" ok "$(check_nft exit)"
ours=$(relay nft list ruleset)
check_eq "and deleted" ok "$(check_nft delete)"
check_eq "others' tables stay" $'table ip others {\n}' "$(relay nft list ruleset)"
check_eq "there is nothing more to delete" "delete: No such file or directory" "$(check_nft delete)"
relay nft -f "$SOURCE/tests/unit/kern/firewall.nft"
check_eq "it lists like nft's own" "$(relay nft list ruleset)" "$ours"
check_eq "a relay without exit has neither NAPT nor conntrack" "ok 0" \
	"$(check_nft middle) $(relay nft list table ip ippriv_node | grep -c 'snat\|ct ')"

# 2. No circuit yet: a pool address in clear goes nowhere; others' traffic passes as it is.
check_nft exit >/dev/null
must "who sends packets is there" probers client relay server
spawn server services python3 -I -S "$SOURCE/netns/services.py" --udp 203.0.113.2:7 --seconds 300
check "the server is there" wait_for 30 has_line "$OUT/services.log" "*ready*"
spawn relay ike python3 -I -S "$SOURCE/netns/services.py" --udp 192.0.2.1:500 --seconds 300
check "something listens on the relay's port 500" wait_for 30 has_line "$OUT/ike.log" "*ready*"
spawn server echoes python3 -I -S "$OUT/echoes.py"
check "the server counts echo requests" wait_for 30 has_line "$OUT/echoes.log" "*ready*"
check_eq "others pass" "198.51.100.2 4000" "$(probe udp 198.51.100.2 4000 203.0.113.2 7)"
check_eq "others reach the relay" "198.51.100.2 4000" "$(probe udp 198.51.100.2 4000 192.0.2.1 500)"
check_dropped "pool to the Internet in clear" out_of_pool "pool address in clear" probe udp 100.64.0.2 4000 203.0.113.2 7
check_dropped "pool to the relay's IKE in clear" pool_to_us "pool address in clear" probe udp 100.64.0.2 500 192.0.2.1 500
check_dropped "Internet to the pool" into_pool "no circuit" probe_in server udp 203.0.113.2 4000 100.64.0.2 4000
check_dropped "relay to the pool" output "no circuit" probe_in relay udp 192.0.2.1 4000 100.64.0.2 4000

# 3. With circuits: what a client can do.
for n in client relay; do
	esp $n 198.51.100.2 192.0.2.1 0x1001 1
	esp $n 192.0.2.1 198.51.100.2 0x1002 1
done
for address in 100.64.0.2 100.64.0.3 100.65.0.2; do
	policy client out 198.51.100.2 192.0.2.1 1 src $address/32 dst 0.0.0.0/0
	policy client in 192.0.2.1 198.51.100.2 1 src 0.0.0.0/0 dst $address/32
	policy relay out 192.0.2.1 198.51.100.2 1 src 0.0.0.0/0 dst $address/32
	policy relay fwd 198.51.100.2 192.0.2.1 1 src $address/32 dst 0.0.0.0/0
	policy relay in 198.51.100.2 192.0.2.1 1 src $address/32 dst 0.0.0.0/0
done
for port in 22 500 4000 40000; do
	read -r address mapped < <(probe udp 100.64.0.2 $port 203.0.113.2 7)
	check_eq "port $port goes out as the relay" 192.0.2.1 "$address"
	check_nat_port "port $port" "$mapped"
done
read -r address other < <(probe udp 100.64.0.3 40000 203.0.113.2 7)
check_nat_port "the same port of another client" "$other"
check_not "it is another one" test "$other" = "$mapped"
check_eq "the first client keeps its own" "192.0.2.1 $mapped" "$(probe udp 100.64.0.2 40000 203.0.113.2 7)"
for id in 500 40000; do
	check "echo with id $id is answered" ns_exec client ping -q -c 1 -W 2 -e $id -I 100.64.0.2 203.0.113.2
	check_nat_port "echo with id $id" "$(tail -n 1 "$OUT/echoes.log")"
done
check_eq "a client reaches the relay's IKE, by its pool address" "100.64.0.2 500" "$(probe udp 100.64.0.2 500 192.0.2.1 500)"
check_eq "conntrack has not seen that" 0 "$(relay cat /proc/net/nf_conntrack 2>/dev/null | grep -c 'src=100.64.0.2 .*dport=500 ')"

# 4. What it cannot.
probe udp 100.64.0.2 500 203.0.113.2 9 >/dev/null
check_eq "no client has a binding on the relay's port 500" "203.0.113.2 9" "$(probe_in server udp 203.0.113.2 9 192.0.2.1 500)"
check_dropped "the relay itself" pool_to_us "client to the relay itself" probe udp 100.64.0.2 4000 192.0.2.1 7
check_dropped "another client" out_of_pool "client to client" probe udp 100.64.0.2 4000 100.64.9.9 4000
check_dropped "the pool address of another relay" out_of_pool "pool address of another relay" probe udp 100.65.0.2 4000 203.0.113.2 7
check_dropped "a private network" out_of_pool "not a public address" probe udp 100.64.0.2 4000 10.1.2.3 7
check_dropped "multicast's neighbours" out_of_pool "not a public address" probe udp 100.64.0.2 4000 240.0.0.1 7
check_dropped "what the exit policy rejects" exit "exit policy" probe udp 100.64.0.2 4000 198.51.100.77 7
check_dropped "a protocol that NAPT cannot tell apart" out_of_pool "protocol without NAPT" probe raw 253 100.64.0.2 203.0.113.2
check_dropped "IKE to a stranger" out_of_pool "no connection of its own" probe udp 100.64.0.2 4001 203.0.113.2 500
check_dropped "ESP to a stranger" out_of_pool "no connection of its own" probe raw 50 100.64.0.2 203.0.113.2
check_dropped "from the Internet to a client" into_pool "not an answer to a client" \
	probe_in server udp 203.0.113.2 4000 100.64.0.2 4000
check_dropped "an ICMP error about another client's connection" out_of_pool "no connection of its own" \
	probe refuse 100.64.0.2 100.64.0.3 40000 203.0.113.2 7
check_eq "nothing with a pool address had to be caught behind NAT" "0 0" \
	"$(for comment in "pool address in clear" "no circuit"; do counted last "$comment" | cut -d' ' -f1; done | paste -sd' ')"

# 5. Tunnel traffic to another relay: only ESP and IKE, whatever the exit policy says.
esp relay 192.0.2.1 203.0.113.2 0x2001 2
policy relay out 192.0.2.1 203.0.113.2 2 src 100.64.0.0/16 dst 203.0.113.2/32
ns_exec server nft "add table ip seen; add chain ip seen c { type filter hook input priority -400; }; \
	add rule ip seen c ip saddr 192.0.2.1 ip protocol esp counter"
seen() { ns_exec server nft list table ip seen | sed -n 's/.*packets \([0-9]*\) .*/\1/p'; }
check_dropped "other traffic" out_of_pool "not tunnel traffic" probe udp 100.64.0.2 4000 203.0.113.2 7
check_eq "a relay without exit forwards it too" ok "$(check_nft middle)"
probe raw 50 100.64.0.2 203.0.113.2 >/dev/null
probe udp 100.64.0.2 500 203.0.113.2 500 >/dev/null
check_eq "ESP and IKE leave in ESP" 2 "$(seen)"
check_eq "and nothing of it was dropped" 0 "$(counted - - | cut -d' ' -f2)"
check_dropped "it is no exit" out_of_pool "no exit" probe udp 100.64.0.2 4000 203.0.113.3 7
