# bash completion for ippriv-client(8)                                        -*- shell-script -*-

_ippriv_client() {
	local cur prev words cword
	_init_completion || return
	case $prev in
	-c | --config | -a | --authorities) _filedir ;;
	*) mapfile -t COMPREPLY < <(compgen -W '-c --config -a --authorities -t --test --lockdown --open --help --version' -- "$cur") ;;
	esac
} && complete -F _ippriv_client ippriv-client
