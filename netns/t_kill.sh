#!/bin/bash
# t_kill: kill -9 of every daemon: what stays in the kernel carries nothing in clear, the next start removes all of it and nothing of
# anybody else's, and circuits work again.
# limit: 800 s
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/world.sh"
. "$(dirname "$0")/endings.sh"
run_where_esp_is "$0" "$@"
require_root
require_programs ippriv-node ippriv-client ippriv ippriv-directory

# foreign NAME: what somebody else could have there, much like ours.
foreign() {
	local reqid=0x49600007 # of the other kind of daemon
	case $1 in client1) reqid=0x49500007 ;; client2 | dir) return 0 ;; esac
	ns_ip "$1" -batch - <<END || return 1
link add foreign0 type dummy
link add ipprivate0 type dummy
link add xfrm7 type xfrm dev lo if_id 7
link set foreign0 up
address add 198.18.0.1/15 dev foreign0
route add 192.0.2.128/25 dev foreign0
rule add fwmark 0x10000/0x0fff0000 lookup main priority 5000
xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x7001 reqid 7 mode tunnel aead rfc4106(gcm(aes)) 0x0102030405060708090a0b0c0d0e0f1011121314 128
xfrm state add src 192.0.2.1 dst 192.0.2.3 proto esp spi 0x7002 reqid $reqid mode tunnel aead rfc4106(gcm(aes)) 0x0102030405060708090a0b0c0d0e0f1011121314 128
xfrm state add src 192.0.2.1 dst 192.0.2.4 proto ah spi 0x7003 reqid 7 mode transport auth hmac(sha256) 0x0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20
xfrm policy add src 192.0.2.0/25 dst 192.0.2.2 dir out tmpl src 192.0.2.1 dst 192.0.2.2 proto esp reqid 7 mode tunnel
xfrm policy add src 192.0.2.0/25 dst 192.0.2.3 dir fwd tmpl src 192.0.2.1 dst 192.0.2.3 proto esp reqid $reqid mode tunnel
xfrm policy add src 192.0.2.5 dst 192.0.2.6 dir in if_id 7 action block
xfrm policy add src 192.0.2.7 dst 192.0.2.8 dir out priority 1
END
	ns_exec "$1" nft 'add table ip ippriv_node_not; add table inet foreign; add chain inet foreign c; add rule inet foreign c accept'
}

# spis NAME RANGE: of the SAs there whose reqid is in that range of ours (0x495 relays, 0x496 clients).
spis() {
	ns_ip "$1" xfrm state | awk -v range="$(($2))" '
		/ reqid / {for (i = 1; i < NF; i++) {if ($i == "spi") spi = $(i + 1); if ($i == "reqid") id = $(i + 1)}
			if (int(id / 1048576) == range) print spi}' | sort
}

# kill9 NAME: as the kernel's own killer would.
kill9() {
	kill -KILL "${world_pid[$1]}"
	wait "${world_pid[$1]}" 2>/dev/null
	unset "world_pid[$1]"
}

# seconds FUNCTION ARGS…: until it works; in $took, 'never' after 90 s.
seconds() {
	local start=$SECONDS
	took=never
	! wait_for 90 "$@" || took=$((SECONDS - start))
}

fetches() { run_in "$1" curl -sS --max-time 5 -o /dev/null "http://$(world_ip web)/ip"; }

must "the world is up, and there are things of others" endings_world foreign
check_eq "such as SAs" 3 "$(ns_ip n1 xfrm state | grep -c '^src')"

# --- the client, in use

must "client1 starts" world_start client1
must "client1 pings" ping_start client1 ping1
check "it has a circuit in stock" wait_for 20 has_ready client1
must "an observer of its link listens" capture_link ra client1
kill9 client1
now=$(answers ping1)
check "its user is told" wait_for 5 grep -q 'ippriv-client has ended' "$OUT/ping1.log"
check "and has no way out any more" wait_for 5 cut_off "$ping_pid"
check "no answer comes after the kill" test "$(answers ping1)" -le $((now + 1))
check_eq "the SAs of two circuits' entries are left" 4 "$(spis client1 0x496 | wc -l)"
capture_stop
# The kernel answers the relays' probes itself when nobody has port 500 any more.
refusals='(src host '$(world_ip client1)' and icmp[icmptype] == icmp-unreach and icmp[icmpcode] == 3)'
check_eq "nothing was seen in clear" "" \
	"$(capture_link_read ra client1 "not esp and not arp and not ip6 and not udp port 500 and not udp port 4500 and not tcp port 8080 and not $refusals")"
check "while there was something to see" test "$(capture_link_read ra client1 | wc -l)" -gt 0
stop "$ping_pid"
must "client1 starts again" world_start client1
check "and removes what was left" grep -q 'removed [1-9][0-9]* things' "$OUT/client1.log"
seconds fetches client1
check "it works again, after $took s" test "$took" != never

# --- the client, and a relay, while circuits are built

for moment in 0 2 4 6 9; do
	kill9 client1
	must "client1 starts" world_start client1
	sleep "0.$moment"
	[ $((moment % 4)) = 2 ] || continue
	kill9 n1
	must "n1 starts again" world_start n1
done
kill9 client1
must "client1 starts" world_start client1
end client1 TERM
check_eq "and stops" 0 "$ended"
check "after all these kills what is ours is gone, what is of others is there" is_clean client1

# --- a relay of a path: exit, middle, entry; at once, since it takes time to notice

must "client1 starts" world_start client1
must "client1 pings" ping_start client1 ping1
path=$(path_of client1)
read -r entry middle exit <<<"$path"
check_eq "the path has three relays" 3 "$(wc -w <<<"$path")"
now=$(answers ping1)
kill9 "$exit"
sleep 0.3
kill9 "$middle"
sleep 0.7
kill9 "$entry"
for name in $path; do
	left=$(spis "$name" 0x495)
	check "SAs of ours are left on $name" test "$(wc -l <<<"$left")" -ge 4
	must "$name starts again" world_start "$name"
	check "and removes what was left" grep -q 'removed [1-9][0-9]* things' "$OUT/$name.log"
	check_eq "all of it" "" "$(comm -12 <(echo "$left") <(spis "$name" 0x495))"
done
seconds more_answers ping1 $((now + 5))
check "the ping goes on over another circuit, after $took s" test "$took" != never
stop "$ping_pid"
seconds fetches client1
check "there are circuits again, after $took s" test "$took" != never

# --- the directory

published() { ippriv client1 status --json | jq -r '.list | "\(.relays) \(.published)"'; }
read -r relays before <<<"$(published)"
check_eq "the client has a list of all relays" 5 "$relays"
for moment in 1 6; do
	kill9 dir
	must "the directory starts again" world_start dir
	sleep "0.$moment"
done
kill9 dir
must "the directory starts again" world_start dir
end client1 TERM
must "client1 starts" world_start client1
check "client1 gets a list" wait_for 20 grep -q 'relay list with' "$OUT/client1.log"
read -r relays after <<<"$(published)"
check_eq "which has all relays: the directory has kept them" 5 "$relays"
check "and is newer" test "$after" -gt "$before"

# --- the end: a stop of those who were killed

end client1 TERM
for name in $WORLD_RELAYS; do
	end "$name" TERM
	check_eq "$name stops" 0 "$ended"
done
for name in client1 $WORLD_RELAYS; do
	check "$name: nothing of ours is left, all of others' is" is_clean "$name"
done
