#!/bin/bash
# inside.sh NAME…: benchmarks, where packets can pass: started by bench.sh, in the guest or here. All use the same running systems.
# Result lines, a JSON object each, go to RESULTS/NAME.jsonl as they are there. Logs stay in memory until the end: what is written
# to the host's files takes no time of this clock's, but lets it run ahead.
. "$(dirname "$0")/../lib.sh"
run_where_esp_is "$0" "$@"
require_root
RESULTS=$OUT
mkdir -p /run/ippriv-bench.$$
OUT=/run/ippriv-bench.$$
require_programs ippriv-node ippriv-client ippriv ippriv-directory bench_load bench_tunnel bench_handshake
LOAD=$BUILD_DIR/bench_load
. "$SOURCE/netns/bench/topology.sh"
. "$SOURCE/netns/bench/systems.sh"
. "$SOURCE/netns/bench/bpf.sh"
. "$SOURCE/netns/bench/tor.sh"
. "$SOURCE/netns/bench/wireguard.sh"
TOR_KEYS=$OUT/tor
[ ! -d "$RESULTS/tor" ] || cp -r "$RESULTS/tor" "$TOR_KEYS"

# read_all: what is read from the host's files takes no time of this clock's, but while all wait for it the clock runs ahead, minutes
# at a time: ciphers then time out, and Tor's authorities miss votes. So everything is read once, while lib.sh still holds it.
read_all() {
	local program
	for program in tor wg nft tc ethtool jq nginx curl stress-ng nsenter python3 bpftrace "$LOAD" "$BUILD_DIR/ippriv-node"; do
		"$program" --version >/dev/null 2>&1 </dev/null
	done
	# shellcheck disable=SC2016
	unshare -n bash -c '
		key=0x0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f2021222324
		for cipher in "rfc4106(gcm(aes))" "rfc7539esp(chacha20,poly1305)"; do
			ip xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi $((++spi)) mode tunnel aead "$cipher" $key 128
		done
		ip link add wg0 type wireguard
		nft "add table ip t; add chain ip t c { type nat hook postrouting priority 100; }; add rule ip t c masquerade"
		tc qdisc add dev lo root netem delay 1ms' >/dev/null 2>&1
}
[ "${IPPRIV_GUEST:-}" != 1 ] || read_all

# The logs come out when it is over, however it is over.
bench_end() {
	local status=$?
	cleanup
	mkdir -p "$RESULTS/logs"
	cp "$OUT"/*.log "$OUT"/etc-* "$RESULTS/logs/" 2>/dev/null
	rm -rf "$OUT"
	return $status
}
trap 'bench_end; at_exit' EXIT
trap '' PIPE # who reads our words may end first; then there is still to clean up

runs_done=0 runs_all=1

# repeats DEFAULT: how many.
repeats() { seq "${IPPRIV_BENCH_REPEATS:-$1}"; }
# chosen SYSTEM…: those of them that were asked for.
chosen() {
	local system
	for system; do
		[ -z "${IPPRIV_BENCH_SYSTEMS:-}" ] || [[ " $IPPRIV_BENCH_SYSTEMS " == *" $system "* ]] || continue
		echo "$system"
	done
}
# quick A B: A in a quick run, else B.
quick() { [ -n "${IPPRIV_BENCH_QUICK:-}" ] && echo "$1" || echo "$2"; }

# result SYSTEM TAGS JSON: a result line; TAGS is the inside of an object. Says what it was.
result() {
	local said
	runs_done=$((runs_done + 1))
	if ! jq -e -c --arg system "$1" --argjson tags "{$2}" '{system: $system} + $tags + .' <<<"$3" >>"$RESULTS/$BENCH.jsonl"; then
		echo "[$runs_done/$runs_all] $1 $2: NO RESULT: $3"
		return 1
	fi
	said=$(jq -r '[(if (.goodput // 0) > 0 then "\(.goodput / 10000 | floor / 100) MB/s" else empty end),
		(if .delays and (.delays | length) > 0 then "\(.delays | sort | .[length / 2 | floor]) ms" else empty end)] | join(", ")' <<<"$3")
	echo "[$runs_done/$runs_all] $1 $(sed 's/, "before": .*//; s/, "spent": .*//; s/, "profile": .*//; s/"//g' <<<"$2")${said:+: $said}"
}

# What the figures were taken with.
{
	echo "kernel=$(uname -r)"
	echo "tor=$(tor --version | sed -n '1s/Tor version \(.*\)\.$/\1/p')"
	echo "wireguard=$(modinfo -F version wireguard 2>/dev/null || echo in-tree)"
	echo "processors=$(nproc)"
	echo "quick=$(quick yes no)"
	if [ "${IPPRIV_ICOUNT:-}" = 1 ]; then
		echo "where=deterministic guest"
	else
		echo "where=$([ "${IPPRIV_GUEST:-}" = 1 ] && echo "guest in real time" || echo "this machine")"
	fi
} >"$RESULTS/environment"

for BENCH; do
	runs_done=0
	# shellcheck source=/dev/null
	. "$SOURCE/netns/bench/fig_$BENCH.sh"
	for system in $systems_running; do
		unshape "$system"
		gro off "$system"
	done
	echo "# $BENCH is done"
done
