#!/bin/bash
# demo.sh: the whole of IPpriv on a small Internet inside this machine. `sudo netns/demo.sh`
# Installs the Debian packages that are missing, builds, and runs: one directory, five relays, one client, one web server, each in
# a network namespace of its own behind three routers; in a QEMU guest where this machine's kernel has no ESP.
# The status is 1 when anything is not as it should be. Logs and captures: out/demo in the source tree (or IPPRIV_OUT).
here=$(cd "$(dirname "$0")" && pwd)
export IPPRIV_OUT=${IPPRIV_OUT:-$(realpath -m "$here/../out/demo")}
. "$here/lib.sh"
. "$here/world.sh"
. "$here/observe.sh"

PAGE_MB=3
PINGS=10
PROGRAMS="ippriv-node ippriv-client ippriv ippriv-directory"
HOSTS="client1 $WORLD_RELAYS web dir"
WORLD_LOG_LEVEL=info
WORLD_REFRESH=3
step=0

title() {
	step=$((step + 1))
	printf '\n%d. %s\n' $step "$1"
}
note() { printf '   %s\n' "$@" | sed 's/^ *$//'; }
ok() {
	checks_passed=$((checks_passed + 1))
	printf '   ok     %s\n' "$1"
}
fail() {
	checks_failed=$((checks_failed + 1))
	printf '   WRONG  %s\n' "$1"
	[ -z "${2:-}" ] || sed 's/^/            /' <<<"$2"
}
shown() { # CMD…: its output under the command
	printf '   $ %s\n' "$1"
	shift
	"$@" 2>&1 | sed 's/^/     /'
	return "${PIPESTATUS[0]}"
}
indent() { sed -u 's/^/   /'; }

# --- outside: packages and programs

build() {
	local log=$OUT/build.log
	CC=gcc cmake -S "$SOURCE" -B "$BUILD_DIR" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo >"$log" 2>&1 || { indent <"$log"; return 1; }
	# shellcheck disable=SC2086
	ninja -C "$BUILD_DIR" -j "$(nproc)" $PROGRAMS 2>&1 | tee -a "$log" | awk '
		/^\[[0-9]+\/[0-9]+\]/ { split($1, n, /[][\/]/); if (n[2] % 30 && n[2] != n[3]) next; print "   " n[2] " of " n[3]; fflush() }'
	[ "${PIPESTATUS[0]}" = 0 ] || { grep -A 20 -m 3 -E '^FAILED|^ninja: error' "$log" | indent; return 1; }
}

prepare() {
	echo "IPpriv demo: packages, programs, and a small Internet to run them on"
	rm -rf "${OUT:?}"/{etc,state,observe} "$OUT"/*.{log,requests}
	printf '\nPackages\n'
	"$SOURCE/tests/install.sh" 2>&1 | indent
	[ "${PIPESTATUS[0]}" = 0 ] || exit 2
	printf '\nPrograms\n'
	build || exit 1
	note "built with gcc: $PROGRAMS"
	echo
}

# --- inside: the demo

# states WHEN: what each host's kernel holds and what runs there, into SCRATCH/WHEN/HOST; all hosts at once.
states() {
	local name jobs=()
	mkdir -p "$SCRATCH/$1"
	for name in $HOSTS; do
		{ ns_state "$name"; ip netns pids "$PREFIX-$name"; } >"$SCRATCH/$1/$name" 2>&1 &
		jobs+=($!)
	done
	wait "${jobs[@]}"
}

start() {
	title "A small Internet"
	cat <<-'END'
	      dir    client1   n1              n2   n3   web
	        \        |     /                 \   |   /
	         +------ ra --+------------------ rb ---+      three routers; every host has a link of its own,
	                   \                     /             and on every link stands an observer
	                    +------- rc --------+
	                            /  \
	                           n4  n5
	END
	states before
	must "web server, resolver and UDP echo run on web ($web)" world_services
	page_sum=$(ns_exec client1 curl -sS "http://$web/mb/$PAGE_MB" | sha256sum) # before anybody observes
	# shellcheck disable=SC2086
	must "observers listen on 11 links, on the routers' side" observe_start dir client1 $WORLD_RELAYS web
	must "the directory and five relays run; each relay has the signed list" world_daemons
}

telescope() {
	local log=$OUT/client1.log ready
	title "The client builds its telescope"
	world_client_conf client1
	must "ippriv-client runs on client1 ($(world_ip client1))" world_start client1
	must "it fetched the list of 5 relays; the signature of authority $(head -c 12 "$OUT/etc/dir.pub")... is good" \
		wait_for 20 grep -q 'relay list with 5 relays' "$log"
	must "three hops by IKEv2, each through the one before" wait_for 60 grep -q 'is ready after' "$log"
	must "\`ippriv run -- bash\` has a shell in the telescope; what follows is typed there" session_open client1
	read -r entry middle exit < <(world_paths client1)
	ready=$(sed -n 's/.*is ready after \([0-9.]* s\).*/\1/p' "$log" | head -n 1)
	note "" "the path, ready after $ready:" \
		"client1 --> $entry (entry) --> $middle (middle) --> $exit (exit) --> web" \
		"$(world_ip client1)   $(world_ip "$entry")   $(world_ip "$middle")   $(world_ip "$exit")   $web" ""
}

