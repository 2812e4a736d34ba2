#!/bin/bash
# t_lib: the helpers of lib.sh do what the other tests rely on.
#
#   left 10.9.1.1 ── 10.9.1.2 middle 10.9.2.2 ── 10.9.2.1 right        ESP by hand between left and middle
. "$(dirname "$0")/lib.sh"
run_where_esp_is "$0" "$@"
require_root

esp() { # NAME SOURCE DESTINATION SPI
	ns_ip "$1" xfrm state add src "$2" dst "$3" proto esp spi "$4" reqid 1 mode tunnel \
		aead 'rfc4106(gcm(aes))' 0x0102030405060708090a0b0c0d0e0f1011121314 128
}

policy() { # NAME SOURCE DESTINATION DIRECTION OUTER_SOURCE OUTER_DESTINATION
	ns_ip "$1" xfrm policy add src "$2" dst "$3" dir "$4" tmpl src "$5" dst "$6" proto esp reqid 1 mode tunnel
}

# A script of its own, to see what the helpers report and leave.
child() {
	mkdir -p "$OUT/child"
	IPPRIV_OUT=$OUT/child IPPRIV_GUEST=${IPPRIV_GUEST:-here} bash -c ". '$SOURCE/netns/lib.sh'; $1" 2>&1
}

ns_add left middle right
ns_router middle
link left middle 10.9.1.1/24 10.9.1.2/24
link middle right 10.9.2.2/24 10.9.2.1/24
before=$(ns_state left)
ns_ip left route add default via 10.9.1.2
ns_ip right route add default via 10.9.2.2
check "packets cross the router" ns_exec left ping -c 1 -W 5 10.9.2.1

for n in left middle; do
	esp "$n" 10.9.1.1 10.9.1.2 0x1001
	esp "$n" 10.9.1.2 10.9.1.1 0x1002
done
policy left 10.9.1.1 10.9.2.1 out 10.9.1.1 10.9.1.2
policy left 10.9.2.1 10.9.1.1 in 10.9.1.2 10.9.1.1
policy middle 10.9.2.1 10.9.1.1 out 10.9.1.2 10.9.1.1
policy middle 10.9.1.1 10.9.2.1 fwd 10.9.1.1 10.9.1.2
check "a capture of a link starts" capture_link left middle
check "packets cross the router in ESP" ns_exec left ping -c 3 -i 0.2 -W 5 10.9.2.1
capture_stop
check_eq "the capture holds six ESP packets" 6 "$(capture_link_read left middle esp | wc -l)"
check_eq "and nothing else of IP" "" "$(capture_link_read left middle 'not esp and not arp and not ip6')"
check_not "what was installed is seen" test "$before" = "$(ns_state left)"
ns_ip left xfrm state flush
ns_ip left xfrm policy flush
ns_ip left route del default
check_eq "and what was removed is gone" "$before" "$(ns_state left)"

spawn right echo socat TCP-LISTEN:7,fork,reuseaddr EXEC:cat
ns_ip left route add default via 10.9.1.2
ns_ip middle xfrm policy flush
check "a program answers in its namespace" wait_for 10 ns_exec left bash -c 'test "$(echo hello | socat -t 2 - TCP:10.9.2.1:7)" = hello'
echo_pid=$spawned
stop "$echo_pid"
check_not "and ends when stopped" kill -0 "$echo_pid"
check_not "wait_for gives up" wait_for 1 false

check_eq "checks are counted, failed ones fail the script" "1 passed, 2 failed; 1" \
	"$(said=$(child 'check a true; check b false; check_eq c 1 2; exit 0'); status=$?; echo "$(tail -n 1 <<<"$said"); $status")"
check_eq "a script that ends early has failed" 1 "$(child 'check a true; exit 3' >/dev/null; echo $?)"
check_eq "skipping is status 4" 4 "$(child 'skip "no reason"' >/dev/null; echo $?)"
child 'ns_add one; spawn one sleeper setsid --fork sleep 987; spawn - other sleep 986; sleep 0.3; check a true; kill -TERM $$; sleep 1' >/dev/null
check_eq "a terminated script leaves no namespace and no process" "" \
	"$(ip netns | grep -e -one; pgrep -f '^sleep 98[67]')"
