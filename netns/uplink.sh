#!/bin/bash
# uplink.sh: what a client sends on its links, counted at their other ends by nftables, which misses nothing; source it after world.sh.
# Only the tunnel's packets, the fetch of the list and what a link needs may be there. All else is plain; OUT/plain-ROUTER.log shows it.

uplinks=() # NAMESPACE DEVICE

# uplink_watch ROUTER DEVICE: from now on.
uplink_watch() {
	local relays='' name
	for name in $WORLD_RELAYS; do
		relays+="${relays:+, }$(world_ip "$name")"
	done
	ns_exec "$1" nft -f - <<N || return 1
table netdev uplink {
	counter tunnel { }
	counter fetch { }
	counter nearby { }
	counter plain { }
	counter tells { }
	chain in {
		type filter hook ingress device "$2" priority 0; policy accept
		ip daddr { $relays } ip protocol esp counter name tunnel return
		ip daddr { $relays } udp sport { 500, 4500 } udp dport { 500, 4500 } counter name tunnel return
		ip daddr $(world_ip dir) tcp dport 8080 counter name fetch return
		arp operation reply arp saddr ip 100.64.0.0/10 counter name tells
		ether type arp counter name nearby return
		icmpv6 type { 130-137, 143 } counter name nearby return
		ip protocol igmp counter name nearby return
		udp sport 68 udp dport 67 counter name nearby return
		counter name plain
	}
}
N
	uplinks+=("$1 $2")
	spawn "$1" "plain-$1" tcpdump -i "$2" -Q in -n -l --immediate-mode -Z root \
		'not esp and not arp and not udp port 500 and not udp port 4500 and not tcp port 8080 and not icmp6 and not igmp and not udp port 67'
	wait_for 60 has_line "$OUT/plain-$1.log" '*listening on*'
}

# uplink_tells: how many answers there were to ARP for an address inside the tunnel.
uplink_tells() { ns_exec ra nft list counter netdev uplink tells | awk '$1 == "packets" {print $2}'; }

# uplink_mark: uplink_since counts from now on.
uplink_mark() {
	uplink_read
	uplink_marked="$uplink_total $uplink_plain"
}

# uplink_read: sets uplink_total and uplink_plain to what was sent since uplink_watch.
uplink_read() {
	local entry
	uplink_total=0 uplink_plain=0
	for entry in "${uplinks[@]}"; do
		read -r total plain <<<"$(ns_exec "${entry% *}" nft list counters table netdev uplink |
			awk '$1 == "counter" {name = $2} $1 == "packets" && name != "tells" {all += $2; if (name == "plain") plain += $2} END {print all + 0, plain + 0}')"
		uplink_total=$((uplink_total + total)) uplink_plain=$((uplink_plain + plain))
	done
}

# uplink_since: sets total and plain to the packets since uplink_mark.
uplink_since() {
	uplink_read
	total=$((uplink_total - ${uplink_marked% *})) plain=$((uplink_plain - ${uplink_marked#* }))
}

# check_uplinks TEXT [AT_LEAST]: none of the packets since uplink_mark was plain; there were so many.
check_uplinks() {
	uplink_since
	check "$1: $plain of $total packets in clear" test "$plain" = 0 -a "$total" -ge "${2:-1}"
}
