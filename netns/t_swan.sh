#!/bin/bash
# t_swan: hosts that run strongSwan as Debian ships it, beside ours. It is entry, middle, exit and all three hops of a telescope of
# our client, and a client of our relay. What it cannot do is tried too: it fails, for the reason that the documentation gives.
#
#   client1  client2     our client; client2 is a strongSwan at the end
#   n1  n2               our relays
#   s1  s2  s3           strongSwan, with ippriv-node --announce; all five assign from 100.64.0.0/16
# limit: 800 s
# guest: --timeout 1800
# Of its own, since the interface of strongswan/network.sh may go with one reference too few (Linux 6.1): then the kernel takes down no
# network namespace any more, and what a test that comes after has waits for that.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/world.sh"
. "$(dirname "$0")/circuits.sh"
. "$(dirname "$0")/swan.sh"
run_where_esp_is "$0" "$@"
require_root
require_programs ippriv-node ippriv-client ippriv ippriv-directory

WORLD_RELAYS="n1 n2 s1 s2 s3"
unset world_router\[n{3,4,5}\] world_number\[n{3,4,5}\]
world_router+=([s1]=ra [s2]=rb [s3]=rc)
world_number+=([s1]=10 [s2]=11 [s3]=12)

PAGE=1 # MB
PAGE_SUM=$(python3 -c "import hashlib; print(hashlib.sha256(bytes(range(256)) * (4096 * $PAGE)).hexdigest())")

# through CLIENT ENTRY MIDDLE EXIT: that client's daemon, with a circuit of that path; `in_hold CLIENT` is inside.
through() {
	[ -z "${hold_run[$1]:-}" ] || release "$1"
	[ -z "${world_pid[$1]:-}" ] || world_stop "$1"
	circuits_client "$@"
	world_start "$1" && hold "$1" "$1"
}

# visit CLIENT: sum of the page, who the server saw, answers to ping.
visit() {
	in_hold "$1" bash -c "curl -sS --max-time 60 http://$web/mb/$PAGE | sha256sum | cut -d' ' -f1
		curl -sS --max-time 20 http://$web/ip; ping -c 2 -i 0.2 -W 5 $web | grep -c 'bytes from'"
}

# visited TEXT EXIT SAID
visited() {
	check_eq "$1: page, its server saw $2, ping" "$PAGE_SUM $(world_ip "$2") 2" \
		"$(awk 'NR == 2 { $0 = $1 } 1' <<<"$3" | paste -sd ' ')"
}

# rekeyed HOST CONNECTION CHILD: charon has seen both kinds of rekeying.
rekeyed() {
	grep -q "IKE_SA $2\[[0-9]*\] rekeyed" "$OUT/$1-charon.log" && grep -q "inbound CHILD_SA $3{[0-9]*} established" "$OUT/$1-charon.log"
}

no_clients() { [ -z "$(swan_sas s1 clients; swan_sas s2 clients; swan_sas s3 clients)" ]; }

# carried HOST FROM: of HOST's clients who come from addresses FROM… the busiest had the page.
carried() {
	local most
	most=$(swan_sas "$1" clients | awk -v from="^${2//./\\.}" '$1 ~ from && $3 > n { n = $3 } END { print n + 0 }')
	check "$1: a client at $2… had the page through its SA ($most octets)" test "$most" -gt $((PAGE << 20))
}

# renamed RELAY: how strongSwan hosts see clients that come from that relay.
renamed() { echo "10.${world_number[$1]}."; }

test_without_psk() {
	# s3 is in the list as one of ours would be: no flag, so the client comes with NULL authentication.
	must "s3's descriptor without the flag is in the list" world_start s3
	must "s3 is in the list" wait_for 30 grep -q "relay list with 3 relays" "$OUT/n1.log"
	world_stop s3
	must "charon runs on s1, s2 and s3" swan_start s1 s2 s3
	world_client_conf client1 'entry = { "s3" }' 'middle = { "n2" }' 'exit = { "n1" }'
	must "a client" world_start client1
	check "strongSwan has no NULL authentication: refused" wait_for 20 grep -q 'AUTHENTICATION_FAILED' "$OUT/client1.log"
	check "it had chosen the configuration for clients" grep -q "selected peer config 'clients'" "$OUT/s3-charon.log"
	check_not "and tried no key: it does not know the method" grep -E 'tried [0-9]+ shared key|with pre-shared key' "$OUT/s3-charon.log"
	world_stop client1
	swan_announce s1 s2 s3
	must "all five are in the list, s3 with the flag" wait_for 30 flagged
}

