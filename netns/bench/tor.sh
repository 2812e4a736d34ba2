#!/bin/bash
# tor.sh: a private Tor network with the path pinned to A, B, C, today's defaults but for what a network of three relays needs.
# torfixed is the same with the fixed window of 2008: no congestion control, 1000 cells for a circuit.

tor_up() { tor_network tor; }
torfixed_up() { tor_network torfixed; }

# tor_keys DIR: of the three authorities, made once, before the guest starts: in it RSA takes minutes.
tor_keys() {
	local relay
	for relay in $RELAYS; do
		mkdir -p "$1/$relay/keys"
		(cd "$1/$relay/keys" && echo bench | tor-gencert --create-identity-key -m 12 -a "${address[$relay]}:7000" --passphrase-fd 0) \
			>/dev/null 2>&1
		tor --ignore-missing-torrc -f /nonexistent --quiet --DataDirectory "$1/$relay" --ORPort 5000 --Nickname "relay$relay" \
			--ContactInfo x@example.org --list-fingerprint >/dev/null 2>&1
		[ -s "$1/$relay/fingerprint" ] || { echo "bench: tor makes no keys" >&2; return 1; }
	done
}

tor_authorities() {
	local relay
	for relay in $RELAYS; do
		echo "DirAuthority relay$relay orport=5000 no-v2" \
			"v3ident=$(sed -n 's/^fingerprint //p' "$TOR_KEYS/$relay/keys/authority_certificate")" \
			"${address[$relay]}:7000 $(awk '{print $2}' "$TOR_KEYS/$relay/fingerprint")"
	done
}

# Voting each 20 s until the network stands would go on for ever: TestingV3AuthInitial* is for the first list, then each half hour.
tor_relay_conf() {
	cat <<-END
		TestingTorNetwork 1
		DataDirectory $OUT/$1-$2
		Log notice file $OUT/$1-$2.log
		Nickname relay$2
		Address ${address[$2]}
		OutboundBindAddress ${address[$2]}
		AssumeReachable 1
		SocksPort 0
		ORPort ${address[$2]}:5000 IPv4Only
		DirPort ${address[$2]}:7000 IPv4Only
		ContactInfo x@example.org
		AuthoritativeDirectory 1
		V3AuthoritativeDirectory 1
		ExitRelay 1
		ExitPolicyRejectPrivate 0
		ExitPolicy accept *:*
		ServerDNSDetectHijacking 0
		ServerDNSResolvConfFile /dev/null
		ShutdownWaitLength 0
		ExtendAllowPrivateAddresses 1
		EnforceDistinctSubnets 0
		__DisablePredictedCircuits 1
		TestingV3AuthInitialVotingInterval 20
		TestingV3AuthInitialVoteDelay 4
		TestingV3AuthInitialDistDelay 4
		V3AuthVotingInterval 20
		V3AuthVoteDelay 4
		V3AuthDistDelay 4
		TestingDirAuthVoteGuard *
		TestingDirAuthVoteExit *
		TestingMinExitFlagThreshold 0
		DoSCircuitCreationEnabled 0
		DoSConnectionEnabled 0
	END
	[ "$1" != torfixed ] || echo "ConsensusParams cc_alg=0 circwindow=1000"
	tor_authorities
}

# The middle is B and the exit is C, so only A is left to be the entry; an entry B is given up at once. Guards are off: Tor keeps their
# state by failures while the network comes up, and half of the starts with EntryNodes A never built a circuit.
tor_client_conf() {
	cat <<-END
		TestingTorNetwork 1
		DataDirectory $OUT/$1-S
		Log notice file $OUT/$1-S.log
		SocksPort 127.0.0.1:9050
		ControlSocket $OUT/$1-S/control
		CookieAuthentication 0
		ClientRejectInternalAddresses 0
		EnforceDistinctSubnets 0
		PathsNeededToBuildCircuits 0.25
		ConfluxEnabled 0
		UseEntryGuards 0
		MiddleNodes relayB
		ExitNodes relayC
		MaxCircuitDirtiness 1000000
		__DisablePredictedCircuits 1
	END
	tor_authorities
}

declare -A tor_pid=()
tor_network() {
	local name=$1 relay
	for relay in $RELAYS; do
		cp -r "$TOR_KEYS/$relay" "$OUT/$name-$relay"
		chmod -R go-rwx "$OUT/$name-$relay"
		tor_relay_conf "$name" "$relay" >"$OUT/etc-$name-$relay"
		spawn "${letter[$name]}$relay" "$name-$relay.out" tor -f "$OUT/etc-$name-$relay" --quiet
		tor_pid[$name-$relay]=$spawned
	done
	wait_slowly 150 tor_has_list "$name" || return 1
	tor_client_conf "$name" >"$OUT/etc-$name-S"
	tor_client "$name"
}

# A relay says so once a list is there in which it is.
tor_has_list() {
	local relay
	for relay in $RELAYS; do
		[ -s "$OUT/$1-$relay/cached-microdesc-consensus" ] || [ -s "$OUT/$1-$relay/cached-consensus" ] || return 1
	done
	[ "$(grep -h -c '^r ' "$OUT/$1-A"/cached-*consensus | sort -n | tail -n 1)" = 3 ]
}

# tor_client NAME: until it could build a circuit; a client that started with a list without relays is started again. It builds none
# by itself: those that it foresees are for onion services, end anywhere, and cannot with B and C pinned. The first stream makes it.
tor_client() {
	local name=$1 try
	for try in 1 2 3 4; do
		rm -rf "$OUT/$name-S" "$OUT/$name-S.log"
		mkdir -m 700 "$OUT/$name-S"
		spawn "${letter[$name]}S" "$name-S.out" tor -f "$OUT/etc-$name-S" --quiet
		tor_pid[$name-S]=$spawned
		wait_slowly 90 grep -q 'Bootstrapped \(75\|80\|9\|100\)' "$OUT/$name-S.log" && return 0
		echo "# the client of $name is started again ($try): $(tail -n 1 "$OUT/$name-S.log")"
		stop "$spawned"
	done
	return 1
}
