# SPDX-License-Identifier: MIT
"""Which of three a failure was, in the corners: on leases, in streams, behind others."""
import pytest
from lib.wait import wait_until
from lib.wire import CODES, COMMIT, OUTCOMES, Failed, Request, Wire, rows

pytestmark = pytest.mark.fast


@pytest.fixture(autouse=True)
def table(pg):
    pg.sql("DROP TABLE IF EXISTS effect; CREATE TABLE effect (a int)")


def count(pg):
    return pg.sql("SELECT count(*) FROM effect")[0][0]


def told(response):
    return CODES[response.error.code], OUTCOMES[response.error.outcome]


def is_waiting(pg, text):
    """Whether a statement of the daemon's hangs on a lock."""
    return pg.sql("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE %s", f"%{text}%")


@pytest.mark.settings({"sidepool": {"max_streams_per_uid": 1, "max_chunk_bytes": "64KiB"}})
def test_a_write_that_may_not_open_its_stream_is_not_called_unsent(wire, pg):
    stream = wire.query("SELECT repeat('x', 1000) FROM generate_series(1, 100000)").stream_id
    with pytest.raises(Failed) as e:
        wire.query("INSERT INTO effect SELECT g FROM generate_series(1, 300) g RETURNING a, repeat('x', 5000)")
    assert e.value.code == "TOO_MANY_REQUESTS" and e.value.outcome != "not sent"
    assert count(pg) == (300 if e.value.outcome == "unknown" else 0) and not e.value.error.retryable
    with pytest.raises(Failed) as e:
        wire.query("SELECT repeat('x', 1000) FROM generate_series(1, 100000)")
    assert (e.value.code, e.value.outcome) == ("TOO_MANY_REQUESTS", "failed")
    wire.call(wire.fetch_request(stream, close=True))


def test_a_request_behind_another_on_a_lease_ends_at_its_deadline_and_has_not_run(wire, pg):
    with pg.connect() as barrier:
        barrier.execute("SELECT pg_advisory_lock(55)")
        lease = wire.lease()
        slow = wire.send(wire.query_request("SELECT pg_advisory_xact_lock(55)", lease=lease))
        late = wire.send(wire.query_request("INSERT INTO effect VALUES (1)", lease=lease, deadline_ms=100))
        after = wire.send(wire.query_request("INSERT INTO effect VALUES (2)", lease=lease))
        assert told(wire.receive(late)) == ("DEADLINE_EXCEEDED", "not sent")
        assert slow not in wire.early
        barrier.execute("SELECT pg_advisory_unlock(55)")
    assert not wire.receive(slow).HasField("error") and not wire.receive(after).HasField("error")
    assert pg.sql("SELECT a FROM effect") == [(2,)]


def test_a_request_behind_another_on_a_lease_can_be_cancelled_alone(wire, pg):
    with pg.connect() as barrier:
        barrier.execute("SELECT pg_advisory_lock(56)")
        lease = wire.lease()
        slow = wire.send(wire.query_request("SELECT pg_advisory_xact_lock(56)", lease=lease))
        unwanted = wire.send(wire.query_request("INSERT INTO effect VALUES (1)", lease=lease))
        request = Request()
        request.cancel.request_id = unwanted
        assert wire.call(request).cancel.found
        assert told(wire.receive(unwanted)) == ("CANCELLED", "not sent")
        barrier.execute("SELECT pg_advisory_unlock(56)")
    assert not wire.receive(slow).HasField("error")
    assert wire.values("SELECT count(*) FROM effect", lease=lease) == [("0",)]


def test_what_was_sent_ahead_of_the_end_of_its_lease_is_not_sent(wire, pg):
    lease = wire.lease(begin=True)
    ids = [
        wire.send(wire.query_request("INSERT INTO effect VALUES (1)", lease=lease)),
        wire.send(wire.query_request("INSERT INTO effect VALUES (2)", lease=lease, finish=COMMIT)),
        wire.send(wire.query_request("INSERT INTO effect VALUES (3)", lease=lease)),
    ]
    answers = [wire.receive(i) for i in ids]
    assert [a.HasField("error") for a in answers] == [False, False, True]
    assert told(answers[2]) == ("UNKNOWN_LEASE", "not sent") and count(pg) == 2


