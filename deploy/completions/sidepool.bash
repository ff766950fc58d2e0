# SPDX-License-Identifier: MIT
# Completion of sidepool(1) for bash. Commands and options are read from `sidepool --help`, names of pools and leases asked of
# the daemon; where it does not answer at once, there are none.

_sidepool_commands() {
	"$1" --help 2>/dev/null | sed -n '/^Options:/q; s/^  \([a-z][a-z-]*\).*/\1/p'
}

_sidepool_options() {
	"$1" --help 2>/dev/null | sed -n '/^Options:/,/^$/p' | grep -oE -e '--[a-z][a-z-]+'
}

# What --help has as the n-th argument of a command: "[POOL]", "trip|reset", "FILE|-"; "CHANNEL..." stands for all that follow.
_sidepool_argument() {
	local words
	read -ra words < <("$1" --help 2>/dev/null | sed -n "/^Options:/q; s/^  $2 \([^ ].*\)/\1/p" | sed 's/  .*//')
	if [ "$3" -lt "${#words[@]}" ]; then
		echo "${words[$3]}"
	elif [ "${#words[@]}" -gt 0 ] && [[ ${words[-1]} == *...* ]]; then
		echo "${words[-1]}"
	fi
}

# What the daemon has: the first column of `sidepool pools` and the like.
_sidepool_names() {
	local program=$1 socket=$2 table=$3
	timeout 2 "$program" ${socket:+--socket "$socket"} --timeout 1s --csv "$table" 2>/dev/null | sed -e 1d -e 's/,.*//' -e 's/^"\(.*\)"$/\1/'
}

# Names of settings, as `sidepool config` has them.
_sidepool_settings() {
	timeout 2 "$1" ${2:+--socket "$2"} --timeout 1s config 2>/dev/null | sed -n 's/^\([a-z_]*\) = *.*/\1/p' | sort -u
}

_sidepool() {
	local program=${COMP_WORDS[0]} current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
	local command="" socket="" words="" i n=0
	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-s | --socket) socket=${COMP_WORDS[++i]} ;;
		-a | --app | -p | --pool | -t | --timeout | -n | --count) ((++i)) ;;
		-*) ;;
		*)
			[ -n "$command" ] && ((++n))
			command=${command:-${COMP_WORDS[i]}}
			;;
		esac
	done
	case $previous in
	-s | --socket)
		mapfile -t COMPREPLY < <(compgen -f -- "$current")
		return
		;;
	-t | --timeout | -n | --count) return ;;
	-p | --pool) words=$(_sidepool_names "$program" "$socket" pools) ;;
	-a | --app) words=$(_sidepool_names "$program" "$socket" apps) ;;
	*)
		if [[ $current == -* ]]; then
			words=$(_sidepool_options "$program")
		elif [ -z "$command" ]; then
			words=$(_sidepool_commands "$program")
		else
			i=$(_sidepool_argument "$program" "$command" "$n")
			case $i in
			*POOL*) words=$(_sidepool_names "$program" "$socket" pools) ;;
			*LEASE*) words=$(_sidepool_names "$program" "$socket" leases) ;;
			*REQUEST*) words=$(_sidepool_names "$program" "$socket" queries) ;;
			*NAME*) words=$(_sidepool_settings "$program" "$socket") ;;
			*FILE*)
				mapfile -t COMPREPLY < <(compgen -f -- "$current")
				return
				;;
			[a-z]*'|'*) words=${i//|/ } ;;
			\[--*) words=${i//[][]/} ;;
			esac
		fi
		;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

complete -F _sidepool sidepool
