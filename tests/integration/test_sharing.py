# SPDX-License-Identifier: MIT
"""Sizes, limits that are found out, several pools, and who is who: on a real server. The rules themselves are in tests/sim and
tests/unit."""
import grp
import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest
from lib.wait import wait_until
from lib.wire import Request, Wire

pytestmark = pytest.mark.fast


def pool(wire, name="main"):
    return next(p for p in wire.status().pools if p.name == name)


def backends(pg, user="postgres"):
    return pg.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'sidepool%%' AND usename = %s", user)[0][0]


# ---- sizes ----


@pytest.mark.settings({"sidepool": {"budget": 5}, "pool main": {"min_size": 3}})
def test_min_size_is_warmed_at_the_start_and_kept_warm(wire, pg):
    wait_until("three are open, unasked", lambda: pool(wire).idle == 3)
    pg.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'sidepool%'")
    wait_until("three are open again", lambda: pool(wire).idle == 3 and pool(wire).connects_total >= 6)


@pytest.mark.settings({"sidepool": {"budget": 6}, "pool main": {"max_size": 2, "max_overflow": 2, "idle_timeout": "off"}})
def test_overflow_is_opened_under_pressure_and_closed_after_it(wire):
    running = [wire.send(wire.query_request("SELECT pg_sleep(0.5), random()", begin=True)) for _ in range(6)]
    wait_until("the overflow is open", lambda: pool(wire).size == 4)
    assert pool(wire).waiting == 2
    leases = [wire.receive(i).lease for i in running[:4]]
    for lease in leases:
        wire.release(lease)
    for i in running[4:]:
        wire.release(wire.receive(i).lease)
    wait_until("the overflow is closed", lambda: pool(wire).size == 2)


@pytest.mark.settings({"sidepool": {"budget": 4}, "pool main": {"max_lifetime": "1s", "min_size": 2}})
def test_connections_are_replaced_before_they_are_retired(wire):
    """Somebody who asks all the time is answered all the time, and the connections are others in the end."""
    seen = set()
    while len(seen) < 6:
        seen.add(wire.values("SELECT pg_backend_pid()")[0])
    assert pool(wire).connect_failures_total == 0


@pytest.mark.settings({"sidepool": {"budget": 2}, "pool main": {"keepalive": "100ms"}})
def test_an_idle_connection_that_died_is_found_without_anybody_asking(wire, pg):
    wire.query("SELECT 1")
    before = pool(wire).size
    pg.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'sidepool%'")
    wait_until("it is gone", lambda: pool(wire).size < before or pool(wire).connects_total > 1)
    assert wire.values("SELECT 1") == [("1",)]


# ---- what the server allows ----


@pytest.fixture
def limited(pg):
    """A role with a limit of its own, and a database likewise."""
    pg.psql("DROP DATABASE IF EXISTS narrow")
    pg.psql("DROP ROLE IF EXISTS limited; CREATE ROLE limited LOGIN CONNECTION LIMIT 3")
    pg.psql("CREATE DATABASE narrow CONNECTION LIMIT 2")
    yield pg
    pg.psql("DROP DATABASE narrow WITH (FORCE)")
    pg.psql("DROP ROLE limited")


@pytest.mark.parametrize("database, fits", [("test", 3), ("narrow", 2)])
def test_a_limit_of_the_role_or_the_database_is_found_and_told(limited, make_daemon, database, fits):
    daemon = make_daemon(limited.url(user="limited", database=database), config={"sidepool": {"budget": 10}})
    with Wire(daemon.socket) as w:
        waits = [w.send(w.query_request("SELECT pg_sleep(0.1), random()", begin=True, finish=1)) for _ in range(20)]
        assert not any(w.receive(i).HasField("error") for i in waits)
        told = f"max_size 10 is more than the server gives; {fits} would fit"
        assert any(told in warning for warning in w.status().warnings)
        assert pool(w).size <= fits
    assert f"max_size is 10, but the server gives no more than {fits}" in daemon.log()


# ---- several pools, one budget ----


def test_a_pool_gives_what_idles_to_another_that_waits(pg, make_daemon):
    config = {"sidepool": {"budget": 4}, "pool a": {"url": pg.url(), "min_size": 1}, "pool b": {"url": pg.url(), "min_size": 0}}
    with Wire(make_daemon(config=config).socket) as w:
        for name, n in (("a", 4), ("b", 3), ("a", 4 - 1)):
            leases = [w.call(request) for request in (take(w, name) for _ in range(n))]
            assert pool(w, name).in_use == n
            for taken in leases:
                w.release(taken.lease)
            assert pool(w, "a").size + pool(w, "b").size <= 4 and pool(w, "a").size >= 1


