#!/bin/bash
# t_control: the control socket as ippriv-control(7) says: commands that are documented exist and no others do; each user sees its
# own circuits and lines of the log and no more; new-identity replaces free circuits and has a limit; top draws, or says why not.
# limit: 480 s
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/world.sh"
run_where_esp_is "$0" "$@"
require_root
require_programs ippriv-node ippriv-client ippriv ippriv-directory

# as UID ARGS…: ippriv of that user, on client1.
as() {
	local uid=$1
	shift
	ns_exec client1 setpriv --reuid "$uid" --regid "$uid" --clear-groups "$BUILD_DIR/ippriv" --control "$SCRATCH/client1.sock" "$@"
}

# request LINE: what the socket answers to it.
request() { socat -t 5 - "UNIX-CONNECT:$SCRATCH/client1.sock" <<<"$1"; }

circuits() { as "$1" circuits --json | jq -c "$2"; }
free_ids() { circuits 0 '[.circuits[] | select(.state == "ready" and (.attached | not)).id]'; }
two_free() { [ "$(free_ids | jq length)" = 2 ]; }
held_by() { circuits 0 "[.circuits[] | select(.attached and .holder == $1).id][0]"; }
is_held() { [ "$(held_by "$1")" != null ]; }
reads() { [ "$(as "$1" log -n 512 | grep -c "$2")" != 0 ]; }
follower_has() { grep -q "$2" "$OUT/follower-$1.log"; }

