# SPDX-License-Identifier: MIT
"""What `sidepool` prints for people fits 80 columns, whatever the names and values are, and keeps its columns in line."""
import contextlib
import os
import subprocess
import unicodedata

import pytest
from lib.wait import wait_until
from lib.wire import Request, Wire

pytestmark = pytest.mark.fast

COMMAND = os.environ.get("SIDEPOOL", "sidepool")
COMMANDS = ("status", "pools", "apps", "leases", "clients", "queries", "queue", "health", "advise")
LONG = "pool-of-a-name-that-is-rather-long-for-a-table"


def width(text):
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def named(socket, name):
    wire = Wire(socket)
    hello = Request()
    hello.hello.application_name = name
    wire.call(hello)
    return wire


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
        holder, runner, waiter = (stack.enter_context(named(daemon.socket, name)) for name in names)
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
