# SPDX-License-Identifier: MIT
# Completion of sidepool(1) for fish. Commands and options are read from `sidepool --help`, names of pools and leases asked of
# the daemon; where it does not answer at once, there are none.

function __sidepool_program
	set -l words (commandline -opc)
	echo $words[1]
end

# The words behind the options: the command is the first.
function __sidepool_arguments
	set -l words (commandline -opc)
	set -l skip 0
	for word in $words[2..-1]
		if test $skip = 1
			set skip 0
		else if contains -- $word -s --socket -a --app -p --pool -t --timeout -n --count
			set skip 1
		else if not string match -q -- '-*' $word
			echo $word
		end
	end
end

function __sidepool_needs_command
	test (count (__sidepool_arguments)) = 0
end

# What --help has as the argument to come: "[POOL]", "trip|reset", "FILE|-"; "CHANNEL..." stands for all that follow.
function __sidepool_argument
	set -l given (__sidepool_arguments)
	set -l n (count $given)
	test $n = 0; and return
	set -l program (__sidepool_program)
	set -l line ($program --help 2>/dev/null | sed -n "/^Options:/q; s/^  $given[1] \\([^ ].*\\)/\\1/p" | sed 's/  .*//')
	set -l arguments (string split ' ' -- $line)
	if test $n -le (count $arguments)
		echo $arguments[$n]
	else if string match -q -- '*...*' $arguments[-1]
		echo $arguments[-1]
	end
end

function __sidepool_argument_is
	string match -q -- "*$argv[1]*" (__sidepool_argument)
end

# "trip|reset": the words themselves.
function __sidepool_words
	string match -r -- '^[a-z].*\|.*' (__sidepool_argument) | string split '|'
end

function __sidepool_commands
	set -l program (__sidepool_program)
	$program --help 2>/dev/null | sed -n -E '/^Options:/q; s/^  ([a-z][a-z-]*)( .*)?  +(.*)$/\1\t\3/p'
end

function __sidepool_options
	set -l program (__sidepool_program)
	$program --help 2>/dev/null | sed -n '/^Options:/,/^$/p' | grep -oE -e '--[a-z][a-z-]+'
end

# What the daemon has: the first column of `sidepool pools` and the like.
function __sidepool_names
	set -l words (commandline -opc)
	set -l socket
	for i in (seq 2 (count $words))
		if contains -- $words[$i] -s --socket; and test $i -lt (count $words)
			set socket --socket $words[(math $i + 1)]
		end
	end
	timeout 2 $words[1] $socket --timeout 1s --csv $argv[1] 2>/dev/null | sed -e 1d -e 's/,.*//' -e 's/^"\(.*\)"$/\1/'
end

# Names of settings, as `sidepool config` has them.
function __sidepool_settings
	set -l words (commandline -opc)
	set -l socket
	for i in (seq 2 (count $words))
		if contains -- $words[$i] -s --socket; and test $i -lt (count $words)
			set socket --socket $words[(math $i + 1)]
		end
	end
	timeout 2 $words[1] $socket --timeout 1s config 2>/dev/null | sed -n 's/^\([a-z_]*\) = *.*/\1/p' | sort -u
end

complete -c sidepool -f
complete -c sidepool -n 'string match -q -- "-*" (commandline -ct)' -a '(__sidepool_options)'
complete -c sidepool -n __sidepool_needs_command -a '(__sidepool_commands)'
complete -c sidepool -n '__sidepool_argument_is POOL' -a '(__sidepool_names pools)'
complete -c sidepool -n '__sidepool_argument_is LEASE' -a '(__sidepool_names leases)'
complete -c sidepool -n '__sidepool_argument_is REQUEST' -a '(__sidepool_names queries)'
complete -c sidepool -n '__sidepool_argument_is NAME' -a '(__sidepool_settings)'
complete -c sidepool -n '__sidepool_argument_is FILE' -F
complete -c sidepool -n '__sidepool_argument_is "|"' -a '(__sidepool_words)'
complete -c sidepool -n '__sidepool_argument_is "[--"' -a '(__sidepool_argument | string trim -c "[]")'
complete -c sidepool -s s -l socket -r -F
complete -c sidepool -s t -l timeout -x
complete -c sidepool -s n -l count -x
complete -c sidepool -s p -l pool -x -a '(__sidepool_names pools)'
complete -c sidepool -s a -l app -x -a '(__sidepool_names apps)'
