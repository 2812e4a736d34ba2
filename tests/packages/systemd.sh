#!/bin/bash
# systemd.sh: the three packages under a live systemd. Builds them, installs them in a Debian system that boots in the guest, and
# sees whether the units come up in their sandboxes, carry a user's traffic, restart, are upgraded and go. Root, by hand, 5 min:
# `sudo tests/packages/systemd.sh`. Nothing is installed or started on this machine.
#   --missing   only name the packages that are not installed, change nothing
# IPPRIV_SYSTEM is a folder where the Debian system is kept for the next time (made when it is missing; default: a new one).
# BUILD_DIR (default build/packages) and IPPRIV_JOBS as for run.sh. Needs 0.6 GB in TMPDIR.
#
#   host of the guest: directory, node and client as units; on a bridge, 203.0.113.1
#     └─ r1 r2 r3: namespaces with relays that root started by hand, 203.0.113.11, .12, .13: the client's path
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
packages=(ippriv-node ippriv-client ippriv-directory)
most=20 # exposure that systemd-analyze may see in a unit, in tenths

# --- on this machine

# The same with a higher version, as a newer build would be.
higher_version() {
	local deb to=$1/newer
	mkdir -p "$to"
	for deb in "$build"/*.deb; do
		rm -rf "$to/tree"
		dpkg-deb -R "$deb" "$to/tree" && sed -i 's/^Version: .*/&+newer/' "$to/tree/DEBIAN/control" &&
			dpkg-deb -b "$to/tree" "$to/$(basename "$deb")" >/dev/null || return 1
	done
	rm -rf "$to/tree"
}