services() {
	local took seen
	took=$(session curl -sS --max-time 100 -o "$SCRATCH/page" -w '%{time_total}' "http://$web/mb/$PAGE_MB")
	check_eq "curl http://$web/mb/$PAGE_MB: $PAGE_MB MB in ${took%????} s, the same checksum as without telescope" \
		"$page_sum" "$(sha256sum <"$SCRATCH/page")"
	seen=$(session curl -sS --max-time 20 "http://$web/ip")
	check_eq "the web server saw ${seen% *}: that is $(world_who "${seen% *}"), the exit" "$(world_ip "$exit")" "${seen% *}"
	seen=$(session getent ahostsv4 "$WORLD_NAME")
	check_eq "getent hosts $WORLD_NAME: ${seen%% *}" "$web" "${seen%% *}"
	check_eq "the resolver was asked by $exit, nobody else" "$(world_ip "$exit")" "$(awk '$1 == "dns" {print $2}' "$OUT/web.requests" | sort -u)"
	check "ping $web: 3 answers" session ping -q -c 3 -i 0.2 -W 5 "$web"
	seen=$(session bash -c 'exec 3<>"/dev/udp/$0/7" && echo hello >&3 && timeout 10 dd bs=999 count=1 status=none <&3' "$web")
	check_eq "a UDP datagram and its answer; it came from ${seen% *}" "$(world_ip "$exit")" "${seen% *}"
}

# What the observers saw, a line for each link, by kind; long ones go on below.
link_table() {
	awk '
		function add(word) {
			if (length(line) + length(word) > 84) { printf "   %-12s %s\n", head, line; head = line = "" }
			line = line (line ? " " : "") word
		}
		BEGIN {
			n = split("esp ike list http dns udp icmp", order)
			split("ESP:|IKE:|list by HTTP:|web page:|DNS:|UDP:|ICMP:", title, "|")
			for (i in order) known[order[i]] = 1
		}
		NR == FNR { link[++links] = $1; at[$1] = $1 ~ /-/ ? $1 : $1 " - " $2; next }
		$1 != "pair" || $3 == "arp" || $3 == "local" { next }
		!($3 in known) { known[$3] = 1; order[++n] = $3; title[n] = toupper($3) ":" }
		{ said[$2, $3, ++count[$2, $3]] = $4 "-" $5 " " $6 }
		END {
			for (l = 1; l <= links; l++) {
				head = at[link[l]]; line = ""
				for (i = 1; i <= n; i++) {
					c = count[link[l], order[i]]
					for (j = 1; j <= c; j++)
						add((j == 1 ? title[i] " " : "") said[link[l], order[i], j] (j < c ? "," : ";"))
				}
				sub(/;$/, "", line)
				printf "   %-12s %s\n", head, line
			}
		}' <(printf '%s\n' "${observe_links[@]}") "$OUT/observe/report"
}