test_documented() {
	local known documented name
	known=$(request '{"command":"?"}' | jq -r .error | sed 's/.*: //; s/, /\n/g' | sort)
	documented=$(sed -n 's/^\.SS //p' "$SOURCE/packaging/man/ippriv-control.7" | tr -d '\\' | sort)
	check_eq "the manual page has the commands that there are" "$known" "$documented"
	for name in $(sed -n 's/^	{ "\([a-z-]*\)", ".*/\1/p' "$SOURCE/ippriv-client/main_cli.c"); do
		check "ippriv(1) has $name" grep -q -e "^\.\(B\|BR\) .*${name//-/\\\\-}" "$SOURCE/packaging/man/ippriv.1"
		check "so has its help" says_help "$name"
	done
	check_eq "a number of lines that cannot be" '{"error":"lines is a number from 0 to 512"}' "$(request '{"command":"log","lines":513}')"
	check_eq "is no text either" '{"error":"lines is a number from 0 to 512"}' "$(request '{"command":"log","lines":"5"}')"
	check_eq "follow is no number" '{"error":"follow is true or false"}' "$(request '{"command":"log","follow":1}')"
}
# completions PROGRAM WORDS…: what bash offers for the last of the words, in order.
completions() {
	bash -c '. /usr/share/bash-completion/bash_completion; . "$0"
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE=$* COMP_POINT=${#COMP_LINE} COMP_TYPE=9
		"$(complete -p "$1" | sed "s/.*-F \([a-z_]*\) .*/\1/")" "$1" "${@: -1}" "${COMP_WORDS[COMP_CWORD - 1]}"
		printf "%s\n" "${COMPREPLY[@]}"' "$SOURCE"/packaging/*/"$1.bash" "$@" | LC_ALL=C sort | paste -sd " "
}

test_completion() {
	local name daemon
	check_eq "bash completes the commands that there are" \
		"$(sed -n 's/^	{ "\([a-z-]*\)", ".*/\1/p' "$SOURCE/ippriv-client/main_cli.c" | LC_ALL=C sort | paste -sd " ")" \
		"$(completions ippriv '' | tr ' ' '\n' | grep -v "^-" | paste -sd " ")"
	check_eq "a part of one" "status" "$(completions ippriv st)"
	check_eq "and after options" "--json" "$(completions ippriv --control /x circuits '')"
	check_eq "options of log" "--follow --lines -f -n" "$(completions ippriv log "")"
	check_eq "no word for a number" "" "$(completions ippriv log -n '')"
	check_eq "a command's own arguments after run" "$SOURCE/README.md" "$(completions ippriv run -- cat "$SOURCE/READ")"
	for daemon in node client directory; do
		check_eq "ippriv-$daemon has the options that bash completes" \
			"$(sed -n '/struct option longs/,/};/s/{ "/\n--/gp' "$SOURCE"/*"$daemon"/main.c | sed -n 's/^\(--[a-z]*\)".*/\1/p' | LC_ALL=C sort | paste -sd " ")" \
			"$(completions "ippriv-$daemon" --)"
	done
	check "a file after -c" [ -n "$(completions ippriv-node -c "$SOURCE/READ")" ]
	check "zsh reads its own" zsh -n "$SOURCE/packaging/client/_ippriv"
}

says_help() { "$BUILD_DIR/ippriv" --help | grep >/dev/null "PATH\] $1"; }

test_circuits() {
	local shown
	must "two circuits are free" wait_for 30 two_free
	spawn client1 holder setpriv --reuid "$ANNA" --regid "$ANNA" --clear-groups "$BUILD_DIR/ippriv" \
		--control "$SCRATCH/client1.sock" run -- sleep 100
	holder=$spawned
	must "a user's command has one" wait_for 20 is_held "$ANNA"
	shown="[.circuits[] | select(.attached)][0] | [.holder, (.hops | length), (.address != null)]"
	check_eq "root sees its user and path" "[$ANNA,3,true]" "$(circuits 0 "$shown")"
	check_eq "so does its user" "[$ANNA,3,true]" "$(circuits "$ANNA" "$shown")"
	check_eq "others do not" "[null,0,false]" "$(circuits "$OTTO" "$shown")"
	check_eq "of a free one root sees the path" "[null,3]" \
		"$(circuits 0 '[.circuits[] | select(.state == "ready" and (.attached | not))][0] | [.holder, (.hops | length)]')"
	check_eq "users do not" "[null,0]" \
		"$(circuits "$ANNA" '[.circuits[] | select(.attached | not)][0] | [.holder, (.hops | length)]')"
	check_eq "the table names the user and no path to others" "1 0" \
		"$(as "$ANNA" circuits | grep -c ' > ') $(as "$OTTO" circuits | grep -c ' > ')"
}

test_log() {
	spawn client1 follower-otto setpriv --reuid "$OTTO" --regid "$OTTO" --clear-groups "$BUILD_DIR/ippriv" \
		--control "$SCRATCH/client1.sock" log -f -n 0
	spawn client1 follower-anna setpriv --reuid "$ANNA" --regid "$ANNA" --clear-groups "$BUILD_DIR/ippriv" \
		--control "$SCRATCH/client1.sock" log -f
	must "a follower has the lines that there are" wait_for 5 follower_has anna "relay list with"
	check "root reads of circuits" reads 0 "is ready after"
	check_not "users do not, of free ones" reads "$ANNA" "is ready after"
	check "everybody reads of the list" reads "$OTTO" "relay list with"
	check_eq "the newest line alone" 1 "$(as 0 log -n 1 | wc -l)"
	local id relays
	id=$(held_by "$ANNA")
	mapfile -t relays < <(circuits 0 '.circuits[] | select(.attached).hops[].nickname' | tr -d '"')
	world_stop "${relays[@]}" # two are left: no path works
	must "when the circuit of a user dies, its user reads so" wait_for 60 follower_has anna "circuit $id has ended"
	check "root reads it" reads 0 "circuit $id has ended"
	check_not "others do not" reads "$OTTO" "circuit $id has ended"
	check "a circuit that was never built is no secret" wait_for 60 follower_has otto 'is slow: hop'
	check_not "but that user's still is" follower_has otto "circuit $id has ended"
	stop "$holder"
	must "the relays come back" world_start "${relays[@]}"
}

test_identity() {
	local before i refused=0
	must "two circuits are free again" wait_for 90 two_free
	before=$(free_ids)
	check_eq "new-identity says how many it replaces" "free circuits replaced: 2; runs that go on with another circuit: 0" "$(as "$ANNA" new-identity)"
	must "two are free in their place" wait_for 60 two_free
	check_eq "none of them was there before" "[]" "$(jq -nc "$before - ($before - $(free_ids))")"
	for ((i = 0; i < 12; i++)); do
		as "$OTTO" new-identity >/dev/null 2>"$SCRATCH/said" || { refused=$?; break; }
	done
	check_eq "not without end" "1 1" "$refused $(grep -c 'too many circuits in a short time' "$SCRATCH/said")"
	check "root may" as 0 new-identity
}

# A terminal of that kind, 60 columns wide: what is drawn, and the status, after q (QUIT_AFTER seconds from when it was made smaller on).
terminal='import fcntl, os, pty, select, struct, sys, termios, time
pid, fd = pty.fork()
if pid == 0:
    os.environ["TERM"] = sys.argv[1]
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 20, 60, 0, 0))
    os.execv(sys.argv[2], sys.argv[2:])
