# SPDX-License-Identifier: MIT
"""`sidepool top` on a terminal, with real work behind it: what its user sees, key by key."""
import os
import re
import signal
import subprocess

import pytest
from lib.screen import Screen
from lib.wait import wait_until
from lib.wire import Wire

COMMAND = os.environ.get("SIDEPOOL", "sidepool")
ONE = pytest.mark.settings({"sidepool": {"budget": 2}, "pool main": {"pipeline": "off"}, "application api": {"max": 1}})
UP, DOWN, ESCAPE, END = "\x1b[A", "\x1b[B", "\x1b", "\x1b[4~"


def environment(socket, **more):
    kept = {k: v for k, v in os.environ.items() if not k.startswith("SIDEPOOL") and k != "NO_COLOR"}
    return {**kept, "SIDEPOOL_SOCKET": str(socket), **more}


@pytest.fixture
def top(daemon):
    """Starts top; each is ended with the test."""
    opened = []

    def start(*arguments, env=None, **options):
        screen = Screen([COMMAND, "top", "--watch=200ms", *arguments], environment(daemon.socket, **(env or {})), **options)
        opened.append(screen)
        return screen

    yield start
    for screen in opened:
        screen.close()


@pytest.fixture
def work(daemon):
    """Who holds, who runs, who waits: two connections, a lease on one, and three that want one."""
    seeds, reports, api = (Wire(daemon.socket).named(name) for name in ("seed-users", "reports", "api"))
    lease = reports.lease(call_site="report.py:12")
    reports.query("BEGIN", lease=lease)
    seeds.send(seeds.query_request("SELECT pg_sleep(600)\n/* seeds */", call_site="seed.ts:88"))
    wait_until("the seeds run", lambda: any(r.state == "running" for r in reports.status().requests))
    for i in range(3):
        api.send(api.query_request(f"SELECT {i} AS answer", call_site=f"handlers.py:{i}"))
    wait_until("three wait", lambda: sum(r.state == "waiting" for r in reports.status().requests) == 3)
    yield lease
    for wire in (seeds, reports, api):
        wire.close()


def line_with(text, *words):
    return next((line for line in text.splitlines() if all(w in line for w in words)), "")


def section(text, name):
    """The lines below the head of that section, up to the next one."""
    lines = text.splitlines()
    at = next((i for i, line in enumerate(lines) if line.startswith(name + " ")), len(lines))
    rows = []
    for line in lines[at + 1 :]:
        if re.match(r"(POOLS|APPS|LEASES|RUNNING|WAITING) \d|sidepool revoke|request |\? help|only appl", line):
            break
        rows.append(line)
    return [r for r in rows if r]


def numbers(text):
    """Of the requests that wait, as they stand."""
    return [int(m[0]) for line in section(text, "WAITING") if (m := re.match(r"\d+(?= +api )", line))]


@ONE
def test_it_shows_who_holds_who_waits_and_why(top, work):
    screen = top(columns=120, lines=40)
    text = screen.until("three wait", lambda t: "WAITING 3" in t and "/ filter" in t and t)
    assert re.search(r"main +2/2/\d+", text)
    assert "2 of 2 connections are in use (100 %), 3 requests wait." in text
    assert re.search(r"api +0-\w+ w1 +0 +3 ", text) and re.search(r"reports +0-any w1 +1 +0 ", text)
    assert re.search(r"reports +main +\d+ +idle in transaction .* 3 of api waiting, report.py:12", text)
    assert re.search(r"seed-users .* running .* seed.ts:88 +SELECT pg_sleep\(600\) /\* seeds \*/", text)
    assert len([line for line in section(text, "WAITING") if "all 2 in use; reports has one for" in line]) == 3
    assert f"sidepool revoke {work.lease_id} ends the lease of reports" in text  # the selected row, in full


@ONE
@pytest.mark.parametrize("columns, lines", [(80, 24), (40, 12), (30, 8), (200, 60), (12, 4), (1, 1)])
def test_it_fits_any_screen(top, work, columns, lines):
    screen = top(columns=columns, lines=lines)
    screen.until("something is drawn", lambda t: t.strip())
    screen.resize(80, 24)
    rows = [("api", "all 2 in use"), ("reports", "idle in tr"), ("seed-users", "SELECT pg_sl"), ("? help", "/ filter")]
    screen.until("it has the new size", lambda t: all(line_with(t, *words) for words in rows))
    screen.resize(columns, lines)
    screen.press("q")
    assert screen.wait() == 0


@ONE
def test_sections_are_sorted_and_reversed_and_stand_alone(top, work):
    screen = top()
    screen.until("it stands", lambda t: "WAITING 3" in t)
    screen.press("5\r")
    ids = screen.until("what waits stands alone", lambda t: "LEASES" not in t and "AGE▼" in t and len(numbers(t)) == 3 and numbers(t))
    screen.press("<<<<")  # over PID, POOL and APPLICATION
    largest = sorted(ids, reverse=True)
    screen.until("the largest number is first", lambda t: "WAITING 3▼" in t and numbers(t) == largest)
    screen.press("r")
    screen.until("it is reversed", lambda t: "WAITING 3▲" in t and numbers(t) == sorted(ids))
    screen.press(DOWN)
    screen.until("the second is told in full", lambda t: f"request {sorted(ids)[1]} waits (" in t)
    screen.press(END)
    screen.until("the last is told in full", lambda t: f"request {max(ids)} waits (" in t)
    screen.press(ESCAPE)
    screen.until("all are back", lambda t: "LEASES 1" in t)
    screen.press("\t")
    screen.until("the pool is told in full", lambda t: re.search(r"^main: .* connecting", t, re.M))


