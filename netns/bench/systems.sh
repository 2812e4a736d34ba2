#!/bin/bash
# systems.sh: what is measured, each with the same verbs: SYSTEM_up, through SYSTEM CMD…; source it after topology.sh.

declare -A system_name=([direct]="direct" [ippriv]="IPpriv" [ippriv_aes]="IPpriv, AES-GCM" [tor]="Tor" [torfixed]="Tor, fixed window" [wireguard]="WireGuard x3"
	[tcptunnel]="a TCP tunnel" [strongswan]="strongSwan")
SERVER=${address[D]}:80

systems_running=''

# systems_up SYSTEM…: all of them carry packets when it returns; those that run already stay. Each server of a chain runs `load serve`.
systems_up() {
	local system need=()
	for system; do
		[[ " $systems_running " == *" $system "* ]] || need+=("$system")
	done
	[ ${#need[@]} != 0 ] || return 0
	topology_up "${need[@]}" || return 1
	for system in "${need[@]}"; do
		"${system}_up" || { echo "# ${system_name[$system]} did not start; logs: $OUT"; return 1; }
		spawn "${letter[$system]}D" "load-$system" "$LOAD" serve "$SERVER"
		wait_for 20 grep -q ready "$OUT/load-$system.log" || return 1
		# Reads the program, fills caches, tells that the path is good.
		load "$system" -n 200000 >/dev/null || { echo "# nothing passes through ${system_name[$system]}"; return 1; }
		echo "# ${system_name[$system]} carries packets"
		systems_running+=" $system"
	done
	systems_told "${need[@]}"
}

# wait_slowly SECONDS CMD…: wait_for, for what takes long: in the guest waiting costs nothing, but each look costs 50 ms and more.
wait_slowly() {
	local try tries=$(($1 / 3 + 1))
	shift
	for try in $(seq "$tries"); do
		"$@" >/dev/null 2>&1 && return 0
		sleep 3
	done
	return 1
}

# systems_told SYSTEM…: what of it decides figures, for the environment.
systems_told() {
	local system
	for system; do
		case $system in
		ippriv)
			echo "mtu_ippriv=$(through ippriv ip -o link show ippriv0 | sed 's/.* mtu \([0-9]*\).*/\1/')"
			echo "mss_ippriv=$(through ippriv bash -c 'exec 3<>"/dev/tcp/${0%:*}/${0#*:}" && ss -tinH dst "$0"' "$SERVER" |
				grep -o ' mss:[0-9]*' | head -n 1 | tr -dc 0-9)"
			echo "cipher=$(ns_exec iS ip xfrm state | awk '$1 == "aead" { print $2; exit }')"
			;;
		wireguard) echo "mtu_wireguard=$(through wireguard cat /sys/class/net/wg3/mtu)" ;;
		esac
	done >>"$RESULTS/environment"
}

# load SYSTEM OPTIONS…: bench_load through it.
load() {
	local system=$1 proxy=()
	shift
	[[ $system != tor* ]] || proxy=(-s 127.0.0.1:9050)
	through "$system" "$LOAD" "${proxy[@]}" "$@" "$SERVER"
}

# load_timed SYSTEM OPTIONS…: the same, also what it says on errors, with the clock free: where it waits, the deterministic guest takes
# no time of the host's. All that runs then has to be in memory already.
load_timed() {
	clock_free
	load "$@" 2>&1
	clock_hold
}

# through SYSTEM CMD…: where the client's application is.
through() {
	local system=$1
	shift
	case $system in
	ippriv*) in_hold ippriv "$@" ;;
	wireguard) ns_exec w3 "$@" ;;
	*) ns_exec "${letter[$system]}S" "$@" ;;
	esac
}

direct_up() { :; }

