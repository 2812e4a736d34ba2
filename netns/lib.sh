#!/bin/bash
# lib.sh: what the scripts under netns/ share. Source it; the top of a script reads
#     . "$(dirname "$0")/lib.sh"
#     run_where_esp_is "$0" "$@"
# It sets SOURCE (the repository), BUILD_DIR (the programs, default SOURCE/build/gcc), OUT (logs and captures), and an EXIT
# trap that ends what the script started and deletes the namespaces it made, and nothing else.
# Namespaces have short names here (client, A, B); in the kernel they carry this run's number: ippriv-PID-client.
set -uo pipefail

SOURCE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD_DIR=$(realpath -m "${BUILD_DIR:-$SOURCE/build/gcc}")
SCRIPT=$(basename "$0" .sh)
PREFIX=ippriv-$$
SKIP_STATUS=4

# --- where to run

# ippriv_have_esp: can the running kernel carry the data path? Tried in a namespace that is gone right after; prints what is missing.
ippriv_have_esp() {
	local as_root=() said
	[ "$(id -u)" = 0 ] || as_root=(-r)
	said=$(unshare "${as_root[@]}" -n bash -c '
		try() { local what=$1; shift; "$@" >/dev/null 2>&1 || { echo "no $what"; exit 1; }; }
		try ESP ip xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1000 reqid 1 mode tunnel \
			aead "rfc4106(gcm(aes))" 0x0102030405060708090a0b0c0d0e0f1011121314 128
		try "xfrm interfaces" ip link add ippriv-probe type xfrm dev lo if_id 1
		try nftables nft "add table ip ippriv_probe; add chain ip ippriv_probe c { type nat hook postrouting priority 100; }"' \
		2>/dev/null) && return 0
	echo "${said:-no network namespaces}"
	return 1
}

# runs_here: whether run_where_esp_is would stay on this machine's own kernel.
runs_here() {
	[ "${IPPRIV_WHERE:-}" = here ] || { [ "${IPPRIV_WHERE:-}" != guest ] && [ "$(id -u)" = 0 ] && ippriv_have_esp >/dev/null; }
}

# run_where_esp_is SCRIPT ARGS…: go on here when this kernel can do it, otherwise run SCRIPT in the guest and end with its status.
# IPPRIV_WHERE=here|guest decides instead of the probe; IPPRIV_GUEST_OPTIONS goes to tests/guest.sh (--icount, --timeout N).
run_where_esp_is() {
	local script missing why name pass=()
	script=$(realpath "$1")
	shift
	if [ -n "${IPPRIV_GUEST:-}" ]; then
		return 0
	fi
	if runs_here; then
		echo "# running here: kernel $(uname -r) has ESP"
		return 0
	fi
	missing=$(ippriv_have_esp) || true
	why="kernel $(uname -r) of this machine has ${missing}"
	[ -n "$missing" ] || why="running here needs root"
	[ "${IPPRIV_WHERE:-}" != guest ] || why="IPPRIV_WHERE=guest"
	echo "# running in a QEMU guest with Debian's kernel: $why"
	for name in "${!IPPRIV_@}" BUILD_DIR; do
		case $name in IPPRIV_GUEST_OPTIONS | IPPRIV_OUT | IPPRIV_WHERE | IPPRIV_ICOUNT) continue ;; esac
		pass+=(--env "$name=${!name}")
	done
	# shellcheck disable=SC2086
	exec "$SOURCE/tests/guest.sh" --out "$OUT" "${pass[@]}" ${IPPRIV_GUEST_OPTIONS:-} -- bash "$script" "$@"
}

require_root() {
	[ "$(id -u)" = 0 ] || { echo "$SCRIPT: needs root" >&2; exit 2; }
}

