#!/bin/bash
# lib.sh: what the scripts here share: packages, a Debian system, checks. Source it. run "$@", at their end, calls what they have as
# outside (on this machine) and inside (in the guest).
set -uo pipefail
source=$(cd "$here/../.." && pwd)
build=${BUILD_DIR:-$source/build/packages}
jobs=${IPPRIV_JOBS:-$(nproc)}
passed=0
failed=0

die() { echo "$(basename "$0" .sh): $1" >&2; exit 2; }

check() { # TEXT CMD…
	local text=$1 said status
	shift
	said=$("$@" 2>&1)
	status=$?
	if [ $status = 0 ]; then
		passed=$((passed + 1))
		echo "ok - $text"
		return 0
	fi
	failed=$((failed + 1))
	echo "not ok - $text (status $status)"
	sed 's/^/    /' <<<"$said"
	return 1
}

check_not() { # TEXT CMD…
	local text=$1
	shift
	check "$text" fails "$@"
}
fails() { ! "$@"; }

wait_for() { # SECONDS CMD…
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || { echo "waited in vain: $*"; return 1; }
		sleep 0.5
	done
}

# --- on this machine

missing() {
	local tool
	for tool in debootstrap qemu-system-x86:qemu-system-x86_64 busybox dpkg-dev:dpkg-shlibdeps dnsmasq-base:dnsmasq; do
		command -v "${tool#*:}" >/dev/null || echo "${tool%:*}"
	done
}

build_packages() {
	cmake -S "$source" -B "$build" -G Ninja -DTESTS=OFF >/dev/null && ninja -C "$build" -j "$jobs" >/dev/null &&
		rm -f "$build"/*.deb && (cd "$build" && cpack -G DEB >/dev/null) && [ "$(ls "$build"/*.deb | wc -l)" = 3 ]
}

mirror() {
	apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(COMPONENT)' 'Created-By: Packages' |
		awk -v name="$1" '$2 == name && $3 == "main" { print $1; exit }'
}

make_system() { # PACKAGES: beside systemd, commas between
	local name uri
	name=$(. /etc/os-release && echo "$VERSION_CODENAME")
	uri=$(mirror "$name")
	[ -n "$uri" ] || { echo "apt has no source for $name main"; return 1; }
	[ -x "$system/lib/systemd/systemd" ] ||
		debootstrap --variant=minbase --include="systemd-sysv,dbus,kmod,$1" "$name" "$system" "$uri"
}

in_system() { chroot "$system" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive "$@"; }

# make_ready: $system is a folder, which is removed in the end unless it is to be kept.
make_ready() {
	[ "$(id -u)" = 0 ] || die "needs root"
	[ -z "$(missing)" ] || die "not installed: $(missing | tr '\n' ' ')"
	system=${IPPRIV_SYSTEM:-}
	[ -z "$system" ] || return 0
	system=$(mktemp -d "${TMPDIR:-/tmp}/ippriv-system.XXXXXX")
	chmod 0755 "$system"
	trap 'rm -rf --one-file-system "$system"' EXIT
}

# in_guest COMMAND…: in that system, booted.
in_guest() {
	"$source/tests/guest.sh" ${IPPRIV_OUT:+--out "$IPPRIV_OUT"} --name "$(basename "$0" .sh)" --root "$system" --timeout 1800 -- "$@"
}

# --- in the guest

ns() { ip netns exec "$@"; }

# lay_host NAME ADDRESS BRIDGE [NAMESPACE]: a namespace with a link, eth0, to that bridge, which stands in NAMESPACE; it lets packets
# through.
lay_host() {
	ip netns add "$1" && ip link add "to-$1" type veth peer name eth0 netns "$1" &&
		{ [ -z "${4:-}" ] || ip link set "to-$1" netns "$4"; } && ip ${4:+-n "$4"} link set "to-$1" master "$3" up &&
		ns "$1" ip addr add "$2/24" dev eth0 && ns "$1" ip link set eth0 up && ns "$1" ip link set lo up &&
		ns "$1" sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
}

settle() { timeout 60 systemctl is-system-running --wait >/dev/null; [ "$(systemctl is-system-running)" != starting ]; }

run() {
	case ${1:-} in
	'') outside ;;
	--inside) inside ;;
	--missing) missing ;;
	*) sed -n '2,/^here=/{/^#/p}' "$0" >&2; exit 2 ;;
	esac
}
