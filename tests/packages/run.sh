#!/bin/bash
# run.sh: builds the Debian packages, lets lintian and systemd-analyze judge them, and installs, uses, removes and purges them
# in a Debian root that it makes for that. Root, by hand: `sudo tests/packages/run.sh`
#   --missing   only name the packages that are not installed, change nothing
# Nothing is installed or started on this machine. The root comes from the mirror that apt has here. Needs 0.5 GB in TMPDIR.
# BUILD_DIR (default build/packages) is where the packages are built, with IPPRIV_JOBS jobs (default: all processors).
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
packages=(ippriv-node ippriv-client ippriv-directory)
most=20 # exposure that systemd-analyze may see in a unit, in tenths
child='' # the process that has the namespaces

missing() {
	local tool
	for tool in debootstrap lintian systemd:systemd-analyze socat curl gzip:gzip; do
		command -v "${tool#*:}" >/dev/null || echo "${tool%:*}"
	done
}

# --- the packages

judge() {
	local package
	check "lintian has no errors and no warnings" lintian --profile debian --allow-root --fail-on error,warning "$build"/*.deb
	for package in "${packages[@]}"; do
		check "$package.service: $(exposure "$package")" systemd-analyze security --offline=true --no-pager \
			--threshold=$most "$source/packaging/${package#ippriv-}/$package.service"
	done
	check "ippriv-lockdown.service" systemd-analyze security --offline=true --no-pager --threshold=$most \
		"$source/packaging/client/ippriv-lockdown.service"
}

exposure() {
	systemd-analyze security --offline=true --no-pager "$source/packaging/${1#ippriv-}/$1.service" |
		sed -n 's/.*Overall exposure level.*: \([0-9.]*\).*/exposure \1/p'
}

# --- the root

make_root() {
	local name uri
	name=$(. /etc/os-release && echo "$VERSION_CODENAME")
	uri=$(mirror "$name")
	[ -n "$uri" ] || { echo "apt has no source for $name main"; return 1; }
	debootstrap --variant=minbase --include=systemd "$name" "$root" "$uri" &&
		printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d" && chmod +x "$root/usr/sbin/policy-rc.d" &&
		mount -t proc proc "$root/proc"
}

enter=(chroot "${IPPRIV_ROOT:-}" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive)
inside() { "${enter[@]}" "$@"; }

# What packages leave behind: names of files and folders, without apt's and dpkg's own books and logs.
files_of_root() {
	(cd "$root" && find . -xdev \( -path ./var/lib/apt -o -path ./var/cache -o -path ./var/log -o -path ./var/lib/dpkg \
		-o -path ./run/systemd -o -path ./tmp -o -path ./proc -o -path ./sys -o -path ./dev \) -prune -o -print) | sort
}

install_packages() { cp "$build"/*.deb "$root/tmp/" && inside sh -c 'apt-get install -q -y --no-install-recommends /tmp/*.deb'; }

# install_libraries: what ours depend on stays when they are purged, so it is there before.
install_libraries() {
	local deb libraries
	libraries=$(for deb in "$build"/*.deb; do dpkg-deb -f "$deb" Depends; done | tr ',' '\n' | sed 's/(.*//; s/ //g' | sort -u)
	# shellcheck disable=SC2086
	inside apt-get install -q -y --no-install-recommends $libraries
}

# --- using them

has_man_page() { zcat "$root/usr/share/man/man${1##*.}/$1.gz" | grep -q '^\.SH NAME'; }

documents() {
	local package page
	check "systemd-analyze verify refuses what it must" refuses_bad_unit
	for page in ippriv.1 ippriv-control.7 ippriv-{node,client,directory}.8 ippriv-{node,client,directory}.conf.5; do
		check "man page $page" has_man_page "$page" || true
	done
	for package in "${packages[@]}"; do
		check "$package has copyright, changelog and examples" inside sh -c \
			"cd /usr/share/doc/$package && test -s copyright -a -s changelog.Debian.gz && ls examples/*.conf"
		check "$package.service is enabled and good" enabled_and_good "$package" multi-user
	done
	check "ippriv-lockdown.service is enabled and good" enabled_and_good ippriv-lockdown sysinit
}

# verify FILE: what systemd says of the unit; what it says of other units of the root is not ours.
verify() {
	local said
	said=$(inside systemd-analyze verify --man=no "$1" 2>&1 | grep -e "${1##*/}" -e 'Failed to') || return 0
	echo "$said"
	return 1
}

enabled_and_good() { inside test -L "/etc/systemd/system/$2.target.wants/$1.service" && verify "/usr/lib/systemd/system/$1.service"; }

refuses_bad_unit() {
	sed 's/^RestartSec=/RestartSeconds=/' "$root/usr/lib/systemd/system/ippriv-node.service" >"$root/tmp/bad.service"
	says "'RestartSeconds'" verify_fails /tmp/bad.service
}

verify_fails() { ! verify "$@"; }

says() { # TEXT CMD…: it ends well and TEXT is in what it says.
	local text=$1 said
	shift
	said=$("$@" 2>&1) && grep -qF -- "$text" <<<"$said" && return
	echo "$said"
	return 1
}

# configure PROGRAM NAME: from the example, with a key of its own.
configure() {
	local conf=/etc/ippriv/$2.conf key
	key=$(inside ippriv-directory --keygen "/etc/ippriv/test-$2.key") || return 1
	inside sed "s/\"0\{64\}\"/\"$key\"/; s/^listen .*/listen = \"127.0.0.1:8080\"/" "/usr/share/doc/$1/examples/$2.conf" >"$root$conf"
	[ "$2" = client ] || mv "$root/etc/ippriv/test-$2.key" "$root/etc/ippriv/$2.key"
	rm -f "$root/etc/ippriv/test-$2.key"
	says "$conf: good" inside "$1" -t
}

