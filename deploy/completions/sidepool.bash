# SPDX-License-Identifier: MIT
# Completion of sidepool(1) for bash. Commands and options are read from `sidepool --help`, names of pools and leases asked of
# the daemon; where it does not answer at once, there are none.

_sidepool_commands() {
	"$1" --help 2>/dev/null | sed -n '/^Options:/q; s/^  \([a-z][a-z-]*\).*/\1/p'
}

_sidepool_options() {
	"$1" --help 2>/dev/null | sed -n '/^Options:/,/^$/p' | grep -oE -e '--[a-z][a-z-]+'
}

# What the daemon has: the first column of `sidepool pools` and the like.
_sidepool_names() {
	local program=$1 socket=$2 table=$3
	timeout 2 "$program" ${socket:+--socket "$socket"} --timeout 1s --csv "$table" 2>/dev/null | sed -e 1d -e 's/,.*//' -e 's/^"\(.*\)"$/\1/'
}

_sidepool() {
	local program=${COMP_WORDS[0]} current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
	local command="" socket="" words="" i
	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-s | --socket) socket=${COMP_WORDS[++i]} ;;
		-a | --app | -p | --pool | -t | --timeout) ((++i)) ;;
		-*) ;;
		*) command=${command:-${COMP_WORDS[i]}} ;;
		esac
	done
	case $previous in
	-s | --socket)
		mapfile -t COMPREPLY < <(compgen -f -- "$current")
		return
		;;
	-t | --timeout) return ;;
	-p | --pool) words=$(_sidepool_names "$program" "$socket" pools) ;;
	-a | --app) words=$(_sidepool_names "$program" "$socket" apps) ;;
	*)
		case $current:$command in
		-*) words=$(_sidepool_options "$program") ;;
		*:) words=$(_sidepool_commands "$program") ;;
		*:pause | *:resume | *:reconnect | *:trip | *:reset | *:breaker) words=$(_sidepool_names "$program" "$socket" pools) ;;
		*:revoke) words=$(_sidepool_names "$program" "$socket" leases) ;;
		*:exec)
			mapfile -t COMPREPLY < <(compgen -f -- "$current")
			return
			;;
		esac
		;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

complete -F _sidepool sidepool
