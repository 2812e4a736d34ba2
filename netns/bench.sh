#!/bin/bash
# bench.sh [OPTIONS] [NAME…]: the benchmarks netns/bench/fig_*.sh, or those named; IPpriv, Tor, nested WireGuard and the direct path
# side by side on one chain of hosts (netns/bench/topology.sh), each benchmark in one run of the deterministic guest.
#   --list          names and what they measure
#   --native        on this machine's own kernel, not in the guest: real time, other figures
#   --repeats N     of each measurement (default: each benchmark's own)
#   --seconds N     of each timed measurement of lossy links, of which the first 5 do not count (default 20)
#   --rtts "N…"     of the lossy link, milliseconds (default "20 100")
#   --losses "N…"   of it, percent (default "0 0.5 1 3 5")
#   --quick         short measurements of few points, to see that it works
#   --systems "…"   only these of: direct ippriv tor torfixed wireguard strongswan
#   --out DIR       results (default netns/bench/results): NAME.json, NAME.svg; the summary goes beside it, DIR/../RESULTS.md
#   --add           to the repeats that are in DIR already, instead of in their place
#   --together      all in one run of the guest: starts the systems once
#   --report        only the plots and the summary again, from the JSON that is there
# It installs the Debian packages that it needs. Exit: 0 good · 1 a benchmark failed · 2 wrong use or environment
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
source_dir=$(cd "$here/.." && pwd)

# What the benchmarks need beyond tests/install.sh; not part of CI's list.
PACKAGES="tor wireguard-tools stress-ng python3-matplotlib bpftrace nginx-light"

die() { echo "bench: $1" >&2; exit 2; }