def take(wire, name):
    request = wire.request(pool=name, acquire=True)
    request.take_lease.SetInParent()
    return request


# ---- who asks ----


PROGRAM = """
import sys
sys.path.insert(0, {lib!r})
from lib.wire import Request, Wire
with Wire({socket!r}) as w:
    hello = Request()
    hello.hello.application_name = sys.argv[1]
    w.call(hello)
    leases = [w.lease() for _ in range(int(sys.argv[2]))]
    print("held", flush=True)
    sys.stdin.read()
"""


class Program:
    """A process of an executable of its own that holds leases under a name of its choice."""

    def __init__(self, daemon, name, leases, executable=sys.executable, **options):
        lib = str(pathlib.Path(__file__).parent)
        path = ":".join(p for p in sys.path if "site-packages" in p)
        self.process = subprocess.Popen(
            [executable, "-B", "-c", PROGRAM.format(lib=lib, socket=str(daemon.socket)), name, str(leases)],
            env={"PYTHONPATH": path}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options,
        )  # fmt: skip

    def wait_held(self):
        assert self.process.stdout.readline() == "held\n"
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def api(tmp_path):
    """Another executable, which is what the kernel can prove."""
    return shutil.copy(pathlib.Path(sys.executable).resolve(), tmp_path / "api")


def test_only_what_is_proved_has_its_minimum(pg, make_daemon, api):
    """Who only calls itself so waits behind the rest; the right executable has its guaranteed connection at once."""
    config = {
        "sidepool": {"budget": 3},
        "application api": {"match_executable": str(api), "min": 1},
    }
    daemon = make_daemon(pg.url(), config=config)
    with Wire(daemon.socket) as w, Program(daemon, "seeds", 4):
        wait_until("seeds have all, and want more", lambda: pool(w).in_use == 3 and pool(w).waiting == 1)
        with Program(daemon, "api", 1) as claims, Program(daemon, "api", 1, api) as proved:
            wait_until("both wait", lambda: pool(w).waiting == 3)
            revoke = Request()
            revoke.admin.revoke_lease.lease_id = w.status().leases[0].lease_id
            w.call(revoke)
            proved.wait_held()
            assert [x.pid for x in w.status().leases].count(proved.process.pid) == 1 and pool(w).waiting == 2
            names = {c.pid: c.application for c in w.status().client_list}
            assert (names[proved.process.pid], names[claims.process.pid]) == ("api", "api (not proved)")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives itself groups")
@pytest.mark.settings({"application seed": {"match_group": "games"}})
def test_a_supplementary_group_is_a_proof(daemon, wire):
    games = grp.getgrnam("games").gr_gid
    with Program(daemon, "seed", 0, extra_groups=[*range(2000, 2030), games]) as proved, Program(daemon, "seed", 0) as claims:
        proved.wait_held(), claims.wait_held()
        names = {c.pid: c.application for c in wire.status().client_list}
        assert names[proved.process.pid] == "seed" and names[claims.process.pid] == "seed (not proved)"


def test_what_is_known_of_a_client_is_told(daemon, wire):
    (me,) = [c for c in wire.status().client_list if c.pid == wire_pid()]
    assert me.executable == str(pathlib.Path(sys.executable).resolve()) and me.uid == wire_uid()


def wire_pid():
    return int(pathlib.Path("/proc/self").resolve().name)


def wire_uid():
    return pathlib.Path("/proc/self").stat().st_uid


@pytest.mark.settings({"sidepool": {"budget": 3, "degraded_usage": "50%", "unhealthy_usage": "90%"}})
def test_health_follows_the_numbers(wire, daemon):
    def level():
        request = Request()
        request.health.SetInParent()
        reply = wire.call(request).health
        return reply.level, json.dumps([(c.reason, c.advice) for c in reply.checks])

    healthy, degraded, unhealthy = 1, 2, 3
    assert level()[0] == healthy
    leases = [wire.lease(), wire.lease()]
    assert level()[0] == degraded and "2 of 3" in level()[1]
    leases.append(wire.lease())
    assert level()[0] == unhealthy
    for lease in leases:
        wire.release(lease)
    wait_until("it is healthy again", lambda: level()[0] == healthy)
