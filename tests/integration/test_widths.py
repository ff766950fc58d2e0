# SPDX-License-Identifier: MIT
"""What `sidepool` prints for people fits 80 columns, whatever the names and values are, and keeps its columns in line."""
import contextlib
import os
import pty
import subprocess
import unicodedata

import pytest
from lib.screen import Screen
from lib.told import UINT64, Told, filled
from lib.wait import wait_until
from lib.wire import Response, Wire

pytestmark = pytest.mark.fast

COMMAND = os.environ.get("SIDEPOOL", "sidepool")
COMMANDS = ("status", "pools", "apps", "leases", "clients", "queries", "queue", "health", "advise")
LONG = "pool-of-a-name-that-is-rather-long-for-a-table"


def width(text):
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def printed(daemon, *arguments):
    environment = {**os.environ, "SIDEPOOL_SOCKET": str(daemon.socket)}
    done = subprocess.run([COMMAND, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode in (0, 10, 11) and done.stderr == ""
    assert [line for line in done.stdout.splitlines() if width(line) > 80] == []
    return done.stdout.splitlines()


def starts(line, words):
    """In which column of the screen each of these words begins."""
    return [width(line[: line.index(word)]) for word in words]


@pytest.mark.settings({"sidepool": {"budget": 2}, "pool main": {"pipeline": "off"}, f"pool {LONG}": {"url": "postgresql:///x", "min_size": 0}})
def test_long_and_wide_names_are_cut_to_fit(daemon):
    for command in COMMANDS:
        assert printed(daemon, command)
    assert len(printed(daemon, "queries")) == len(printed(daemon, "queue")) == 1, "the head alone"

    names = ("bücher-日本語-サービス-very-long-名前", "a" * 63, "api")
    with contextlib.ExitStack() as stack:
        holder, runner, waiter = (stack.enter_context(Wire(daemon.socket).named(name)) for name in names)
        look(daemon, holder, runner, waiter)


def look(daemon, holder, runner, waiter):
    lease = holder.lease(call_site="注文サービス/とても長い/ファイル/名前/source-file.py:12345")
    holder.query("BEGIN", lease=lease)
    runner.send(runner.query_request("SELECT pg_sleep(600), '" + "x" * 600 + "\n\n\t'", call_site="/srv/" + "deep/" * 20 + "x.py:1"))
    wait_until("it runs", lambda: any(r.state == "running" for r in holder.status().requests))
    for _ in range(3):
        waiter.send(waiter.query_request("SELECT '日本語の長い文字列を含むステートメント、とても長い'", deadline_ms=500000))
    wait_until("all are there", lambda: len(holder.status().requests) == 4)

    for command in COMMANDS:
        assert len(printed(daemon, command)) > 1
    head, held = printed(daemon, "leases")[:2]
    assert starts(head, ["POOL", "APPL", "STATE", "CALL"])[:2] == starts(held, ["main", "büch"])
    assert held.endswith("12345"), "of a place, the end is what one looks for"
    head, *requests = printed(daemon, "queries")
    assert {starts(head, ["STATEMENT"])[0]} == {starts(r, ["SELECT"])[0] for r in requests}


# ---- what no daemon has yet ----

TEXTS = ["x" * 63, "日本語の名前" * 5 + "ab", "deep/" * 40 + "file.py:1234567890", "\x1b[31m\tred " * 12, "e\u0301" * 63]
TOLD = ("status", "pools", "apps", "leases", "clients", "queries", "queue", "queue --failed", "health", "advise")


@pytest.fixture(params=range(len(TEXTS)))
def told(request, tmp_path):
    """Names of 63 characters, wide ones, statements without a blank, and every number as large as it can be."""
    texts = TEXTS[request.param :] + TEXTS[: request.param]
    admin = Response().admin
    admin.message = f"[sidepool]\nbudget = 5 ; default\n[pool {texts[0]}]\nurl = postgresql://{'h' * 90} ; /etc/{'d' * 80}/sidepool.conf:{UINT64}\n"
    parts = {"status": filled(Response().status, texts), "health": filled(Response().health, texts), "admin": admin}
    with Told(tmp_path / "rpc.sock", **parts) as daemon:
        daemon.socket_path = tmp_path / "rpc.sock"
        yield daemon


def on_terminal(socket, *arguments):
    """What it writes where its output is a terminal, line by line and unwrapped."""
    terminal, program = pty.openpty()
    environment = {**os.environ, "SIDEPOOL_SOCKET": str(socket)}
    done = subprocess.Popen([COMMAND, *arguments], env=environment, stdin=program, stdout=program, stderr=program)
    os.close(program)
    said = b""
    with contextlib.suppress(OSError):  # EIO: nobody has it open any more
        while part := os.read(terminal, 65536):
            said += part
    os.close(terminal)
    assert done.wait(60) in (0, 10, 11), said
    return said.decode().replace("\r\n", "\n").splitlines()


@pytest.mark.parametrize("command", TOLD)
def test_nothing_is_wider_whatever_the_daemon_says(told, command):
    environment = {**os.environ, "SIDEPOOL_SOCKET": str(told.socket_path)}
    done = subprocess.run([COMMAND, *command.split()], env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode in (0, 10, 11) and done.stderr == ""
    lines = done.stdout.splitlines()
    assert len(lines) > 2 and [line for line in lines if width(line) > 80] == []
    assert "\x1b" not in done.stdout, "a name does not command the terminal"
    if command in ("leases", "clients", "queries", "queue", "queue --failed"):
        assert str(UINT64) in lines[1], "what is typed again is whole"
        assert "… SITE" not in lines[0]


def test_a_terminal_gets_the_configuration_in_80_columns(told):
    lines = on_terminal(told.socket_path, "config")
    assert [line for line in lines if width(line) > 80] == [] and "budget = 5 ; default" in lines
    joined = "".join(line.strip() for line in lines)
    assert "h" * 90 in joined and f"sidepool.conf:{UINT64}" in joined, "nothing is left out"
    environment = {**os.environ, "SIDEPOOL_SOCKET": str(told.socket_path)}
    piped = subprocess.run([COMMAND, "config"], env=environment, capture_output=True, text=True, check=True).stdout
    assert f"{'h' * 90} ; /etc/" in piped, "for other programs a setting is a line"


def test_top_keeps_its_columns(told):
    environment = {**os.environ, "SIDEPOOL_SOCKET": str(told.socket_path)}
    screen = Screen([COMMAND, "top", "--watch=200ms"], environment, lines=40)
    try:
        screen.until("all sections are there", lambda text: "LEASES" in text and "WAITING" in text)
        rows = screen.lines()
        for head in ("POOLS 2", "APPS 2", "LEASES 2"):
            (at,) = [i for i, line in enumerate(rows) if line.lstrip().startswith(head)]
            ends = {len(rows[i]) for i in (at, at + 1, at + 2)}
            assert max(ends) <= 80 and rows[at + 1].strip() and rows[at + 2].strip()
        screen.press("q")
        assert screen.wait() == 0
    finally:
        screen.close()


POOL = "x" * 63


@pytest.mark.settings({"pool main": {"min_size": 0}, f"pool {POOL}": {"url": "postgresql:///x", "min_size": 0}})
def test_a_terminal_gets_events_in_80_columns(daemon):
    environment = {**os.environ, "SIDEPOOL_SOCKET": str(daemon.socket)}
    screen = Screen([COMMAND, "events", "--count=1"], environment)
    try:
        trip = lambda: subprocess.run([COMMAND, "breaker", "trip", POOL], env=environment, capture_output=True, check=True)  # noqa: E731
        wait_until("it has heard of one", lambda: trip() and "breaker" in (screen.read(0.05) or screen.text()))
        assert screen.wait() == 0
        lines = screen.raw.decode().replace("\r\n", "\n").splitlines()
        assert [line for line in lines if width(line) > 80] == [] and len(lines) > 1
        assert all(line.startswith(" " * 14) for line in lines[1:]) and POOL in screen.text()
    finally:
        screen.close()
