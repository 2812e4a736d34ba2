#!/bin/bash
# fig_cpu.sh: instructions for a byte of payload at client, entry, middle, exit and server, by goodput (the report's figure 10)

# hosts_of SYSTEM: the inside of a JSON object: namespaces of its hosts, and "others", that are no part of it. Those that are not
# named are the client's.
hosts_of() {
	local path x=${letter[$1]} others
	others=$(stat -L -c %i /proc/1/ns/net)
	for path in "/run/netns/$PREFIX"-*; do
		case ${path##*-} in
		"$x"[ABCD]) printf '"%s": %s, ' "${path: -1}" "$(stat -L -c %i "$path")" ;;
		"$x"S | w[123]) ;;
		*) others+=", $(stat -L -c %i "$path")" ;;
		esac
	done
	echo "\"others\": [$others]"
}

# counts_now NAME N: bpftrace says them, for the Nth time.
counts_now() { kill -USR1 "$bpf_pid" && wait_for 20 counts_are "$1" "$2"; }
counts_are() { [ "$(bpf_map "$1" @spent | wc -l)" = "$2" ]; }

# counted_cpu SYSTEM TAGS LOAD_OPTIONS…: with cpu.bt beside it.
counted_cpu() {
	local system=$1 tags=$2 name=cpu-$1 said spent
	shift 2
	bpf_start "$name" -f json "$SOURCE/netns/bench/cpu.bt" "${clock_holder:-0}" || return 1
	# Both while it counts: that it begins and ends costs kernel threads much.
	counts_now "$name" 1
	said=$(load_timed "$system" "$@")
	counts_now "$name" 2 || { echo "# bpftrace did not count: $(tail -n 2 "$OUT/$name.log")"; return 1; }
	stop "$bpf_pid"
	spent=$(bpf_map "$name" @spent | jq -s -c '.[0] as $before | .[1] | with_entries(.value -= ($before[.key] // 0))')
	result "$system" "$tags, \"spent\": $spent, \"hosts\": {$(hosts_of "$system")}" "$said"
}

systems=$(chosen direct ippriv tor wireguard)
read -ra rates <<<"$(quick "2" "1 4 10")"
# shellcheck disable=SC2086
systems_up $systems || exit 1
runs_all=$(($(wc -w <<<"$systems") * (${#rates[@]} + 2) * $(repeats 1 | wc -l)))
for repeat in $(repeats 1); do
	for system in $systems; do
		for way in down up; do
			options=(-n "$(quick 1000000 10000000)")
			[ $way = down ] || options=(-u "${options[@]}")
			counted_cpu "$system" "\"rate\": \"no limit\", \"way\": \"$way\", \"repeat\": $repeat" "${options[@]}"
		done
		for rate in "${rates[@]}"; do
			shape "$system" 10 0 "${rate}mbit"
			counted_cpu "$system" "\"rate\": \"$rate\", \"way\": \"down\", \"repeat\": $repeat" -t "$(quick 4 8)" -w 0
		done
		unshape "$system"
	done
done
