#!/bin/bash
# fig_loss.sh: goodput and application delay over loss, 1 and 5 flows, 10 Mbit/s, RTT 20 and 100 ms (the report's figure 4)

# links_measure REPEAT TAGS FLOWS…: on links as they are, each number of flows through each system.
links_measure() {
	local repeat=$1 tags=$2 flows system
	shift 2
	for flows; do
		for system in $systems; do
			result "$system" "$tags, \"repeat\": $repeat" "$(load_timed "$system" -f "$flows" -t "$seconds" -w 5 -e)"
			# What is under way drains, and Tor's buffers.
			nap 2
		done
	done
}

# links_shape DELAY LOSS RATE
links_shape() {
	local system
	for system in $systems; do
		shape "$system" "$@" || return 1
	done
}

if [ "$BENCH" = loss ]; then
	systems=$(chosen direct ippriv tor torfixed wireguard)
	seconds=${IPPRIV_BENCH_SECONDS:-$(quick 10 20)}
	read -ra rtts <<<"${IPPRIV_BENCH_RTTS:-$(quick "20" "20 100")}"
	read -ra losses <<<"${IPPRIV_BENCH_LOSSES:-$(quick "0 3" "0 0.5 1 3 5")}"
	# shellcheck disable=SC2086
	systems_up $systems || exit 1
	runs_all=$(($(wc -w <<<"$systems") * ${#rtts[@]} * ${#losses[@]} * 2 * $(repeats 3 | wc -l)))
	for repeat in $(repeats 3); do
		for rtt in "${rtts[@]}"; do
			for loss in "${losses[@]}"; do
				links_shape $((rtt / 2)) "$loss" 10mbit
				links_measure "$repeat" "\"rtt\": $rtt, \"loss\": $loss" 1 5
			done
		done
	done
fi