list() {
	local file
	for file in "$here"/bench/fig_*.sh; do
		file=${file##*/fig_}
		printf '%-10s %s\n' "${file%.sh}" "$(sed -n '2s/^# [^:]*: //p' "$here/bench/fig_$file")"
	done
}

options() {
	native=0 together=0 add=0 out=$here/bench/results report=0 names=()
	unset IPPRIV_BENCH_REPEATS IPPRIV_BENCH_SECONDS IPPRIV_BENCH_RTTS IPPRIV_BENCH_LOSSES IPPRIV_BENCH_QUICK IPPRIV_BENCH_SYSTEMS
	while [ $# -gt 0 ]; do
		case $1 in
		--list) list; exit 0 ;;
		--native) native=1 ;;
		--together) together=1 ;;
		--add) add=1 ;;
		--quick) export IPPRIV_BENCH_QUICK=1 ;;
		--report) report=1 ;;
		--repeats | --seconds | --rtts | --losses | --systems | --out)
			[ $# -gt 1 ] || die "$1 needs a value"
			case $1 in
			--repeats) [[ $2 =~ ^[1-9][0-9]*$ ]] || die "--repeats wants a number, not '$2'"; export IPPRIV_BENCH_REPEATS=$2 ;;
			--seconds) [[ $2 =~ ^[0-9]+$ ]] && [ "$2" -gt 5 ] || die "--seconds wants a number above 5, not '$2'"; export IPPRIV_BENCH_SECONDS=$2 ;;
			--rtts) [[ $2 =~ ^[0-9]+( [0-9]+)*$ ]] || die "--rtts wants numbers, not '$2'"; export IPPRIV_BENCH_RTTS=$2 ;;
			--losses) [[ $2 =~ ^[0-9.]+( [0-9.]+)*$ ]] || die "--losses wants numbers, not '$2'"; export IPPRIV_BENCH_LOSSES=$2 ;;
			--systems) export IPPRIV_BENCH_SYSTEMS=$2 ;;
			--out) out=$(realpath -m "$2") ;;
			esac
			shift ;;
		-*) die "unknown option $1; see the top of $0" ;;
		*) [ -e "$here/bench/fig_$1.sh" ] || die "there is no benchmark $1; --list names them"; names+=("$1") ;;
		esac
		shift
	done
	[ ${#names[@]} != 0 ] || mapfile -t names < <(list | cut -d' ' -f1)
}

prepare() {
	local package need=()
	"$source_dir/tests/install.sh" || exit 2
	for package in $PACKAGES; do
		dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null | grep -q '^ii' || need+=("$package")
	done
	if [ ${#need[@]} != 0 ]; then
		[ "$(id -u)" = 0 ] || die "needs root to install: ${need[*]}"
		echo "bench: installing ${need[*]}"
		# Debian would start tor as a service of this machine; nobody asked for that.
		[ ! -d /etc/systemd/system ] || [ -e /etc/systemd/system/tor.service ] || ln -s /dev/null /etc/systemd/system/tor.service
		{ apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${need[@]}"; } \
			>/tmp/bench-install.log 2>&1 || die "apt-get failed, see /tmp/bench-install.log"
	fi
	BUILD_DIR=${BUILD_DIR:-$source_dir/build/gcc}
	if [ ! -e "$BUILD_DIR/CMakeCache.txt" ]; then
		CC=gcc cmake -S "$source_dir" -B "$BUILD_DIR" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DUNIT=OFF >/dev/null || exit 2
	fi
	ninja -C "$BUILD_DIR" >/tmp/bench-build.log || die "the build failed, see /tmp/bench-build.log"
	export BUILD_DIR
}

# with_time_left: a line that begins "[I/N]" gets what is left at the pace of this machine's clock.
with_time_left() {
	local line start=$SECONDS i n left
	while IFS= read -r line; do
		if [[ $line =~ ^\[([0-9]+)/([0-9]+)\] ]]; then
			i=${BASH_REMATCH[1]} n=${BASH_REMATCH[2]}
			[ "$i" != 1 ] || start=$((SECONDS - 1))
			left=$(((SECONDS - start) * (n - i) / i))
			line+=" · $((left / 60)):$(printf %02d $((left % 60))) left"
		fi
		printf '%s\n' "$line"
	done
}

# real_time NAME: that benchmark is not for the deterministic guest.
real_time() { grep -q '^# guest: two processors, real time' "$here/bench/fig_$1.sh"; }

# run NAME…: these benchmarks in one run; the result lines of each become DIR/NAME.json.
run() {
	local name work status=0 clock=--icount before
	! real_time "$1" || clock="--cpus 2"
	work=$(mktemp -d "${TMPDIR:-/tmp}/ippriv-bench.XXXXXX")
	echo "--- $* (work folder $work)"
	(. "$here/bench/topology.sh" && . "$here/bench/tor.sh" && tor_keys "$work/tor") || return 1
	if [ $native = 1 ]; then
		export IPPRIV_WHERE=here
	else
		export IPPRIV_WHERE=guest IPPRIV_GUEST_OPTIONS="$clock --memory 4096 --timeout ${BENCH_TIMEOUT:-14400}"
	fi
	IPPRIV_OUT=$work bash "$here/bench/inside.sh" "$@" 2>&1 | tee "$work/bench.log" | with_time_left
	status=${PIPESTATUS[0]}
	mkdir -p "$out"
	for name; do
		[ -s "$work/$name.jsonl" ] || { echo "--- $name: no result"; status=1; continue; }
		before=()
		[ $add = 0 ] || [ ! -e "$out/$name.json" ] || before=("$out/$name.json")
		python3 "$here/bench/collect.py" "$name" "$work" "$here/bench/fig_$name.sh" "${before[@]}" >"$out/$name.json.new" &&
			mv "$out/$name.json.new" "$out/$name.json" || status=1
		echo "--- $name: $out/$name.json"
	done
	[ "$status" = 0 ] || echo "--- FAILED: $*"
	return "$status"
}

options "$@"
bad=0
if [ $report = 0 ]; then
	prepare
	shared=() alone=()
	for name in "${names[@]}"; do
		if [ $together = 1 ] && ! real_time "$name"; then shared+=("$name"); else alone+=("$name"); fi
	done
	[ ${#shared[@]} = 0 ] || run "${shared[@]}" || bad=1
	for name in "${alone[@]}"; do
		run "$name" || bad=1
	done
fi
# Debian's own python3: it has the matplotlib that is installed above.
/usr/bin/python3 -B "$here/bench/report.py" "$out" || bad=1
exit $bad
