#!/bin/bash
# t_spoof: a client that writes an inner source which is not its own, at each layer: the relay that assigned drops it.
# limit: 600 s
#
# The client's own kernel would not send such packets; its owner adds an address and a policy that do.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/world.sh"
. "$(dirname "$0")/circuits.sh"
run_where_esp_is "$0" "$@"
require_root
require_programs ippriv-node ippriv-client ippriv ippriv-directory

PUBLIC=192.0.2.77
NOBODYS=100.64.254.9

# hop_namespace RELAY: a file of client 1's daemon that is the namespace in which layers to that relay are made.
hop_namespace() {
	local fd
	for fd in /proc/"${world_pid[client1]}"/fd/*; do
		case $(readlink "$fd") in
		net:*) nsenter --net="$fd" ip xfrm policy | grep >/dev/null "dst $1 *$\|dst $1 proto" && echo "$fd" && return ;;
		esac
	done
	return 1
}

# link_of NAMESPACE_FILE: the tunnel interface in it, and its address.
link_of() {
	nsenter --net="$1" ip -o -4 addr show | awk '$2 ~ /^ippriv/ {sub("/.*", "", $4); print $2, $4; exit}'
}

# lie WHERE MAKER OUTER_SOURCE RELAY SOURCE: from here on the namespace WHERE sends SOURCE too, in the layer to RELAY that the
# namespace MAKER encrypts. Each is the words that enter it.
lie() {
	local where=$1 maker=$2 outer=$3 relay=$4 source=$5 device id
	device=$($where ip -o link | sed -n 's/.*: \(ippriv[^@:]*\).*/\1/p' | head -n 1)
	id=$($where ip -d link show dev "$device" | sed -n 's/.*if_id \(0x[0-9a-f]*\).*/\1/p')
	$where ip addr add "$source/32" dev "$device" &&
		$maker ip xfrm policy add src "$source/32" dst 0.0.0.0/0 dir out priority 1 if_id "$id" \
			tmpl src "$outer" dst "$relay" proto esp reqid $((id)) mode tunnel
}

SENT=8
# send_all WHERE SOURCE NEXT: eight packets of what a client could send: to the next relay's IKE and ESP, to a server by UDP and ICMP.
send_all() {
	$1 python3 -I -S "$SOURCE/netns/traffic.py" send "$2" 2 "udp:500:$3:500" "50:$3" "udp:4000:$(world_ip web):7" "icmp:$(world_ip web)"
}

# behind RELAY FILTER: how many packets with that the relay's link has shown so far.
behind() { capture_read "${world_router[$1]}" "to-$1" "$2" | wc -l; }
goes_on() { echo "src $(world_ip "$1") and (dst $(world_ip "$2") or dst $(world_ip web) or net 100.64.0.0/10)"; } # RELAY NEXT
# dropped RELAY: what XFRM has dropped there on the way in, and what of that by policy.
dropped() {
	ns_exec "$1" awk '/^XfrmIn/ { all += $2 } /^XfrmIn(NoPols|TmplMismatch|PolBlock)/ { policy += $2 }
		END { print all + 0, policy + 0 }' /proc/net/xfrm_stat
}

# refused TEXT WHERE MAKER OUTER_SOURCE RELAY NEXT SOURCE: with that source all eight packets end at RELAY.
refused() {
	local text=$1 where=$2 maker=$3 outer=$4 relay=$5 next=$6 source=$7 passed filter
	local all policy all_now policy_now
	filter=$(goes_on "$relay" "$next")
	lie "$where" "$maker" "$outer" "$(world_ip "$relay")" "$source" || fail "$text: could not be set up"
	read -r all policy < <(dropped "$relay")
	passed=$(behind "$relay" "$filter")
	send_all "$where" "$source" "$(world_ip "$next")"
	sleep 0.3
	read -r all_now policy_now < <(dropped "$relay")
	check_eq "$text: all $SENT arrive at $relay and are dropped there by policy" "$SENT $SENT" \
		"$((all_now - all)) $((policy_now - policy))"
	check_eq "$text: nothing goes on from $relay, and its link shows no such source" "0 0" \
		"$(($(behind "$relay" "$filter") - passed)) $(behind "$relay" "src $source and not dst $(world_ip "$relay")")"
	$where ip addr del "$source/32" dev "$($where ip -o link | sed -n 's/.*: \(ippriv[^@:]*\).*/\1/p' | head -n 1)"
}

