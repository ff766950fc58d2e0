# SPDX-License-Identifier: MIT
"""Granted a connection while a cancel request for somebody else is still under way on it, which is then lost: nobody noticed, nothing
was sent, so another connection will do."""
import contextlib

import pytest
from lib.cut import Cut
from lib.wait import wait_until
from lib.wire import Request, Wire, fill


@pytest.fixture
def held_up(pg, make_daemon):
    """(wire, lose): whatever the wire asks for is held up, until lose() takes the connection away."""
    pg.sql("DROP TABLE IF EXISTS effect; CREATE TABLE effect (a int)")
    with Cut(pg) as cut, contextlib.ExitStack() as stack:
        daemon = make_daemon(cut.url, config={"sidepool": {"budget": 1, "cancel_timeout": "10min", "shutdown_timeout": "1s"}})
        first, wire = (stack.enter_context(Wire(daemon.socket)) for _ in range(2))
        cut.keep_cancels = True
        with pg.connect() as barrier:
            barrier.execute("SELECT pg_advisory_lock(88)")
            slow = first.send(first.query_request("SELECT pg_advisory_xact_lock(88)"))
            wait_until("it waits", lambda: any("lock(88)" in b[2] and b[1] == "active" for b in pg.backends()))
            cancel = Request()
            cancel.cancel.request_id = slow
            assert first.call(cancel).cancel.found
            wait_until("the cancel is under way", lambda: cut.kept)
            barrier.execute("SELECT pg_advisory_unlock(88)")
            assert not first.receive(slow).HasField("error")

        def lose():
            for _ in range(2):
                first.status()  # the daemon has decided by then
            (backend,) = pg.backends()
            assert backend[1] == "idle", "it was not held up"
            cut.keep_cancels = False
            pg.sql("SELECT pg_terminate_backend(%s)", backend[0])

        yield wire, lose


def effects(pg):
    return pg.sql("SELECT a FROM effect ORDER BY a")


def test_a_request_that_was_held_up_runs_on_another_connection(held_up, pg):
    wire, lose = held_up
    asked = wire.send(wire.query_request("INSERT INTO effect VALUES (1)"))
    lose()
    assert not wire.receive(asked).HasField("error") and effects(pg) == [(1,)]


def test_a_request_that_was_cancelled_while_held_up_is_not_sent(held_up, pg):
    wire, lose = held_up
    asked = wire.send(wire.query_request("INSERT INTO effect VALUES (1)"))
    cancel = Request()
    cancel.cancel.request_id = asked
    assert wire.call(cancel).cancel.found
    lose()
    answer = wire.receive(asked)
    assert (answer.error.code, answer.error.outcome) == (42, 1)
    assert wire.values("SELECT count(*) FROM effect") == [("0",)]


def test_a_lease_that_was_held_up_begins_on_another_connection(held_up, pg):
    wire, lose = held_up
    asked = wire.send(wire.query_request("INSERT INTO effect VALUES (1)", begin=True))
    lose()
    answer = wire.receive(asked)
    assert not answer.HasField("error")
    wire.release(answer.lease, 1)
    assert effects(pg) == [(1,)]


def test_a_client_that_left_while_its_lease_was_held_up_is_forgotten(held_up, pg):
    wire, lose = held_up
    path = wire.socket.getpeername()
    wire.send(wire.query_request("INSERT INTO effect VALUES (1)", begin=True))
    wire.close()
    lose()
    with Wire(path) as other:
        assert other.values("SELECT count(*) FROM effect") == [("0",)]


def test_a_submitted_write_that_was_held_up_is_done(held_up, pg):
    wire, lose = held_up
    request = wire.request()
    fill(request.submit.statements.add(), "INSERT INTO effect VALUES (1)")
    wire.call(request)
    lose()
    wait_until("it is done", lambda: effects(pg) == [(1,)])
