#!/bin/bash
# t_kern: common/kern (SAs, policies, links, namespaces, purge, connections, sockets, two layers of packets, layers that move, events) on a real kernel, by
# check_kern in network namespaces of its own.
. "$(dirname "$0")/lib.sh"
run_where_esp_is "$0" "$@"
require_root
require_programs tests/kernel/check_kern

for part in objects namespaces purge flows ending traffic move events; do
	check "common/kern: $part" "$BUILD_DIR/tests/kernel/check_kern" $part
done