# accepted TEXT WHERE SOURCE RELAY NEXT WANTED: of the same eight packets with the right source that many leave RELAY.
accepted() {
	local text=$1 where=$2 source=$3 relay=$4 next=$5 wanted=$6 before passed filter
	filter=$(goes_on "$relay" "$next")
	before=$(xfrm_errors "$relay" '^XfrmIn')
	passed=$(behind "$relay" "$filter")
	send_all "$where" "$source" "$(world_ip "$next")"
	sleep 0.5
	check_eq "$text: with the right source $wanted go on" "$wanted" "$(($(behind "$relay" "$filter") - passed))"
	check_eq "$text: and XFRM drops none" "$before" "$(xfrm_errors "$relay" '^XfrmIn')"
}

must "hosts on a routed Internet" world_up
must "the services start" world_services
world_directory_conf
for relay in n1 n2 n3; do
	world_relay_conf $relay "exit = true" "liveness = 600"
done
must "directory and relays start" world_daemons n1 n2 n3
for client in client1 client2; do
	circuits_client $client n1 n2 n3 "liveness = 600"
	must "$client starts" world_start $client
	must "$client holds a circuit" hold $client of-$client
done
# The spare circuits are built too, so that nothing but the test's own packets is on the links.
quiet() { [ "$(for n in n1 n2 n3; do circuits_of $n; done | wc -l)" = 12 ]; }
check "both have a spare one" wait_for 20 quiet

for relay in n1 n2 n3; do
	must "the link of $relay is watched" capture_start "${world_router[$relay]}" "to-$relay" "not host $(world_ip dir)"
done
host="ip netns exec $(ns client1)"
hop1=$(hop_namespace "$(world_ip n2)") hop2=$(hop_namespace "$(world_ip n3)")
must "the namespaces of two layers are found" test -n "$hop1" -a -n "$hop2"
in_hop1="nsenter --net=$hop1" in_hop2="nsenter --net=$hop2" app="nsenter -t ${hold_pid[of-client1]} -n"
read -r _ own1 < <(link_of "$hop1")
read -r _ own2 < <(link_of "$hop2")
echo "# client 1 has $own1 of n1, $own2 of n2, $(hold_address of-client1) of n3"
victim() { circuits_of "$1" | awk -v o="$2" '$2 == o {print $1; exit}'; }
other1=$(victim n1 "$(world_ip client2)")
other2=$(circuits_of n2 | awk '{print $1}' | grep -vxF "$own2" | tail -n 1)

# ESP and IKE go on in the overlay tunnel; these relays are exits too, for what is not for a relay.
accepted "layer 1" "$in_hop1" "$own1" n1 n2 8
for source in "$NOBODYS" "$PUBLIC" "$other1" "$(world_ip client1)"; do
	refused "layer 1 as $source" "$in_hop1" "$host" "$(world_ip client1)" n1 n2 "$source"
done
accepted "layer 2" "$in_hop2" "$own2" n2 n3 8
for source in "$PUBLIC" "$other2"; do
	refused "layer 2 as $source" "$in_hop2" "$in_hop1" "$own1" n2 n3 "$source"
done

# Layer 3 from an application's namespace. Its circuit's hop2 is the one that made its interface.
app_hop2() {
	local fd id
	id=$($app ip -d link show dev ippriv0 | sed -n 's/.*if_id \(0x[0-9a-f]*\).*/\1/p')
	for fd in /proc/"${world_pid[client1]}"/fd/*; do
		case $(readlink "$fd") in
		net:*) nsenter --net="$fd" ip xfrm policy | grep >/dev/null "if_id $id" && echo "$fd" && return ;;
		esac
	done
	return 1
}
maker=$(app_hop2)
must "the namespace that encrypts layer 3 is found" test -n "$maker"
other3=$(hold_address of-client2)
read -r _ outer3 < <(link_of "$maker")
check "layer 3: the right source works" $app ping -n -q -c 2 -W 3 "$(world_ip web)"
requests=$(wc -l <"$OUT/web.requests" 2>/dev/null || echo 0)
for source in "$NOBODYS" "$PUBLIC" "$other3" "$own1" "$(world_ip n1)"; do
	refused "layer 3 as $source" "$app" "nsenter --net=$maker" "$outer3" n3 n4 "$source"
done
check_eq "the server has seen nothing of it" "$requests" "$(wc -l <"$OUT/web.requests" 2>/dev/null || echo 0)"
check "the right source still works" $app ping -n -q -c 2 -W 3 "$(world_ip web)"
check "and that of client 2" in_hold of-client2 ping -n -q -c 2 -W 3 "$(world_ip web)"
