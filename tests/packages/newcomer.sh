#!/bin/bash
# newcomer.sh: what somebody types in an empty Debian until `ippriv run` works, and what it answers: README.md's transcript, on standard
# output. Root, by hand, 5 min: `sudo tests/packages/newcomer.sh`. The Debian is made for it (debootstrap) and boots in the guest, where
# directory, relays and a web server stand in namespaces around it. Nothing is installed or started on this machine.
#   --missing   only name the packages that are not installed, change nothing
# IPPRIV_SYSTEM, BUILD_DIR and IPPRIV_JOBS as for systemd.sh, but the system that is kept has to be another one.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

WORLD=/srv/world
SITE=www.example.net
me=203.0.113.1 dir=203.0.113.10 web=203.0.113.20

# --- on this machine

# What the world around the newcomer runs brings its own libraries: the newcomer's system has none of them.
copy_programs() {
	local to=$system$WORLD program
	rm -rf "$to"
	mkdir -p "$to/lib" "$to/www/cgi-bin"
	for program in "$build/ippriv-node" "$build/ippriv-directory" "$(command -v dnsmasq)"; do
		cp "$program" "$to/" && ldd "$program" | grep -o '/[^ ]*' | xargs cp -L -t "$to/lib" || return 1
	done
	cp "$(command -v busybox)" "$to/"
	printf '%s\n' "#!$WORLD/busybox sh" 'printf "Content-Type: text/plain\r\n\r\nyou come from %s\n" "$REMOTE_ADDR"' >"$to/www/cgi-bin/index.cgi"
	chmod +x "$to/www/cgi-bin/index.cgi"
	cp "$0" "$here/lib.sh" "$to/"
}

# apt in the guest has no network: what it would fetch is there already.
fetch_packages() {
	rm -f "$system"/root/*.deb
	cp "$build"/ippriv-client_*.deb "$system/root/" && in_system apt-get update -q &&
		in_system sh -c 'apt-get install -q -y --download-only /root/ippriv-client_*.deb'
}

outside() {
	make_ready
	{
		check "the packages build" build_packages && check "a Debian system (debootstrap)" make_system iproute2,curl &&
			check "the world around it" copy_programs && check "what apt would fetch" fetch_packages
	} >&2 || exit 1
	in_guest "$WORLD/newcomer.sh" --inside
}

# --- in the guest: the world

program() { "$WORLD"/lib/ld-linux* --library-path "$WORLD/lib" "$WORLD/$1" "${@:2}"; }

start() { # HOST PROGRAM ARGS…: in that namespace; what it says is in WORLD/HOST.log
	ip netns exec "$1" "$WORLD"/lib/ld-linux* --library-path "$WORLD/lib" "$WORLD/$2" "${@:3}" >"$WORLD/$1.log" 2>&1 &
	started+=($!)
}

start_relay() { # NUMBER
	local key
	key=$WORLD/r$1.key
	program ippriv-node --keygen "$key" >/dev/null || return 1
	printf '%s\n' "address = 203.0.113.1$1" "identity = \"$key\"" "nickname = \"relay$1\"" "directory = \"http://$dir:8080\"" \
		"authorities = { \"$authority\" }" 'exit = true' "dns = $web" 'exit_policy = { "accept any *" }' 'refresh = 5' \
		"control = \"/run/world/r$1\"" "state = \"/run/world/state$1\"" >"$WORLD/r$1.conf"
	start "r$1" ippriv-node -c "$WORLD/r$1.conf"
}

start_world() {
	local i
	mkdir -p /run/world
	authority=$(program ippriv-directory --keygen "$WORLD/dir.key") || return 1
	printf '%s\n' "listen = \"$dir:8080\"" "identity = \"$WORLD/dir.key\"" 'state = "/run/world/dir"' 'interval = 5' >"$WORLD/dir.conf"
	start dir ippriv-directory -c "$WORLD/dir.conf"
	ip netns exec web "$WORLD/busybox" httpd -f -p "$web:80" -h "$WORLD/www" &
	started+=($!)
	start web dnsmasq -d -u root -C /dev/null -R -h -z -a "$web" -A "/$SITE/$web"
	for i in 1 2 3 4; do
		start_relay $i || return 1
	done
	for i in 1 2 3 4; do
		wait_for 60 grep -q 'relay list with 4 relays' "$WORLD/r$i.log" || { cat "$WORLD/r$i.log"; return 1; }
	done
}

# The switch that all hosts are at is in a namespace of its own: the newcomer's system has one link to it and sees no other.
lay_world() {
	local host
	ip netns add switch && ip -n switch link add wan type bridge && ip -n switch link set wan up &&
		ip link add eth0 type veth peer name to-me netns switch && ip -n switch link set to-me master wan up &&
		ip addr add "$me/24" dev eth0 && ip link set eth0 up || return 1
	for host in dir:10 r1:11 r2:12 r3:13 r4:14 web:20; do
		lay_host "${host%:*}" "203.0.113.${host#*:}" wan switch || return 1
	done
}

# --- in the guest: the newcomer

# typed PROMPT COMMAND [LAST]: as somebody would see it; of a long answer the LAST lines. Ends with the command's status.
typed() {
	local said status
	echo "$1 $2"
	case $1 in
	*'#') said=$(cd /root && bash -c "$2" 2>&1) ;;
	*) said=$(cd / && setpriv --reuid 1000 --regid 1000 --clear-groups --reset-env bash -c "$2" 2>&1) ;;
	esac
	status=$?
	said=${said//$'\r'/}
	if [ -n "${3:-}" ] && [ "$(wc -l <<<"$said")" -gt "$3" ]; then
		echo '[…]'
		said=$(tail -n "$3" <<<"$said")
	fi
	[ -z "$said" ] || echo "$said"
	return $status
}
as_root() { typed 'root@debian:~#' "$@"; }
as_user() { typed 'anna@debian:~$' "$@"; }

newcomer() {
	export DEBIAN_FRONTEND=noninteractive
	as_root "apt-get install -y ./$(cd /root && echo ippriv-client_*.deb)" 3 &&
		as_root "cat >/etc/ippriv/authorities <<END
directory   = \"http://$dir:8080\"
authorities = { \"$authority\" }
END" &&
		as_root 'systemctl start ippriv-client' &&
		as_user "curl -s http://$web/" &&
		as_user "ippriv run -- curl -s http://$SITE/" &&
		as_user 'ippriv run -- sh -c "exit 7"; echo $?' &&
		as_root 'ippriv status' &&
		as_root 'ippriv leaktest' 2
}

inside() {
	local status=1
	started=()
	settle && lay_world && start_world && newcomer && status=0
	[ $status = 0 ] || journalctl --no-pager -b -u ippriv-client | tail -n 40
	kill "${started[@]}"
	wait "${started[@]}"
	return $status
}

run "$@"