said, begin, resized = b"", time.monotonic(), False
while True:
    ready = select.select([fd], [], [], 0.2)[0]
    try:
        if ready:
            said += os.read(fd, 65536) or sys.exit("no end")
    except OSError:
        break
    if not resized and b"circuits:" in said:
        fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 10, 40, 0, 0))
        resized, begin = True, time.monotonic()
        print("drawn", flush=True)
    if resized and time.monotonic() - begin > float(os.environ.get("QUIT_AFTER", 2.5)):
        os.write(fd, b"q")
        resized = begin = float("inf")
print(said.decode(errors="replace"), "status", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))'
top_in() { ns_exec client1 timeout 60 python3 -c "$terminal" "$1" "$BUILD_DIR/ippriv" --control "$SCRATCH/client1.sock" top; }

test_top() {
	must "two circuits are free for top" wait_for 60 two_free
	check_eq "top --once prints one picture" "3 6" "$(as 0 top --once >"$SCRATCH/top"; grep -cE '^ +[0-9]+  ready|circuits: ' "$SCRATCH/top"
		) $(grep -cE '^      (entry|middle|exit) .* [0-9]+ B/s' "$SCRATCH/top")"
	check_eq "users see no relays in it" 0 "$(as "$OTTO" top --once | grep -cE '^ +(entry|middle|exit)')"
	top_in vt100 >"$OUT/top-vt100"
	check "in a terminal without colours it draws" grep -q 'circuits: ' "$OUT/top-vt100"
	check "after q it ends well" grep -q 'status 0$' "$OUT/top-vt100"
	top_in dumb >"$OUT/top-dumb"
	check "a terminal that cannot draw is told" grep -q 'TERM=dumb cannot move its cursor' "$OUT/top-dumb"
	check "with status 2" grep -q 'status 2$' "$OUT/top-dumb"
	check_eq "so is what is no terminal" "ippriv: top needs a terminal; \`ippriv top --once\` prints one picture" "$(as 0 top 2>&1)"
}

test_end() {
	spawn client1 top-end env QUIT_AFTER=100 timeout 60 python3 -c "$terminal" vt100 "$BUILD_DIR/ippriv" --control "$SCRATCH/client1.sock" top
	local top=$spawned
	spawn client1 follower-root "$BUILD_DIR/ippriv" --control "$SCRATCH/client1.sock" log -f
	must "top has drawn" wait_for 20 has_line "$OUT/top-end.log" drawn
	must "root follows" wait_for 20 follower_has root "relay list with"
	world_stop client1
	check "a follower hears the end" wait_for 5 is_gone "$spawned"
	check "so does top" wait_for 10 is_gone "$top"
	check "it says so when the picture is gone" grep -q 'answers no more' "$OUT/top-end.log"
	check "with status 1" grep -q 'status 1$' "$OUT/top-end.log"
	check "and says so" grep -q "ippriv-client has ended" "$OUT/follower-root.log"
	check_eq "nothing is left" "$clean" "$(ns_state client1)"
}

ANNA=1000 OTTO=1001
must "hosts on a routed Internet" world_up
clean=$(ns_state client1)
chmod 711 "$SCRATCH"
must "the services start" world_services
must "directory and relays start" world_daemons
world_client_conf client1 "circuits = 2" "liveness = 5"
must "the client starts" world_start client1
test_documented
test_completion
test_circuits
test_log
test_identity
test_top
test_end
