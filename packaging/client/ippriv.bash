# bash completion for ippriv(1)                                        -*- shell-script -*-

_ippriv() {
	local cur prev words cword i=1 command
	_init_completion || return
	while [ "$i" -lt "$cword" ] && [[ ${words[i]} == -* ]]; do
		[ "${words[i]}" != --control ] || i=$((i + 1))
		i=$((i + 1))
	done
	if [ "$i" -gt "$cword" ]; then
		_filedir
		return
	fi
	command=${words[i]}
	[ "$i" -lt "$cword" ] || command=''
	case $command in
	'') mapfile -t COMPREPLY < <(compgen -W \
		'run status circuits top new-identity log up down lockdown exclude portal leaktest --control --help --version' -- "$cur") ;;
	run)
		while [ "$((i + 1))" -lt "$cword" ] && [[ ${words[i + 1]} == --?* ]]; do
			i=$((i + 1))
			[[ ${words[i]} != --isolate && ${words[i]} != --exit ]] || i=$((i + 1))
		done
		[ "$i" -lt "$cword" ] || return 0 # a name that only the user knows
		if [[ $cur == -* && $cword = $((i + 1)) ]]; then
			mapfile -t COMPREPLY < <(compgen -W '--isolate --exit --no-sockets --' -- "$cur")
			return
		fi
		[ "${words[i + 1]}" != -- ] || [ "$cword" = $((i + 1)) ] || i=$((i + 1))
		_command_offset $((i + 1))
		;;
	status | circuits) mapfile -t COMPREPLY < <(compgen -W '--json' -- "$cur") ;;
	top) mapfile -t COMPREPLY < <(compgen -W '--once' -- "$cur") ;;
	log) [ "$prev" = -n ] || [ "$prev" = --lines ] ||
		mapfile -t COMPREPLY < <(compgen -W '-f -n --follow --lines' -- "$cur") ;;
	up) mapfile -t COMPREPLY < <(compgen -W '--exclude' -- "$cur") ;;
	lockdown) mapfile -t COMPREPLY < <(compgen -W 'on off' -- "$cur") ;;
	exclude | portal)
		[[ ${words[i + 1]} != [0-9]* || $cword = $((i + 1)) ]] || i=$((i + 1))
		[ "${words[i + 1]}" != -- ] || [ "$cword" = $((i + 1)) ] || i=$((i + 1))
		_command_offset $((i + 1))
		;;
	leaktest) mapfile -t COMPREPLY < <(compgen -W '--disrupt --kill --outside --server --json' -- "$cur") ;;
	esac
} && complete -F _ippriv ippriv