# In an entry of the list: identity 32, address 4, port 2, flags 2.
listed_flags() {
	ns_exec web curl -sS --max-time 10 "http://$(world_ip dir):8080/list" | od -An -v -tx1 | tr -d ' \n' |
		sed -n "s/.*$(cat "$OUT/etc/$1.pub").\{12\}\(....\).*/\1/p"
}
flagged() { world_listed 5 && [ "$(listed_flags s1) $(listed_flags s2) $(listed_flags s3)" = "0005 0005 0005" ]; }

test_same_addresses() {
	must "client1: s1 - s2 - n2" through client1 s1 s2 n2
	must "client2: s3 - s2 - n1" through client2 s3 s2 n1
	swan_sas s2 clients | cut -d' ' -f1 >"$OUT/aliases"
	check "both entries have assigned an address of 100.64.0.0/16, for which s2 has two names" \
		[ -n "$(sort -u "$OUT/aliases" | sed "s/^$(renamed s1)//; s/^$(renamed s3)//" | sort | uniq -d)" ]
	visit client1 >"$OUT/visit1" &
	visit client2 >"$OUT/visit2"
	wait $!
	visited "client1" n2 "$(cat "$OUT/visit1")"
	visited "client2" n1 "$(cat "$OUT/visit2")"
	carried s2 "$(renamed s1)"
	carried s2 "$(renamed s3)"
	release client2
	world_stop client2
}

test_hops() {
	must "a: strongSwan is the entry" through client1 s1 n1 n2
	visited "a" n2 "$(visit client1)"
	carried s1 "$(world_ip client1)"
	must "b: strongSwan is the middle" through client1 n1 s2 n2
	visited "b" n2 "$(visit client1)"
	check "overlay tunnel of n1 and s2: n1 rekeys both SAs" wait_for 40 rekeyed s2 n1 overlay
	check "the circuit through it goes on" in_hold client1 ping -c 3 -i 0.2 -W 5 "$web"
	carried s2 "$(renamed n1)"
	must "c: strongSwan is the exit" through client1 n1 n2 s3
	visited "c" s3 "$(visit client1)"
	check_not "c: from inside, the exit itself is out of reach" in_hold client1 ping -c 1 -W 2 "$(world_ip s3)"
	carried s3 "$(renamed n2)"
	must "d: strongSwan is all three" through client1 s1 s2 s3
	visited "d" s3 "$(visit client1)"
	carried s1 "$(world_ip client1)"
	carried s2 "$(renamed s1)"
	carried s3 "$(renamed s2)"
	release client1
	kill "${world_pid[client1]}"
	check "the client ends" wait_for 15 is_gone "${world_pid[client1]}"
	check "it has said goodbye: no strongSwan has an SA of it" wait_for 20 no_clients
}

# A circuit of three strongSwans goes on when our client rekeys, and when its address changes.
test_lasting() {
	local host
	must "d, and rekeys every few seconds" through client1 s1 s2 s3 "child_life = 6" "ike_life = 8"
	check_eq "rekeying loses nothing" "60 received" "$(in_hold client1 ping -n -c 60 -i 0.2 -W 5 "$web" | sed -n 's/.*transmitted, \(.*received\),.*/\1/p')"
	for host in s1 s2 s3; do
		check "$host: IKE SA and child SA were rekeyed" rekeyed "$host" clients telescope
	done
	# Another network: behind rc, where it was behind ra.
	link rc client1 203.0.113.101/30 203.0.113.102/30
	ns_ip ra route add 203.0.113.100/30 via 198.51.100.9
	ns_ip rb route add 203.0.113.100/30 via 198.51.100.6
	ns_ip client1 link set to-ra down
	ns_ip client1 route add default via 203.0.113.101
	check "the circuit goes on from another address" in_hold client1 ping -c 1 -W 15 "$web"
	check "s1 has followed (MOBIKE)" grep -q '^203\.0\.113\.102 ' <(swan_sas s1 clients)
	release client1
	world_stop client1
}

test_client() {
	local seen
	swan_client client2 n1
	must "e: charon runs on client2" swan_start client2
	check "the trap brings the tunnel up" wait_for 20 ns_exec client2 ping -c 1 -W 1 "$web"
	check_eq "e: strongSwan is a client: the page comes" "$PAGE_SUM" \
		"$(ns_exec client2 curl -sS --max-time 60 "http://$web/mb/$PAGE" | sha256sum | cut -d' ' -f1)"
	seen=$(ns_exec client2 curl -sS --max-time 20 "http://$web/ip")
	check_eq "the server sees n1" "$(world_ip n1)" "${seen% *}"
	check "through its SA" test "$(swan_sas client2 relay | cut -d' ' -f2)" -gt $((PAGE << 20))
	check_eq "n1 has it as a circuit" "$(world_ip client2) client" "$(circuits_at n1)"
	check "it asks to rekey the child SA" swanctl_in client2 --rekey --child internet
	check "n1 agrees" wait_for 10 grep -q 'outbound CHILD_SA internet{[0-9]*} established' "$OUT/client2-charon.log"
	check "it asks to rekey the IKE SA" swanctl_in client2 --rekey --ike relay
	check "n1 agrees" wait_for 10 grep -q 'IKE_SA relay\[[0-9]*\] rekeyed' "$OUT/client2-charon.log"
	check "the tunnel goes on" ns_exec client2 ping -c 2 -i 0.2 -W 5 "$web"
	check "it says goodbye" swanctl_in client2 --terminate --ike relay --timeout 10
	check "and n1 has none" wait_for 5 no_circuits n1
	swan_stop client2
}

circuits_at() {
	ns_exec "$1" "$BUILD_DIR/ippriv-node" -c "$OUT/etc/$1.conf" status --json --addresses |
		jq -r '.circuits[] | "\(.outer) \(.via)"'
}

no_circuits() { [ -z "$(circuits_at "$1")" ]; }

# Without the namespaces of network.sh: overlay tunnels end where charon's sockets are.
test_one_namespace() {
	swan_stop s2
	must "s2 loses its network namespaces" swan_network s2 stop
	check_eq "s2: nothing is left" "$before" "$(ns_state s2)"
	sed -i '/if_id/d' "$SCRATCH"/s2/swanctl/conf.d/*.conf
	must "charon runs on s2 without them" swan_start s2
	world_client_conf client1 'entry = { "n1" }' 'middle = { "s2" }' 'exit = { "n2" }'
	must "a client" world_start client1
	check "its IKE reaches s2 and no further: the kernel drops it before charon's socket, which bypasses IPsec" \
		wait_for 20 dropped s2 XfrmInTmplMismatch
	check "the overlay tunnel was up" test -n "$(swan_sas s2 n1)"
	check_not "charon has heard nothing of the client" grep -q 'from 100\.64\.' "$OUT/s2-charon.log"
	check_not "the client has no circuit" grep -q 'is ready after' "$OUT/client1.log"
	world_stop client1
}

dropped() { [ "$(ns_exec "$1" awk -v name="$2" '$1 == name { print $2 }' /proc/net/xfrm_stat)" -gt 0 ]; }

# What an observer sees on the links of s1, s2 and s3: ESP, IKE and the list between neighbours, and of the exits what the servers see.
test_observers() {
	local host router
	capture_stop
	for host in s1 s2 s3; do
		router=${world_router[$host]}
		check "$host: ESP was seen" test "$(capture_link_read "$router" "$host" 'esp' | wc -l)" -gt $((PAGE << 9))
		check_eq "$host: nothing but ESP, IKE, the list, and traffic of an exit with the server" "" \
			"$(capture_link_read "$router" "$host" "not esp and not udp port 500 and not udp port 4500 and not tcp port 8080 and not arp and not ip6
				and not (host $web and host $(world_ip "$host")) and not icmp[0] == 3" | head -n 3)"
	done
	check_eq "s1, s2: no traffic with the server" "" "$(capture_link_read ra s1 "host $web"; capture_link_read rb s2 "host $web")"
}

world_up
web=$(world_ip web)
before=$(ns_state s2)
world_directory_conf
for name in $WORLD_RELAYS; do
	case $name in
	n1) world_relay_conf "$name" "exit = true" "dns = $web" "child_life = 20" "ike_life = 30" ;; # and rekeys its overlay tunnels
	n*) world_relay_conf "$name" "exit = true" "dns = $web" ;;
	s*) must "$name is set up" swan_relay "$name" ;;
	esac
done
for pair in s1:n1 s1:s2 s2:n1 s2:n2 s2:s1 s2:s3 s3:n2 s3:s2; do
	must "${pair%:*} knows ${pair#*:}" swan_neighbour "${pair%:*}" "${pair#*:}"
done
must "services" world_services
must "ours run" world_daemons n1 n2
test_without_psk
for name in s1 s2 s3; do
	must "an observer of $name's link" capture_link "${world_router[$name]}" "$name" ip
done
test_same_addresses
test_hops
test_lasting
test_observers
test_client
test_one_namespace
swan_stop s1 s2 s3
for name in s1 s3; do
	must "$name: network.sh stop" swan_network "$name" stop
	check_not "$name: no SA, policy or rule is left" grep -E '^src|swan|4950' <(ns_state "$name")
done
