#!/bin/bash
# fig_capacity.sh: goodput and application delay over the bottleneck's rate, 3 % loss, RTT 20 ms (the report's figure 6)
. "$SOURCE/netns/bench/fig_loss.sh"

systems=$(chosen direct ippriv tor torfixed wireguard)
seconds=${IPPRIV_BENCH_SECONDS:-$(quick 10 20)}
read -ra rates <<<"$(quick "1 4 10" "0.5 1 2 4 6 8 10")"
# shellcheck disable=SC2086
systems_up $systems || exit 1
runs_all=$(($(wc -w <<<"$systems") * ${#rates[@]} * 2 * $(repeats 3 | wc -l)))
for repeat in $(repeats 3); do
	for rate in "${rates[@]}"; do
		links_shape 10 3 "${rate}mbit"
		links_measure "$repeat" "\"rate\": $rate" 1 5
	done
done
