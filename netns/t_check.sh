#!/bin/bash
# t_check: `ippriv-node --check` says what is good, and of each thing that is wrong what to do; the kernel is as it was before.
#   n1 is asked, dir has the directory, web the resolver
# limit: 480 s
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/world.sh"
run_where_esp_is "$0" "$@"
require_root
require_programs ippriv-node ippriv-directory
looks=0
ADDRESS=$(world_ip n1) RESOLVER=$(world_ip web) DIRECTORY=$(world_ip dir)

# look [LINES…]: --check of n1 with these lines in its file; what it says in $said, its status in $status.
look() {
	printf '%s\n' "${@:-${lines[@]}}" >"$OUT/etc/n1.conf"
	said=$(ns_exec n1 timeout 60 "$BUILD_DIR/ippriv-node" -a "$OUT/etc/authorities" -c "$OUT/etc/n1.conf" --check 2>&1)
	status=$?
	echo "$said" >"$OUT/check-$((++looks)).txt"
}
# without KEY: the lines but that one.
without() { printf '%s\n' "${lines[@]}" | grep -v "^$1 "; }
# wrong TEXT PATTERN…: the last look ended with 2, each PATTERN fits one of what it calls wrong, and it calls nothing else wrong.
wrong() {
	local text=$1 all pattern rest
	shift
	all=$(grep '^wrong ' <<<"$said")
	rest=$all
	for pattern; do
		grep -q -- "$pattern" <<<"$all" || { fail "$text" "nothing is called wrong that fits: $pattern"$'\n'"$said"; return; }
		rest=$(grep -v -- "$pattern" <<<"$rest")
	done
	check_eq "$text" "2 " "$status $rest"
}

must "hosts on a routed Internet" world_up
ns_exec n1 sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.to-ra.rp_filter=0
world_directory_conf
sed -i 's/^list_life .*/list_life = 40/' "$OUT/etc/dir.conf"
must "a directory starts" world_start dir
spawn web resolver python3 -I -S "$SOURCE/netns/services.py" --dns "$RESOLVER:53" --name ".=$RESOLVER" --seconds 200
must "a resolver" wait_for 30 has_line "$OUT/resolver.log" 'services: ready*'
resolver=$spawned
printf '%s\n' "directory = \"http://$DIRECTORY:8080\"" "authorities = { \"$(cat "$OUT/etc/dir.pub")\" }" >"$OUT/etc/authorities"
"$BUILD_DIR/ippriv-node" --keygen "$OUT/etc/n1.key" >"$OUT/etc/n1.pub"
mkdir -p "$OUT/state/n1"
lines=("address = $ADDRESS" "identity = \"$OUT/etc/n1.key\"" "state = \"$OUT/state/n1\"" "control = \"$SCRATCH/n1.sock\""
	"exit = true" "dns = $RESOLVER")
has_list() { ns_exec n1 curl -sf --max-time 5 -o "$OUT/list" "http://$DIRECTORY:8080/list"; }
must "the directory has a list" wait_for 30 has_list
list_time=$SECONDS

# 1. Good.
before=$(ns_state n1)
look
check_eq "nothing is wrong" "0 " "$status $(grep '^wrong ' <<<"$said")"
for line in "configuration: ippriv-[0-9a-f]*, an exit" "capabilities: " "ESP: with AES" "firewall and NAT: " "forwarding: " "offload: " \
	"address: $ADDRESS is on to-ra" "rp_filter: " "port: UDP $ADDRESS:500 is free" "port: UDP $ADDRESS:4500 is free" "key: " "state: " \
	"directory: .*signatures" "clock: agrees" "list: has 0 relays" "resolver: $RESOLVER answers"; do
	check "it says ok, $line" grep -q "^ok  *$line" <<<"$said"
done
check_eq "as JSON" "true true" "$(ns_exec n1 "$BUILD_DIR/ippriv-node" -a "$OUT/etc/authorities" -c "$OUT/etc/n1.conf" --check --json |
	jq -r '"\(.good) \([.checks[].result] | all(. == "ok" or . == "note"))"')"

