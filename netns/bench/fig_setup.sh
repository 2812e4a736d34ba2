#!/bin/bash
# fig_setup.sh: time to build a circuit and to the first byte on a warm one, 20, 50 and 100 ms round trip for each hop

# built SYSTEM COUNT: builds that many circuits, one after the other; the seconds that each took.
built() {
	local n seen
	case $1 in
	ippriv)
		# The client makes a new one for each that is taken; it says how long it took. The taken one is given up when that is over.
		for n in $(seq "$2"); do
			seen=$(grep -c 'is ready after' "$OUT/ippriv-S.log")
			ns_exec iS "$BUILD_DIR/ippriv" --control "$SCRATCH/S.sock" run -- sleep 2 2>"$OUT/built.log" || return 1
			wait_for 30 more_ready "$seen" || return 1
			sleep 1
		done
		grep -o 'is ready after [0-9.]*' "$OUT/ippriv-S.log" | tail -n "$2" | cut -d' ' -f4
		;;
	tor*) ns_exec "${letter[$1]}S" python3 "$SOURCE/netns/bench/torctl.py" "$OUT/$1-S/control" "$2" ;;
	esac
}
more_ready() { [ "$(grep -c 'is ready after' "$OUT/ippriv-S.log")" -gt "$1" ]; }

# first_byte SYSTEM COUNT: a new TCP connection each, until a byte of the server's is there; then `ippriv run` around one.
first_byte() {
	local n
	for n in $(seq "$2"); do
		load "$1" -n 1 | jq .seconds
		sleep 0.3
	done
}

numbers() { jq -s -c --arg what "$1" '{($what): .}'; }

systems=$(chosen direct ippriv tor wireguard)
count=$(quick 3 10)
read -ra hops <<<"$(quick 20 "20 50 100")"
# shellcheck disable=SC2086
systems_up $systems || exit 1
runs_all=$((${#hops[@]} * 2 * $(wc -w <<<"$systems") * $(repeats 1 | wc -l)))
for repeat in $(repeats 1); do
	for hop in "${hops[@]}"; do
		for system in $systems; do
			delay "$system" "$(awk "BEGIN { print $hop / 2 }")"
			tags="\"hop\": $hop, \"repeat\": $repeat"
			first_byte "$system" 1 >/dev/null # what was learnt about the old path
			result "$system" "$tags, \"kind\": \"first byte\"" "$(first_byte "$system" "$count" | numbers times)"
			case $system in
			ippriv | tor) result "$system" "$tags, \"kind\": \"circuit\"" "$(built "$system" "$count" | numbers times)" ;;
			*) runs_done=$((runs_done + 1)) ;;
			esac
		done
	done
done