# authorities_alone: the client needs no other file; the relay's example without those two lines says no more than its address.
authorities_alone() {
	local key
	key=$(inside ippriv-directory --keygen /etc/ippriv/test.key) &&
		inside sed "s/\"0\{64\}\"/\"$key\"/" /usr/share/doc/ippriv-client/examples/authorities >"$root/etc/ippriv/authorities" &&
		says "/etc/ippriv/authorities: good" inside ippriv-client -t &&
		grep '^address' "$root/usr/share/doc/ippriv-node/examples/node.conf" >"$root/etc/ippriv/node.conf" &&
		says "/etc/ippriv/node.conf: good" inside ippriv-node -t
	local status=$?
	rm -f "$root/etc/ippriv/test.key" "$root/etc/ippriv/authorities" "$root/etc/ippriv/node.conf"
	return $status
}

has_made_key() { [ "$(inside stat -c '%a %U' /etc/ippriv/node.key)" = "600 root" ]; }

programs() {
	local package missed
	check "the relay's package has made a key that root alone reads" has_made_key
	check "a file of authorities is enough for the client, with an address for the relay" authorities_alone
	for package in "${packages[@]}"; do
		check "$package --version" says "$package 0." inside "$package" --version
		missed=${package#ippriv-}.conf
		[ "$package" != ippriv-client ] || missed=/etc/ippriv/authorities
		check "$package -t misses its configuration" says "$missed" inside sh -c "! $package -t"
		check "$package -t likes the example" configure "$package" "${package#ippriv-}"
	done
	check "ippriv --version" says "ippriv 0." inside ippriv --version
	check "ippriv status without a daemon says whom to start" says "start ippriv-client" inside sh -c '! ippriv status'
}

# serve: the directory as its unit starts it, as another user, with its key as a credential; in a network namespace of its own.
serve() {
	local heard=$root/run/heard listener daemon status=0
	install -d -o 12345 "$root/run/credentials" "$root/var/lib/ippriv-directory"
	install -o 12345 -m 0400 "$root/etc/ippriv/directory.key" "$root/run/credentials/"
	ip link set lo up
	socat -u "UNIX-RECV:$root/run/notify,mode=666" "OPEN:$heard,creat,append" &
	listener=$!
	wait_for 10 test -S "$root/run/notify"
	"${enter[@]}" NOTIFY_SOCKET=/run/notify CREDENTIALS_DIRECTORY=/run/credentials \
		setpriv --reuid 12345 --regid 12345 --clear-groups ippriv-directory &
	daemon=$!
	wait_for 10 grep -q READY=1 "$heard" && curl -sSf -o /dev/null http://127.0.0.1:8080/list || status=1
	kill "$daemon"
	wait "$daemon" || status=1
	wait_for 10 grep -q STOPPING=1 "$heard" || status=1
	kill "$listener"
	rm -rf "$heard" "$root/run/notify" "$root/run/credentials"
	return $status
}

# --- away with them

remove() { inside apt-get remove -q -y "${packages[@]}"; }
purge() { inside apt-get purge -q -y "${packages[@]}"; }

keeps() { # after remove
	inside test -e /etc/ippriv/node.key -a -e /etc/ippriv/directory.key -a -d /var/lib/ippriv-directory -a ! -e /usr/sbin/ippriv-node
}

nothing_left() {
	local now
	now=$(files_of_root)
	diff <(echo "$before") <(echo "$now") && ! inside dpkg-query -W "${packages[@]}" 2>/dev/null
}

in_root() {
	check "a Debian root (debootstrap)" make_root || return
	check "the libraries that ours depend on" install_libraries || return
	before=$(files_of_root)
	check "the packages install" install_packages || return
	documents
	programs
	check "the directory serves as its own user, says READY and STOPPING" unshare --net "$0" --serve
	check "the same packages again, as an upgrade" inside sh -c 'apt-get install -q -y --reinstall /tmp/*.deb'
	check "remove" remove
	check "remove keeps keys and state" keeps
	check "purge" purge
	check "nothing of theirs is left" nothing_left
	check "one of them comes and goes alone" inside sh -c 'dpkg -i /tmp/ippriv-client_*.deb && dpkg -P ippriv-client && ! test -e /etc/ippriv'
}

main() {
	check "the packages build" build_packages && judge && in_root
	echo "$passed passed, $failed failed"
	[ $failed = 0 ]
}

# The root's mounts and processes live in namespaces and end with them; what is left are files.
outside() {
	local status
	[ "$(id -u)" = 0 ] || die "needs root"
	[ -z "$(missing)" ] || die "not installed: $(missing | tr '\n' ' ')"
	root=$(mktemp -d "${TMPDIR:-/tmp}/ippriv-packages.XXXXXX")
	chmod 0755 "$root"
	trap 'exit 1' INT TERM HUP
	trap clean EXIT
	IPPRIV_ROOT=$root unshare --mount --pid --fork --kill-child --mount-proc "$0" --inside &
	child=$!
	wait "$child"
	status=$?
	child=''
	exit $status
}

clean() {
	if [ -n "$child" ]; then
		kill -KILL "$child"
		wait "$child" 2>/dev/null
	fi
	for _ in 1 2 3; do # its processes are being killed
		rm -rf --one-file-system "$root" 2>/dev/null && return
		sleep 1
	done
	rm -rf --one-file-system "$root"
}

case ${1:-} in
'') outside ;;
--inside) root=${IPPRIV_ROOT:?} && main ;;
--serve) root=${IPPRIV_ROOT:?} && serve ;;
--missing) missing ;;
*) sed -n '2,/^here=/{/^#/p}' "$0" >&2; exit 2 ;;
esac