install_libraries() {
	local deb libraries
	libraries=$(for deb in "$build"/*.deb; do dpkg-deb -f "$deb" Depends; done | tr ',' '\n' | sed 's/(.*//; s/ //g' | sort -u)
	# shellcheck disable=SC2086
	in_system apt-get install -q -y --no-install-recommends $libraries
}

hand_over() {
	rm -rf "$system/srv/ippriv"
	mkdir -p "$system/srv/ippriv" && cp "$build"/*.deb "$0" "$here/lib.sh" "$system/srv/ippriv/" && higher_version "$system/srv/ippriv"
}

outside() {
	make_ready
	check "the packages build" build_packages &&
		check "a Debian system (debootstrap)" make_system iproute2,procps,curl,nftables,jq &&
		check "the libraries that ours depend on" install_libraries &&
		check "it gets the packages, and newer ones" hand_over || exit 1
	in_guest /srv/ippriv/systemd.sh --inside
}

# --- in the guest

# A bridge with the host and a namespace for each relay.
lay_network() {
	local i
	ip link add wan type bridge && ip addr add 203.0.113.1/24 dev wan && ip link set wan up || return 1
	sysctl -q -w net.ipv4.ip_forward=1 || return 1
	for i in 1 2 3; do
		lay_host r$i 203.0.113.1$i wan || return 1
	done
}

write_directory() {
	authority=$(ippriv-directory --keygen /etc/ippriv/directory.key) &&
		printf '%s\n' 'listen = "203.0.113.1:8080"' 'identity = "/etc/ippriv/directory.key"' \
			'state = "/var/lib/ippriv-directory"' 'interval = 5' >/etc/ippriv/directory.conf
}

write_relay() { # NAME FILE ADDRESS LINES…
	local name=$1 file=$2 address=$3
	shift 3
	[ -s "/etc/ippriv/$file.key" ] || ippriv-node --keygen "/etc/ippriv/$file.key" >/dev/null || return 1 # the package has made one
	printf '%s\n' "address = $address" "identity = \"/etc/ippriv/$file.key\"" "nickname = \"$name\"" \
		'directory = "http://203.0.113.1:8080"' "authorities = { \"$authority\" }" 'refresh = 10' "$@" >"/etc/ippriv/$file.conf"
}

write_client() {
	printf '%s\n' 'directory = "http://203.0.113.1:8080"' "authorities = { \"$authority\" }" 'entry = { "r1" }' 'middle = { "r2" }' \
		'exit = { "r3" }' >/etc/ippriv/client.conf
}

is_up() { systemctl is-active --quiet "$1" && [ "$(systemctl show -p NRestarts --value "$1")" = 0 ]; }
active() { wait_for 30 is_up "$1" || { systemctl status --no-pager -l "$1"; journalctl --no-pager -n 20 -u "$1"; return 1; }; }

# Nobody but what is known: the sandbox shows as EPERM, or as SIGSYS when a filter kills.
no_complaint() {
	local said
	said=$(journalctl --no-pager -q -b -u "$1" | grep -iE 'not permitted|EPERM|EACCES|permission denied|SIGSYS|status=31|Failed at step|core-dump')
	echo "$said"
	[ -z "$said" ]
}

exposure() { systemd-analyze security --no-pager "$1.service" | sed -n 's/.*Overall exposure level.*: \([0-9.]*\).*/\1/p'; }
is_shut_in() { systemd-analyze security --no-pager --threshold=$most "$1.service" >/dev/null; }

status_json() { ippriv status --json; }
ready() { [ "$(status_json | jq '[.circuits[] | select(.state == "ready" and (.attached | not))] | length')" -ge "${1:-1}" ]; }
as_user() { setpriv --reuid 1000 --regid 1000 --clear-groups "$@"; }
fetches() { [ "$("$@" curl -sS -m 20 -o /dev/null -w '%{http_code}' http://203.0.113.1:8080/list)" = 200 ]; }
runs_as_other() { [ "$(ps -o uid= -C "$1" | tr -d ' ' | head -n 1)" -ge 61184 ]; }

start_relays() {
	local i
	for i in 1 2 3; do
		write_relay r$i r$i 203.0.113.1$i 'exit = true' 'exit_policy = { "accept any *" }' "control = \"/run/r$i/control\"" \
			"state = \"/var/lib/r$i\"" || return 1
		ip netns exec r$i ippriv-node -c /etc/ippriv/r$i.conf >"/srv/ippriv/r$i.log" 2>&1 &
		echo $! >"/srv/ippriv/r$i.pid"
	done
	for i in 1 2 3; do
		wait_for 30 grep -q ': ready' "/srv/ippriv/r$i.log" || { cat "/srv/ippriv/r$i.log"; return 1; }
	done
}

install_all() { DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"; }

units_come_up() {
	local package
	check_not "without a configuration no unit runs" systemctl is-active ippriv-node ippriv-client ippriv-directory
	write_directory && write_relay host node 203.0.113.1 && write_client || die "no configuration"
	for package in ippriv-directory ippriv-node ippriv-client; do
		check "$package starts" systemctl start $package
		check "$package is active" active $package
		check "as a user of its own" runs_as_other $package
	done
	check "the client says what it waits for" wait_for 20 waits_for_relays
}
waits_for_relays() { ippriv log | grep -q 'no path\|no new relay list'; }

client_works() {
	must_start_relays || return
	check "the client builds a circuit through them" wait_for 90 ready
	check "a user's command goes through it" fetches as_user ippriv run --
	check "root's, too" wait_for 30 ready
	check "and it does" fetches ippriv run --
	check "a user sees the log" as_user ippriv log -n 1
	check "nobody but its user writes where the socket is" [ "$(stat -c %a /run/ippriv)" = 755 ]
}
must_start_relays() { check "relays that root starts by hand come up beside the units" start_relays; }

keys_and_state() { sha256sum /etc/ippriv/*.key /etc/ippriv/*.conf; find /var/lib/private -name 'newest*' -o -name '*.desc*' | sort; }

restarts_and_upgrades() {
	local package before
	for package in "${packages[@]}"; do
		check "$package restarts" systemctl restart $package
		check "and is active" active $package
	done
	check "the client builds circuits again" wait_for 120 ready
	before=$(keys_and_state)
	check "newer packages install" install_all /srv/ippriv/newer/*.deb
	check "they are what runs" newer_runs
	for package in "${packages[@]}"; do
		check "$package is active" active $package
		check "$package complains of nothing" no_complaint $package
		check "$package: exposure $(exposure $package)" is_shut_in $package
	done
	systemd-run -q --wait -u complains sh -c 'echo setns: Operation not permitted >&2'
	check_not "a complaint would be seen" no_complaint complains
	check "keys, configuration and state are what they were" [ "$before" = "$(keys_and_state)" ]
	check "the client builds circuits still" wait_for 120 ready
	check "for users" fetches as_user ippriv run --
	check "one daemon of a kind runs in a namespace" refused_by "another ippriv-node runs in this network namespace" \
		ippriv-node -c /etc/ippriv/node.conf
	check "nor does root's client run beside the unit's" refused_by "an ippriv-client runs in this network namespace" \
		ippriv-client -c /etc/ippriv/client.conf
}
refused_by() { # TEXT CMD…
	local text=$1 said
	shift
	said=$(timeout 20 "$@" 2>&1)
	[ $? = 2 ] && grep -qF "$text" <<<"$said" && return
	echo "$said"
	return 1
}
newer_runs() { [ "$(dpkg-query -W -f '${Version} ' "${packages[@]}" | grep -o newer | wc -l)" = 3 ]; }

goes() {
	check "purge" apt-get purge -q -y "${packages[@]}"
	check_not "no unit is left" systemctl cat ippriv-node.service
	check_not "no process" pgrep -f '/usr/sbin/ippriv-(node|client|directory)$'
	kill $(cat /srv/ippriv/r?.pid)
	check "the relays that root started end" relays_end
	rm -rf /etc/ippriv/r[123].* /var/lib/r[123] /run/r[123]
	rmdir /etc/ippriv
	check "no file" nothing_of ippriv
	check "nothing in the kernel" [ -z "$(ip xfrm state; ip xfrm policy; nft list ruleset; ip -o link show type xfrm)" ]
}
relays_end() { wait_for 20 relays_gone || relays_gone; }
relays_gone() {
	local left
	left=$(pgrep -a ippriv-node; ns r1 ip xfrm state; ns r2 nft list ruleset; ns r3 ip xfrm policy)
	echo "$left"
	[ -z "$left" ]
}
nothing_of() {
	local left
	left=$(find /etc /var/lib /run /usr -xdev -iname "*$1*" -not -path '/var/lib/dpkg/*' -not -path '/run/guest/*' -not -path '/run/log/*')
	echo "$left"
	[ -z "$left" ]
}

inside() {
	settle || die "the system did not come up"
	check "a network" lay_network || exit 1
	check "the packages install" install_all /srv/ippriv/*.deb || exit 1
	units_come_up
	client_works
	restarts_and_upgrades
	[ $failed = 0 ] || journalctl --no-pager -b -u 'ippriv-*' | tail -n 100
	goes
	echo "$passed passed, $failed failed"
	[ $failed = 0 ]
}

run "$@"
