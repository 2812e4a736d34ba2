#!/bin/bash
# swan.sh: hosts whose IKE daemon is a stock strongSwan; source it after world.sh. The configurations are strongswan/, filled in.
# What charon reads is in SCRATCH/NAME, its log in OUT/NAME-charon.log.

SWAN=$SOURCE/netns/strongswan
SWAN_POOL=100.64.0.0/16 # the same as ours, on all of them
declare -A swan_pid=()

# swan_fill TEMPLATE NAME=VALUE…: the template with each @NAME@ replaced.
swan_fill() {
	local file=$1 word words=()
	shift
	for word; do
		words+=(-e "s|@${word%%=*}@|${word#*=}|g")
	done
	sed "${words[@]}" "$SWAN/$file"
}

# swan_files NAME yes|no: charon's folders, and whether it makes routes.
swan_files() {
	local dir=$SCRATCH/$1
	mkdir -p "$dir/swanctl/"{conf.d,private,pubkey,x509,x509ca,x509ocsp,x509aa,x509ac,x509crl,rsa,ecdsa,bliss,pkcs8,pkcs12}
	echo "include conf.d/*.conf" >"$dir/swanctl/swanctl.conf"
	swan_fill strongswan.conf "RUN=$dir" "LOG=$OUT/$1-charon.log" "ROUTES=$2" "LOGLEVEL=1" >"$dir/strongswan.conf"
}

# swan_key NAME KEY FILE: a public key as a file of that host.
swan_key() { "$BUILD_DIR/ippriv-node" --pem "$2" >"$SCRATCH/$1/swanctl/pubkey/$3.pem"; }

swan_network() { # NAME ARGS…
	local name=$1
	shift
	IPPRIV_NETWORK_RUN=$SCRATCH/$name/network IPPRIV_NETWORK_NETNS=$PREFIX-$name- \
		nsenter --net="/run/netns/$PREFIX-$name" "$SWAN/network.sh" "$@"
}

# swan_relay NAME: a relay that can be all three hops.
swan_relay() {
	local name=$1 identity
	swan_files "$name" no
	world_relay_conf "$name" "exit = true" 'exit_policy = { "reject tcp *:25", "accept any *" }' "dns = $(world_ip web)"
	identity=$(cat "$OUT/etc/$name.pub")
	"$BUILD_DIR/ippriv-node" --pem "$OUT/etc/$name.key" >"$SCRATCH/$name/swanctl/private/relay.pem"
	swan_key "$name" "$identity" relay
	swan_fill relay.conf "ADDRESS=$(world_ip "$name")" "POOL=$SWAN_POOL" "DNS=$(world_ip web)" "IDENTITY=$identity" \
		>"$SCRATCH/$name/swanctl/conf.d/ippriv.conf"
	swan_network "$name" start "$(world_ip "$name")" $SWAN_POOL "to-${world_router[$name]}" exit
}

# swan_neighbour NAME OTHER: NAME knows relay OTHER, whose key has been made; its number is that of the host.
swan_neighbour() {
	local name=$1 other=$2 number=${world_number[$2]} key
	key=$(cat "$OUT/etc/$other.pub")
	swan_key "$name" "$key" "$other"
	swan_fill neighbour.conf "NAME=$other" "NUMBER=$number" "PEER_ADDRESS=$(world_ip "$other")" "PEER_KEY=$key" \
		>"$SCRATCH/$name/swanctl/conf.d/ippriv-$other.conf"
	swan_network "$name" neighbour "$number" "$(world_ip "$other")" $SWAN_POOL && namespaces+=("$name-swan-$number")
}

# swan_client NAME RELAY
swan_client() {
	local name=$1 key
	swan_files "$name" yes
	key=$(cat "$OUT/etc/$2.pub")
	swan_key "$name" "$key" relay
	swan_fill client.conf "RELAY=$(world_ip "$2")" "RELAY_KEY=$key" "RANDOM=$(od -An -tx1 -N16 /dev/urandom | tr -d ' ')" \
		>"$SCRATCH/$name/swanctl/conf.d/ippriv.conf"
}

swanctl_in() { # NAME ARGS…
	local name=$1
	shift
	SWANCTL_DIR=$SCRATCH/$name/swanctl STRONGSWAN_CONF=$SCRATCH/$name/strongswan.conf ns_exec "$name" "$OUT/bin/swanctl" "$@" \
		--uri "unix://$SCRATCH/$name/vici"
}

# swan_start NAME…: charon with all that is configured.
swan_start() {
	local name
	if [ ! -d "$OUT/bin" ]; then # elsewhere, Debian's AppArmor profiles for these would keep them out of our folders
		mkdir "$OUT/bin"
		cp "$(command -v charon-systemd)" "$(command -v swanctl)" "$OUT/bin"
	fi
	for name; do
		STRONGSWAN_CONF=$SCRATCH/$name/strongswan.conf spawn "$name" "$name-daemon" "$OUT/bin/charon-systemd"
		swan_pid[$name]=$spawned
	done
	for name; do
		if ! wait_for 20 test -S "$SCRATCH/$name/vici" || ! swanctl_in "$name" --load-all >"$OUT/$name-swanctl.log" 2>&1; then
			echo "# charon on $name did not start: $(tail -n 3 "$OUT/$name-daemon.log" "$OUT/$name-swanctl.log")"
			return 1
		fi
	done
}

swan_stop() {
	local name
	for name; do
		stop "${swan_pid[$name]}"
		rm -f "$SCRATCH/$name/vici"
		unset "swan_pid[$name]"
	done
}

# swan_announce NAME…: the descriptors of relays that are strongSwan.
swan_announce() {
	local name
	for name; do
		spawn "$name" "$name" "$BUILD_DIR/ippriv-node" --announce -c "$OUT/etc/$name.conf"
		world_pid[$name]=$spawned
	done
}

# swan_sas NAME CONNECTION: its child SAs, a line "REMOTE IN OUT" each: where the other end is, octets in and out.
swan_sas() {
	swanctl_in "$1" --list-sas --ike "$2" 2>/dev/null | awk '
		function octets() { match($0, /[0-9]+ bytes/); return substr($0, RSTART, RLENGTH - 6) }
		$1 == "remote" && / @ / { sub(/.* @ /, ""); sub(/\[.*/, ""); remote = $0 }
		$1 == "in" { got = octets() }
		$1 == "out" { print remote, got, octets() }'
}
