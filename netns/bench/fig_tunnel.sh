#!/bin/bash
# fig_tunnel.sh: TCP through a TCP tunnel and through none, 1, 2 and 5 flows, 10 Mbit/s, RTT 20 ms (the report's figure 2)
. "$SOURCE/netns/bench/fig_loss.sh"

systems=$(chosen direct tcptunnel ippriv)
seconds=${IPPRIV_BENCH_SECONDS:-$(quick 10 20)}
read -ra losses <<<"$(quick "0 3" "0 0.5 1 3 5")"
# shellcheck disable=SC2086
systems_up $systems || exit 1
read -ra flows <<<"$(quick "1 5" "1 2 5")"
runs_all=$(($(wc -w <<<"$systems") * ${#losses[@]} * ${#flows[@]} * $(repeats 3 | wc -l)))
for repeat in $(repeats 3); do
	for loss in "${losses[@]}"; do
		links_shape 10 "$loss" 10mbit
		links_measure "$repeat" "\"loss\": $loss" "${flows[@]}"
	done
done
