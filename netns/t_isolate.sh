#!/bin/bash
# t_isolate: whose circuit a command of `ippriv run` has: runs of one user under one name share one, all others do not; --exit chooses;
# shells, git, ssh, a browser, daemons that fork, signals and exit status; --no-sockets closes the ways around the namespace.
# limit: 600 s
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/world.sh"
run_where_esp_is "$0" "$@"
require_root
require_programs ippriv-node ippriv-client ippriv ippriv-directory

NOBODY=65534
web=$(world_ip web)
# A user may have ten circuits at once, then one each six seconds: two users share the work.
declare -A as=([root]=env [nobody]="setpriv --reuid $NOBODY --regid $NOBODY --clear-groups" [other]="setpriv --reuid 65533 --regid 65533 --clear-groups")

run_as() { # WHO ARGS… of `ippriv run`
	# shellcheck disable=SC2086
	ns_exec client1 ${as[$1]} "$BUILD_DIR/ippriv" --control "$SCRATCH/client1.sock" run "${@:2}"
}
in_place='readlink /proc/self/ns/net; ip -o -4 addr show dev ippriv0 | awk "{print \$4}"; cat /etc/resolv.conf'
attached() { ippriv client1 status --json | jq '[.circuits[] | select(.attached)] | length'; }
attached_is() { [ "$(attached)" = "$1" ]; }
ready_are() { [ "$(ippriv client1 status --json | jq '[.circuits[] | select(.state == "ready")] | length')" = "$1" ]; }
more_lines() { [ "$(wc -l <"$1")" -gt "$2" ]; }
abstract_says() { [ "$(socat -u "ABSTRACT-CONNECT:ippriv-test-$$" -)" = "$1" ]; }
seen_at() { grep -h "^http" "$OUT/web.requests" | tail -n 1 | awk '{print $2}'; }

# keep TAG WHO ARGS…: a run that lasts; what its place is, in SCRATCH/TAG/place.
declare -A kept=()
keep() {
	local tag=$1 who=$2 dir=$SCRATCH/$1
	mkdir -m 777 "$dir"
	# shellcheck disable=SC2086
	spawn client1 "keep-$tag" ${as[$who]} "$BUILD_DIR/ippriv" --control "$SCRATCH/client1.sock" run "${@:3}" -- \
		sh -c "{ $in_place; } >\"\$0/p\" && mv \"\$0/p\" \"\$0/place\" && exec sleep 600" "$dir"
	kept[$tag]=$spawned
	wait_for 40 test -s "$dir/place"
}
place() { cat "$SCRATCH/$1/place"; }

test_names() {
	local who
	for who in root nobody; do
		must "$who: a run of a name" keep "$who-mail" $who --isolate mail
		check_eq "$who: another one of that name is where the first one is" "$(place $who-mail)" \
			"$(run_as $who --isolate mail -- sh -c "$in_place")"
		check "$who: and has a network" run_as $who --isolate mail -- ping -c 1 -W 5 "$web"
		must "$who: a run of another name" keep "$who-web" $who --isolate web
		check_not "$who: is elsewhere" [ "$(place $who-mail | head -1)" = "$(place $who-web | head -1)" ]
	done
	check_eq "each name of each user has a circuit of its own" 4 "$(attached)"
	check_not "users do not share a name" [ "$(place root-mail | head -1)" = "$(place nobody-mail | head -1)" ]
	must "a run without a name" keep none nobody
	check_eq "has one of its own" 5 "$(attached)"
	must "a second run of a name lasts longer than the first" keep nobody-mail2 nobody --isolate mail
	stop "${kept[nobody-mail]}"
	check "the circuit stays" nsenter -t "$(pgrep -P "$(pgrep -P "${kept[nobody-mail2]}")")" -n ping -c 1 -W 5 "$web"
	stop "${kept[nobody-mail2]}"
	check "and goes with the last of the name" wait_for 10 attached_is 4
	check "another user's one of that name works on" run_as root --isolate mail -- ping -c 1 -W 5 "$web"
	check_eq "a name is printable" "ippriv: --isolate: a name has 1 to 64 printable ASCII characters 125" \
		"$(run_as nobody --isolate $'a\nb' -- true 2>&1) $(run_as nobody --isolate '' -- true 2>/dev/null; echo $?)"
	stop "${kept[@]}"
	check "no run has a circuit any more" wait_for 10 attached_is 0
}

