# bash completion for ippriv-node(8)                                        -*- shell-script -*-

_ippriv_node() {
	local cur prev words cword
	_init_completion || return
	case $prev in
	-c | --config | -a | --authorities | --keygen | --pem) _filedir ;;
	*) mapfile -t COMPREPLY < <(compgen -W '-c --config -a --authorities -t --test --check --keygen --pem --announce --help --version status --json --addresses' -- "$cur") ;;
	esac
} && complete -F _ippriv_node ippriv-node
