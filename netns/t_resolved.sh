#!/bin/bash
# t_resolved: systemd-resolved as the host's resolver, with per-link DNS, multicast DNS and LLMNR: `ippriv run` does not ask it, a host that
# is up asks the exit's resolver through it and nobody on the link, `down` leaves all as it was.
# limit: 600 s
#
#      ra ── client1 ── lan 192.168.7.1 (the link's resolver, which says WRONG of every name)
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/world.sh"
. "$(dirname "$0")/uplink.sh"
run_where_esp_is "$0" "$@"
require_root
RESOLVED=$("$SOURCE/tests/resolved.sh" --path) || skip "systemd-resolved is not unpacked; tests/install.sh does that"
require_programs ippriv-node ippriv-client ippriv ippriv-directory

LAN=192.168.7.1
DOMAIN=example.net
WRONG=192.0.2.99
NOBODY=65534
web=$(world_ip web)
libraries=$(echo "$RESOLVED"/usr/lib/*/systemd)
libraries=${libraries%/*}:$libraries

# --- a host with systemd-resolved

# Its files: as the packages leave them, and as networkd tells of a link with a resolver. Never those of the machine that this runs on.
# shellcheck disable=SC2016
host_files='
	mount -t tmpfs -o mode=755 files "$0" && mkdir "$0/etc" &&
	for file in passwd group shadow hosts host.conf gai.conf nsswitch.conf services protocols ld.so.cache ld.so.conf ld.so.conf.d; do
		[ ! -e /etc/$file ] || cp -a /etc/$file "$0/etc" || exit
	done
	mount --bind "$0/etc" /etc &&
	mkdir -p /run/systemd && mount -t tmpfs -o mode=755 systemd /run/systemd && mkdir -p /run/systemd/netif/links || exit
	getent passwd systemd-resolve >/dev/null || {
		echo "systemd-resolve:x:989:989::/:/usr/sbin/nologin" >>/etc/passwd
		echo "systemd-resolve:x:989:" >>/etc/group
	}
	ln -sfn ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf
	sed -i "s/^hosts:.*/hosts: files resolve [!UNAVAIL=return] dns/" /etc/nsswitch.conf
	mkdir -p /etc/systemd
	printf "%s\n" "[Resolve]" MulticastDNS=yes LLMNR=yes >/etc/systemd/resolved.conf
	printf "%s\n" ADMIN_STATE=configured OPER_STATE=routable "DNS=$2" "DOMAINS=$3" LLMNR=yes MDNS=yes >"/run/systemd/netif/links/$1"
	echo OPER_STATE=routable >/run/systemd/netif/state
	echo ready
	exec sleep 600'
host_make() {
	mkdir "$SCRATCH/files"
	spawn client1 host unshare -m bash -c "$host_files" "$SCRATCH/files" "$(ns_ip client1 -o link show to-lan | cut -d: -f1)" $LAN $DOMAIN
	host=$spawned
	wait_for 60 has_line "$OUT/host.log" ready
}
host() { LD_LIBRARY_PATH=$libraries nsenter -t "$host" -m -n "$@"; }
ask_daemon() { host "$BUILD_DIR/ippriv" --control "$SCRATCH/client1.sock" "$@"; }
by_user() { host setpriv --reuid $NOBODY --regid $NOBODY --clear-groups "$BUILD_DIR/ippriv" --control "$SCRATCH/client1.sock" run -- "$@"; }
client_start() {
	spawn client1 client1 nsenter -t "$host" -m "$BUILD_DIR/ippriv-client" -c "$OUT/etc/client1.conf"
	wait_for 60 has_line "$OUT/client1.log" '*: ready'
}

starts=0
resolved_start() {
	host rm -f /run/systemd/resolve/io.systemd.Resolve
	starts=$((starts + 1)) # each start has a log
	LD_LIBRARY_PATH=$libraries SYSTEMD_LOG_TARGET=console SYSTEMD_LOG_LEVEL=debug \
		spawn client1 resolved$starts nsenter -t "$host" -m "$RESOLVED/lib/systemd/systemd-resolved"
	resolved=$spawned
	wait_for 60 host test -S /run/systemd/resolve/io.systemd.Resolve
}
# resolved_heard NAME: the questions that programs have asked it.
resolved_heard() { cat "$OUT"/resolved?.log | grep -c "method\":\"io.systemd.Resolve.ResolveHostname\".*\"$1\"\|Looking up RR for $1 IN A"; }

# name WAY NAME: its address; asked of systemd-resolved over its socket (resolve), or at 127.0.0.53 (dns), or as nsswitch.conf says (host).
name() {
	local way=(-s "hosts:$1")
	[ "$1" != host ] || way=()
	host timeout 20 getent "${way[@]}" ahostsv4 "$2" | awk 'NR == 1 {print $1}'
}
run_name() { by_user timeout 20 getent ahostsv4 "$1" | awk 'NR == 1 {print $1}'; }

# --- resolvers, and what they and the links have seen

names="before run one two three four five six desk after"
resolver() { # HOST ADDRESS WHAT_IT_SAYS
	local name list=()
	for name in $names; do
		list+=(--name "$name.$DOMAIN=$3")
	done
	spawn "$1" "$1" python3 -I -S "$SOURCE/netns/services.py" --dns "$2:53" "${list[@]}" --log "$OUT/$1.requests"
	wait_for 60 has_line "$OUT/$1.log" 'services: ready*'
}
lan_asked() { grep -c ^dns "$OUT/lan.requests"; }
exits=$(for name in n1 n2 n4; do world_ip $name; done)
# by_exit NAME: its resolver was asked for that name by exits alone.
by_exit() { [ -n "$(askers "$1")" ] && ! askers "$1" | grep -vxF "$exits"; }
askers() { grep -F "'$1.$DOMAIN'" "$OUT/web.requests" | cut -d' ' -f2; }
# in_clear: what the observers show, but for what a link needs.
in_clear() { grep -h ' > ' "$OUT/plain-lan.log" "$OUT/plain-ra.log" | grep -v ICMP6 | sort; }
mark() {
	uplink_mark
	in_clear >"$SCRATCH/clear"
}
since() { in_clear | comm -13 "$SCRATCH/clear" -; }
saw() { since | grep >/dev/null " > .*\.$1: "; }

# As `ippriv` could have changed it: files' places, sizes, times, and what is in those that say where names are asked for.
files() {
	host sh -c 'find /etc -printf "%p %l %s %T@ %m %U\n" | sort
		cat /etc/nsswitch.conf /etc/hosts /etc/resolv.conf /run/systemd/resolve/*resolv.conf; ls /run/systemd/resolve'
}

# ask_link: programs look for hosts of the link by multicast, beside what comes next; asked_link waits until they have given up.
ask_link() {
	local name
	asking=()
	for name in printer.local solo; do
		host timeout 5 getent ahostsv4 $name >/dev/null &
		asking+=($!)
	done
}
asked_link() { wait "${asking[@]}"; }

# --- the world

must "hosts on a routed Internet" world_up
ns_add lan
must "a link to a LAN" link client1 lan 192.168.7.2/24 $LAN/24
must "the client's links are observed" eval 'uplink_watch ra to-client1 && uplink_watch lan to-client1'
must "the exits' resolver" resolver web "$web" "$web"
must "and the LAN's" resolver lan $LAN $WRONG
must "directory and relays start" world_daemons n1 n2 n4
world_client_conf client1
must "a host" host_make
must "with systemd-resolved" resolved_start
must "the client starts" client_start

# --- as it is without the tunnel

mark
ask_link
for way in resolve dns host; do
	check_eq "without the tunnel, by $way: the link's resolver answers" $WRONG "$(name $way before.$DOMAIN)"
done
check_eq "a search domain is the link's" $WRONG "$(name host before)"
asked_link
check "it was asked" test "$(lan_asked)" -gt 0
for port in 53 5353 5355; do
	check "observers see questions to port $port" wait_for 20 saw $port
done

# --- a command

asked=$(lan_asked)
mark
check_eq "run: a name, from the exit's resolver" "$web" "$(by_user getent ahostsv4 run.$DOMAIN | awk 'NR == 1 {print $1}')"
check "which the exit has asked" by_exit run
check_eq "the link's search domain is not known there" 2 "$(by_user getent ahostsv4 desk; echo $?)"
check_eq "the sockets of systemd-resolved are not there" "" \
	"$(by_user sh -c 'ls -A /run/systemd/resolve /var/run/systemd/resolve' 2>/dev/null)"
check_eq "while what stands beside them is" "links state" "$(by_user ls /run/systemd/netif | paste -sd' ')"
check_eq "who asks it by its own library finds nobody" 2 "$(by_user getent -s hosts:resolve ahostsv4 run.$DOMAIN; echo $?)"
check "127.0.0.53 is there for the host" host bash -c ': </dev/tcp/127.0.0.53/53'
check_eq "not for the command" 1 "$(by_user bash -c ': </dev/tcp/127.0.0.53/53' 2>/dev/null; echo $?)"
check_eq "systemd-resolved has not heard of it" 0 "$(resolved_heard run.$DOMAIN)"
check_eq "nor has the LAN's resolver" "$asked" "$(lan_asked)"
check_uplinks "run"

# --- the host up

files >"$OUT/files.before"
must "the host goes up" ask_daemon up
mark
ask_link
check_eq "up: what the LAN had answered before is forgotten" "$web" "$(name host before.$DOMAIN)"
check_eq "up: over the socket" "$web" "$(name resolve one.$DOMAIN)"
check_eq "up: at 127.0.0.53" "$web" "$(name dns two.$DOMAIN)"
check "the exit has asked" by_exit two
check_eq "up: a search domain, too" "$web" "$(name host desk)"
asked_link
stop "$resolved"
must "systemd-resolved starts anew" resolved_start
check_eq "up: over the socket" "$web" "$(name resolve three.$DOMAIN)"
check_eq "up: at 127.0.0.53" "$web" "$(name dns four.$DOMAIN)"
check_uplinks "up"

must "up with the LAN left out" ask_daemon up --exclude 192.168.7.0/24
mark
ask_link
check_eq "its resolver is not asked" "$web" "$(name host five.$DOMAIN)"
asked_link
check "multicast names are asked for there" wait_for 20 saw 5353
check_eq "and nothing else" "" "$(since | grep -v ' > 224.0.0.251.5353: ')"

# --- down, and lockdown

check_eq "the LAN's resolver has heard nothing while up" "$asked" "$(lan_asked)"
check "down" ask_daemon down
check_eq "the LAN's resolver is asked again, also for what the exit has answered" $WRONG "$(name host five.$DOMAIN)"
check "it has heard that" test "$(lan_asked)" -gt "$asked"
files >"$OUT/files.after"
check "no file has changed" diff "$OUT/files.before" "$OUT/files.after"
check "lockdown" ask_daemon lockdown on
mark
ask_link
check_eq "lockdown: no name" "" "$(host timeout 6 getent ahostsv4 six.$DOMAIN)"
asked_link
check_uplinks "lockdown" 0
check "lockdown ends" ask_daemon lockdown off
check_eq "the LAN's resolver is asked again" $WRONG "$(name host six.$DOMAIN)"
check "systemd-resolved has lived through it" is_child "$resolved"
