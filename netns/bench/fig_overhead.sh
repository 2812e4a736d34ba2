#!/bin/bash
# fig_overhead.sh: bytes on each link (IP and up) for a byte of payload, by size of what is sent

# bytes_on SYSTEM: IP bytes and packets so far on each of the four links, both directions, as the inside of a JSON object. The
# counters include 14 bytes of Ethernet each.
bytes_on() {
	local x=${letter[$1]} a b list=()
	for a in "S A" "A B" "B C" "C D"; do
		b=${a#* } a=${a% *}
		list+=("$x$a to-$x$b $a-$b" "$x$b to-$x$a $a-$b")
	done
	printf '%s\n' "${list[@]}" | while read -r host device link; do
		# shellcheck disable=SC2016
		echo "$link $(ns_exec "$host" bash -c 'cd /sys/class/net/$0/statistics && echo $(<tx_bytes) $(<tx_packets)' "$device")"
	done | awk '{ bytes[$1] += $2 - 14 * $3; packets[$1] += $3 }
		END { for (l in bytes) printf "%s\"%s\": [%d, %d]", n++ ? ", " : "", l, bytes[l], packets[l] }'
}

# counted SYSTEM TAGS LOAD_OPTIONS…
counted() {
	local system=$1 tags=$2 before after said
	shift 2
	before=$(bytes_on "$system")
	said=$(load_timed "$system" "$@")
	nap 0.5
	after=$(bytes_on "$system")
	result "$system" "$tags, \"before\": {$before}, \"after\": {$after}" "$(jq -c '.exchanges = (.delays | length) | del(.delays)' <<<"$said")"
}

# cut_early SYSTEM: counters are to see packets, not what a card would still cut.
cut_early() {
	local host device
	while read -r host device; do
		ns_exec "$host" ethtool -K "$device" tso off gso off
	done < <(links_of "$1")
}

if [ "$BENCH" = overhead ]; then
	systems=$(chosen direct ippriv tor wireguard)
	sizes="1 64 256 512 1024 4096 16384"
	# shellcheck disable=SC2086
	systems_up $systems || exit 1
	runs_all=$(($(wc -w <<<"$systems") * ($(wc -w <<<"$sizes") + 3) * $(repeats 1 | wc -l)))
	for system in $systems; do
		cut_early "$system"
	done
	for repeat in $(repeats 1); do
		for system in $systems; do
			for size in $sizes; do
				counted "$system" "\"kind\": \"exchange\", \"size\": $size, \"repeat\": $repeat" -f 0 -e -x "$size" -p 20 -t "$(quick 1 4)"
			done
			counted "$system" "\"kind\": \"down\", \"repeat\": $repeat" -n "$(quick 500000 3000000)"
			counted "$system" "\"kind\": \"up\", \"repeat\": $repeat" -u -n "$(quick 500000 3000000)"
			# What passes by itself: padding, votes, keepalives.
			counted "$system" "\"kind\": \"idle\", \"repeat\": $repeat" -f 0 -t 20
		done
	done
fi
