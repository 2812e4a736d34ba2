#!/bin/bash
# fig_bulk.sh: bulk transfers when nothing but the processor limits them, both ways, GRO on and off

systems=$(chosen direct ippriv tor wireguard)
bytes=$(quick 5000000 50000000)
# shellcheck disable=SC2086
systems_up $systems || exit 1
runs_all=$(($(wc -w <<<"$systems") * 4 * $(repeats 3 | wc -l)))
for repeat in $(repeats 3); do
	for gro in off on; do
		# shellcheck disable=SC2086
		gro $gro $systems
		for system in $systems; do
			for way in down up; do
				up=
				[ $way = down ] || up=-u
				# shellcheck disable=SC2086
				result "$system" "\"gro\": \"$gro\", \"way\": \"$way\", \"repeat\": $repeat" "$(load "$system" $up -n "$bytes")"
			done
		done
	done
done
