#!/bin/bash
# fig_profile.sh: where the instructions go in a bulk transfer: samples of kernel stacks, each system

# profiled SYSTEM TAGS LOAD_OPTIONS…: a sample each 200,003 instructions (5 kHz of the guest's clock).
profiled() {
	local system=$1 tags=$2 said stacks
	shift 2
	bpf_start "profile-$system" -e "BEGIN { printf(\"counting\n\"); }
		profile:hz:4999 /pid != ${clock_holder:-0}/ { @stacks[kstack(40)] = count(); }" || return 1
	said=$(load "$system" "$@" 2>&1)
	bpf_end "$bpf_pid"
	stacks=$(python3 -B "$SOURCE/netns/bench/stacks.py" "$OUT/profile-$system.log")
	result "$system" "$tags, \"profile\": ${stacks:-{\}}" "$said"
}

# profile_all SYSTEM…
profile_all() {
	local repeat system
	for repeat in $(repeats 1); do
		for system; do
			profiled "$system" "\"way\": \"down\", \"repeat\": $repeat" -n "$bytes"
			profiled "$system" "\"way\": \"up\", \"repeat\": $repeat" -u -n "$bytes"
		done
	done
}

systems=$(chosen ippriv wireguard tor direct)
bytes=$(quick 2000000 20000000)
# shellcheck disable=SC2086
systems_up $systems || exit 1
aes=$(chosen ippriv | sed s/$/_aes/)
runs_all=$(($(wc -w <<<"$systems $aes") * 2 * $(repeats 1 | wc -l)))
# shellcheck disable=SC2086
profile_all $systems
[ -z "$aes" ] || ippriv_with_aes profile_all || exit 1
