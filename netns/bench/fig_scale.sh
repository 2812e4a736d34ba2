#!/bin/bash
# fig_scale.sh: a relay with up to 50,000 circuits: a packet's cost, goodput, memory, adding one; and a client with 50
# 50,000 by IKE take too long here. So relay B, the middle of a real circuit, gets in its kernel what its daemon installs for each
# (dp_plan_pair, dp_plan_circuit: two SAs, two policies behind the same overlay tunnel, nothing in nftables), written down from a
# real one's `ip xfrm`; scale_same compares them. Assigned addresses are of 100.65.0.0/16, where no real circuit has one.
# What is not measured by this: the daemon's own table of 50,000, and caches: the guest counts instructions, not misses.
BATCH=100 # circuits that are added and deleted at each level, by scale.bt's clock

# scale_template: sets cipher, key, overlay (its reqid), via (relay A) and template (the circuit's reqid) by a real circuit of B.
scale_template() {
	local line
	line=$(ns_exec iB ip xfrm policy | awk '/^src/ { mine = /^src 0.0.0.0.0 dst 100\./ } mine && $1 == "tmpl" { to = $5 }
		mine && $3 == "reqid" { reqid[++n] = $4 } n == 2 { print reqid[1], reqid[2], to; exit }')
	read -r template overlay via <<<"$line"
	read -r cipher key < <(ns_exec iB ip xfrm state | awk -v want="reqid $template " 'index($0, want) { mine = 1 }
		mine && $1 == "aead" { print $2, $3; exit }')
	[ -n "$cipher" ] && [ -n "$via" ]
}

# scale_lines VERB FROM TO: for `ip -batch`; circuits of numbers FROM to TO - 1.
scale_lines() {
	awk -v verb="$1" -v n="$2" -v to="$3" -v b="${address[B]}" -v a="$via" -v cipher="$cipher" -v key="$key" -v overlay="$overlay" '
	function sa(src, dst, spi, r) {
		printf "xfrm state %s src %s dst %s proto esp spi %d", verb, src, dst, spi
		if (verb == "add")
			printf " reqid %d mode tunnel replay-window 1024 flag noecn nopmtudisc af-unspec esn extra-flag dont-encap-dscp" \
				" aead %s %s 128 limit byte-soft 70000000000 limit byte-hard 105000000000" \
				" limit time-soft 3700 limit time-hard 5550", r, cipher, key
		print ""
	}
	function tmpl(src, dst, r) { return " tmpl src " src " dst " dst " proto esp reqid " r " mode tunnel" }
	function policy(dir, src, dst, templates) {
		print "xfrm policy " verb " dir " dir " src " src " dst " dst (verb == "add" ? " priority 1000" templates : "")
	}
	BEGIN {
		for (; n < to; n++) {
			reqid = 1230766080 + n # 0x495c0000
			client = "100.65." int(n / 250) "." n % 250 + 1
			sa(client, b, 268435456 + 2 * n, reqid)
			sa(b, client, 268435457 + 2 * n, reqid)
			policy("out", "0.0.0.0/0", client "/32", tmpl(b, client, reqid) tmpl(b, a, overlay))
			policy("fwd", client "/32", "0.0.0.0/0", tmpl(client, b, reqid) tmpl(a, b, overlay))
		}
	}'
}

# scale_shape REQID: the SAs and policies that name it, without what differs from circuit to circuit.
scale_shape() {
	ns_exec iB sh -c 'ip -s xfrm state; ip -s xfrm policy' | awk -v want="reqid $1(" '
		/^src/ { if (index(block, want)) print block; block = "" } { block = block "\n" $0 } END { if (index(block, want)) print block }' |
		sed -E '/seq-hi|bitmap|00000000 0000|lifetime current|^\t  [0-9]+\(bytes\)|add .* use|stats|replay 0 failed/d
			s/100\.6[45]\.[0-9.]+/CLIENT/g; s/0x[0-9a-f]+|[0-9]{5,}/N/g; s/[0-9]+\(sec\)/N(sec)/g; s/index [0-9]+//; s/ (uid|$)//g' |
		grep . | sort
}
scale_same() {
	scale_lines add 0 1 | ns_ip iB -batch - && diff <(scale_shape "$template") <(scale_shape 1230766080) >"$OUT/scale-same.log"
}

# scale_clean FROM TO: what it added, and nothing else.
scale_clean() { scale_lines delete "$1" "$2" | ns_ip iB -batch -; }

# scale_took: of all so far, "COUNT NANOSECONDS" of SAs added and deleted, policies added and deleted.
scale_took() {
	nap 2
	tail -n 4 "$OUT/scale-messages.log" | awk '{ printf "%s %s ", $2, $3 }'
}

# scale_insert FROM: JSON of a batch that comes on top and goes again: instructions of the kernel's for each SA and policy.
scale_insert() {
	local before after
	before=$(scale_took)
	scale_lines add "$1" $(($1 + BATCH)) | ns_ip iB -batch - && scale_clean "$1" $(($1 + BATCH)) || return 1
	after=$(scale_took)
	jq -n -c --arg before "$before" --arg after "$after" '[$before, $after | split(" ") | map(tonumber? // empty)] as [$b, $a]
		| [range(0; 8; 2) | ($a[. + 1] - $b[. + 1]) / ($a[.] - $b[.])] | {sa_add: .[0], sa_delete: .[1], policy_add: .[2], policy_delete: .[3]}'
}

# scale_packets: those that went through B, forwarded or its own.
scale_packets() { ns_exec iB awk '/to-i/ { n += $3 } END { print n }' /proc/net/dev; }

# scale_forward BYTES: sets forward: JSON of B's instructions for each packet, by cpu.bt.
scale_forward() {
	local packets
	packets=$(scale_packets)
	bpf_start cpu-scale -f json "$SOURCE/netns/bench/cpu.bt" "${clock_holder:-0}" || return 1
	load ippriv -n "$1" >/dev/null || return 1
	bpf_end "$bpf_pid"
	packets=$(($(scale_packets) - packets)) # not before: what runs in B is counted
	forward=$(bpf_map cpu-scale @spent | jq -c --arg host "$(stat -L -c %i "/run/netns/$PREFIX-iB")" --argjson n "$packets" \
		'{packets: $n, per_packet: (.[$host] / $n)}')
	[ -n "$forward" ]
}

# scale_memory: JSON of kB.
scale_memory() { awk '/^(MemAvailable|Slab|Percpu|VmallocUsed):/ { printf "%s\"%s\": %d", n++ ? ", " : "", substr($1, 1, length($1) - 1), $2 }' /proc/meminfo; }

# scale_level CIRCUITS REPEAT
scale_level() {
	local memory insert forward said
	scale_lines add "$scale_now" "$1" | ns_ip iB -batch - || return 1
	scale_now=$1
	nap 3 # each SA's timer once, and the hash tables' growing
	memory=$(scale_memory)
	insert=$(scale_insert "$1") && scale_forward "$(quick 1000000 4000000)" || return 1
	said=$(load ippriv -n "$(quick 3000000 20000000)")
	result ippriv "\"kind\": \"relay\", \"circuits\": $1, \"repeat\": $2, \"memory\": {$memory}, \"insert\": $insert, \"forward\": $forward" "$said"
}

# client_hold NUMBER: one more circuit in use; sets ms, those until its command runs. By root, who may have any number.
client_hold() {
	local start
	start=$(date +%s%N)
	spawn iS "scale-hold-$1" "$BUILD_DIR/ippriv" --control "$SCRATCH/S.sock" run -- \
		sh -c 'date +%s%N; exec sleep 1000000'
	held+=("$spawned")
	wait_for 60 grep -q '^[0-9]' "$OUT/scale-hold-$1.log" || return 1
	ms=$((($(grep -m 1 '^[0-9]' "$OUT/scale-hold-$1.log") - start) / 1000000))
}

# scale_client REPEAT: the first is the one that runs since the systems are up.
scale_client() {
	local n ms
	held=()
	for n in $(seq 1 $((holds - 1))); do
		client_hold "$n" || { echo "# circuit $n: $(tail -n 2 "$OUT/scale-hold-$n.log" "$OUT/ippriv-S.log")"; exit 1; }
		[[ " 1 $((holds - 1)) " != *" $n "* ]] || client_result "$((n + 1))" "$1" "$ms"
		nap 0.3
	done
	stop "${held[@]}"
}

client_result() {
	result ippriv "\"kind\": \"client\", \"circuits\": $1, \"repeat\": $2, \"until\": $3, \"memory\": {$(scale_memory)}, \
\"rss\": $(awk '$1 == "VmRSS:" { print $2 }' "/proc/${ippriv_pid[S]}/status"), \
\"built\": $(grep -o 'is ready after [0-9.]*' "$OUT/ippriv-S.log" | tail -n 1 | cut -d' ' -f4)" "$(load ippriv -n "$(quick 3000000 20000000)")"
}

read -ra levels <<<"$(quick "1 100 1000" "1 100 1000 10000 50000")"
holds=$(quick 10 50)
runs_all=$(((${#levels[@]} + 2) * $(repeats 1 | wc -l)))
systems_up ippriv && scale_template || exit 1
scale_same && scale_clean 0 1 || { echo "# what is added here is not what the daemon adds:" && cat "$OUT/scale-same.log"; exit 1; }
bpf_start scale-messages "$SOURCE/netns/bench/scale.bt" || exit 1
messages=$bpf_pid
for repeat in $(repeats 1); do
	scale_now=0
	for level in "${levels[@]}"; do
		scale_level "$level" "$repeat" || { echo "# nothing at $level circuits"; exit 1; }
	done
	scale_clean 0 "$scale_now" || { echo "# circuits cannot be taken out of the relay"; exit 1; }
	scale_client "$repeat"
done
stop "$messages"
