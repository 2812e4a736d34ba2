#!/bin/bash
# observe.sh: an observer on every link of world.sh, and what they could read; source it after world.sh.
# They stand on the routers, which hold no key: on a host where ESP ends, tcpdump also shows the opened packets.
# Captures are written to SCRATCH, which is quick, and kept in OUT/observe afterwards; only the first 700 bytes of each packet.

OBSERVE_SNAP=700
OBSERVE_ROUTERS="ra:rb rb:rc rc:ra"
observe_links=() # LABEL NAMESPACE DEVICE, in the order of the report
observe_pids=()

# observe_start HOST…: on these hosts' links and between the routers. Returns when all listen.
observe_start() {
	local host pair entry label name device
	observe_links=() observe_pids=()
	for host; do
		observe_links+=("$host ${world_router[$host]} to-$host")
	done
	for pair in $OBSERVE_ROUTERS; do
		observe_links+=("${pair/:/-} ${pair%:*} to-${pair#*:}")
	done
	mkdir -p "$SCRATCH/observe" "$OUT/observe"
	for entry in "${observe_links[@]}"; do
		read -r label name device <<<"$entry"
		spawn "$name" "observe/$label" tcpdump -i "$device" -w "$SCRATCH/observe/$label.pcap" -s $OBSERVE_SNAP -B 16384 -Z root -n
		observe_pids+=("$spawned")
	done
	for entry in "${observe_links[@]}"; do
		wait_for 15 grep -q 'listening on' "$OUT/observe/${entry%% *}.log" || return 1
	done
}

# observe_stop: the captures are complete; the report (see observe.py) is in OUT/observe/report.
observe_stop() {
	local entry label args=()
	nap 1.2 # a capture gets a block of packets when it is full or a second old
	stop "${observe_pids[@]}"
	cp "$SCRATCH"/observe/*.pcap "$OUT/observe/"
	for entry in "${!world_number[@]}"; do
		args+=(--name "$entry=$(world_ip "$entry")")
	done
	args+=(--watch client1 --watch web)
	for entry in "${observe_links[@]}"; do
		label=${entry%% *}
		args+=("$label=$SCRATCH/observe/$label.pcap")
	done
	python3 -I -S "$SOURCE/netns/observe.py" "${args[@]}" >"$OUT/observe/report"
}

# observe_complete: no capture missed a packet.
observe_complete() {
	local entry log
	for entry in "${observe_links[@]}"; do
		log=$OUT/observe/${entry%% *}.log
		grep -q '^0 packets dropped by kernel' "$log" || { tail -n 3 "$log"; return 1; }
	done
}

# observe_pairs [LINK]: KIND A B of everything that went between hosts, on that link or on any.
observe_pairs() {
	awk -v link="${1:-}" '$1 == "pair" && (link == "" || $2 == link) && $3 != "arp" && $3 != "local" {print $3, $4, $5}' \
		"$OUT/observe/report" | sort -u
}

# observe_reads NAME: LINK KIND A B wherever that host's address can be read.
observe_reads() { awk -v name="$1" '$1 == "reads" && $3 == name && $4 != "arp" {print $2, $4, $5, $6}' "$OUT/observe/report"; }

# observe_packets KIND [LINK]: how many packets of that kind.
observe_packets() {
	awk -v kind="$1" -v link="${2:-}" '$1 == "pair" && $3 == kind && (link == "" || $2 == link) {n += $6} END {print n + 0}' \
		"$OUT/observe/report"
}

# observe_pair KIND A B: a line with the two names in the order of the report.
observe_pair() {
	local LC_ALL=C
	if [[ $2 < $3 ]]; then echo "$1 $2 $3"; else echo "$1 $3 $2"; fi
}

# observe_allowed CLIENT WEB < paths, a line "ENTRY MIDDLE EXIT" each: KIND A B of all that may be seen while they are in use.
observe_allowed() {
	local client=$1 web=$2 entry middle exit kind host
	while read -r entry middle exit; do
		for kind in esp ike; do
			observe_pair $kind "$client" "$entry"
			observe_pair $kind "$entry" "$middle"
			observe_pair $kind "$middle" "$exit"
		done
		for kind in http dns udp icmp; do
			observe_pair $kind "$exit" "$web"
		done
	done
	for host in "$client" $WORLD_RELAYS; do
		observe_pair list dir "$host"
	done
}

# observe_only ALLOWED LINES: those of LINES that are not in ALLOWED; nothing when all is as it should be.
observe_only() { grep -vxF -f <(echo "$1") <<<"$2" | sed '/^$/d'; }
