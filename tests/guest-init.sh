#!/bin/busybox sh
# guest-init.sh: the guest's first program, started twice. As /init of the initramfs (busybox) it loads the modules and
# puts a writable layer over the host's files; then, as /run/guest/init on those files (bash), it runs the command. With guest_root
# on the kernel's command line the files are those of that Debian system, and its systemd runs the command as a service.
# Port 1 of the serial device carries the command's output, port 2 "up" and "exit STATUS" for guest.sh.

fail() {
	echo "guest: $1"
	/bin/busybox poweroff -f
}

# word NAME: its value on the kernel's command line.
word() { sed -n "s/.*\\b$1=\\([^ ]*\\).*/\\1/p" /proc/cmdline; }

load() {
	while read -r m; do
		insmod "/mods/$m" || echo "guest: module $m did not load"
	done <"/mods/$1"
}

first() {
	/bin/busybox mkdir -p /proc /sys /dev /lo /up /new /sbin /usr
	/bin/busybox --install -s /bin
	mount -t proc proc /proc
	if grep -q guest_probe /proc/cmdline; then
		fail probe
	fi
	mount -t sysfs sys /sys
	mount -t devtmpfs dev /dev
	load boot
	load net
	mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288,cache=loose,ro hostroot /lo || fail "cannot mount the host's files"
	mount -t tmpfs up /up
	mkdir /up/upper /up/work
	system=$(word guest_root) modules=$(word guest_modules)
	mount -t overlay -o "lowerdir=/lo$system,upperdir=/up/upper,workdir=/up/work" overlay /new || fail "cannot put a writable layer over them"
	mkdir -p /new/proc /new/sys /new/dev /new/run
	for d in proc sys dev; do
		mount --move "/$d" "/new/$d"
	done
	mount -t tmpfs -o mode=755 run /new/run
	mkdir -p /new/run/guest /new/run/netns /new/run/lock
	cp /init /new/run/guest/init
	cp /command /new/run/guest/command
	[ -x /new/bin/bash ] || fail "the host's /bin/bash is not visible"
	[ -z "$system" ] || start_systemd
	exec switch_root /new /bin/bash /run/guest/init second
}

start_systemd() {
	mkdir -p /new/lib/modules /new/run/systemd/system/multi-user.target.wants
	mount --bind "/lo$modules" /new/lib/modules || fail "the kernel's modules are not visible"
	cat >/new/run/systemd/system/guest.service <<-END
		[Unit]
		Description=what the guest is for
		[Service]
		ExecStart=/bin/bash /run/guest/init command
	END
	ln -s ../guest.service /new/run/systemd/system/multi-user.target.wants/guest.service
	ln -s /dev/null /new/run/systemd/system/serial-getty@ttyS0.service # without udev it would wait for the device
	exec switch_root /new /lib/systemd/systemd
}

# In the deterministic guest the host's folder is REAL, and OUT is memory: writing to the host is waiting, and the clock jumps.
REAL=/run/guest/out

mount_out() {
	local place=$OUT
	[ -z "${IPPRIV_ICOUNT:-}" ] || place=$REAL
	mkdir -p "$place"
	mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288,cache=none hostout "$place" || fail "cannot mount $OUT"
	[ "$place" != "$OUT" ] || return 0
	mount -t tmpfs -o size=100% out "$OUT"
	# Another guest may be at work in the same folder: what it removes meanwhile is none of ours.
	LC_ALL=C cp -a "$REAL/." "$OUT" 2>"$REAL.said" || ! grep -v ': No such file or directory$' "$REAL.said" >&2 ||
		fail "$OUT does not fit into the guest's memory"
	list_out >"$REAL.before"
	sleep 0.05 # longer than the clock tick that files are stamped with
	touch "$REAL.stamp"
}

list_out() { (cd "$OUT" && find . -mindepth 1 \( -type f -o -type d -o -type l \) "$@" | LC_ALL=C sort); }

# What the command removed and made, nothing else: another guest may be at work in the same folder.
return_out() {
	[ -n "${IPPRIV_ICOUNT:-}" ] || return 0
	list_out >"$REAL.after"
	list_out -cnewer "$REAL.stamp" >"$REAL.changed"
	cd "$REAL" || return
	LC_ALL=C comm -23 "$REAL.before" "$REAL.after" | xargs -r -d '\n' rm -rf -- || return
	LC_ALL=C comm -13 "$REAL.before" "$REAL.after" | LC_ALL=C sort -u - "$REAL.changed" |
		tar -C "$OUT" -c -b 1024 --no-recursion --verbatim-files-from -T - | tar -x -b 1024
}

prepare() {
	. /run/guest/command
	ulimit -c unlimited
	if [ "$stage" = command ]; then # systemd has done the rest
		mkdir -p "$OUT"
		mount_out
		return
	fi
	mkdir -p /dev/pts /dev/shm /lib/modules "$OUT"
	mount -t devpts -o mode=620,ptmxmode=666 devpts /dev/pts
	mount -t tmpfs -o mode=1777 shm /dev/shm
	mount -t cgroup2 cgroup2 /sys/fs/cgroup
	mount_out
	# The kernel loads what is left (nft expressions, ciphers) by itself through modprobe.
	mount --bind "$KERNEL/lib/modules" /lib/modules || fail "the modules in $KERNEL are not visible"
	hostname guest
	ip link set lo up
	echo "$OUT/core.%e.%p" >/proc/sys/kernel/core_pattern
	[ -e /dev/fd ] || ln -s /proc/self/fd /dev/fd
	[ -e /dev/stdin ] || ln -s /proc/self/fd/0 /dev/stdin
	[ -e /dev/stdout ] || ln -s /proc/self/fd/1 /dev/stdout
	[ -e /dev/stderr ] || ln -s /proc/self/fd/2 /dev/stderr
}

port() {
	local p
	for p in /sys/class/virtio-ports/*; do
		if [ "$(cat "$p/name")" = "$1" ]; then
			echo "/dev/${p##*/}"
		fi
	done
}

# Ends with the pipe's last writer; a background process of the command may hold it open for ever.
drain() {
	local i
	for i in $(seq 40); do
		kill -0 "$1" 2>/dev/null || return 0
		sleep 0.05
	done
}

second() {
	export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 TERM=dumb
	prepare
	export IPPRIV_GUEST=1 IPPRIV_OUT=$OUT
	exec 9>"$(port report)"
	echo up >&9
	mkfifo /run/guest/stream
	cat /run/guest/stream >"$(port stream)" 9>&- &
	local stream=$! status
	. /run/guest/command
	"$@" </dev/null >/run/guest/stream 2>&1 9>&-
	status=$?
	drain $stream
	dmesg >"$OUT/guest-dmesg.log"
	return_out || { echo "guest: $OUT could not be copied to the host"; status=125; }
	sync
	echo "exit $status" >&9
	exec 9>&-
	[ "$stage" != command ] || exec systemctl poweroff --force --force
	exec /bin/busybox poweroff -f
}

stage=${1:-}
case $stage in
second | command) second ;;
esac
first
