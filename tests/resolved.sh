#!/bin/bash
# resolved.sh [--path]: Debian's systemd-resolved and libnss-resolve for netns/t_resolved.sh, unpacked into a cache directory.
# Never installed: these packages take over resolv.conf and nsswitch.conf of the machine that they come to.
#   --path   only print the directory, or fail when it is not there
set -euo pipefail
cache=$(realpath -m "${IPPRIV_CACHE:-/var/cache/ippriv}")
dir=$cache/resolved
packages=(systemd-resolved libnss-resolve libsystemd-shared)

if [ -e "$dir/complete" ]; then
	[ "${1:-}" != --path ] || echo "$dir"
	exit 0
fi
[ "${1:-}" != --path ] || exit 1
if ! mkdir -p "$cache" 2>/dev/null || [ ! -w "$cache" ]; then
	echo "resolved: cannot write to $cache; run as root or set IPPRIV_CACHE" >&2
	exit 2
fi

new=$(mktemp -d "$cache/new.XXXXXX")
trap 'rm -rf "$new"' EXIT
mkdir -m 755 "$new/deb" "$new/resolved"
chmod 755 "$new"
chown _apt "$new/deb" 2>/dev/null || true
fetch() { (cd "$new/deb" && apt-get download -q "${packages[@]}" >"$new/log" 2>&1); }
if ! fetch && ! { apt-get update -q >/dev/null && fetch; }; then
	cat "$new/log" >&2
	echo "resolved: downloading ${packages[*]} failed" >&2
	exit 1
fi
for file in "$new"/deb/*.deb; do
	dpkg-deb -x "$file" "$new/resolved"
done
lacks=$(LD_LIBRARY_PATH=$(echo "$new"/resolved/usr/lib/*/systemd) ldd "$new/resolved/lib/systemd/systemd-resolved" | grep 'not found' || true)
if [ -n "$lacks" ]; then
	echo "resolved: systemd-resolved lacks libraries:"$'\n'"$lacks" >&2
	exit 1
fi
touch "$new/resolved/complete"
rm -rf "$dir"
mv "$new/resolved" "$dir"
echo "resolved: $(basename "$new"/deb/systemd-resolved_* .deb) is ready, unpacked into $dir, not installed"