test_exits() {
	local n
	for n in n1 n4; do
		must "--exit $n: a page" run_as nobody --exit $n -- curl -s -m 20 -o /dev/null "http://$web/ip"
		check_eq "--exit $n: the server sees it" "$(world_ip $n)" "$(seen_at)"
	done
	must "--exit by key" run_as root --exit "$(cat "$OUT/etc/n2.pub")" -- curl -s -m 20 -o /dev/null "http://$web/ip"
	check_eq "the server sees that one" "$(world_ip n2)" "$(seen_at)"
	check_eq "nobody of that name" "ippriv: no exit in the relay list is one that --exit names: n9,nobody 125" \
		"$(run_as nobody --exit n9,nobody -- true 2>&1) $(run_as nobody --exit n9 -- true 2>/dev/null; echo $?)"
	check_eq "no exit at all" 125 "$(run_as nobody --exit n5 -- true 2>/dev/null; echo $?)"
	check_eq "not a name" 125 "$(run_as nobody --exit 'n1;n2' -- true 2>/dev/null; echo $?)"
	check "what was built for a choice is not for others" wait_for 10 ready_are 2
}

# A daemon as they are: forks, its parent ends well, it goes on in a session of its own and forgets the streams.
daemon='import os, socket, sys, time
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
null = os.open("/dev/null", os.O_RDWR)
for fd in range(3): os.dup2(null, fd)
end = time.time() + 60
while time.time() < end and not os.path.exists(sys.argv[1] + "/stop"):
	s = socket.create_connection((sys.argv[2], 80), 20)
	s.sendall(b"GET /ip HTTP/1.1\r\n\r\n")
	answer = b""
	while chunk := s.recv(4096): answer += chunk
	open(sys.argv[1] + "/answers", "ab").write(answer.split(b"\r\n\r\n")[1])
	time.sleep(0.3)'

test_programs() {
	local dir=$SCRATCH/daemon before
	check_eq "exit status" 7 "$(run_as nobody -- sh -c 'exit 7'; echo $?)"
	check_eq "the signal that ended it" 137 "$(run_as nobody -- sh -c 'kill -9 $$'; echo $?)"
	check_eq "no such command" 127 "$(run_as nobody -- /no/such 2>/dev/null; echo $?)"
	check_eq "no program" 126 "$(run_as nobody -- /etc/passwd 2>/dev/null; echo $?)"
	spawn client1 signal ${as[nobody]} "$BUILD_DIR/ippriv" --control "$SCRATCH/client1.sock" run -- \
		bash -c 'trap "echo got it; exit 9" TERM; echo ready; while :; do sleep 0.1; done'
	must "a command with a handler" wait_for 30 has_line "$OUT/signal.log" ready
	kill -TERM "$spawned"
	check "ends when asked" wait_for 5 is_gone "$spawned"
	wait "$spawned"
	check_eq "by its handler, with its status" "9 got it" "$? $(tail -n 1 "$OUT/signal.log")"
	check_eq "a shell with job control on a terminal" "job 3 status 3" "$(run_as nobody -- script -qec \
		"bash -ic 'set -m; (exit 3) & wait \$!; echo job \$?; exit 3'" /dev/null 2>/dev/null | grep -o 'job 3' ) status $(
		run_as nobody -- script -qec "bash -ic 'exit 3'" /dev/null >/dev/null 2>&1; echo $?)"
	mkdir -m 777 "$dir"
	check_eq "a daemon's first process ends" 0 "$(run_as nobody -- python3 -c "$daemon" "$dir" "$web"; echo $?)"
	check "the daemon lives, and its circuit" wait_for 30 test -s "$dir/answers"
	before=$(wc -l <"$dir/answers")
	check "on and on" wait_for 10 more_lines "$dir/answers" $((before + 3))
	check_eq "attached" 1 "$(attached)"
	touch "$dir/stop"
	check "the circuit goes with the daemon" wait_for 15 attached_is 0
}

test_git() {
	local dir=$SCRATCH/git
	mkdir -m 777 "$dir"
	(cd "$dir" && git init -q --bare repository && git -C repository -c user.name=t -c user.email=t@example.net \
		commit-tree -m first "$(git -C repository write-tree)" >commit && git -C repository update-ref HEAD "$(cat commit)") || return 1
	spawn web git-daemon git daemon --export-all --reuseaddr --listen="$web" --base-path="$dir" "$dir"
	check "git clones" wait_for 20 run_as root -- git -c safe.directory='*' clone -q "git://$web/repository" "$dir/clone"
	check_eq "what is there" "$(cat "$dir/commit")" "$(git -C "$dir/clone" rev-parse HEAD)"
}

