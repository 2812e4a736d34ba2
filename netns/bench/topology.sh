#!/bin/bash
# topology.sh: one chain of hosts for each system that is measured, all alike; source it after lib.sh.
#
#       .1.2/30      A         B         C       .26
#    S ------------ A ------- B ------- C ------ D         203.0.113.0/24
#     \_____________|_________|_________|                  dir: a network of its own for the relays' list
#
# Each system has its own five hosts, so that nothing of one (policies, NAT, daemons) is in the way of another. They are called by
# the system's letter: dS is the client of `direct`, tA the entry of `tor`. Only the link A-B is ever slow or lossy.

declare -A letter=([direct]=d [ippriv]=i [ippriv_aes]=i [tor]=t [torfixed]=f [wireguard]=w [tcptunnel]=c)
declare -A address=([S]=203.0.113.2 [A]=203.0.113.9 [B]=203.0.113.17 [C]=203.0.113.25 [D]=203.0.113.26 [M]=198.51.100.1)
RELAYS="A B C"

# topology_up SYSTEM…: their hosts, links and routes; nothing runs yet.
topology_up() {
	local system x hosts='' cables=()
	for system; do
		x=${letter[$system]}
		hosts+=" ${x}S ${x}A ${x}B ${x}C ${x}D"
		cables+=("${x}S ${x}A" "${x}A ${x}B" "${x}B ${x}C" "${x}C ${x}D")
		[ "$system" != ippriv ] || { hosts+=" iM" && cables+=("iM iS" "iM iA" "iM iB" "iM iC"); }
	done
	wire "${hosts# }" "${cables[@]}" || return 1
	for system; do
		topology_chain "${letter[$system]}"
	done
	[[ " $* " != *" ippriv "* ]] || topology_list
	settled
}

# ends NETWORK HOST PEER: that host's end of the link, a line for `ip -batch` each.
ends() { echo "addr add $1/30 dev to-$2"; echo "link set to-$2 up"; }

topology_chain() {
	local x=$1 list_s='' list_a='' list_b='' list_c=''
	if [ "$x" = i ]; then
		list_s=$(list_route 1 S) list_a=$(list_route 2 A) list_b=$(list_route 3 B) list_c=$(list_route 4 C)
	fi
	settle "${x}S" "$(ends 203.0.113.2 "${x}A")" "route add default via 203.0.113.1" "$list_s"
	settle "${x}A" "$(ends 203.0.113.1 "${x}S")" "$(ends 203.0.113.9 "${x}B")" \
		"route add default via 203.0.113.10 src ${address[A]}" "$list_a" forward
	settle "${x}B" "$(ends 203.0.113.10 "${x}A")" "$(ends 203.0.113.17 "${x}C")" \
		"route add 203.0.113.0/30 via 203.0.113.9 src ${address[B]}" "route add default via 203.0.113.18" "$list_b" forward
	settle "${x}C" "$(ends 203.0.113.18 "${x}B")" "$(ends 203.0.113.25 "${x}D")" \
		"route add default via 203.0.113.17 src ${address[C]}" "$list_c" forward
	settle "${x}D" "$(ends 203.0.113.26 "${x}C")" "route add default via 203.0.113.25"
}

# The directory's links: what relays and client say to it does not cross the chain.
list_route() {
	ends "198.51.100.$((4 * $1 + 2))" iM
	echo "route add ${address[M]}/32 via 198.51.100.$((4 * $1 + 1)) src ${address[$2]}"
}
topology_list() {
	local host number=1 lines=("addr add ${address[M]}/32 dev lo")
	for host in S A B C; do
		lines+=("$(ends "198.51.100.$((4 * number + 1))" "i$host")")
		lines+=("route add ${address[$host]}/32 via 198.51.100.$((4 * number + 2))")
		number=$((number + 1))
	done
	settle iM "${lines[@]}"
}

# links_of SYSTEM: "HOST DEVICE" of each end of its chain.
links_of() {
	local x=${letter[$1]} a b
	for a in "S A" "A B" "B C" "C D"; do
		b=${a#* } a=${a% *}
		echo "$x$a to-$x$b"
		echo "$x$b to-$x$a"
	done
}

# gro on|off SYSTEM…: on all links of the chain. veth comes without, network cards come with it.
gro() {
	local state=$1 system host device
	shift
	for system; do
		while read -r host device; do
			ns_exec "$host" ethtool -K "$device" gro "$state" || return 1
		done < <(links_of "$system")
	done
}

# lone_segments SYSTEM MOST: on all links of the chain, senders hand over so many segments at a time. TCP hands over several even to
# a device without TSO, forwarded they stay together, and netem counts, delays and loses them as one packet: a path that carries
# TCP itself would meet its losses in bursts, tunnels would not, and ours had 0.7 of direct's goodput for this alone.
lone_segments() {
	local host device
	while read -r host device; do
		ns_ip "$host" link set "$device" gso_max_segs "$2" || return 1
	done < <(links_of "$1")
}

# shape SYSTEM DELAY_MS LOSS_PERCENT RATE: both directions of A-B.
shape() {
	local x=${letter[$1]} host peer
	lone_segments "$1" 1 || return 1
	for host in A B; do
		peer=B
		[ $host = A ] || peer=A
		ns_exec "$x$host" tc qdisc replace dev "to-$x$peer" root handle 1: netem delay "$2ms" loss "$3%" rate "$4" limit "${5:-100}"
	done
}

# delay SYSTEM MS: on every link of the chain, each direction; nothing is lost.
delay() {
	local host device
	while read -r host device; do
		ns_exec "$host" tc qdisc replace dev "$device" root handle 1: netem delay "$2ms" limit 10000
	done < <(links_of "$1")
}

# unshape SYSTEM
unshape() {
	local host device
	while read -r host device; do
		ns_exec "$host" tc qdisc del dev "$device" root 2>/dev/null
		ns_exec "$host" ethtool -K "$device" tso on gso on
	done < <(links_of "$1")
	lone_segments "$1" 65535
}
