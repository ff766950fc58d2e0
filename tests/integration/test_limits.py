# SPDX-License-Identifier: MIT
"""Waiting: limits, deadlines, cancelling, and what those who wait are told."""
import threading

import pytest
from lib.cut import Cut
from lib.wait import FACTOR, wait_until
from lib.wire import Failed, Request, Wire, rows


def hold_all(wire, n):
    return [wire.lease() for _ in range(n)]


@pytest.mark.fast
def test_never_more_connections_than_the_budget(daemon, pg):
    """50 clients at once, 5 connections."""
    most, wires = 0, [Wire(daemon.socket) for _ in range(50)]
    ids = [w.send(w.query_request("SELECT count(*) FROM pg_class, pg_sleep(0.02)")) for w in wires]
    for w, i in zip(wires, ids):
        assert not w.receive(i).HasField("error")
        most = max(most, len(pg.backends()))
        w.close()
    assert 0 < most <= 5


@pytest.mark.settings({"sidepool": {"acquire_timeout": "10min"}})
def test_200_threads_on_5_connections_lose_nothing(daemon, pg):
    pg.sql("DROP TABLE IF EXISTS tally; CREATE TABLE tally (n int)")
    failures = []

    def work():
        try:
            with Wire(daemon.socket) as w:
                for _ in range(5):
                    w.query("INSERT INTO tally VALUES (1)")
                    lease = w.query("INSERT INTO tally VALUES (1)", begin=True).lease
                    w.query("INSERT INTO tally VALUES (1)", lease=lease, finish=1)
        except Exception as e:  # noqa: BLE001
            failures.append(repr(e))

    threads = [threading.Thread(target=work) for _ in range(200)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert failures == [] and pg.sql("SELECT count(*) FROM tally") == [(3000,)]


@pytest.mark.fast
def test_a_wait_in_vain_tells_who_holds_the_pool(daemon, wire):
    with Wire(daemon.socket) as holder:
        request = Request()
        request.hello.application_name = "celery"
        holder.call(request)
        for _ in range(5):
            holder.query("SELECT 1", begin=True, call_site="tasks.py:12")
        with pytest.raises(Failed) as e:
            wire.query("SELECT 1", deadline_ms=200)
        error = e.value.error
        assert (e.value.code, e.value.outcome) == ("ACQUIRE_TIMEOUT", "not sent") and error.retryable
        assert "pool main 5/5 in use" in error.message and "celery[" in error.message
        assert "tasks.py:12" in error.message and "idle in transaction" in error.message
        assert (error.pool.in_use, error.pool.limit, len(error.pool.holders)) == (5, 5, 5)
        assert error.pool.holders[0].application == "celery"


@pytest.mark.fast
def test_a_statement_past_its_deadline_is_cancelled(wire):
    with pytest.raises(Failed) as e:
        wire.query("SELECT pg_sleep(600)", deadline_ms=int(200 * FACTOR))
    assert (e.value.code, e.value.outcome) == ("DEADLINE_EXCEEDED", "failed")
    assert wire.values("SELECT 1") == [("1",)]


@pytest.mark.settings({"sidepool": {"statement_timeout": "200ms"}})
def test_a_statement_past_statement_timeout_is_cancelled(wire):
    with pytest.raises(Failed) as e:
        wire.query("SELECT pg_sleep(600)")
    assert (e.value.code, e.value.outcome) == ("STATEMENT_TIMEOUT", "failed")
    lease = wire.lease(begin=True)
    with pytest.raises(Failed) as e:
        wire.query("SELECT pg_sleep(600)", lease=lease)
    assert e.value.code == "STATEMENT_TIMEOUT"
    assert wire.release(lease, 1).results[0].command_tag == "ROLLBACK"


def cancel(wire, request_id=0, lease_id=0):
    request = Request()
    request.cancel.request_id, request.cancel.lease_id = request_id, lease_id
    return wire.call(request).cancel.found


@pytest.mark.fast
def test_a_running_request_can_be_cancelled(wire, pg):
    running = wire.send(wire.query_request("SELECT pg_sleep(600)"))
    wait_until("it runs", lambda: any("pg_sleep(600)" in b[2] for b in pg.backends()))
    assert cancel(wire, running)
    answer = wire.receive(running)
    assert (answer.error.code, answer.error.outcome) == (42, 2)
    assert not cancel(wire, running)


@pytest.mark.fast
def test_a_waiting_request_can_be_cancelled(daemon, wire):
    with Wire(daemon.socket) as holder:
        leases = hold_all(holder, 5)
        waiting = wire.send(wire.query_request("SELECT 1"))
        assert cancel(wire, waiting)
        answer = wire.receive(waiting)
        assert (answer.error.code, answer.error.outcome) == (42, 1)
        for lease in leases:
            holder.release(lease)


@pytest.mark.fast
def test_what_runs_on_a_lease_can_be_cancelled(wire, pg):
    lease = wire.lease(begin=True)
    running = wire.send(wire.query_request("SELECT pg_sleep(600)", lease=lease))
    wait_until("it runs", lambda: any("pg_sleep(600)" in b[2] for b in pg.backends()))
    assert cancel(wire, lease_id=lease.lease_id)
    assert wire.receive(running).error.code == 42


@pytest.mark.fast
def test_another_clients_request_cannot_be_cancelled(daemon, wire, pg):
    lease = wire.lease()
    running = wire.send(wire.query_request("SELECT pg_sleep(1), 'done'", lease=lease))
    with Wire(daemon.socket) as other:
        assert not cancel(other, running, lease.lease_id)
    assert rows(wire.receive(running).results[0])[0][1] == b"done"


def test_a_cancel_that_came_to_nothing_is_asked_again(pg, make_daemon):
    """PostgreSQL forgets one that comes before the statement has begun; here the first three are lost on the way."""
    with Cut(pg) as cut:
        daemon = make_daemon(cut.url, config={"sidepool": {"cancel_timeout": "10min", "budget": 1}})
        with Wire(daemon.socket) as w, pytest.raises(Failed) as e:
            w.values("SELECT 1")  # to connect does not count
            cut.lost_cancels = 3
            w.query("SELECT pg_sleep(600)", deadline_ms=100)
        assert e.value.code == "DEADLINE_EXCEEDED" and cut.lost_cancels == 0


def test_a_cancel_that_does_not_take_costs_the_connection_within_cancel_timeout(pg, make_daemon):
    with Cut(pg) as cut:
        daemon = make_daemon(cut.url, config={"sidepool": {"cancel_timeout": "300ms", "budget": 1}})
        with Wire(daemon.socket) as w:
            w.values("SELECT 1")  # to connect does not count
            cut.lost_cancels = 10**6
            with pytest.raises(Failed) as e:
                w.query("SELECT pg_sleep(600)", deadline_ms=100)
            assert e.value.code == "DEADLINE_EXCEEDED"
            assert w.values("SELECT 1") == [("1",)]
        assert "a cancel request did not take within cancel_timeout" in daemon.log()
        # PostgreSQL does not look whether its client is there while it sleeps.
        assert pg.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)'")


