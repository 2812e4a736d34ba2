#!/bin/bash
# install.sh: everything that the build, the tests, the guest and the demo need on Debian 12.
#   --missing   only name the packages that are not installed, change nothing
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

# The one list: package, then what it is for.
packages() { sed 's/#.*//; s/[[:space:]]//g; /^$/d' <<'LIST'
	# --- build
	gcc                     # the first compiler; brings its sanitizer libraries
	clang                   # the second compiler: both must be clean
	libclang-rt-14-dev      # sanitizer libraries for clang
	libc6-dev               # C library headers
	linux-libc-dev          # kernel headers: XFRM, netlink, nf_tables
	cmake                   # build description
	ninja-build             # runs the build
	pkg-config              # finds the libraries below
	libuv1-dev              # event loop, timers, sockets
	libsodium-dev           # all cryptography
	libmd-dev               # SHA-1, which libsodium has not
	libmnl-dev              # netlink messages
	libnftnl-dev            # nftables messages
	libncurses-dev          # ippriv top
	libjansson-dev          # JSON: status output, control socket
	libconfuse-dev          # configuration files
	libmicrohttpd-dev       # HTTP server of the directory
	libcurl4-openssl-dev    # HTTP client for the directory list
	libseccomp-dev          # ippriv run --no-sockets
	uthash-dev              # hash tables and lists (headers)
	# --- test tools
	libcriterion-dev        # unit tests
	tshark                  # dissects recorded IKE sessions
	python3                 # lint checks, small servers inside topologies, unpacking the guest's kernel
	# --- run time: topologies, demo, end-to-end tests
	iproute2                # ip, tc, ss
	nftables                # nft: looks at the tables, sets up tests
	kmod                    # modprobe, depmod
	procps                  # ps, pgrep, sysctl
	util-linux              # unshare, nsenter, setpriv
	iputils-ping            # ping
	curl                    # the demo's web client
	tcpdump                 # what an observer of a link sees
	socat                   # TCP and UDP ends for tests
	git                     # clones through the tunnel
	openssh-client          # logs in through the tunnel
	openssh-server          # where that goes
	dnsmasq-base            # the name server of a topology
	isc-dhcp-client         # what a hostile DHCP server talks to
	ethtool                 # GRO on and off
	iperf3                  # throughput
	w3m                     # a browser
	jq                      # reads `status --json`
	gojq                    # the same, and starts eight times as fast in a guest: for tests that ask often
	bash-completion         # completes the options of our programs
	zsh                     # so does it
	charon-systemd          # strongSwan: the stock IKEv2 daemon that we have to get on with
	strongswan-swanctl      # its control program
	libstrongswan-standard-plugins # its X25519, Ed25519 and ChaCha20-Poly1305 (OpenSSL)
	# --- guest, for machines whose kernel has no ESP
	qemu-system-x86         # the machine
	busybox-static          # the guest's first program
	cpio                    # packs the guest's initramfs
LIST
}

missing() {
	local have
	have=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' 2>/dev/null | awk '$1 == "ii" {print $2}')
	grep -vxF -f <(echo "$have") <(packages) || true
}

# One line per package instead of apt's many; all of them go to the log.
install_packages() {
	local log count
	count=$#
	log=$(mktemp)
	echo "install: $count packages are missing: $*"
	export DEBIAN_FRONTEND=noninteractive
	if ! apt-get update -q >"$log" 2>&1; then
		tail -n 20 "$log" >&2
		echo "install: apt-get update failed; are the network and /etc/apt/sources.list right?" >&2
		return 1
	fi
	echo "install: package lists are read (${SECONDS} s)"
	if ! apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0 "$@" 2>&1 |
		tee "$log" | awk '
			/^Need to get/ { print "install: " $0; fflush() }
			/^[0-9]+ upgraded,/ { all = $3 + $1 }
			/^Setting up / { n++; if (n % 20 == 0 || n == all) { printf "install: %d of %d set up\n", n, all; fflush() } }'; then
		tail -n 30 "$log" >&2
		echo "install: apt-get install failed, see above" >&2
		return 1
	fi
	rm -f "$log"
}

# The tests run charon in namespaces of their own. As a service of this machine, nobody has asked for it, and it would take UDP 500.
no_strongswan_service() {
	local unit=/etc/systemd/system/strongswan.service
	[ ! -e $unit ] && [ -d /etc/systemd/system ] || return 0
	ln -s /dev/null $unit
	echo "install: strongswan.service is masked; \`systemctl unmask strongswan\` if you want it"
}

main() {
	local list
	list=$(missing)
	if [ "${1:-}" = --missing ]; then
		[ -z "$list" ] || echo "$list"
		return 0
	fi
	if [ -n "$list" ]; then
		if [ "$(id -u)" != 0 ]; then
			echo "install: needs root to install: ${list//$'\n'/ }" >&2
			return 2
		fi
		if grep -qx charon-systemd <<<"$list"; then
			no_strongswan_service
		fi
		# shellcheck disable=SC2086
		install_packages $list
	fi
	"$here/guest-kernel.sh"
	"$here/resolved.sh"
	echo "install: everything is there (${SECONDS} s)"
}
main "$@"
