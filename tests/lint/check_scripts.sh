#!/bin/bash
# check_scripts.sh ROOT: every shell and Python script parses.
set -uo pipefail
root=$1
errors=0

list() {
	find "$root" \( -name .git -o -path "$root/build" -o -path "$root/out" -o -path "$root/tests/fuzz/corpus" \) -prune \
		-o -type f -print | sort
}

# shell FILE: what is wrong with it, if it is a shell script. Few processes: there are hundreds of files.
shell() {
	local first=''
	IFS= read -r -n 80 first <"$1"
	case $first in
	'#!/bin/bash'*) bash -n "$1" 2>&1 ;;
	'#!/bin/busybox sh'*) busybox sh -n "$1" 2>&1 ;;
	'#!/bin/sh'*) sh -n "$1" 2>&1 ;;
	'#!'*sh*) echo "is a shell script, but its first line is neither #!/bin/bash nor #!/bin/sh" && false ;;
	*) if [[ $1 == *.sh ]]; then echo "has no #! line" && false; fi ;;
	esac
}

python=()
while read -r file; do
	[[ $file != *.py ]] || { python+=("$file"); continue; }
	if ! said=$(shell "$file" 2>/dev/null); then
		echo "${file#"$root"/}: ${said:-does not parse}"
		errors=$((errors + 1))
	fi
done < <(list)
if [ ${#python[@]} != 0 ]; then
	python3 - "${python[@]}" <<'P' || errors=$((errors + 1))
import ast
import sys

bad = 0
for name in sys.argv[1:]:
    try:
        with open(name, encoding="utf-8") as file:
            ast.parse(file.read(), name)
    except (SyntaxError, UnicodeDecodeError, ValueError) as error:
        print(f"{name}: {error}")
        bad += 1
sys.exit(bad != 0)
P
fi
[ $errors = 0 ]
