# SPDX-License-Identifier: MIT
"""The database goes away, comes back, is full, or does not want us."""
import os
import signal
import socket
import threading

import pytest
from lib.postgres import Postgres
from lib.wait import FACTOR, wait_until
from lib.wire import Failed, Request, Wire


@pytest.fixture
def own_pg():
    with Postgres(max_connections=25) as server:
        server.sql("CREATE TABLE mark (a int)")
        yield server


def test_a_terminated_statement_failed(wire, pg):
    pg.sql("DROP TABLE IF EXISTS mark; CREATE TABLE mark (a int)")
    running = wire.send(wire.query_request("INSERT INTO mark SELECT 1 FROM pg_sleep(600)"))
    (pid,) = wait_until("it runs", lambda: [b[0] for b in pg.backends() if "pg_sleep(600)" in b[2] and b[1] == "active"])
    pg.sql("SELECT pg_terminate_backend(%s)", pid)
    error = wire.receive(running).error
    assert (error.sql.sqlstate, error.outcome) == ("57P01", 2)
    assert pg.sql("SELECT count(*) FROM mark") == [(0,)]


def test_a_backend_that_is_killed_leaves_the_outcome_unknown(own_pg, make_daemon):
    daemon = make_daemon(own_pg.url(), config={"sidepool": {"budget": 3}})
    with Wire(daemon.socket) as wire:
        running = wire.send(wire.query_request("INSERT INTO mark SELECT 1 FROM pg_sleep(600)"))
        (pid,) = wait_until("it runs", lambda: [b[0] for b in own_pg.backends() if "pg_sleep(600)" in b[2] and b[1] == "active"])
        os.kill(pid, signal.SIGKILL)
        error = wire.receive(running).error
        assert error.outcome == 3 and error.code == 41

        def back():
            try:
                return wire.values("SELECT count(*) FROM mark", deadline_ms=5000)
            except Failed:
                return None

        assert wait_until("PostgreSQL is back", back, 60) == [("0",)]


def test_a_statement_of_a_process_that_hung_ends_where_postgresql_looks_for_its_client(make_daemon):
    """Stopped before it reads the statement it forgets the cancel requests; it begins when its client has gone."""
    endless = "SELECT count(i) FROM (SELECT generate_series(1, 1000000000) i) x"
    with Postgres(client_connection_check_interval="50ms") as server:
        daemon = make_daemon(server.url(), config={"sidepool": {"budget": 1, "cancel_timeout": "100ms"}})
        with Wire(daemon.socket) as wire:
            wire.values("SELECT 1")
            ((pid, *_),) = server.backends()
            os.kill(pid, signal.SIGSTOP)
            with pytest.raises(Failed) as e:
                wire.query(endless, deadline_ms=int(100 * FACTOR))
            os.kill(pid, signal.SIGCONT)
            assert (e.value.code, e.value.outcome) == ("DEADLINE_EXCEEDED", "unknown")
            assert f"process {pid} of PostgreSQL may go on" in daemon.log()
            assert wire.values("SELECT 1") == [("1",)]
            server.wait_for_end()
        daemon.close()


def test_a_restart_is_survived_by_who_waits(own_pg, make_daemon):
    daemon = make_daemon(own_pg.url(), config={"sidepool": {"budget": 3}})
    with Wire(daemon.socket) as wire:
        wire.values("SELECT 1")
        own_pg.stop("immediate")
        wait_until("the loss is noticed", lambda: wire.status().pools[0].size == 0)
        ids = [wire.send(wire.query_request("SELECT 1", deadline_ms=60000)) for _ in range(10)]
        own_pg.start()
        errors = [a.error for a in (wire.receive(i) for i in ids) if a.HasField("error")]
        # What was sent before the loss was noticed may not have an answer; what waited has one.
        assert all(e.outcome in (1, 3) for e in errors) and len(errors) <= 3
        wait_until("it works again", lambda: wire.values("SELECT 1") == [("1",)])