# One TCP connection from S to C; C translates the address, as an exit does.
tcptunnel_up() {
	spawn cC tunnel-C "$BUILD_DIR/bench_tunnel" serve tun0 "${address[C]}:900"
	wait_for 10 ns_ip cC link show tun0 || return 1
	spawn cS tunnel-S "$BUILD_DIR/bench_tunnel" join tun0 "${address[C]}:900"
	wait_for 20 grep -q ready "$OUT/tunnel-S.log" || return 1
	ns_ip cC addr add 172.31.0.1/24 dev tun0
	ns_ip cC link set tun0 up
	ns_ip cS addr add 172.31.0.2/24 dev tun0
	ns_ip cS link set tun0 up
	ns_ip cS route add "${address[D]}/32" dev tun0
	ns_exec cC nft "add table ip nat; add chain ip nat post { type nat hook postrouting priority 100; };
		add rule ip nat post ip saddr 172.31.0.0/24 masquerade"
}

# --- ours: the daemons, a circuit A B C held by `ippriv run`

ippriv_up() {
	local relay
	mkdir -p "$OUT"/etc "$OUT"/state/{M,S,A,B,C}
	"$BUILD_DIR/ippriv-directory" --keygen "$OUT/etc/M.key" >"$OUT/etc/M.pub"
	printf '%s\n' "listen = \"${address[M]}:8080\"" "identity = \"$OUT/etc/M.key\"" "state = \"$OUT/state/M\"" \
		"interval = 20" >"$OUT/etc/M.conf"
	ippriv_start M ippriv-directory || return 1
	for relay in $RELAYS; do
		"$BUILD_DIR/ippriv-node" --keygen "$OUT/etc/$relay.key" >"$OUT/etc/$relay.pub"
		ippriv_conf $relay "address = ${address[$relay]}" "identity = \"$OUT/etc/$relay.key\"" "nickname = \"$relay\"" \
			"refresh = 30" "exit = true" "exit_policy = { \"accept any *\" }"
		ippriv_start $relay ippriv-node || return 1
	done
	wait_slowly 150 ippriv_listed || return 1
	ippriv_join
}

# ippriv_join [LINES…]: the client, with these in its configuration, takes a circuit; one that runs ends before.
ippriv_join() {
	[ -z "${ippriv_pid[S]:-}" ] || stop "${ippriv_pid[S]}"
	ippriv_conf S 'entry = { "A" }' 'middle = { "B" }' 'exit = { "C" }' "$@"
	ippriv_start S ippriv-client || return 1
	ippriv_hold
}

# ippriv_with_aes CMD…: CMD with the system ippriv_aes: ours with AES-GCM by the configuration's word, as it is by itself on kernels that
# decrypt AES at once.
ippriv_with_aes() {
	ippriv_join 'ciphers = "aes"' && "$@" ippriv_aes
	ippriv_join
}

# ippriv_conf NAME LINES…
ippriv_conf() {
	local name=$1
	shift
	printf '%s\n' "directory = \"http://${address[M]}:8080\"" "authorities = { \"$(cat "$OUT/etc/M.pub")\" }" \
		"control = \"$SCRATCH/$name.sock\"" "state = \"$OUT/state/$name\"" "$@" >"$OUT/etc/$name.conf"
}

declare -A ippriv_pid=()
ippriv_start() {
	spawn "i$1" "ippriv-$1" "$BUILD_DIR/$2" -c "$OUT/etc/$1.conf"
	ippriv_pid[$1]=$spawned
	wait_for 20 grep -q ': ready$' "$OUT/ippriv-$1.log"
}

ippriv_listed() {
	local relay
	for relay in $RELAYS; do
		grep -q 'relay list with 3 relays' "$OUT/ippriv-$relay.log" || return 1
	done
}

declare -A hold_pid=()
ippriv_hold() {
	rm -f "$SCRATCH/hold"
	# shellcheck disable=SC2016
	spawn iS ippriv-hold "$BUILD_DIR/ippriv" --control "$SCRATCH/S.sock" run -- \
		sh -c 'echo $$ >"$0.new" && mv "$0.new" "$0" && exec sleep 1000000' "$SCRATCH/hold"
	wait_for 60 test -s "$SCRATCH/hold" || return 1
	hold_pid[ippriv]=$(cat "$SCRATCH/hold")
}
in_hold() {
	local tag=$1
	shift
	nsenter -t "${hold_pid[$tag]}" -n -m -- "$@"
}