test_ssh() {
	local dir=$SCRATCH/ssh words="one two three" keys
	mkdir -m 700 "$dir"
	mkdir -p -m 755 /run/sshd
	ssh-keygen -q -t ed25519 -N '' -f "$dir/host" && ssh-keygen -q -t ed25519 -N '' -f "$dir/user" && cp "$dir/user.pub" "$dir/authorized" &&
		echo "$web $(cat "$dir/host.pub")" >"$dir/known" || return 1
	spawn web sshd "$(command -v sshd)" -D -e -f /dev/null -h "$dir/host" -o ListenAddress="$web" -o AuthorizedKeysFile="$dir/authorized" \
		-o UsePAM=no -o PidFile=none -o StrictModes=no
	must "an SSH server" wait_for 20 has_line "$OUT/sshd.log" 'Server listening*'
	keys=(-F none -i "$dir/user" -o UserKnownHostsFile="$dir/known" -o StrictHostKeyChecking=yes)
	check_eq "ssh: the client is the exit there, and bytes come back" "$(world_ip n4) $words 3" "$(echo "$words" |
		run_as root --exit n4 -- ssh "${keys[@]}" "root@$web" 'echo -n "${SSH_CLIENT%% *} $(cat) "; exit 3'; echo $?)"
}

# What it shows, not what it got: two frames below each other.
test_browser() {
	local home=$SCRATCH/browser
	mkdir -m 777 "$home"
	check_eq "a browser renders a page and what belongs to it" $'Grüße\n\nOne <line>, and a link.\n\n  • first\n  • second\n'"$(world_ip n1)" \
		"$(HOME=$home LC_ALL=C.UTF-8 run_as other --exit n1 -- w3m -cols 80 -dump -F "http://$WORLD_NAME/page" | sed '/──/d; $s/ [0-9]*$//')"
	check_eq "the server has seen the exit each time" "$(printf "$(world_ip n1) '/%s'\n" page frame ip)" \
		"$(grep ^http "$OUT/web.requests" | tail -n 3 | cut -d' ' -f2,4)"
}

socket_of='import socket, sys
def tried(*a):
    try: socket.socket(*a).close(); return "made"
    except OSError as e: return e.strerror
print(tried(socket.AF_UNIX), tried(socket.AF_VSOCK), tried(socket.AF_INET), bool(socket.socketpair()))'

test_sockets() {
	local who
	spawn - abstract socat "ABSTRACT-LISTEN:ippriv-test-$$,fork" EXEC:'echo outside'
	check "the abstract socket is there for the host" wait_for 10 abstract_says outside
	check_not "not for a command" run_as root -- socat -u "ABSTRACT-CONNECT:ippriv-test-$$" -
	for who in root other; do
		check_eq "$who: --no-sockets" "Address family not supported by protocol Address family not supported by protocol made True" \
			"$(run_as $who --no-sockets -- python3 -c "$socket_of")"
		check_eq "$who: without it" "made made" "$(run_as $who -- python3 -c "$socket_of" | sed 's/^\(made\) .*\( made\) True$/\1\2/')"
		check_eq "$who: nor a daemon's names" "none" \
			"$(DBUS_SESSION_BUS_ADDRESS=unix:path=/x SSH_AUTH_SOCK=/x run_as $who --no-sockets -- sh -c 'echo "${DBUS_SESSION_BUS_ADDRESS:-$SSH_AUTH_SOCK}none"')"
		check "$who: a page, by name" run_as $who --no-sockets -- curl -s -m 20 -o /dev/null "http://$WORLD_NAME/ip"
	done
}

must "hosts on a routed Internet" world_up
must "the services start" world_services
world_directory_conf
for name in n1 n2 n3 n4; do
	world_relay_conf $name "exit = true" "dns = $web"
done
world_relay_conf n5
must "directory and relays start" world_daemons
world_client_conf client1 "circuits = 2"
must "the client starts" world_start client1
test_names
test_exits
test_programs
test_git
test_ssh
test_sockets
test_browser