# 2. The machine.
ns_exec n1 sysctl -qw net.ipv4.ip_forward=0 net.ipv4.conf.to-ra.rp_filter=1
spawn n1 taken python3 -I -S "$SOURCE/netns/services.py" --udp "$ADDRESS:4500"
must "somebody takes a port" wait_for 30 has_line "$OUT/taken.log" 'services: ready*'
look
wrong "no forwarding, and a port that is taken" "forwarding: .*sysctl -w net.ipv4.ip_forward=1" "port: UDP $ADDRESS:4500: .*ss -lunp"
check "a strict rp_filter is worth a note" grep -q '^note *rp_filter: is strict' <<<"$said"
stop "$spawned"
ns_exec n1 sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.to-ra.rp_filter=0
said=$(ns_exec n1 setpriv --bounding-set=-net_admin,-net_bind_service "$BUILD_DIR/ippriv-node" -a "$OUT/etc/authorities" \
	-c "$OUT/etc/n1.conf" --check 2>&1)
status=$?
wrong "no capabilities" "capabilities: no CAP_NET_ADMIN" "port: UDP $ADDRESS:500: .*CAP_NET_BIND_SERVICE"

# 3. The configuration.
mapfile -t other < <(without address)
look "address = 203.0.113.200" "${other[@]}"
wrong "an address that it has not" "address: 203.0.113.200 is on no interface.*set .listen. to one of: $ADDRESS" \
	"port: UDP 203.0.113.200:500: .*first mend" "port: UDP 203.0.113.200:4500: " "directory: " "resolver: "
look "address = 203.0.113.200" "listen = $ADDRESS" "${other[@]}"
check "which a NAT may translate" grep -q "^note *address: $ADDRESS is on to-ra; a NAT has to translate 203.0.113.200" <<<"$said"
check_eq "then nothing is wrong" "0 " "$status $(grep '^wrong ' <<<"$said")"
look "${lines[@]}" "colour = 1"
wrong "a file with a mistake" "configuration: $OUT/etc/n1.conf:7: unknown key colour"
mapfile -t other < <(without identity)
look "${other[@]}" "identity = \"$OUT/etc/none\""
wrong "no key" "configuration: .*--keygen"
mapfile -t other < <(without dns)
look "${other[@]}"
wrong "no resolver" "resolver: clients of this exit cannot resolve names"
look "${lines[@]}" "exit_policy = { \"accept tcp *:443\" }"
wrong "a resolver that the policy keeps clients from" "resolver: exit_policy .*accept udp $RESOLVER:53"
look "${other[@]}" "dns = $DIRECTORY"
wrong "an address where no resolver is" "resolver: $DIRECTORY: "

# 4. The directory.
"$BUILD_DIR/ippriv-node" --keygen "$OUT/etc/stranger.key" >"$OUT/etc/stranger.pub"
look "${lines[@]}" "authorities = { \"$(cat "$OUT/etc/stranger.pub")\" }"
wrong "a list that strangers have signed" "directory: the list of .* not validly signed"
world_stop dir
look
wrong "no directory" "directory: http://$DIRECTORY:8080/list: "
nap $((list_time + 45 > SECONDS ? list_time + 45 - SECONDS : 0))
spawn dir old python3 -c "
import http.server
class Old(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        data = open('$OUT/list', 'rb').read()
        self.send_response(200)
        self.send_header('Content-Length', str(len(data)))
        self.end_headers()
        self.wfile.write(data)
server = http.server.HTTPServer(('$DIRECTORY', 8080), Old)
print('ready', flush=True)
server.serve_forever()"
must "somebody serves an old list" wait_for 30 has_line "$OUT/old.log" ready
look
wrong "an old list, or a clock that is ahead" "clock: is [0-9]* s after the list's time: set it"
check_eq "the kernel is as it was" "$before" "$(ns_state n1)"
stop "$resolver"