observers() {
	local allowed
	title "What an observer of each link could read: kind, who with whom, packets"
	world_paths client1 >"$OUT/paths"
	must "the captures are read" observe_stop
	check "none missed a packet" observe_complete
	echo
	link_table
	note "" "ESP is encrypted, IKE from its third message on. The list is open to read (its signature is the trust): whoever" \
		"watches client1 sees that it uses IPpriv. The client keeps one more circuit ready: its hops are among these." ""
	allowed=$(sort -u "$OUT/paths" | observe_allowed client1 web)
	check_eq "between neighbours of a path only ESP and IKE, the list with dir, plain only between exit and web" "" \
		"$(observe_only "$allowed" "$(observe_pairs)")"
	check_eq "the client's address: only with its entries and dir" "" \
		"$(observe_only "$(grep -w client1 <<<"$allowed")" "$(observe_reads client1 | cut -d' ' -f2-)")"
	check_eq "the server's address: only with the exit" "" \
		"$(observe_only "$(grep -w web <<<"$allowed")" "$(observe_reads web | cut -d' ' -f2-)")"
	check "there was something to see: ESP on client1's link" test "$(observe_packets esp client1)" -gt 1000
}

rtt() { sed -n 's/^rtt [^=]*= [0-9.]*\/\([0-9.]*\)\/.*/\1/p'; } # the mean of ping's last line

speed() {
	local direct through url="http://$web/mb/$PAGE_MB"
	title "Speed"
	direct=$(ns_exec client1 ping -q -c $PINGS -i 0.1 -W 5 "$web" | rtt)
	through=$(session ping -q -c $PINGS -i 0.1 -W 5 "$web" | rtt)
	printf '   %-24s %10s %10s\n' "" directly telescope "round trip, ms" "$direct" "$through"
	direct=$(ns_exec client1 curl -sS -o /dev/null -w '%{speed_download}' "$url")
	through=$(session curl -sS --max-time 100 -o /dev/null -w '%{speed_download}' "$url")
	printf '   %-24s %10s %10s\n' "download, MB/s" "$(megabytes "$direct")" "$(megabytes "$through")"
	note "all hosts share the $(nproc) processors of this machine${IPPRIV_GUEST:+, and QEMU emulates them}: compare only with each other"
	check "both had a throughput" test "${direct:-0}" -gt 0 -a "${through:-0}" -gt 0
}
megabytes() { awk -v b="${1:-0}" 'BEGIN {printf "%.1f", b / 1e6}'; }

views() {
	title "What those who take part know"
	check "the client's status can be asked" ippriv client1 status --json
	shown "ippriv status" ippriv client1 status
	note "" "the exit, asked by its operator: circuits by number, whence they come, no client"
	shown "ippriv-node status (on $exit)" ns_exec "$exit" "$BUILD_DIR/ippriv-node" -c "$OUT/etc/$exit.conf" status ||
		fail "the exit's status can be asked"
}

next_run() {
	local seen
	title "The next command has another circuit"
	must "the shell ends, its circuit with it" session_close
	seen=$(run_in client1 curl -sS --max-time 30 "http://$web/ip")
	check_eq "ippriv run -- curl http://$web/ip: the server saw ${seen% *} ($(world_who "${seen% *}"))" relay \
		"$(world_who "${seen% *}" | sed 's/^n[1-5]$/relay/')"
}

ending() {
	local name
	title "Stop, and what is left"
	# shellcheck disable=SC2086
	world_stop client1 $WORLD_RELAYS dir web
	states after
	for name in $HOSTS; do
		check "$name: states, policies, routes, links, nft tables, processes are as before" diff "$SCRATCH/before/$name" "$SCRATCH/after/$name"
	done
	check "they held something: links and routes" grep -q "^default via $(world_gateway client1) " "$SCRATCH/after/client1"
	check_eq "no control socket" "" "$(find "$SCRATCH" -type s)"
	cleanup
	check_eq "this machine's own network: as before" "$before" "$(ns_state -)"
	check_eq "its namespaces: as before" "$namespaces_before" "$(ip netns list | sort)"
}

if [ -z "${IPPRIV_GUEST:-}" ]; then
	prepare
fi
run_where_esp_is "$0" "$@"
require_root
# shellcheck disable=SC2086
require_programs $PROGRAMS
before=$(ns_state -)
namespaces_before=$(ip netns list | sort)
web=$(world_ip web)
world_up || exit 1
start
telescope
services
observers
speed
views
next_run
ending
printf '\nlogs and captures: %s\n' "$OUT"
