#!/bin/bash
# guest.sh [OPTIONS] [--] CMD ARGS…: run CMD as root under Debian's stock kernel in QEMU.
# The guest sees this machine's files read-only; what it writes stays in its memory, except under --out.
# Output of CMD (both streams) comes out here as it happens; its exit status becomes ours.
#   --out DIR          shared and writable, at the same path inside ($IPPRIV_OUT): logs, captures, core dumps
#   --timeout SECONDS  on this machine's clock (default 600)
#   --env NAME=VALUE   for CMD; may be repeated
#   --name NAME        OUT/guest-NAME.log is its console's (default console), for two guests with one --out
#   --memory MB        of the guest (default 2048); what it writes has to fit, too
#   --cpus N           processors (default 1: emulated, several cost each other more than they bring)
#   --root DIR         of another Debian system on this machine: its systemd boots and runs CMD as a service, which sees the files
#                      of that system and --out; not with --icount
#   --icount           deterministic: one CPU, one instruction is one nanosecond, for figures. While such a guest is idle its clock
#                      jumps from timer to timer, also when it only waits for this machine. So OUT is in its memory then and
#                      copied here when CMD has ended (lost when time is up); netns/lib.sh's clock_hold stops the jumps.
# Inside, IPPRIV_GUEST=1, with --icount also IPPRIV_ICOUNT=1. IPPRIV_ACCEL=tcg or kvm overrides the choice of the accelerator.
# Exit: CMD's status · 124 time is up · 125 the guest did not come up or died (OUT/guest-console.log says why)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

# What guest-init loads: first to reach this machine's files, then what networking tests need. Built-in ones are skipped.
# Never esp4_offload or esp6_offload: with GRO on, a relay would drop every nested packet.
boot_modules=(virtio_pci virtio_console 9pnet_virtio 9p overlay)
net_modules=(esp4 esp6 xfrm_user xfrm_interface nf_tables nf_tables_inet nft_ct nft_nat nft_masq nft_fib_inet nft_xfrm
	nft_limit nft_log nft_reject_inet nft_redir nft_counter nft_chain_nat nf_conntrack_netlink veth dummy tun sch_netem sch_tbf
	sch_htb gcm ctr seqiv echainiv chacha20poly1305 aesni_intel wireguard)

die() { echo "guest: $1" >&2; exit "${2:-125}"; }

options() {
	out='' timeout=600 icount=0 memory=2048 cpus=1 env=() name=console system=''
	while [ $# -gt 0 ]; do
		case $1 in
		--out) out=${2:?--out needs a directory}; shift 2 ;;
		--timeout) timeout=${2:?--timeout needs seconds}; shift 2 ;;
		--env) env+=("${2:?--env needs NAME=VALUE}"); shift 2 ;;
		--name) name=${2:?--name needs a name}; shift 2 ;;
		--memory) memory=${2:?--memory needs megabytes}; shift 2 ;;
		--cpus) cpus=${2:?--cpus needs a number}; shift 2 ;;
		--root) system=$(realpath "${2:?--root needs a directory}"); shift 2 ;;
		--icount) icount=1; shift ;;
		--) shift; break ;;
		-*) die "unknown option $1; see the top of $0" 2 ;;
		*) break ;;
		esac
	done
	[ $# -gt 0 ] || die "no command given; see the top of $0" 2
	[[ $timeout =~ ^[1-9][0-9]*$ ]] || die "--timeout wants seconds, not '$timeout'" 2
	[[ $memory =~ ^[1-9][0-9]*$ ]] || die "--memory wants megabytes, not '$memory'" 2
	[[ $cpus =~ ^[1-9]$ ]] || die "--cpus wants 1 to 9, not '$cpus'" 2
	[ -z "$system" ] || [[ -x $system/lib/systemd/systemd && $system != *' '* && $icount = 0 ]] ||
		die "--root wants a Debian system with systemd, without a space in its name, and no --icount" 2
	[ $icount = 0 ] || env+=(IPPRIV_ICOUNT=1)
	command=("$@")
}

# These of this machine's folders are hidden behind the guest's own.
check_visible() {
	case $(realpath -m "$1")/ in
	/proc/* | /sys/* | /dev/* | /run/*) die "$1 is not visible inside the guest (it has its own /proc, /sys, /dev, /run)" 2 ;;
	esac
}

# One cpio archive: busybox, the modules in load order, guest-init and this run's command.
make_initrd() {
	local root=$tmp/root m file
	mkdir -p "$root"/{bin,mods}
	cp "$(command -v busybox)" "$root/bin/busybox"
	cp "$here/guest-init.sh" "$root/init"
	chmod 755 "$root/init"
	for m in boot net; do
		local -n list=${m}_modules
		# One call: with -a modprobe prints the needed files of every module, in order.
		modprobe -d "$kernel" -S "$version" -a --show-depends "${list[@]}" 2>/dev/null |
			awk '$1 == "insmod" && !seen[$2]++ {print $2}' >"$tmp/$m.list" || true
		: >"$root/mods/$m"
		while read -r file; do
			cp "$file" "$root/mods/"
			echo "${file##*/}" >>"$root/mods/$m"
		done <"$tmp/$m.list"
	done
	{
		echo "KERNEL=$(printf %q "$kernel") VERSION=$version OUT=$(printf %q "$out")"
		for m in "${env[@]}"; do
			printf 'export %s=%q\n' "${m%%=*}" "${m#*=}"
		done
		[ -n "$system" ] || printf 'cd %q\n' "$PWD"
		printf 'set --'
		printf ' %q' "${command[@]}"
		echo
	} >"$root/command"
	(cd "$root" && find . | cpio -o -H newc --quiet) >"$tmp/initrd"
	rm -rf "$root"
}

