# bash completion for ippriv-directory(8)                                        -*- shell-script -*-

_ippriv_directory() {
	local cur prev words cword
	_init_completion || return
	case $prev in
	-c | --config | --keygen) _filedir ;;
	*) mapfile -t COMPREPLY < <(compgen -W '-c --config -t --test --keygen --help --version' -- "$cur") ;;
	esac
} && complete -F _ippriv_directory ippriv-directory
