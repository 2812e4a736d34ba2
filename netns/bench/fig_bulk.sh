#!/bin/bash
# fig_bulk.sh: bulk transfers when nothing but the processor limits them, both ways, GRO on and off

# bulk_all SYSTEM…
bulk_all() {
	local repeat gro system way up
	for repeat in $(repeats 3); do
		for gro in off on; do
			gro $gro "$@"
			for system; do
				for way in down up; do
					up=
					[ $way = down ] || up=-u
					# shellcheck disable=SC2086
					result "$system" "\"gro\": \"$gro\", \"way\": \"$way\", \"repeat\": $repeat" "$(load "$system" $up -n "$bytes")"
				done
			done
		done
	done
}

systems=$(chosen direct ippriv tor wireguard)
bytes=$(quick 5000000 20000000)
# shellcheck disable=SC2086
systems_up $systems || exit 1
aes=$(chosen ippriv | sed s/$/_aes/)
runs_all=$(($(wc -w <<<"$systems $aes") * 4 * $(repeats 3 | wc -l)))
# shellcheck disable=SC2086
bulk_all $systems
[ -z "$aes" ] || ippriv_with_aes bulk_all || exit 1
