#!/bin/bash
# run.sh BUILD: records sessions with build BUILD's record_sessions and lets tshark read them. The captures stay in out/tshark.
# Ends with 'N passed, N failed'.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
build=${BUILD_DIR:-$root/build/${1:?}}
out=${IPPRIV_OUT:-$root/out}/tshark

rm -rf "$out"
mkdir -p "$out"
if ! IPPRIV_RECORD=$out LSAN_OPTIONS=suppressions=$here/../lsan.supp:print_suppressions=0 \
	timeout -k 5 60 "$build/tests/record_sessions" --color=never >"$out/record.log" 2>&1; then
	cat "$out/record.log"
	echo "0 passed, 1 failed"
	exit 1
fi
if grep -aq '^skipped: ' "$out/record.log"; then
	grep -a '^skipped: ' "$out/record.log" | head -n 1
	echo "0 passed, 0 failed, 1 skipped"
	exit 0
fi
PYTHONDONTWRITEBYTECODE=1 python3 "$here/check.py" "$out"