machine() {
	printf '%s\n' -M pc -nodefaults -no-user-config -no-reboot -display none -m "$memory" \
		-kernel "$kernel/vmlinux" "$@"
}

# /dev/kvm can be there and still not run a guest (nested virtualization): boot once, remember until this machine restarts.
kvm_works() {
	local mark="${kernel%/*}/kvm-$(cat /proc/sys/kernel/random/boot_id)" answer=no args
	[ -r /dev/kvm ] && [ -w /dev/kvm ] || return 1
	if [ -s "$mark" ]; then
		answer=$(cat "$mark")
	else
		mapfile -t args < <(machine -accel kvm -cpu host -initrd "$tmp/initrd" -serial "file:$tmp/probe")
		timeout -k 1 4 qemu-system-x86_64 "${args[@]}" -append "console=ttyS0 quiet panic=-1 guest_probe" \
			</dev/null >/dev/null 2>&1 || true
		! grep -q 'guest: probe' "$tmp/probe" 2>/dev/null || answer=yes
		{ echo $answer >"$mark"; } 2>/dev/null || true
	fi
	[ "$answer" = yes ]
}

accelerator() {
	if [ "$icount" = 1 ]; then
		echo "-accel tcg,thread=single -icount shift=0,sleep=off -smp 1 -cpu max,-erms,-fsrm"
	elif [ "${IPPRIV_ACCEL:-}" = kvm ] || { [ -z "${IPPRIV_ACCEL:-}" ] && kvm_works; }; then
		echo "-accel kvm -smp $cpus -cpu host"
	else
		echo "-accel tcg,thread=multi -smp $cpus -cpu max,-erms,-fsrm"
	fi
}

boot() {
	local args append
	# Without randomised addresses QEMU translates a program's code once, not at every start: a third of the time of a command.
	append="console=ttyS0 quiet loglevel=5 panic=-1 oops=panic mitigations=off random.trust_cpu=on"
	append+=" cryptomgr.notests=1 audit=0 norandmaps tsc=reliable"
	[ -z "$system" ] || append+=" guest_root=$system guest_modules=$kernel/lib/modules"
	mkfifo "$tmp/stream"
	cat "$tmp/stream" &
	stream=$!
	# shellcheck disable=SC2046
	mapfile -t args < <(machine $(accelerator) -initrd "$tmp/initrd")
	# The parent-death signal: the guest ends when this script is killed, however it is killed.
	setpriv --pdeathsig TERM timeout -k 5 "$timeout" qemu-system-x86_64 "${args[@]}" -append "$append" \
		-serial "file:$out/guest-$name.log" \
		-fsdev local,id=root,path=/,security_model=none,readonly=on,multidevs=remap \
		-device virtio-9p-pci,fsdev=root,mount_tag=hostroot \
		-fsdev "local,id=out,path=${out//,/,,},security_model=none" \
		-device virtio-9p-pci,fsdev=out,mount_tag=hostout \
		-device virtio-serial-pci \
		-chardev "file,id=stream,path=$tmp/stream" -device virtserialport,chardev=stream,name=stream \
		-chardev "file,id=report,path=$tmp/report" -device virtserialport,chardev=report,name=report \
		</dev/null 2>"$tmp/qemu" &
	qemu=$!
	trap 'kill $qemu 2>/dev/null || true; wait $qemu || true; exit 130' INT TERM HUP
	qemu_status=0
	wait $qemu || qemu_status=$?
	wait $stream || true
}

report() {
	local status
	status=$(sed -n 's/^exit //p' "$tmp/report" 2>/dev/null || true)
	if [ -n "$status" ]; then
		exit "$status"
	fi
	cat "$tmp/qemu" >&2
	if [ $qemu_status = 124 ] || [ $qemu_status = 137 ]; then
		if [ ! -s "$tmp/report" ]; then
			die "still booting after $timeout s; see $out/guest-$name.log" 124
		fi
		die "the time limit of $timeout s is over, the command was stopped" 124
	fi
	tail -n 15 "$out/guest-$name.log" >&2 || true
	if [ ! -s "$tmp/report" ]; then
		die "the guest did not come up (see above and $out/guest-$name.log)"
	fi
	die "the guest died while the command ran (see above and $out/guest-$name.log)"
}

options "$@"
kernel=$("$here/guest-kernel.sh" --path) || die "no kernel for the guest; run tests/install.sh as root first" 2
version=$(cat "$kernel/version")
command -v qemu-system-x86_64 >/dev/null || die "QEMU is not installed; run tests/install.sh as root first" 2
tmp=$(mktemp -d "${TMPDIR:-/tmp}/ippriv-guest.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
if [ -z "$out" ]; then
	out=$(mktemp -d "${TMPDIR:-/tmp}/ippriv-out.XXXXXX")
fi
mkdir -p "$out"
out=$(realpath "$out")
[ -n "$system" ] || check_visible "$PWD"
check_visible "$here"
check_visible "$out"
make_initrd
boot
report
