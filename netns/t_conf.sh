#!/bin/bash
# t_conf: what is wrong with a configuration or with the machine is said in one line that names file and line where there is one and
# says what to do, with status 2; the kernel is as it was before. -t, and status without a daemon.
# limit: 800 s
. "$(dirname "$0")/lib.sh"
run_where_esp_is "$0" "$@"
require_root
require_programs ippriv-node ippriv-client ippriv ippriv-directory

PUBLIC=203.0.113.10
NOBODY=(setpriv --reuid=65534 --regid=65534 --clear-groups)
scratch
chmod 755 "$SCRATCH"
D=$SCRATCH/conf
mkdir -m 755 "$D" "$D/state"

declare -A program=([node]=ippriv-node [client]=ippriv-client [dir]=ippriv-directory)

# run PROGRAM ARGS…: in the host's namespace; output in D/out and D/err, status in $status.
run() {
	local program=$1
	shift
	ns_exec host "${wrap[@]}" timeout -k 1 15 "$BUILD_DIR/$program" "$@" </dev/null >"$D/out" 2>"$D/err"
	status=$?
}
wrap=()

# said TEXT STATUS PATTERN: the last run ended with STATUS, and its only words are one line on stderr that matches PATTERN.
said() {
	local wrong='' lines
	mapfile lines <"$D/err"
	[ "$status" = "$2" ] || wrong="status $status, wanted $2. "
	[ ! -s "$D/out" ] || wrong+="it wrote to stdout. "
	[[ ${#lines[@]} = 1 && $lines == *$'\n' ]] || wrong+="not one line. "
	[[ $lines =~ $3 ]] || wrong+="the line does not match: $3. "
	[ ${#lines} -le 600 ] || wrong+="the line is too long. "
	if [ -z "$wrong" ]; then
		ok "$1"
	else
		fail "$1" "$wrong"$'\n'"$(head -c 2000 "$D/err")"
	fi
}

# bad KIND KEY LINE PATTERN TEXT: the good configuration, KEY's line away and LINE ('' for none) at its end. The error stands there.
bad() {
	local file=$D/bad.conf line lines=()
	while read -r line; do
		[[ $line == "${2:-nothing} = "* ]] || lines+=("$line")
	done <"$D/$1.conf"
	[ -z "$3" ] || lines+=("$3")
	printf '%s\n' "${lines[@]}" >"$file"
	mapfile lines <"$file"
	run "${program[$1]}" -c "$file"
	said "${program[$1]}: $5" 2 "^${program[$1]}: $file:${#lines[@]}: .*$4"
}

# refused KIND PATTERN TEXT [CONF]: the daemon does not start with this machine.
refused() {
	run "${program[$1]}" -c "${4:-$D/$1.conf}"
	said "${program[$1]}: $3" 2 "^${program[$1]}: .*$2"
}

unchanged() { check_eq "$1: the kernel is as before" "$before" "$(ns_state host)"; }

ns_add host
ns_router host
ns_ip host link add wan type dummy
ns_ip host addr add $PUBLIC/24 dev wan
ns_ip host link set wan up
ns_ip host route add default dev wan

"$BUILD_DIR/ippriv-node" --keygen "$D/key" >"$D/pub"
KEY=$(cat "$D/pub")
cat >"$D/node.conf" <<END
address = $PUBLIC
identity = "$D/key"
nickname = "test"
directory = "http://$PUBLIC:8080"
authorities = { "$KEY" }
control = "$D/node.sock"
END
cat >"$D/client.conf" <<END
directory = "http://$PUBLIC:8080"
authorities = { "$KEY" }
control = "$D/client.sock"
state = "$D/client"
END
cat >"$D/dir.conf" <<END
listen = "$PUBLIC:8080"
identity = "$D/key"
state = "$D/state"
END
sed -n '/^directory\|^authorities/p' "$D/client.conf" >"$D/authorities"
echo "address = $PUBLIC" >"$D/one.conf"
files=$(ls -R "$D" /etc/ippriv 2>/dev/null)
before=$(ns_state host)

# --- good ones

for kind in node client dir; do
	run "${program[$kind]}" -c "$D/$kind.conf" -t
	check_eq "${program[$kind]} -t is content with a good file" "0 $D/$kind.conf: good" "$status $(cat "$D/out" "$D/err")"
done
run ippriv-client -a "$D/authorities" -t
check_eq "ippriv-client needs no more than its authorities" "0 $D/authorities: good" "$status $(cat "$D/out" "$D/err")"
run ippriv-node -a "$D/authorities" -c "$D/one.conf" -t
check_eq "ippriv-node no more than them and its address" "0 $D/one.conf: good" "$status $(cat "$D/out" "$D/err")"
rm -f "$D/out" "$D/err"
check_eq "-t makes no file" "$files" "$(ls -R "$D" /etc/ippriv 2>/dev/null)"
check_not "--keygen does not replace a key" "$BUILD_DIR/ippriv-node" --keygen "$D/key"
unchanged "after -t"

# --- what the file says (the unit tests try every key)

for kind in node client dir; do
	bad $kind '' 'colour = "red"' 'unknown key colour; known are: ' "an unknown key"
	bad $kind '' 'log_level = "info' '' "a string that does not end"
	run "${program[$kind]}" -c "$D/none.conf"
	said "${program[$kind]}: no file" 2 "^${program[$kind]}: $D/none.conf: "
	run "${program[$kind]}" -c "$D/bad.conf" -t
	said "${program[$kind]} -t says the same" 2 "^${program[$kind]}: $D/bad.conf:$(wc -l <"$D/bad.conf"): "
done
chmod 600 "$D/node.conf"
wrap=("${NOBODY[@]}")
refused node "$D/node.conf: .*[Pp]ermission" "a file that it may not read"
wrap=()
chmod 644 "$D/node.conf"

bad node address '' 'address is missing; add a line address' "no address"
bad node '' 'nickname = "twice"' 'nickname stands in line 3 already; keep one' "a key twice"
bad node address 'address = 203.0.113' 'give an address' "half an address"
bad node address 'address = 100.64.0.1' '100.64.0.0/10' "an address out of the pools"
bad node '' 'pool = 10.0.0.0/16' '100.64.0.0/10' "a pool elsewhere"
bad node '' 'exit_policy = { "accept tcp *:80", "accept tcp *:99999" }' 'accept tcp' "a bad exit rule"
bad node authorities 'authorities = { "abcd" }' 'hex digits' "an authority that is no key"
bad node '' 'threshold = 2' 'threshold.*number of authorities' "a threshold over the authorities"
bad node control "control = \"/run/$(printf 'x%.0s' {1..120})\"" 'too long.*107' "a control path that is too long"
sed '/^directory/d' "$D/client.conf" >"$D/bad.conf"
refused client "$D/bad.conf: directory is missing; .*/etc/ippriv/authorities" "no directory" "$D/bad.conf"
run ippriv-client -a "$D/none"
said "ippriv-client: neither its file nor that of the authorities" 2 "^ippriv-client: $D/none: no such file"
bad client '' 'circuits = 3
circuits = 3' 'circuits stands in line 5 already' "a key twice"
bad client control "control = \"/run/$(printf 'x%.0s' {1..120})\"" 'too long.*107' "a control path that is too long"
bad dir listen 'listen = "203.0.113.10"' 'ADDRESS:PORT' "listen without a port"
bad dir listen '' 'listen is missing' "no listen"
bad dir '' "state = \"$D\"" 'state stands in line 3 already' "a key twice"

# --- the key file

echo garbage >"$D/garbage" && chmod 600 "$D/garbage"
cp "$D/key" "$D/open" && chmod 644 "$D/open"
for kind in node dir; do
	bad $kind identity "identity = \"$D/nokey\"" "${program[$kind]} --keygen" "no key file"
	bad $kind identity "identity = \"$D/garbage\"" 'holds? no key|is no key' "a key file with something else"
	bad $kind identity "identity = \"$D/open\"" 'others can read.*chmod 600' "a key file that others can read"
	wrap=("${NOBODY[@]}")
	bad $kind identity "identity = \"$D/key\"" '; run as its owner' "a key file that it may not read"
	wrap=()
done
unchanged "after every bad file"

# --- the machine

wrap=(setpriv --bounding-set=-net_admin)
refused node 'CAP_NET_ADMIN.*root' "no CAP_NET_ADMIN"
refused client 'CAP_NET_ADMIN.*root' "no CAP_NET_ADMIN"
wrap=(setpriv --bounding-set=-sys_admin)
refused node 'CAP_SYS_ADMIN.*root' "no CAP_SYS_ADMIN"
refused client 'CAP_SYS_ADMIN.*root' "no CAP_SYS_ADMIN"
wrap=("${NOBODY[@]}")
refused client 'root' "started by a user"
wrap=(setpriv --bounding-set=-net_bind_service)
refused node "UDP $PUBLIC:500: .*; run as root" "no CAP_NET_BIND_SERVICE"
wrap=()

ns_exec host sysctl -qw net.ipv4.ip_forward=0
refused node 'forwarding is off: sysctl -w net.ipv4.ip_forward=1' "no forwarding"
ns_exec host sysctl -qw net.ipv4.ip_forward=1

for what in "node address" "dir listen"; do
	read -r kind key <<<"$what"
	sed "s/^$key = .*/$key = \"203.0.113.99$([ $kind = node ] || echo :8080)\"/" "$D/$kind.conf" >"$D/bad.conf"
	refused $kind '203.0.113.99:.*(must be an address of this machine|does not have that address)' \
		"an address of another machine" "$D/bad.conf"
done
spawn host udp500 socat -u UDP4-RECV:500,bind=$PUBLIC STDOUT
spawn host tcp8080 socat -u TCP4-LISTEN:8080,bind=$PUBLIC STDOUT
must "somebody has the ports" wait_for 10 bash -c "ip netns exec $(ns host) ss -lntu | grep -q ':500 ' && ip netns exec $(ns host) ss -lntu | grep -q ':8080 '"
refused node "UDP $PUBLIC:500: .*in use; stop the other IKE daemon" "UDP port 500 in use"
refused dir "$PUBLIC:8080: the port is in use; stop" "the TCP port in use"
run ippriv-directory -c "$D/dir.conf" -t
said "ippriv-directory -t sees that, too" 2 "$PUBLIC:8080: the port is in use"
stop "${pids[@]}"

touch "$D/file"
for kind in node client; do
	sed "s|^control = .*|control = \"$D/file\"|" "$D/$kind.conf" >"$D/bad.conf"
	refused $kind "$D/file: .*another .?control" "a control path where something else is" "$D/bad.conf"
	check_eq "which stays" "regular empty file" "$(stat -c %F "$D/file")"
done
sed "s|^state = .*|state = \"$D/file\"|" "$D/client.conf" >"$D/bad.conf"
refused client "$D/file" "a state folder that is a file" "$D/bad.conf"
sed "s|^state = .*|state = \"$D/file\"|" "$D/dir.conf" >"$D/bad.conf"
refused dir "$D/file" "a state folder that is a file" "$D/bad.conf"
unchanged "after every refusal"

ns_ip host route add 100.64.0.0/10 dev wan
taken=$(ns_state host)
refused node 'route' "somebody else routes the pools"
check_eq "whose route stays" "$taken" "$(ns_state host)"
ns_ip host route del 100.64.0.0/10 dev wan

# --- modules that are missing (or too many): only where nobody else needs them

modules_away() { # NAME…: until modules_back; the kernel may still be clearing namespaces of an earlier test
	wait_for 20 modprobe -r "$@" && echo /bin/false >/proc/sys/kernel/modprobe
}
modules_back() {
	echo /sbin/modprobe >/proc/sys/kernel/modprobe
	modprobe -a esp4 xfrm_user xfrm_interface
}
if [ "${IPPRIV_GUEST:-}" != here ]; then
	trap 'status=$?; modprobe -rq esp4_offload; modules_back; (exit "$status"); at_exit' EXIT # the next test needs them, however this one ends
	must "ESP can be unloaded" modules_away esp4
	refused node 'no ESP with AES-GCM: modprobe esp4' "a kernel without ESP"
	refused client 'no ESP with AES-GCM: modprobe esp4' "a kernel without ESP"
	modules_back
	must "so can XFRM for users" modules_away xfrm_user
	refused node 'modprobe (esp4 )?xfrm_user' "a kernel without XFRM"
	refused client 'modprobe (esp4 )?xfrm_user' "a kernel without XFRM"
	modules_back
	must "and xfrm interfaces" modules_away xfrm_interface
	refused client 'modprobe xfrm_interface' "a kernel without xfrm interfaces"
	modules_back
	must "esp4_offload is there" modprobe esp4_offload
	refused node 'modprobe -r esp4_offload' "a kernel that would drop nested ESP"
	modprobe -r esp4_offload
	unchanged "after modules went and came"
fi

# --- daemons that run, and that do not

run ippriv-node -c "$D/node.conf" status
said "ippriv-node status without a relay" 1 "^ippriv-node: $D/node.sock: .*; is the relay running"
run ippriv --control "$D/client.sock" status
said "ippriv status without a client daemon" 2 "^ippriv: $D/client.sock: .*; start ippriv-client"
run ippriv --control "$D/client.sock" run -- true
said "ippriv run without a client daemon" 125 "^ippriv: $D/client.sock: .*; start ippriv-client"

for kind in node client dir; do
	spawn host $kind "$BUILD_DIR/${program[$kind]}" -c "$D/$kind.conf"
	must "${program[$kind]} starts" wait_for 20 grep -q ': ready$' "$OUT/$kind.log"
done
running=$(ns_state host)
refused node 'another ippriv-node runs in this network namespace.*; stop it first' "a second relay"
refused client 'an ippriv-client runs in this network namespace; stop it first' "a second client daemon"
refused dir "port is in use; stop" "a second directory"
check_eq "those that run keep what they have" "$running" "$(ns_state host)"
check "and answer" ns_exec host "$BUILD_DIR/ippriv-node" -c "$D/node.conf" status
check "all of them" ns_exec host "$BUILD_DIR/ippriv" --control "$D/client.sock" status
check "over HTTP, too" ns_exec host curl -sS --max-time 10 -o /dev/null "http://$PUBLIC:8080/list"
for kind in node client dir; do
	run "${program[$kind]}" -c "$D/$kind.conf" -t
	check_eq "${program[$kind]} -t while it runs" "0 $D/$kind.conf: good" "$status $(cat "$D/out" "$D/err")"
done
check_eq "-t changes nothing" "$running" "$(ns_state host)"
stop "${pids[@]}"
unchanged "after they stopped"
check_eq "no socket is left" "" "$(find "$D" -type s)"