@pytest.mark.settings({"sidepool": {"client_idle_timeout": f"{200 * FACTOR:g}ms"}})
def test_a_client_that_asks_nothing_for_long_is_disconnected(daemon):
    with Wire(daemon.socket) as idle, Wire(daemon.socket) as busy:
        lease = busy.lease()
        wait_until("the idle one is gone", lambda: busy.status().clients == 1)
        assert idle.socket.recv(1) == b""
        busy.release(lease)


def test_an_application_may_use_the_pools_of_its_section_alone(pg, make_daemon):
    config = {
        "sidepool": {"budget": 4},
        "pool main": {"url": pg.url(), "min_size": 0},
        "pool reports": {"url": pg.url(), "min_size": 0},
        "application cron": {"pools": "reports"},
    }
    with Wire(make_daemon(config=config).socket) as w:
        assert w.values("SELECT 1", pool="main") == [("1",)]
        hello = Request()
        hello.hello.application_name = "cron"
        assert list(w.call(hello).hello.pools) == ["reports"]
        assert w.values("SELECT 1") == w.values("SELECT 1", pool="reports") == [("1",)]
        with pytest.raises(Failed) as e:
            w.query("SELECT 1", pool="main")
        assert e.value.code == "UNKNOWN_POOL" and e.value.outcome == "not sent"