def test_a_first_statement_that_fails_has_its_lease_all_the_same(wire):
    answer = wire.receive(wire.send(wire.query_request("SELECT 1/0", begin=True)))
    assert answer.error.sql.sqlstate == "22012" and answer.lease.lease_id and answer.transaction_status == 3
    assert wire.release(answer.lease, COMMIT).results[0].command_tag == "ROLLBACK"


def test_a_request_that_is_refused_takes_no_lease(wire):
    request = wire.query_request("SELECT $1::text", ["x"], begin=True)
    request.query.statement.parameters = b"\1"
    answer = wire.receive(wire.send(request))
    assert told(answer) == ("INVALID_ARGUMENT", "not sent") and not answer.HasField("lease")
    assert not wire.status().leases


def test_the_failing_statement_of_a_script_is_named(wire):
    request = wire.query_request("SELECT 1; SELECT 2; SELECT 1/0; SELECT 3", begin=True)
    request.query.statement.simple = True
    answer = wire.receive(wire.send(request))
    assert answer.error.statement_index == 2 and [rows(r) for r in answer.results] == [[(b"1",)], [(b"2",)]]
    wire.release(answer.lease)


def test_a_deferred_constraint_fails_the_commit_of_a_lease(wire, pg):
    pg.sql("DROP TABLE IF EXISTS put_off; CREATE TABLE put_off (a int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
    lease = wire.query("INSERT INTO put_off VALUES (1), (1)", begin=True).lease
    with pytest.raises(Failed) as e:
        wire.query("INSERT INTO put_off VALUES (2)", lease=lease, finish=COMMIT)
    assert (e.value.error.sql.sqlstate, e.value.outcome) == ("23505", "failed")
    lease = wire.query("INSERT INTO put_off VALUES (1), (1)", begin=True).lease
    with pytest.raises(Failed) as e:
        wire.release(lease, COMMIT)
    assert (e.value.error.sql.sqlstate, e.value.outcome) == ("23505", "failed")
    assert pg.sql("SELECT count(*) FROM put_off") == [(0,)] and not wire.status().leases


def test_a_backend_terminated_in_a_transaction_failed_and_its_commit_too(wire, pg):
    lease = wire.query("INSERT INTO effect VALUES (1)", begin=True).lease
    with pg.connect() as barrier:
        barrier.execute("SELECT pg_advisory_lock(57)")
        running = wire.send(wire.query_request("SELECT pg_advisory_xact_lock(57)", lease=lease))
        commit = wire.send(wire.query_request("SELECT 1", lease=lease, finish=COMMIT))
        wait_until("it waits", lambda: is_waiting(pg, "pg_advisory_xact_lock(57)"))
        pg.sql("SELECT pg_terminate_backend(%s)", lease.backend_pid)
        assert told(wire.receive(running))[1] == "failed"
        assert told(wire.receive(commit)) == ("LEASE_LOST", "not sent")
    assert count(pg) == 0


def test_a_backend_terminated_in_the_commit_is_found_rolled_back(wire, pg):
    """A deferred trigger holds the commit up; how far it had come, PostgreSQL is asked (test_settle.py)."""
    pg.sql(
        "CREATE OR REPLACE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM pg_advisory_xact_lock(58); RETURN NULL; END $$"
    )
    pg.sql("CREATE CONSTRAINT TRIGGER hold AFTER INSERT ON effect DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION hold()")
    with pg.connect() as barrier:
        barrier.execute("SELECT pg_advisory_lock(58)")
        running = wire.send(wire.query_request("INSERT INTO effect VALUES (1)", begin=True, finish=COMMIT))
        (waiting,) = wait_until(
            "it waits", lambda: pg.sql("SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = 58 AND NOT granted")
        )
        pg.sql("SELECT pg_terminate_backend(%s)", waiting[0])
        answer = wire.receive(running)
    assert OUTCOMES[answer.error.outcome] == "failed" and answer.error.retryable and count(pg) == 0


def test_deadlocks_and_serialization_failures_may_be_tried_again(wire, pg, daemon):
    pg.sql("INSERT INTO effect VALUES (1)")
    first, second = (wire.request(acquire=True) for _ in range(2))
    for request in (first, second):
        request.acquire.begin = True
        request.acquire.transaction.isolation = 4
        request.query.statement.sql = b"SELECT count(*) FROM effect"
    a, b = wire.call(first).lease, wire.call(second).lease
    wire.query("UPDATE effect SET a = 2", lease=a, finish=COMMIT)
    with pytest.raises(Failed) as e:
        wire.query("UPDATE effect SET a = 3", lease=b)
    assert e.value.error.sql.sqlstate == "40001" and e.value.error.retryable and e.value.outcome == "failed"
    wire.release(b)


def test_a_second_that_expires_while_the_first_is_being_cancelled_is_cancelled_too(daemon, wire):
    """Both ask for more time than they have, on one connection."""
    endless = "SELECT count(i) FROM (SELECT generate_series(1, 1000000000) i) x"  # and no file, as it would be in FROM
    ids = [wire.send(wire.query_request(endless, deadline_ms=200 + i)) for i in range(20)]
    assert {told(wire.receive(i))[0] for i in ids} <= {"DEADLINE_EXCEEDED", "ACQUIRE_TIMEOUT", "DEADLINE_UNREACHABLE"}
    with Wire(daemon.socket) as other:
        assert other.values("SELECT 1") == [("1",)]


@pytest.mark.settings({"sidepool": {"budget": 2}})
def test_what_was_cancelled_before_it_was_sent_is_not_sent_later(daemon, pg):
    """A request that is held up because its connection is just being cancelled for another can itself be cancelled meanwhile."""
    told, clients = {}, [Wire(daemon.socket) for _ in range(4)]
    for i in range(300):
        asked = []
        for n, wire in enumerate(clients):
            key = 4 * i + n
            number = wire.send(wire.query_request("INSERT INTO effect SELECT $1::int", [str(key)]))
            if (i + n) % 3:
                wire.values("SELECT 1")  # far enough for PostgreSQL to be at work
            request = Request()
            request.cancel.request_id = number
            asked.append((wire, key, number, wire.send(request)))
        for wire, key, number, cancel in asked:
            response = wire.receive(number)
            told[key] = OUTCOMES[response.error.outcome] if response.HasField("error") else "success"
            wire.receive(cancel)
    for wire in clients:
        wire.close()
    there = {a for (a,) in pg.sql("SELECT a FROM effect")}
    assert "not sent" in told.values() and "success" in told.values()
    assert not [k for k, t in told.items() if k in there and t in ("not sent", "failed") or k not in there and t == "success"]


def test_a_repetition_that_is_cancelled_does_not_know_what_the_first_did(wire, pg):
    with pg.connect() as barrier:
        barrier.execute("SELECT pg_advisory_lock(59)")
        sql = "WITH w AS MATERIALIZED (SELECT pg_advisory_xact_lock(59)) INSERT INTO effect SELECT 1 FROM w"
        first = wire.send(wire.query_request(sql, key=b"twice"))
        again = wire.send(wire.query_request(sql, key=b"twice"))
        wait_until("it waits", lambda: is_waiting(pg, "pg_advisory_xact_lock(59)"))
        request = Request()
        request.cancel.request_id = again
        wire.call(request)
        assert told(wire.receive(again)) == ("CANCELLED", "unknown")
        barrier.execute("SELECT pg_advisory_unlock(59)")
    assert not wire.receive(first).HasField("error") and count(pg) == 1


@pytest.mark.settings({"sidepool": {"budget": 1}})
def test_a_cancel_that_hits_our_own_statement_is_not_the_requests_failure(daemon, pg):
    """Who is behind a connection is told to PostgreSQL ahead of each request of another; that is what an early cancel may hit."""
    told, clients = {}, [Wire(daemon.socket).named(name) for name in "ab"]
    for key in range(3000):
        wire = clients[key % 2]
        number = wire.send(wire.query_request("INSERT INTO effect SELECT $1::int", [str(key)]))
        for _ in range(key % 300):
            pass  # another moment each time
        request = Request()
        request.cancel.request_id = number
        cancel = wire.send(request)
        response = wire.receive(number)
        told[key] = OUTCOMES[response.error.outcome] if response.HasField("error") else "success"
        wire.receive(cancel)
    for wire in clients:
        wire.close()
    there = {a for (a,) in pg.sql("SELECT a FROM effect")}
    assert not [k for k, t in told.items() if k in there and t in ("not sent", "failed") or k not in there and t == "success"]