@ONE
def test_a_filter_leaves_the_applications_that_have_it(top, work):
    screen = top()
    screen.until("it stands", lambda t: "WAITING 3" in t)
    screen.press("/repoX\x7f")
    screen.until("only reports is left", lambda t: "LEASES 1" in t and "WAITING 0" in t and "APPS 1" in t)
    screen.press("\r")
    screen.until("the filter is told", lambda t: "only applications with: repo" in t)
    screen.press(ESCAPE)
    screen.until("all are back", lambda t: "WAITING 3" in t)


@ONE
def test_pause_keeps_the_screen_and_help_comes_over_it(top, work, daemon):
    screen = top()
    screen.until("it stands", lambda t: "WAITING 3" in t)
    screen.press("p")
    screen.until("it says so", lambda t: "paused" in t.splitlines()[0])
    with Wire(daemon.socket) as wire:
        asked = wire.status().requests_total
        screen.press("?")
        screen.until("help is there", lambda t: "Shift-Tab" in t and "any key: back" in t)
        screen.press("x")
        screen.until("it is gone", lambda t: "WAITING 3" in t)
        assert wire.status().requests_total == asked + 1  # of this wire alone
    screen.press("p")
    screen.until("it goes on", lambda t: "paused" not in t.splitlines()[0])
    screen.press("+")
    screen.until("it asks less often", lambda t: "every 500ms" in t)
    screen.press("--")
    screen.until("it asks more often", lambda t: "every 100ms" in t or "every 200ms" in t)


def test_a_daemon_that_is_gone_is_told_and_waited_for(top, daemon):
    screen = top()
    screen.until("it stands", lambda t: "POOLS 1" in t)
    daemon.kill()
    text = screen.until("the loss is told", lambda t: t.startswith("no answer for") and t)
    assert "main" in text  # the last that was known
    daemon.start()
    screen.until("it is back", lambda t: "connections" in t.splitlines()[0])


def test_without_a_daemon_it_says_so_and_begins_when_there_is_one(pg, make_daemon):
    daemon = make_daemon(pg.url(), start=False)
    screen = Screen([COMMAND, "top", "--watch=200ms"], environment(daemon.socket))
    try:
        screen.until("it says so", lambda t: t.startswith("no answer for") and str(daemon.socket) in t)
        daemon.start()
        screen.until("it is there", lambda t: "POOLS 1" in t)
    finally:
        screen.close()


def test_a_daemon_that_hangs_does_not_hold_up_the_keys(top, daemon):
    screen = top()
    screen.until("it stands", lambda t: "POOLS 1" in t)
    daemon.signal(signal.SIGSTOP)
    try:
        screen.until("it says so", lambda t: "has not answered for" in t)
        screen.press("?")
        screen.until("help is there", lambda t: "any key: back" in t)
        screen.press("x")
        screen.until("it is gone", lambda t: "POOLS 1" in t)
    finally:
        daemon.signal(signal.SIGCONT)
    screen.until("it is back", lambda t: "connections" in t.splitlines()[0])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT])
def test_the_terminal_is_given_back_when_a_signal_ends_it(top, number):
    screen = top()
    screen.until("it stands", lambda t: "POOLS 1" in t)
    assert not screen.is_restored()
    screen.signal(number)
    assert screen.wait() == -number
    assert screen.is_restored() and screen.raw.endswith((b"\x1b[?25h\x1b[?0c", b"\r", b"\x1b[24;1H")), screen.raw[-60:]


def test_the_terminal_is_given_back_while_it_is_stopped(top):
    screen = top()
    screen.until("it stands", lambda t: "POOLS 1" in t)
    for stop in (lambda: screen.press("\x1a"), lambda: screen.signal(signal.SIGTSTP)):
        stop()
        wait_until("it has stopped", screen.stopped)
        assert screen.is_restored()
        screen.screen.reset()
        screen.signal(signal.SIGCONT)
        screen.until("it is drawn again", lambda t: "POOLS 1" in t)
        assert not screen.is_restored()
    screen.press("q")
    assert screen.wait() == 0 and screen.is_restored()


@ONE
def test_colours_and_none(top, work):
    def colours(screen):
        screen.until("it stands", lambda t: "WAITING 3" in t)
        return {fg for line in range(24) for fg, _ in screen.styles(line)}

    assert {"red", "brown"} & colours(top())
    for screen in (top(env={"NO_COLOR": "1"}), top(term="vt100")):
        assert colours(screen) == {"default"}
        assert any(reverse for line in range(24) for _, reverse in screen.styles(line))  # the selected row


@pytest.mark.parametrize("term, words", [("dumb", "place its cursor"), ("", "does not know"), ("no-such", "does not know")])
def test_a_terminal_that_will_not_do_is_refused_with_the_remedy(top, term, words):
    screen = top(term=term)
    assert screen.wait() == 2
    assert words in screen.text().replace("\n", "") and "sidepool status --watch" in screen.text().replace("\n", "")


def test_what_is_no_terminal_is_refused_with_the_remedy(daemon):
    done = subprocess.run(
        [COMMAND, "top"], env=environment(daemon.socket), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout) == (2, "") and "sidepool status" in done.stderr
