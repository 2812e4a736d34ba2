#!/bin/bash
# endings.sh: what t_stop and t_kill share, on top of world.sh: who uses which relay, a ping that counts, ways to end a daemon.

# endings_world [FUNCTION]: directory and relays up, liveness short. FUNCTION NAME, on every host before there is a daemon.
endings_world() {
	local name
	world_up && world_services || return 1
	world_directory_conf
	for name in $WORLD_RELAYS; do
		world_relay_conf "$name" "exit = true" "dns = $(world_ip web)" "liveness = 5" "client_silence = 5"
	done
	for name in $WORLD_CLIENTS; do
		world_client_conf "$name" "liveness = 5"
	done
	for name in dir $WORLD_RELAYS $WORLD_CLIENTS; do
		[ $# = 0 ] || "$1" "$name" || return 1
		clean[$name]=$(kernel_of "$name")
	done
	world_daemons
}
declare -A clean=() # what a host's kernel holds without a daemon

# kernel_of NAME: what its kernel holds, as ns_state tells but in few processes, since it is asked often.
kernel_of() {
	ns_exec "$1" sh -c '
		ip -o -batch - <<-END
			link show
			address show
			rule show
			route show table all
			xfrm policy
			xfrm state
		END
		ip -6 -o -batch - <<-END
			rule show
			route show table all
		END
		ip -s -s xfrm policy count | grep thresholds
		nft list ruleset' |
		sed -E 's/^[0-9]+: //; s/@[^:]*:/:/; s/ (qdisc|valid_lft|expires) .*//; /anti-replay|^$/d' | sort
}

# is_clean NAME: after a stop.
is_clean() { diff <(echo "${clean[$1]}") <(kernel_of "$1"); }

# path_of CLIENT: its circuit in use: entry, middle, exit.
path_of() {
	ippriv "$1" status --json |
		jq -r '.circuits[] | select(.attached and .state == "ready") | .hops | map(.nickname) | join(" ")'
}

# not_in LIST: the first relay that is not there.
not_in() {
	local name
	for name in $WORLD_RELAYS; do
		case " $1 " in *" $name "*) ;; *) echo "$name"; return ;; esac
	done
}

has_ready() { ippriv "$1" status | grep >/dev/null ': ready, free'; }

# census NAME RELAY…: asks those relays: how many circuits they have, and how many overlay tunnels with NAME ('-': nobody).
# Tunnels that are wanted in vain do not count.
census() {
	local said
	said=$(relay_json "${@:2}") || return 1
	jq -rs --arg with "$1" '[(map(.circuits | length) | add),
		(map(.tunnels[]) | map(select(.relay == $with and .state == "established")) | length)] | join(" ")' <<<"$said"
}

# shellcheck disable=SC2086
circuits_are() { [ "$(census - $WORLD_RELAYS)" = "$1 0" ]; }

no_tunnel_with() {
	local said
	said=$(census "$@") && [ "${said#* }" = 0 ]
}

# ping_start CLIENT LOG: five a second through its telescope; pid in $ping_pid.
ping_start() {
	spawn "$1" "$2" "$BUILD_DIR/ippriv" --control "$SCRATCH/$1.sock" run -- ping -n -i 0.2 "$(world_ip web)"
	ping_pid=$spawned
	wait_for 30 grep -q 'icmp_seq=5 ' "$OUT/$2.log"
}

answers() { grep -c 'bytes from' "$OUT/$1.log"; }

# lost LOG: between the first answer and the last one.
lost() {
	awk -F 'icmp_seq=' '/bytes from/ {split($2, a, " "); n++; if (!first) first = a[1]; last = a[1]} END {print last - first + 1 - n}' \
		"$OUT/$1.log"
}

# more_answers LOG COUNT: they go on.
more_answers() { [ "$(answers "$1")" -ge "$2" ]; }

# cut_off PID: the namespace of that program has loopback and no route to anybody.
cut_off() {
	[ "$(nsenter -t "$1" -n ip -o link | wc -l)" = 1 ] && ! nsenter -t "$1" -n ip route get "$(world_ip web)"
}

# end NAME SIGNAL…: the daemon of that host, the signals 50 ms apart. $ended: its exit status, or what is wrong.
end() {
	local name=$1 pid=${world_pid[$1]} signal
	shift
	unset "world_pid[$name]"
	for signal; do
		kill "-$signal" "$pid" 2>/dev/null
		nap 0.05
	done
	ended="still there"
	if wait_for 5 is_gone "$pid"; then
		wait "$pid"
		ended=$?
	fi
}
