#!/bin/bash
# guest-kernel.sh [--path]: Debian's stock kernel for the guest, unpacked into a cache directory.
# It is never installed: no boot loader entry, no initramfs, nothing of this machine changes.
#   --path   only print the directory, or fail when it is not there
# Result: DIR/vmlinux (uncompressed, starts 3 s sooner), DIR/lib/modules/VERSION, DIR/version
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${IPPRIV_CACHE:-/var/cache/ippriv}
dir=$cache/kernel

# The folders of kernel modules that a network test can need; the rest (400 MB) is left out.
module_folders=(net crypto arch lib fs/9p fs/netfs fs/fscache fs/overlayfs fs/fuse drivers/virtio drivers/net/wireguard
	drivers/char/hw_random drivers/block/virtio_blk.ko drivers/char/virtio_console.ko
	drivers/net/{dummy,ifb,tap,tun,veth,virtio_net,vxlan,macvlan,net_failover}.ko net/core/failover.ko)

if [ "${1:-}" = --path ]; then
	[ -s "$dir/version" ] || exit 1
	echo "$dir"
	exit 0
fi
if [ -s "$dir/version" ]; then
	exit 0
fi
if [ "$(dpkg --print-architecture)" != amd64 ]; then
	echo "guest-kernel: the guest is made for amd64 only; use a machine whose own kernel has ESP" >&2
	exit 2
fi
if ! mkdir -p "$cache" 2>/dev/null || [ ! -w "$cache" ]; then
	echo "guest-kernel: cannot write to $cache; run as root or set IPPRIV_CACHE" >&2
	exit 2
fi

package() {
	apt-cache depends linux-image-amd64 2>/dev/null | awk '$1 == "Depends:" && $2 ~ /^linux-image-/ {print $2; exit}'
}

new=$(mktemp -d "$cache/new.XXXXXX")
trap 'rm -rf "$new"' EXIT
chmod 755 "$new"
name=$(package)
if [ -z "$name" ]; then
	apt-get update -q >/dev/null
	name=$(package)
fi
if [ -z "$name" ]; then
	echo "guest-kernel: apt knows no package linux-image-amd64; is Debian's 'main' in /etc/apt/sources.list?" >&2
	exit 1
fi
version=${name#linux-image-}
echo "guest-kernel: fetching $name (70 MB; unpacked into $dir, not installed)"
mkdir "$new/deb"
chown _apt "$new/deb" 2>/dev/null || true
fetch() { (cd "$new/deb" && apt-get download -q "$name" >"$new/log" 2>&1); }
if ! fetch && ! { apt-get update -q >/dev/null && fetch; }; then
	cat "$new/log" >&2
	echo "guest-kernel: downloading $name failed" >&2
	exit 1
fi

wanted=("./boot/vmlinuz-$version")
for f in modules.order modules.builtin modules.builtin.modinfo; do
	wanted+=("./lib/modules/$version/$f")
done
for f in "${module_folders[@]}"; do
	wanted+=("./lib/modules/$version/kernel/$f")
done
echo "guest-kernel: unpacking"
mkdir "$new/kernel"
# tar exits with 2 when one of the names is in no package of this version: what counts is checked below.
dpkg-deb --fsys-tarfile "$new"/deb/*.deb | tar -C "$new/kernel" -x "${wanted[@]}" 2>/dev/null || true
python3 "$here/vmlinux.py" "$new/kernel/boot/vmlinuz-$version" "$new/kernel/vmlinux"
depmod -b "$new/kernel" "$version"
rm -r "$new/kernel/boot"
for m in esp4 xfrm_user xfrm_interface nf_tables veth 9p overlay virtio_pci virtio_console; do
	if ! modprobe -d "$new/kernel" -S "$version" --show-depends "$m" >/dev/null; then
		echo "guest-kernel: $name has no module $m" >&2
		exit 1
	fi
done
echo "$version" >"$new/kernel/version"
rm -rf "$dir"
mv "$new/kernel" "$dir"
echo "guest-kernel: $version is ready ($(du -sm "$dir" | cut -f1) MB)"
