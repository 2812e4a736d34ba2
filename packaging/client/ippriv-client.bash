# bash completion for ippriv-client(8)                                        -*- shell-script -*-

_ippriv_client() {
	local cur prev words cword
	_init_completion || return
	case $prev in
	-c | --config) _filedir ;;
	*) mapfile -t COMPREPLY < <(compgen -W '-c --config -t --test --help --version' -- "$cur") ;;
	esac
} && complete -F _ippriv_client ippriv-client
