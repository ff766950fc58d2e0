# SPDX-License-Identifier: MIT
"""The loop that looks again instead of sleeping while answers come soon."""
import pathlib

import pytest
from lib.wait import wait_until
from lib.wire import Wire


def sleeps(pid):
    """Whether its main thread waits for something (proc(5), stat)."""
    return pathlib.Path(f"/proc/{pid}/task/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"


def sleeps_for_good(pid):
    """It takes no processor time any more: what it has used is the same, look after look."""
    stat = pathlib.Path(f"/proc/{pid}/task/{pid}/stat")
    used = [stat.read_text().rpartition(")")[2].split()[11:13] for _ in range(100)]
    return sleeps(pid) and used[0] == used[-1]


@pytest.mark.fast
@pytest.mark.settings({"sidepool": {"busy_poll": "10ms"}})
def test_it_answers_and_sleeps_when_nothing_comes(daemon):
    with Wire(daemon.socket) as wire:
        for i in range(500):
            assert wire.values("SELECT $1::int", [str(i)]) == [(str(i),)]
        wait_until("the daemon sleeps", lambda: sleeps_for_good(daemon.pid()))