# require_programs NAME…: the built programs of that name are there. From then on BUILD_DIR is a copy of them that every user can
# reach: tests run some as nobody, and a checkout may lie in somebody's closed home. (Programs in folders stay where they are.)
require_programs() {
	local name
	for name; do
		[ -x "$BUILD_DIR/$name" ] || { echo "$SCRIPT: $BUILD_DIR/$name is not built; run tests/run.sh once" >&2; exit 2; }
		[[ $name != */* ]] || return 0
	done
	scratch
	mkdir "$SCRATCH/bin"
	cp "${@/#/$BUILD_DIR/}" "$SCRATCH/bin/" || exit 2
	BUILD_DIR=$SCRATCH/bin
	cd /
}

# jq takes 0.4 s to start in a guest, and tests ask often. In a deterministic one it is the other that takes long.
jq() {
	local program=gojq
	[ -z "${IPPRIV_ICOUNT:-}" ] || program=jq
	command "$program" "$@"
}

# --- reports: one line per check, TAP-like; the closing line 'N passed, N failed' by the EXIT trap

checks_passed=0
checks_failed=0

ok() {
	checks_passed=$((checks_passed + 1))
	echo "ok $((checks_passed + checks_failed)) - $1"
}

# fail TEXT [DETAIL]
fail() {
	checks_failed=$((checks_failed + 1))
	echo "not ok $((checks_passed + checks_failed)) - $1"
	[ -z "${2:-}" ] || sed 's/^/#   /' <<<"$2"
}

# check TEXT CMD ARGS…: CMD succeeds; its output is shown only when it does not.
check() {
	local text=$1 said
	shift
	if said=$("$@" 2>&1); then
		ok "$text"
	else
		fail "$text" "$* failed${said:+: $said}"
		return 1
	fi
}

# must TEXT CMD ARGS…: CMD, in this shell (what it starts and sets stays), has to succeed; the test ends when it does not.
must() {
	local text=$1
	shift
	if "$@"; then
		ok "$text"
	else
		fail "$text"
		exit 1
	fi
}

# check_not TEXT CMD ARGS…: CMD fails.
check_not() {
	local text=$1 said
	shift
	if said=$("$@" 2>&1); then
		fail "$text" "$* succeeded${said:+: $said}"
		return 1
	fi
	ok "$text"
}

# check_eq TEXT WANTED GOT
check_eq() {
	if [ "$2" = "$3" ]; then
		ok "$1"
	else
		fail "$1" "wanted: $2"$'\n'"got:    $3"
		return 1
	fi
}

# skip REASON: end here, not tested. Only before the first check.
skip() {
	echo "# skipped: $1"
	exit $SKIP_STATUS
}

# --- namespaces

namespaces=()

# ns NAME: its name in the kernel.
ns() { echo "$PREFIX-$1"; }

# ns_add NAME…: loopback up; settings that distributions change are set to the kernel's own defaults.
ns_add() {
	local name
	for name; do
		ip netns add "$PREFIX-$name" || return 1
		namespaces+=("$name")
		ip -n "$PREFIX-$name" link set lo up
		ns_exec "$name" sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0 \
			net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 net.ipv4.ping_group_range="0 2147483647"
	done
}

# ns_router NAME…: forwards packets.
ns_router() {
	local name
	for name; do
		ns_exec "$name" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	done
}

ns_exec() {
	local name=$1
	shift
	ip netns exec "$PREFIX-$name" "$@"
}

# ns_ip NAME ARGS…: `ip` in that namespace.
ns_ip() {
	local name=$1
	shift
	ip -n "$PREFIX-$name" "$@"
}

# link A B ADDRESSES_OF_A ADDRESSES_OF_B: a veth pair, called to-B in A and to-A in B. Addresses with prefix length, comma between several.
link() {
	local a=$1 b=$2
	ip link add "to-$b" netns "$PREFIX-$a" type veth peer name "to-$a" netns "$PREFIX-$b" || return 1
	link_end "$a" "to-$b" "${3:-}" && link_end "$b" "to-$a" "${4:-}"
}

link_end() {
	local address
	for address in ${3//,/ }; do
		ns_ip "$1" addr add "$address" dev "$2" || return 1
	done
	ns_ip "$1" link set "$2" up
}

# --- many namespaces at once: in an emulated guest each process costs 50 ms and more

# wire "HOST…" "A B"…: makes these namespaces, and a veth pair for each A and B, called to-B in A and to-A in B.
wire() {
	local hosts=$1 host cable
	shift
	scratch
	{
		for host in $hosts; do
			echo "netns add $PREFIX-$host"
		done
		for cable; do
			echo "link add to-${cable#* } netns $PREFIX-${cable% *} type veth" \
				"peer name to-${cable% *} netns $PREFIX-${cable#* }"
		done
	} >"$SCRATCH/wires"
	# shellcheck disable=SC2206
	namespaces+=($hosts)
	ip -batch "$SCRATCH/wires"
}

settling=()

# settle NAME LINE…: in the background, lines for `ip -batch` in that namespace, with ns_add's settings. A LINE "forward" makes it
# a router. Each pair of addresses is handled on a processor of its own, as network cards do it: veth by itself lets the packets of
# one flow be handled on all at once, and they overtake each other.
settle() {
	local name=$1 lines forward=0
	shift
	lines=$(printf '%s\n' "link set lo up" "$@")$'\n'
	[[ $lines != *$'\n'forward$'\n'* ]] || forward=1
	printf %s "${lines//$'\n'forward$'\n'/$'\n'}" >"$SCRATCH/lines-$name"
	processors=${processors:-$(nproc)}
	# shellcheck disable=SC2016
	ns_exec "$name" sh -c '
		cd /proc/sys/net
		for file in ipv6/conf/*/accept_dad ipv4/conf/*/rp_filter; do echo 0 >"$file"; done
		echo "0 2147483647" >ipv4/ping_group_range
		[ "$1" = 0 ] || { echo 1 >ipv4/ip_forward; echo 1 >ipv6/conf/all/forwarding; }
		ip -batch "$0" || exit
		for file in /sys/class/net/to-*/queues/rx-0/rps_cpus; do [ ! -e "$file" ] || echo "$2" >"$file"; done' \
		"$SCRATCH/lines-$name" $forward "$(printf %x $((processors > 1 ? (1 << processors) - 1 : 0)))" &
	settling+=($!)
}

# settled: all of them are as they were told to be.
settled() {
	local job status=0
	for job in "${settling[@]}"; do
		wait "$job" || status=1
	done
	settling=()
	return $status
}

# ns_state NAME: what the namespace's kernel holds ('-' for the one we are in), without counters or lifetimes: equal before and
# after means nothing was left.
ns_state() {
	local in=(ns_exec "$1")
	[ "$1" != - ] || in=()
	# Few processes: in an emulated guest each costs 50 ms and more.
	"${in[@]}" bash -c '
		{ printf "%s\n" link addr rule "route show table all" | ip -o -batch -; ip -6 rule; } | sed "
			s/^[0-9]*: //; s/@[^:]*:/:/; s/ mtu .*//; s/\\\\.*//; s/ expires [^ ]*//" | sort
		printf "%s\n" "xfrm policy" "xfrm state" | ip -batch - | sed "/anti-replay\|^$/d"
		nft list ruleset'
}

# --- processes

pids=()

# spawn NAME LOG CMD ARGS…: CMD in the background in namespace NAME ('-' for none), output to OUT/LOG.log; its pid in $spawned.
spawn() {
	local name=$1 log=$2
	shift 2
	: >"$OUT/$log.log" # now, before somebody reads what an earlier one said
	if [ "$name" = - ]; then
		"$@" </dev/null >"$OUT/$log.log" 2>&1 &
	else
		ip netns exec "$PREFIX-$name" "$@" </dev/null >"$OUT/$log.log" 2>&1 &
	fi
	spawned=$!
	pids+=("$spawned")
}

# process_stat PID: sets process_state (a letter) and process_parent, without a process of its own.
process_stat() {
	local line
	process_state='' process_parent=''
	{ read -r line <"/proc/$1/stat"; } 2>/dev/null || return 1
	read -r process_state process_parent line <<<"${line##*) }"
}

# Our own child still: a number can have been given to somebody else's process.
is_child() { process_stat "$1" && [ "$process_parent" = $$ ]; }

# stop PID…: TERM, and KILL after 3 s. Only processes that this script started.
stop() {
	local pid
	for pid; do
		is_child "$pid" && kill "$pid" 2>/dev/null
	done
	for pid; do
		wait_for 3 is_gone "$pid" || kill -KILL "$pid" 2>/dev/null
		wait "$pid" 2>/dev/null
	done
	return 0
}

is_gone() { ! is_child "$1" || [ "$process_state" = Z ]; }

# wait_for SECONDS CMD ARGS…: until CMD succeeds, tried again after 50 ms, later 200 ms; fails when the time is over.
wait_for() {
	local end=$((${EPOCHREALTIME/[.,]/} + $1 * 1000000)) pause=1050
	shift
	until "$@" >/dev/null 2>&1; do
		[ "${EPOCHREALTIME/[.,]/}" -lt "$end" ] || return 1
		nap "0.${pause#1}"
		pause=$((pause < 1200 ? pause + 10 : pause))
	done
}

# nap SECONDS: sleep, with the clock free, and without a program that would have to be read first.
exec {never}<> <(:)
nap() {
	clock_free
	read -r -t "$1" -u "$never" || true
	clock_hold
}

# has_line FILE PATTERN: one of its lines matches, as [[ compares. No process either: for small files that are asked often.
has_line() {
	local line lines=()
	{ mapfile -t lines <"$1"; } 2>/dev/null
	for line in "${lines[@]}"; do
		# shellcheck disable=SC2053
		[[ $line != $2 ]] || return 0
	done
	return 1
}

# --- the deterministic guest's clock (guest.sh --icount). Elsewhere these do nothing.

# While all processes wait, it jumps to the next timer: also when they only wait until the host has read a file, by minutes when
# the host is busy. A held clock goes on by instructions alone: a loop that takes what the others leave keeps the guest from being
# idle. Held from the start, as nearly everything reads a program; that makes waiting slow (a second takes three and more of the
# host's), so a script frees it where time has to pass and nothing has to be read.
clock_holder=''
clock_hold() {
	[ "${IPPRIV_ICOUNT:-}" = 1 ] || return 0
	if [ -n "$clock_holder" ]; then
		kill -CONT "$clock_holder"
		return
	fi
	(while kill -0 $$; do :; done) </dev/null >/dev/null 2>&1 &
	clock_holder=$!
	chrt --idle -p 0 "$clock_holder"
}

clock_free() { [ -z "$clock_holder" ] || kill -STOP "$clock_holder"; }

clock_end() {
	[ -n "$clock_holder" ] || return 0
	kill -KILL "$clock_holder"
	wait "$clock_holder" 2>/dev/null
	clock_holder=''
}

# ask FD ARGS…: a program that has lines "FILE ARGS…" from there puts its answer in FILE.
ask() {
	local fd=$1 reply=$SCRATCH/reply-$BASHPID-${EPOCHREALTIME/[.,]/}
	shift
	echo "$reply $*" >&"$fd"
	wait_for 300 test -e "$reply" && echo "$(<"$reply")"
}

# --- captures

declare -A captures=()

# capture_start NAME DEVICE [FILTER…]: packets of the device into OUT/NAME-DEVICE.pcap; returns when it listens.
# Beware: where ESP ends, the kernel also shows the opened inner packets on the device that they came in by.
capture_start() {
	local name=$1 device=$2
	shift 2
	spawn "$name" "$name-$device.tcpdump" tcpdump -i "$device" -w "$OUT/$name-$device.pcap" -Z root -U --immediate-mode -n "$@"
	captures[$name-$device]=$spawned
	wait_for 10 has_line "$OUT/$name-$device.tcpdump.log" '*listening on*' || {
		echo "# no capture on $name $device: $(cat "$OUT/$name-$device.tcpdump.log")"
		return 1
	}
}

# capture_link A B [FILTER…]: what an observer of that link sees: of both ends what they send.
capture_link() {
	local a=$1 b=$2
	shift 2
	capture_start "$a" "to-$b" -Q out "$@" && capture_start "$b" "to-$a" -Q out "$@"
}

# capture_stop: ends all captures; what was seen so far is in the files.
capture_stop() {
	nap 0.1
	[ ${#captures[@]} = 0 ] || stop "${captures[@]}"
	captures=()
}

# capture_read NAME DEVICE [FILTER…]: the captured packets, one line each.
capture_read() {
	local file=$OUT/$1-$2.pcap
	shift 2
	tcpdump -n -t -r "$file" "$@" 2>/dev/null
}

# capture_link_read A B [FILTER…]: the same for a link.
capture_link_read() {
	local a=$1 b=$2
	shift 2
	capture_read "$a" "to-$b" "$@"
	capture_read "$b" "to-$a" "$@"
}

# --- the end

cleanup() {
	local pid
	[ ${#pids[@]} = 0 ] || stop "${pids[@]}"
	if [ ${#namespaces[@]} != 0 ]; then
		# What a program of ours left running in a namespace of ours.
		for pid in $(printf "netns pids $PREFIX-%s\n" "${namespaces[@]}" | ip -force -batch - 2>/dev/null); do
			kill -KILL "$pid" 2>/dev/null
		done
		printf "netns del $PREFIX-%s\n" "${namespaces[@]}" | ip -force -batch - 2>/dev/null
	fi
	[ -z "$SCRATCH" ] || rm -rf "$SCRATCH"
	clock_end
	pids=() namespaces=()
}

at_exit() {
	local status=$?
	trap - EXIT INT TERM HUP
	cleanup
	if [ "$status" = $SKIP_STATUS ] && [ $((checks_passed + checks_failed)) = 0 ]; then
		exit $SKIP_STATUS
	fi
	if [ "$status" != 0 ] && [ $checks_failed = 0 ]; then
		fail "$SCRIPT ended early with status $status"
	fi
	if [ $((checks_passed + checks_failed)) != 0 ]; then
		echo "$checks_passed passed, $checks_failed failed"
	fi
	[ $checks_failed = 0 ] || exit 1
	exit "$status"
}

# For Unix sockets and what need not outlive the script (OUT may be on a file system without sockets): made by scratch.
SCRATCH=
scratch() {
	[ -z "$SCRATCH" ] || return 0
	SCRATCH=$(mktemp -d /run/ippriv-scratch.XXXXXX)
	chmod 711 "$SCRATCH"
}

OUT=${IPPRIV_OUT:-}
if [ -z "$OUT" ]; then
	OUT=$(mktemp -d "${TMPDIR:-/tmp}/ippriv-out.XXXXXX")
	echo "# logs and captures: $OUT"
fi
mkdir -p "$OUT"
trap at_exit EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
clock_hold
