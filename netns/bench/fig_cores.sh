#!/bin/bash
# fig_cores.sh: ESP packets of a relay with one busy overlay tunnel, by processor, without and with receive packet steering
# guest: two processors, real time
# A network card spreads ESP by its addresses at best: all of a tunnel comes in on one processor. Behind the tunnel's SA there are the
# circuits' own addresses, and the kernel's steering (RPS, off by default) sees those.
CIRCUITS=8

# steer MASK: of processors, for what the relay receives.
steer() {
	local peer
	for peer in iA iC; do
		ns_exec iB sh -c "echo $1 >/sys/class/net/to-$peer/queues/rx-0/rps_cpus" || return 1
	done
}

# cores_hold NUMBER: one more circuit; a flow through it starts when the file GO is there.
cores_hold() {
	# shellcheck disable=SC2016
	spawn iS "cores-$1" "$BUILD_DIR/ippriv" --control "$SCRATCH/S.sock" run -- \
		sh -c 'echo held; until [ -e "$0" ]; do sleep 0.1; done; exec "$@"' "$SCRATCH/go" "$LOAD" -t "$seconds" -w 1 "$SERVER"
	flows+=("$spawned")
	wait_for 60 grep -q held "$OUT/cores-$1.log"
}

# cores_measure TAGS: that many flows at a time, each in a circuit of its own.
cores_measure() {
	local n flows=() namespace
	rm -f "$SCRATCH/go"
	for n in $(seq $CIRCUITS); do
		cores_hold "$n" || { echo "# circuit $n: $(tail -n 2 "$OUT/cores-$n.log")"; return 1; }
	done
	namespace=$(stat -L -c %i "/run/netns/$PREFIX-iB")
	bpf_start cores -f json -e "
		kprobe:esp_input, kprobe:esp_output /((struct xfrm_state *)arg0)->xs_net.net->ns.inum == $namespace/ { @done[cpu] += 1; }
		BEGIN { printf(\"counting\\n\"); }" || return 1
	touch "$SCRATCH/go"
	wait "${flows[@]}"
	bpf_end "$bpf_pid"
	result ippriv "$1, \"circuits\": $CIRCUITS, \"packets\": $(bpf_map cores @done)" \
		"$(cat "$OUT"/cores-[0-9]*.log | grep '^{' | jq -s -c '{goodput: map(.goodput) | add, flows: length}')"
}

[ "$(nproc)" -ge 2 ] || { echo "# there is one processor only"; exit 1; }
seconds=$(quick 6 15)
systems_up ippriv || exit 1
runs_all=$((2 * $(repeats 3 | wc -l)))
for repeat in $(repeats 3); do
	for mask in 1 3; do
		steer $mask && cores_measure "\"mask\": $mask, \"repeat\": $repeat" || exit 1
	done
done
