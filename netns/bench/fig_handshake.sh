#!/bin/bash
# fig_handshake.sh: circuits a relay takes, by second and by instruction: our ippriv-node and strongSwan's charon, the same initiators
# bench_handshake opens them (IKE_SA_INIT and IKE_AUTH with the public PSK, which both know; the same IKE suite and the same ESP
# cipher), 8 at one time from 64 addresses: so no limit of an address, no cookie and no rate of either is met as they come. Ours is
# relay A with its configuration, its log at `info`; charon is as netns/strongswan has it, but without its log, which would cost it
# much. A responder's instructions are what its threads took in user space and kernel, sending, SAs and policies included.
. "$SOURCE/netns/swan.sh"

SOURCES=64 FIRST=198.18.0.1 PARALLEL=8

# handshake_addresses INITIATOR RELAY INITIATOR_ADDRESS: where they come from.
handshake_addresses() {
	local n
	for n in $(seq 0 $((SOURCES - 1))); do
		echo "addr add 198.18.0.$((n + 1))/32 dev lo"
	done | ns_ip "$1" -batch - && ns_ip "$2" route add 198.18.0.0/24 via "$3"
}

handshake_ippriv_up() {
	systems_up ippriv && handshake_addresses iS iA "${address[S]}" || return 1
	initiator=iS to=${address[A]} key=$(<"$OUT/etc/A.pub") responder=${ippriv_pid[A]}
}

# Two hosts of their own: hS and charon on hA.
handshake_strongswan_up() {
	local dir=$SCRATCH/hA
	if [ -z "${swan_pid[hA]:-}" ]; then
		wire "hS hA" "hS hA" || return 1
		settle hS "$(ends 203.0.113.2 hA)" "route add default via 203.0.113.1"
		settle hA "$(ends 203.0.113.1 hS)"
		settled && handshake_addresses hS hA 203.0.113.2 || return 1
		mkdir -p "$OUT/etc"
		"$BUILD_DIR/ippriv-directory" --keygen "$OUT/etc/hA.key" >"$OUT/etc/hA.pub" || return 1
		swan_files hA no
		sed -i 's/ = 1$/ = -1/; s/^charon-systemd {/&\n\tjournal {\n\t\tdefault = -1\n\t}/' "$dir/strongswan.conf"
		swan_key hA "$(<"$OUT/etc/hA.pub")" relay
		"$BUILD_DIR/ippriv-node" --pem "$OUT/etc/hA.key" >"$dir/swanctl/private/relay.pem"
		swan_fill relay.conf ADDRESS=203.0.113.1 "POOL=$SWAN_POOL" DNS=203.0.113.2 "IDENTITY=$(<"$OUT/etc/hA.pub")" \
			>"$dir/swanctl/conf.d/ippriv.conf"
		swan_start hA || return 1
	fi
	initiator=hS to=203.0.113.1 key=$(<"$OUT/etc/hA.pub") responder=${swan_pid[hA]}
}

# handshakes COUNT: bench_handshake's JSON.
handshakes() { ns_exec "$initiator" "$HANDSHAKE" "$1" $PARALLEL $FIRST $SOURCES "$to" "$key" 2>>"$OUT/handshake.log"; }

# spent PID: "NANOSECONDS USER SYSTEM" of all its threads so far; the latter two in ticks of 10 ms, sampled.
spent() {
	awk 'FILENAME ~ /schedstat$/ { ns += $1 } FILENAME ~ /\/stat$/ { sub(/.*\) /, ""); user = $12; kernel = $13 }
		END { printf "%.0f %d %d\n", ns, user, kernel }' "/proc/$1/stat" /proc/"$1"/task/*/schedstat
}

# handshake_measure SYSTEM REPEAT COUNT
handshake_measure() {
	local before after said
	read -ra before < <(spent "$responder")
	said=$(handshakes "$3")
	sleep 1 # what it does after its last answer
	read -ra after < <(spent "$responder")
	result "$1" "\"repeat\": $2, \"instructions\": $((after[0] - before[0])), \"user\": $((after[1] - before[1])), \
\"kernel\": $((after[2] - before[2])), \"cipher\": \"$(ns_exec "${initiator/%S/A}" ip xfrm state | awk '$1 == "aead" { print $2; exit }')\"" "$said"
}

HANDSHAKE=$BUILD_DIR/bench_handshake
systems=$(chosen ippriv strongswan)
count=$(quick 300 1000)
runs_all=$(($(wc -w <<<"$systems") * $(repeats 3 | wc -l)))
for system in $systems; do
	"handshake_${system}_up" || { echo "# ${system_name[$system]} did not start; logs: $OUT"; exit 1; }
	handshakes $SOURCES | jq -e '.failed == 0' >/dev/null || { echo "# ${system_name[$system]} takes no circuits"; exit 1; }
	for repeat in $(repeats 3); do
		handshake_measure "$system" "$repeat" "$count"
	done
done
[ -z "${swan_pid[hA]:-}" ] || swan_stop hA
