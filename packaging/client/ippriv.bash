# bash completion for ippriv(1)                                        -*- shell-script -*-

_ippriv() {
	local cur prev words cword i=1
	_init_completion || return
	while [ "$i" -lt "$cword" ] && [[ ${words[i]} == -* ]]; do
		[ "${words[i]}" != --control ] || i=$((i + 1))
		i=$((i + 1))
	done
	if [ "$i" -gt "$cword" ]; then
		_filedir
	elif [ "$i" = "$cword" ]; then
		mapfile -t COMPREPLY < <(compgen -W 'run status --control --help --version' -- "$cur")
	elif [ "${words[i]}" = run ]; then
		[ "${words[i + 1]}" != -- ] || [ "$cword" = $((i + 1)) ] || i=$((i + 1))
		_command_offset $((i + 1))
	elif [ "${words[i]}" = status ]; then
		mapfile -t COMPREPLY < <(compgen -W '--json' -- "$cur")
	fi
} && complete -F _ippriv ippriv