def test_a_cancel_hits_nobody_else(daemon, pg):
    """Cancels strike all the time beside short statements on shared connections: none of those fails."""
    with Wire(daemon.socket) as victim, Wire(daemon.socket) as other:
        for _ in range(20):
            victim.values("SELECT 1")
        for _ in range(40):
            asked = [victim.send(victim.query_request("SELECT 1")) for _ in range(20)]
            slow = other.send(other.query_request("SELECT pg_sleep(600)", deadline_ms=30))
            assert not any(victim.receive(i).HasField("error") for i in asked)
            assert other.receive(slow).HasField("error")


@pytest.mark.settings({"sidepool": {"queue_limit": 3, "budget": 1}})
def test_a_full_queue_refuses_at_once_and_says_when_to_come_back(daemon, wire):
    with Wire(daemon.socket) as holder:
        lease = holder.lease()
        waiting = [wire.send(wire.query_request("SELECT 1")) for _ in range(3)]
        with pytest.raises(Failed) as e:
            wire.query("SELECT 1")
        assert (e.value.code, e.value.outcome) == ("QUEUE_FULL", "not sent") and e.value.error.retry_after_ms > 0
        holder.release(lease)
        assert not any(wire.receive(i).HasField("error") for i in waiting)


@pytest.mark.settings({"sidepool": {"max_leases_per_uid": 2, "max_streams_per_uid": 1}})
def test_what_one_user_may_have_open_is_limited(wire):
    hold_all(wire, 2)
    with pytest.raises(Failed) as e:
        wire.lease()
    assert e.value.code == "TOO_MANY_REQUESTS" and "max_leases_per_uid" in e.value.error.message
    wire.query("SELECT g FROM generate_series(1, 1000000) g")
    with pytest.raises(Failed) as e:
        wire.query("SELECT g FROM generate_series(1, 1000000) g")
    assert e.value.code == "TOO_MANY_REQUESTS" and "max_streams_per_uid" in e.value.error.message


@pytest.mark.settings({"application reader": {"read_only": "on"}})
def test_a_read_only_application_reads_only(wire, pg):
    pg.sql("DROP TABLE IF EXISTS guarded; CREATE TABLE guarded (a int)")
    request = Request()
    request.hello.application_name = "reader"
    wire.call(request)
    assert wire.values("SELECT count(*) FROM guarded") == [("0",)]
    for where in ({}, {"begin": True, "finish": 1}, {"acquire": True, "finish": 1}):
        with pytest.raises(Failed) as e:
            wire.query("INSERT INTO guarded VALUES (1)", **where)
        assert e.value.error.sql.sqlstate == "25006"
    assert pg.sql("SELECT count(*) FROM guarded") == [(0,)]


def test_an_application_keeps_to_its_maximum(pg, make_daemon):
    daemon = make_daemon(pg.url(), config={"sidepool": {"budget": 5}, "application greedy": {"max": 2}})
    with Wire(daemon.socket) as wire, Wire(daemon.socket) as other:
        request = Request()
        request.hello.application_name = "greedy"
        wire.call(request)
        hold_all(wire, 2)
        with pytest.raises(Failed) as e:
            wire.query("SELECT 1", deadline_ms=200)
        assert e.value.code == "ACQUIRE_TIMEOUT"
        assert other.values("SELECT 1") == [("1",)]
