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
		'run status circuits top new-identity log --control --help --version' -- "$cur") ;;
	run)
		[ "${words[i + 1]}" != -- ] || [ "$cword" = $((i + 1)) ] || i=$((i + 1))
		_command_offset $((i + 1))
		;;
	status | circuits) mapfile -t COMPREPLY < <(compgen -W '--json' -- "$cur") ;;
	top) mapfile -t COMPREPLY < <(compgen -W '--once' -- "$cur") ;;
	log) [ "$prev" = -n ] || [ "$prev" = --lines ] ||
		mapfile -t COMPREPLY < <(compgen -W '-f -n --follow --lines' -- "$cur") ;;
	esac
} && complete -F _ippriv ippriv