def test_the_breaker_opens_fails_fast_and_closes(own_pg, make_daemon):
    config = {
        "sidepool": {"budget": 3},
        "pool main": {"breaker_threshold": 3, "breaker_reset": "300ms", "connect_backoff_min": "10ms", "connect_backoff_max": "20ms"},
    }
    config["pool main"]["url"] = own_pg.url()
    daemon = make_daemon(config=config)
    with Wire(daemon.socket) as wire:
        wire.values("SELECT 1")
        own_pg.stop("immediate")

        def refused():
            try:
                wire.values("SELECT 1", deadline_ms=1000)
            except Failed as e:
                return e if e.code == "BREAKER_OPEN" else None

        e = wait_until("the breaker is open", refused)
        assert e.outcome == "not sent" and e.error.retry_after_ms > 0 and "breaker is open" in e.error.message
        assert wire.status().pools[0].breaker in (2, 3)
        own_pg.start()

        def works():
            try:
                return wire.values("SELECT 1", deadline_ms=1000)
            except Failed:
                return None

        wait_until("the breaker is closed", works)
        assert wire.status().pools[0].breaker == 1


def test_a_wrong_password_is_said_and_not_hammered(own_pg, make_daemon):
    own_pg.sql("CREATE ROLE locked LOGIN PASSWORD 'right'")
    hba = own_pg.data / "pg_hba.conf"
    hba.write_text("host all locked 127.0.0.1/32 scram-sha-256\n" + hba.read_text())
    own_pg.sql("SELECT pg_reload_conf()")
    daemon = make_daemon(own_pg.tcp_url("locked", password="sup3rs3cret"))
    with Wire(daemon.socket) as wire:
        for _ in range(20):
            with pytest.raises(Failed) as e:
                wire.query("SELECT 1", deadline_ms=2000)
            assert e.value.outcome == "not sent"
        assert "password authentication failed" in e.value.error.message
        tries = wire.status().pools[0].connect_failures_total
        assert tries < 10, f"{tries} tries"
    assert "sup3rs3cret" not in daemon.log()


def test_a_missing_database_is_named(pg, make_daemon):
    daemon = make_daemon(pg.url(database="nowhere"))
    with Wire(daemon.socket) as wire, pytest.raises(Failed) as e:
        wire.query("SELECT 1", deadline_ms=1000)
    assert 'database "nowhere" does not exist' in e.value.error.message and e.value.outcome == "not sent"


def test_a_server_that_says_nothing_is_given_up_within_connect_timeout(tmp_path, make_daemon):
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / ".s.PGSQL.5432"))
        silent.listen()
        config = {
            "sidepool": {"acquire_timeout": "1s"},
            "pool main": {"url": f"postgresql://u@/d?host={tmp_path}", "connect_timeout": "100ms", "breaker_threshold": 100},
        }
        daemon = make_daemon(config=config)
        with Wire(daemon.socket) as w, pytest.raises(Failed) as e:
            w.query("SELECT 1")
        assert e.value.code == "CONNECT_FAILED" and "connect_timeout" in e.value.error.message
        with Wire(daemon.socket) as w:
            assert w.status().pools[0].connect_failures_total >= 2


def test_a_name_that_does_not_resolve_is_named(make_daemon):
    daemon = make_daemon("postgresql://x@no-such-host.invalid/x")
    with Wire(daemon.socket) as wire, pytest.raises(Failed) as e:
        wire.query("SELECT 1", deadline_ms=3000)
    assert "no-such-host.invalid" in e.value.error.message


