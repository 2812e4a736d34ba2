#!/bin/bash
# check_scripts.sh ROOT: every shell and Python script parses.
set -uo pipefail
root=$1
errors=0

list() { find "$root" \( -name .git -o -path "$root/build" -o -path "$root/out" \) -prune -o -type f -print | sort; }

parses() {
	case $1 in
	*.py) python3 -c 'import ast, sys; ast.parse(open(sys.argv[1], encoding="utf-8").read(), sys.argv[1])' "$1" 2>&1 ;;
	*) case $(head -n 1 "$1" | tr -d '\0') in
		'#!/bin/bash'*) bash -n "$1" 2>&1 ;;
		'#!/bin/busybox sh'*) busybox sh -n "$1" 2>&1 ;;
		'#!/bin/sh'*) sh -n "$1" 2>&1 ;;
		'#!'*sh*) echo "is a shell script, but its first line is neither #!/bin/bash nor #!/bin/sh" && false ;;
		*) if [[ $1 == *.sh ]]; then echo "has no #! line" && false; fi ;;
		esac ;;
	esac
}

while read -r file; do
	if ! said=$(parses "$file"); then
		echo "${file#"$root"/}: ${said:-does not parse}"
		errors=$((errors + 1))
	fi
done < <(list)
[ $errors = 0 ]
