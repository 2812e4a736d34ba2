#!/bin/bash
# selftest.sh: each check of this folder accepts a good tree and refuses a bad one, for the right reason.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
failed=0

good_tree() {
	rm -rf "${tree:?}"/*
	mkdir -p "$tree"/{common/{base,crypto,ike,kern},ippriv-node,tests}
	printf '/* a comment */\n#ifndef A_H\n#define A_H\nint a(void);\n#endif\n' >"$tree/common/base/a.h"
	printf '#pragma once\n#include "common/base/a.h"\n' >"$tree/common/crypto/c.h"
	printf '#pragma once\n' >"$tree/common/kern/k.h"
	printf '#include "common/crypto/c.h"\n#include <stdint.h>\nint a(void)\n{\n\treturn 1;\n}\n' >"$tree/common/ike/i.c"
	printf '#include "common/kern/k.h"\n' >"$tree/ippriv-node/dp.c"
	printf '#!/bin/bash\necho good\n' >"$tree/tests/good.sh"
}

# lines N: N lines of C inside a function
lines() { for _ in $(seq "$1"); do echo '	a = "}{";'; done; }

expect() { # STATUS PATTERN CHECK
	local said status
	case $3 in *.py) said=$(python3 "$here/$3" "$tree" 2>&1) ;; *) said=$("$here/$3" "$tree" 2>&1) ;; esac
	status=$?
	if [ "$status" != "$1" ] || ! grep -q "$2" <<<"$said"; then
		echo "selftest: $3 ended with $status (wanted $1) and said '$said' (wanted '$2')"
		failed=1
	fi
}

bad() { # PATTERN CHECK FILE, contents on stdin
	good_tree
	mkdir -p "$(dirname "$tree/$3")"
	cat >"$tree/$3"
	expect 1 "$1" "$2"
}

good_tree
for c in check_includes.py check_sizes.py check_scripts.sh; do
	expect 0 '^$' $c
done
bad 'i.c:2: must not include common/kern/k.h' check_includes.py common/ike/i.c <<<$'\n#include "common/kern/k.h"'
bad 'must not include <sodium.h>' check_includes.py common/ike/s.c <<<'#include <sodium.h>'
bad 'must not include <uv.h>' check_includes.py ippriv-node/main.c <<<'# include <uv.h>'
bad 'must not include <linux/xfrm.h>' check_includes.py ippriv-node/dp.c <<<'#include <linux/xfrm.h>'
bad 'must not include <libmnl/libmnl.h>' check_includes.py common/ike/s.c <<<'#include <libmnl/libmnl.h>'
bad 'must not include <libnftnl/rule.h>' check_includes.py common/ike/s.c <<<'#include <libnftnl/rule.h>'
bad 'must not include common/kern/k.h' check_includes.py ippriv-node/ctl_x.c <<<'#include "common/kern/k.h"'
bad 'must not include common/crypto/c.h' check_includes.py ippriv-node/dp.c <<<'#include "common/crypto/c.h"'
bad 'nothing.h, which is not there' check_includes.py common/ike/s.c <<<'#include "common/base/nothing.h"'
bad 'no line of include_table.txt' check_includes.py common/new/n.c <<<'int n;'
bad 'no include guard' check_includes.py common/base/b.h <<<'int b(void);'
bad 'no include guard' check_includes.py common/base/b.h <<<$'#ifndef B_H\n#define C_H\n#endif'
bad 'i.c:3: long_one has 101 lines' check_sizes.py common/ike/i.c < <(printf 'struct s {\n};\nint long_one(int a)\n{\n'; lines 98; echo '}')
bad 'i.c:1: Test has 102 lines' check_sizes.py common/ike/i.c < <(printf 'Test(a, b, .timeout = 3)\n{\n'; lines 99; echo '}')
bad '801 lines' check_sizes.py common/ike/i.c < <(seq -f '// %g' 801)
bad '301 lines' check_sizes.py common/base/b.h < <(seq -f '// %g' 301)
bad 'bad.sh' check_scripts.sh tests/bad.sh <<<$'#!/bin/bash\nif true; then'
bad 'bad.sh: has no #! line' check_scripts.sh tests/bad.sh <<<'echo x'
bad 'bad.py' check_scripts.sh tests/bad.py <<<'def f(:'
good_tree
{ printf 'int middling(int a)\n{\n'; lines 97; echo '}'; } >"$tree/common/ike/m.c"
expect 0 'm.c:1: warning: middling has 100 lines' check_sizes.py
exit $failed