def test_a_full_database_is_back_pressure_not_an_error(own_pg, make_daemon):
    """25 connections, of which others take and give back a changing number; 10 programs with 20 workers each see no error,
    and have what is free."""
    daemon = make_daemon(own_pg.url(), config={"sidepool": {"budget": 25}})
    own_pg.sql("CREATE TABLE work (n int)")
    failures, over, stages = [], threading.Event(), []

    def others():
        held = []
        for n in (18, 5, 21, 0, 20, 10, 22, 3):
            while len(held) > n:
                held.pop().close()
            while len(held) < n and not over.is_set():
                try:
                    held.append(own_pg.connect())
                except Exception:  # noqa: BLE001: they are as full as we are
                    break
            free = 25 - len(held)
            wait_until("the pool has what is free", lambda: over.is_set() or own_pg_pool(daemon).size == free, 60)
            done = own_pg_pool(daemon).queries_total + 300
            wait_until("some work is done", lambda: over.is_set() or own_pg_pool(daemon).queries_total >= done, 60)
            stages.append(n)
        over.set()
        for c in held:
            c.close()

    def program():
        try:
            with Wire(daemon.socket) as w:
                while not over.is_set():
                    ids = [w.send(w.query_request("INSERT INTO work VALUES (1)", deadline_ms=60000)) for _ in range(20)]
                    failures.extend(str(a.error) for a in (w.receive(i) for i in ids) if a.HasField("error"))
        except Exception as e:  # noqa: BLE001
            failures.append(repr(e))

    disturber = threading.Thread(target=others)
    programs = [threading.Thread(target=program) for _ in range(10)]
    disturber.start()
    for p in programs:
        p.start()
    for p in programs:
        p.join()
    disturber.join()
    assert failures == [] and len(stages) == 8


def own_pg_pool(daemon):
    with Wire(daemon.socket) as w:
        return w.status().pools[0]


def test_idempotent_requests_run_once(wire, pg):
    pg.sql("DROP TABLE IF EXISTS paid; CREATE TABLE paid (a int)")
    request = wire.query_request("INSERT INTO paid VALUES ($1::int) RETURNING a", ["1"], key=b"order-1")
    first = wire.call(request)
    again = wire.call(request)
    assert first.results[0].rows == again.results[0].rows and again.results[0].command_tag == "INSERT 0 1"
    assert pg.sql("SELECT count(*) FROM paid") == [(1,)]
    with pytest.raises(Failed) as e:
        wire.call(wire.query_request("INSERT INTO paid VALUES ($1::int) RETURNING a", ["2"], key=b"order-1"))
    assert (e.value.code, e.value.outcome) == ("IDEMPOTENCY_MISMATCH", "not sent")


def test_a_retry_waits_for_the_first_run_also_when_its_client_is_gone(daemon, wire, pg):
    pg.sql("DROP TABLE IF EXISTS paid; CREATE TABLE paid (a int)")
    with pg.connect() as barrier:
        barrier.execute("BEGIN; LOCK paid IN ACCESS EXCLUSIVE MODE")
        request = wire.query_request("INSERT INTO paid VALUES (1)", key=b"order-2")
        gone = Wire(daemon.socket)
        gone.send(request)
        wait_until("it waits for the lock", lambda: any("INSERT INTO paid" in b[2] and b[1] == "active" for b in pg.backends()))
        gone.close()
        retry = wire.send(request)
        barrier.execute("COMMIT")
    assert wire.receive(retry).results[0].affected_rows == 1
    assert pg.sql("SELECT count(*) FROM paid") == [(1,)]


def test_what_was_not_sent_leaves_no_key_behind(daemon, wire, pg):
    request = wire.query_request("SELECT 1", key=b"order-3", deadline_ms=100)
    with Wire(daemon.socket) as holder:
        for _ in range(5):
            holder.lease()
        with pytest.raises(Failed) as e:
            wire.call(request)
        assert e.value.outcome == "not sent"
    request.deadline_ms = 10000
    assert wire.call(request).results[0].command_tag == "SELECT 1"
    with pytest.raises(Failed) as e:
        wire.call(wire.query_request("SELECT 1", key=b"order-4", acquire=True))
    assert e.value.code == "INVALID_ARGUMENT"


def test_ping_and_health(wire):
    request = Request()
    request.ping.SetInParent()
    wire.call(request)
    request = Request()
    request.health.SetInParent()
    health = wire.call(request).health
    assert health.level == 1 and {c.name for c in health.checks} >= {"budget", "database main", "acquisition main"}
