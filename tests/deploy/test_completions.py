# SPDX-License-Identifier: MIT
"""What the shells offer behind `sidepool`: the commands and options that --help has, and the names that the daemon has."""
import os
import pty
import re
import select
import shutil
import subprocess
import time

import pytest

# In place of the command: help as it is, a daemon's answers, and otherwise what it was called with.
STAND_IN = """#!/bin/sh
case " $* " in
*" --help "*) exec "{sidepool}" --help ;;
*" --csv pools "*) printf 'pool,size\\nmain,3\\nreports,1\\n' ;;
*" --csv leases "*) printf 'lease,pool\\n17,main\\n' ;;
*" --csv apps "*) printf 'application,pool\\n"seed-users",main\\n' ;;
*) echo "called with [$*]" ;;
esac
"""


@pytest.fixture(scope="module")
def commands(sidepool):
    text = subprocess.run([sidepool, "--help"], capture_output=True, text=True, check=True).stdout
    return re.findall(r"^  ([a-z][a-z-]*)", text.split("\nOptions:")[0], re.M)


@pytest.fixture(scope="module")
def environment(sidepool, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bin")
    (folder / "sidepool").write_text(STAND_IN.replace("{sidepool}", sidepool))
    (folder / "sidepool").chmod(0o755)
    home = tmp_path_factory.mktemp("home")
    kept = {k: v for k, v in os.environ.items() if not k.startswith("SIDEPOOL")}
    return {**kept, "PATH": f"{folder}:{os.environ['PATH']}", "HOME": str(home), "TERM": "dumb", "XDG_CONFIG_HOME": str(home)}


def bash(installed, environment, line):
    """What bash offers for the last word of the line, by the way it asks a completion function."""
    script = f"""source {installed.path("share/bash-completion/completions/sidepool")}
		read -ra COMP_WORDS <<<"$1"; [[ $1 == *' ' ]] && COMP_WORDS+=('')
		COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _sidepool; printf '%s\\n' "${{COMPREPLY[@]}}" """
    done = subprocess.run(["bash", "-c", script, "bash", line], env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.stderr == ""
    return [w for w in done.stdout.split("\n") if w]


def fish(installed, environment, line):
    script = f"source {installed.path('share/fish/vendor_completions.d/sidepool.fish')}; complete -C $argv[1]"
    command = ["fish", "--no-config", "-c", script, line]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.stderr == ""
    return [offer.split("\t")[0] for offer in done.stdout.splitlines()]


def zsh(installed, environment, line):
    """zsh offers nothing outside of a terminal: in one, the words that it lists."""
    folder = installed.path("share/zsh/site-functions")
    setup = (
        f"PS1='ready> ' fpath=({folder} $fpath); autoload -Uz compinit && compinit -u -D; zstyle ':completion:*' verbose no;"
        "setopt no_always_last_prompt; LISTMAX=0; LINES=200; bindkey '^I' list-choices; print -n set''up"
    )
    process, terminal = pty.fork()
    if process == 0:
        os.execvpe("zsh", ["zsh", "-f", "-i"], environment)
    seen = ""

    def wait_for(pattern):
        nonlocal seen
        end = time.monotonic() + 60
        while not re.search(pattern, seen, re.S):
            ready = select.select([terminal], [], [], max(0, end - time.monotonic()))[0]
            assert ready, f"zsh does not say {pattern!r}: {seen!r}"
            seen += os.read(terminal, 65536).decode(errors="replace")

    try:
        os.write(terminal, setup.encode() + b"\n")
        wait_for(r"setup.*ready> ")
        seen = ""
        # The listing is over when the line that was listed for is drawn anew, and the one behind it runs.
        os.write(terminal, line.encode() + b"\t" + b"\x15print -n o''ver\n")
        wait_for("over")
    finally:
        os.close(terminal)
        os.waitpid(process, 0)
    return [w for w in re.sub(r"\x1b\[[?0-9;]*[a-zA-Z]|\r|\x07", "\n", seen).split() if w not in line.split()]


SHELLS = {"bash": bash, "fish": fish, "zsh": zsh}


@pytest.fixture(params=SHELLS)
def offers(request, installed, environment):
    assert shutil.which(request.param), f"{request.param} is missing: deploy/deps installs it"
    return lambda line: SHELLS[request.param](installed, environment, line)


def test_every_command(offers, commands):
    assert set(commands) <= set(offers("sidepool ")) and "reload" in commands


def test_only_what_begins_so(offers, commands):
    offered = set(offers("sidepool re"))
    assert {c for c in commands if c.startswith("re")} <= offered and not offered & {c for c in commands if not c.startswith("re")}


def test_a_command_behind_options(offers):
    offered = offers("sidepool --socket /nowhere --json pa")
    assert "pause" in offered and "revoke" not in offered


def test_options(offers):
    assert {"--socket", "--json", "--csv", "--timeout"} <= set(offers("sidepool --"))


@pytest.mark.parametrize(("line", "names"), [("pause ", {"main", "reports"}), ("revoke ", {"17"}), ("query --pool ", {"main", "reports"})])
def test_names_that_the_daemon_has(offers, line, names):
    offered = set(offers(f"sidepool {line}"))
    assert names <= offered and "query" not in offered


def test_words_that_help_has_in_the_place_of_an_argument(offers, sidepool):
    text = subprocess.run([sidepool, "--help"], capture_output=True, text=True, check=True).stdout.split("Options:")[0]
    found = re.search(r"^  ([a-z]+) ([a-z]+(?:\|[a-z]+)+)(?: (\[?POOL\]?))?  ", text, re.M)
    if not found:
        pytest.skip("no command has such an argument")
    words = found[2].split("|")
    assert set(words) <= set(offers(f"sidepool {found[1]} "))
    if found[3]:
        offered = set(offers(f"sidepool {found[1]} {words[0]} "))
        assert {"main", "reports"} <= offered and not set(words) & offered


def test_an_option_that_a_command_has_in_the_place_of_an_argument(offers):
    assert "--failed" in offers("sidepool queue ") and "--failed" in offers("sidepool queue --f")
    assert "--failed" not in offers("sidepool health ")


def test_names_without_a_daemon_are_none_and_nothing_is_said(installed, environment, sidepool):
    environment = {**environment, "PATH": f"{os.path.dirname(sidepool)}:{environment['PATH']}", "SIDEPOOL_SOCKET": "/nowhere/rpc.sock"}
    assert bash(installed, environment, "sidepool pause ") == []
    assert fish(installed, environment, "sidepool pause ") == []
