#!/bin/bash
# t_stop: SIGTERM or SIGINT at any moment: the daemon ends well, its kernel holds nothing of ours, the others notice at once, and
# nobody who does not use it loses a packet.
# limit: 800 s
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/world.sh"
. "$(dirname "$0")/endings.sh"
run_where_esp_is "$0" "$@"
require_root
require_programs ippriv-node ippriv-client ippriv ippriv-directory

must "the world is up" endings_world
must "client2 starts" world_start client2
must "its ping goes through a telescope" ping_start client2 ping2
ping2_pid=$ping_pid
must "client2 has a circuit in stock" wait_for 20 has_ready client2
path2=$(path_of client2)
# shellcheck disable=SC2086
set -- $path2
check_eq "its path has three relays" 3 $#
# One that stays and one that is stopped, both not of that path.
spare=$(not_in "$path2")
other=$(not_in "$path2 $spare")
quiet() { wait_for 5 circuits_are 6; } # two circuits of client2, three relays each

check "a running relay's policies are found by hash" grep -q 'IPv4 thresholds: local 0 remote 32' <(kernel_of "$spare")

# --- the client, while circuits are built

check "only client2 has circuits" quiet
signals=(TERM INT "TERM TERM" TERM "INT TERM" INT "INT INT" TERM INT TERM)
for moment in 0 1 2 3 4 5 6 7 8 9; do
	must "client1 starts" world_start client1
	sleep "$(printf '0.%02d' $((moment * moment)))"
	# shellcheck disable=SC2086
	end client1 ${signals[moment]}
	check_eq "SIG${signals[moment]} at moment $moment ends client1" 0 "$ended"
	check "and nothing is left" is_clean client1
done
# A client that stops while it waits for the answer to its IKE_AUTH has nothing it could delete with, one that is told twice does
# not finish: that relay asks after `liveness`, 5 s, and gives up after six transmissions, 31.5 s (0.5 s, doubled each time).
check "no relay keeps a circuit of its" wait_for 45 circuits_are 6

# --- the client, in use

must "client1 starts" world_start client1
must "client1 pings" ping_start client1 ping1
ping1_pid=$ping_pid
check "it has a circuit in stock" wait_for 20 has_ready client1
end client1 TERM
check_eq "SIGTERM ends it while traffic flows" 0 "$ended"
check "nothing is left" is_clean client1
check "the relays notice at once" quiet
check "its user is told" grep -q 'ippriv-client has ended' "$OUT/ping1.log"
check "and has no way out any more" wait_for 5 cut_off "$ping_pid"
stop "$ping1_pid"

# --- a relay that client2 does not use in its circuit

must "client1 starts" world_start client1
check "client1 has a circuit in stock" wait_for 20 has_ready client1
end "$spare" INT
check_eq "SIGINT ends relay $spare" 0 "$ended"
check "nothing is left" is_clean "$spare"
others=${WORLD_RELAYS/$spare/}
# shellcheck disable=SC2086
check "the other relays notice at once" wait_for 3 no_tunnel_with "$spare" $others
check "client1 has another circuit in stock" wait_for 20 has_ready client1
must "relay $spare starts again" world_start "$spare"

for moment in 1 4 7; do # while client1 builds
	end client1 TERM
	world_start client1
	sleep "0.$moment"
	# shellcheck disable=SC2086
	end "$other" ${signals[moment]}
	check_eq "SIG${signals[moment]} at moment $moment ends relay $other" 0 "$ended"
	check "nothing is left" is_clean "$other"
	must "it starts again" world_start "$other"
done

# --- the directory

end dir TERM
check_eq "SIGTERM ends the directory" 0 "$ended"
check "nothing is left" is_clean dir
now=$(answers ping2)
check "circuits go on without it" wait_for 5 more_answers ping2 $((now + 5))
end "$spare" TERM
check_eq "a relay stops without it" 0 "$ended"
check "nothing is left" is_clean "$spare"
must "the directory starts again" world_start dir
must "relay $spare, too" world_start "$spare"

check_eq "client2 has not lost one packet in all this" 0 "$(lost ping2)"
check_eq "on one circuit" "$path2" "$(path_of client2)"

# --- each relay of a path, in use

for hop in 3 2 1; do
	path=$(path_of client2)
	# shellcheck disable=SC2086
	set -- $path
	name=${!hop}
	end "$name" TERM
	check_eq "SIGTERM ends relay $name in use (hop $hop)" 0 "$ended"
	check "nothing is left" is_clean "$name"
	now=$(answers ping2)
	# Its spare circuit may have gone by the same relay: then it builds one.
	check "client2's ping goes on over another circuit" wait_for 30 more_answers ping2 $((now + 5))
	must "relay $name starts again" world_start "$name"
	must "and has the list: before, it lets no relay's clients in" wait_for 30 world_listed 5
	check "client2 has another circuit in stock" wait_for 20 has_ready client2
done
stop "$ping2_pid"
