#!/bin/bash
# run.sh: the checks of this folder over the source tree; first that they can fail at all.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
export PYTHONDONTWRITEBYTECODE=1
passed=0
failed=0

check() { # NAME CMD…
	local name=$1 said status
	shift
	said=$("$@" 2>&1)
	status=$?
	[ -z "$said" ] || echo "$said"
	if [ $status = 0 ]; then
		passed=$((passed + 1))
		echo "ok - $name"
	else
		failed=$((failed + 1))
		echo "not ok - $name"
	fi
}

check "the checks refuse what they must" "$here/selftest.sh"
check "who includes whom" python3 "$here/check_includes.py" "$root"
check "length of functions and files" python3 "$here/check_sizes.py" "$root"
check "scripts parse" "$here/check_scripts.sh" "$root"
echo "$passed passed, $failed failed"
[ $failed = 0 ]
