# SPDX-License-Identifier: MIT
"""Somebody who may use the socket does the worst with it; the others see and lose nothing, and hardly wait longer."""
import os
import pathlib
import subprocess
import sys
import time

import pytest
from lib import processes
from lib.daemon import SANITIZED
from lib.wait import wait_until
from lib.wire import COMMIT, Wire

MIB = 1024 * 1024
NEIGHBOUR = pathlib.Path(__file__).parent / "lib" / "neighbour.py"
ATTACKS = ["garbage", "half_messages", "unread_answers", "giant_parameters", "connects", "never_greeting", "others_things"]
# What the neighbour costs by taking processors from everybody is not the daemon's: the others may take twice as long, and this.
SPARE_S = 0.02

pytestmark = pytest.mark.settings(
    {"sidepool": {"budget": 6, "max_memory_per_uid": "128MiB", "greeting_timeout": "1s", "acquire_timeout": "30s"}}
)


@pytest.fixture(autouse=True)
def table(pg):
    pg.sql("DROP TABLE IF EXISTS precious; CREATE TABLE precious (a int, b int); INSERT INTO precious VALUES (1, 0)")


class Neighbour:
    def __init__(self, attack, daemon, *numbers):
        command = [sys.executable, "-B", str(NEIGHBOUR), attack, str(daemon.socket), *map(str, numbers)]
        self.process = processes.launch(command, stdin=subprocess.DEVNULL, env={**os.environ})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        status = self.process.poll()
        self.process.kill()
        self.process.wait()
        assert status is None, f"it left with status {status}: 3 is that it was given what is another's"


def p99(wire, n):
    times = []
    for i in range(n):
        start = time.perf_counter()
        assert wire.values("SELECT $1::int + a FROM precious", [str(i)]) == [(str(i + 1),)]
        times.append(time.perf_counter() - start)
    return sorted(times)[n * 99 // 100]


def figures(attack, alone, beside, more):
    print(f"{attack}: p99 {alone * 1e6:.0f} us alone, {beside * 1e6:.0f} us beside it; {more / MIB:.0f} MiB more")


@pytest.mark.long
@pytest.mark.parametrize("attack", ATTACKS[:-1])
def test_the_others_hardly_wait(daemon, attack):
    """By itself, on a machine with nothing else to do: what else runs there is in the figures too."""
    with Wire(daemon.socket) as victim:
        p99(victim, 500)
        alone = p99(victim, 2000)
        with Neighbour(attack, daemon) as neighbour:
            wait_until("it has begun", lambda: attack_is_felt(daemon, neighbour))
            beside = p99(victim, 4000)
        alone = max(alone, p99(victim, 2000))
        figures(attack, alone, beside, 0)
        assert beside <= 2 * alone + SPARE_S or SANITIZED


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_others_lose_nothing(daemon, pg, attack):
    with Wire(daemon.socket) as victim, Wire(daemon.socket) as holder:
        p99(victim, 200)
        alone = p99(victim, 500)
        before = daemon.rss()
        lease = holder.query("UPDATE precious SET b = 1", begin=True).lease
        stream = holder.query("SELECT g FROM generate_series(1, 2000000) g").stream_id
        numbers = [lease.lease_id, lease.token, stream] if attack == "others_things" else []
        with Neighbour(attack, daemon, *numbers) as neighbour:
            wait_until("it has begun", lambda: attack_is_felt(daemon, neighbour))
            beside = p99(victim, 1500)
            most = daemon.rss()
            holder.query("UPDATE precious SET b = b + 1", lease=lease, finish=COMMIT)
            assert not holder.receive(holder.send(holder.fetch_request(stream))).HasField("error")
        figures(attack, alone, beside, most - before)
        assert pg.sql("SELECT a, b FROM precious") == [(1, 2)]
        assert most - before <= 200 * MIB
        holder.call(holder.fetch_request(stream, close=True))
        wait_until("all of it is forgotten", lambda: victim.status().clients <= 2)
        assert victim.values("SELECT 1") == [("1",)]


def attack_is_felt(daemon, neighbour):
    """Its process runs with the socket open, or is gone."""
    if neighbour.process.poll() is not None:
        return True
    try:
        maps = os.listdir(f"/proc/{neighbour.process.pid}/fd")
        return any(os.readlink(f"/proc/{neighbour.process.pid}/fd/{fd}").startswith("socket:") for fd in maps)
    except OSError:
        return False


@pytest.mark.skipif(os.geteuid() != 0, reason="another user takes root")
def test_who_has_no_permission_learns_nothing(daemon):
    """Not even whether somebody listens."""
    code = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
    done = subprocess.run(["python3", "-c", code, str(daemon.socket)], user="nobody", capture_output=True, text=True, check=False)
    assert done.returncode != 0 and "PermissionError" in done.stderr
