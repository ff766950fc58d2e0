# SPDX-License-Identifier: MIT
"""The line of each pool in the log, every stats_interval: figures of that time, silence where nothing happens and all is well."""
import json
import re

import pytest
from lib.wait import wait_until
from lib.wire import Wire

pytestmark = pytest.mark.fast

LINE = re.compile(
    r"main: Active: (\d+), Min: (\d+), Max: (\d+), waiting (\d+), wait p99 (\d+us|\d+ms|\d+\.\ds) \((healthy|degraded|unhealthy)(: .*)?\)"
)


@pytest.fixture
def start(pg, make_daemon):
    def start(**settings):
        return make_daemon(
            config={
                "sidepool": {"budget": 3, "stats_interval": "100ms", "log_format": "json", "events_socket": "off", **settings},
                "pool main": {"url": pg.url(), "min_size": 1, "max_size": 3},
                "pool quiet": {"url": pg.url(), "min_size": 0},
            }
        )

    return start


def lines(daemon, pool="main"):
    return [line for line in map(json.loads, daemon.log().splitlines()) if line.get("pool") == pool and "active" in line]


def granted(daemon):
    return sum(int(line["granted"]) for line in lines(daemon))


def test_what_was_done_is_told_once_and_then_it_is_silent(start):
    daemon = start()
    with Wire(daemon.socket) as w:
        for _ in range(5):
            w.query("select 1")
        wait_until("all were told", lambda: granted(daemon) == 5)
        told = len(lines(daemon))
        lease = w.lease()
        wait_until("it goes on while somebody holds", lambda: len(lines(daemon)) >= told + 3)
        held = lines(daemon)[-1]
        assert (held["active"], held["waiting"], held["min"], held["max"]) == (1, 0, 1, 3)
        assert granted(daemon) == 6
        w.release(lease)
        wait_until("nobody holds", lambda: w.status().pools[0].in_use == 0)
    match = LINE.fullmatch(held["message"])
    assert match and match.groups()[:4] == ("1", "1", "3", "0") and match[6] == "healthy"
    assert lines(daemon, "quiet") == []


def test_who_waits_and_how_long_of_that_time_alone(start):
    daemon = start()
    with Wire(daemon.socket) as w:
        leases = [w.lease() for _ in range(3)]
        waiting = w.send(w.query_request("select 1"))
        wait_until("it waits for two intervals", lambda: sum(line["waiting"] == 1 for line in lines(daemon)) >= 3)
        for lease in leases:
            w.release(lease)
        w.receive(waiting)
        wait_until("its wait was told", lambda: any(line["wait_p99_us"] >= 100_000 for line in lines(daemon)))
        seen = granted(daemon)
        w.query("select 1")
        wait_until("the next was told", lambda: granted(daemon) > seen)
        assert lines(daemon)[-1]["wait_p99_us"] < 100_000


def test_what_is_wrong_is_told_again_and_again_and_then_its_end(start, pg):
    daemon = start(degraded_usage="30%", unhealthy_usage="60%")
    with Wire(daemon.socket) as w:
        leases = [w.lease() for _ in range(3)]
        wait_until("it is told", lambda: sum(line["health"] == "unhealthy" for line in lines(daemon)) >= 2)
        assert LINE.fullmatch(lines(daemon)[-1]["message"])[7]
        for lease in leases:
            w.release(lease)
        wait_until("its end too", lambda: lines(daemon)[-1]["health"] == "healthy")


def test_a_database_that_cannot_be_reached(make_daemon):
    daemon = make_daemon(
        config={
            "sidepool": {"stats_interval": "100ms", "log_format": "json"},
            "pool main": {"url": "postgresql://127.0.0.1:1/x", "connect_backoff_max": "100ms"},
        }
    )
    wait_until("it is told without any request", lambda: sum(line["health"] != "healthy" for line in lines(daemon)) >= 2)
    wait_until("failures too", lambda: any(line["connect_failures"] > 0 for line in lines(daemon)))


def test_a_reload_switches_it_off_and_on(start, pg):
    daemon = start(stats_interval="off")
    with Wire(daemon.socket) as w:
        w.query("select 1")
        text = daemon.file.read_text()
        daemon.write_config(text.replace("stats_interval = off", "stats_interval = 100ms"))
        assert lines(daemon) == []
        daemon.reload()
        wait_until("what it did since the start", lambda: granted(daemon) == 1)
        daemon.write_config(text)
        daemon.reload()
        told = len(lines(daemon))
        w.query("select 1")
        lease = w.lease()
        w.release(lease)
    assert len(lines(daemon)) == told
