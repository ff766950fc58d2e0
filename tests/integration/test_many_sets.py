# SPDX-License-Identifier: MIT
"""Batches of more parameter sets than go out in one turn of the loop."""
import pytest
from lib.wait import wait_until
from lib.wire import CODES, COMMIT, OUTCOMES, Failed, Request, Wire, pack, rows

MANY = 200_000
MIB = 1024 * 1024


@pytest.fixture
def table(pg):
    pg.sql("DROP TABLE IF EXISTS line; CREATE TABLE line (a int PRIMARY KEY, b text)")


def lines(pg):
    return [a for (a,) in pg.sql("SELECT a FROM line ORDER BY a")]


def batch_of_many(wire, n=MANY, bad=None, **where):
    """A statement that waits for the lock 61, so that PostgreSQL reads no further, one with many sets, and one behind them."""
    request = wire.batch_request(
        ["SELECT pg_advisory_xact_lock(61)", "INSERT INTO line (a) VALUES ($1::text::int)", "SELECT count(*) FROM line"], **where
    )
    statement = request.batch.statements[1]
    statement.parameters = b"".join(pack(["x" if i == bad else str(i)]) for i in range(n))
    statement.parameter_count, statement.parameter_sets = 1, n
    return request


@pytest.fixture
def lock(pg):
    with pg.connect() as c:
        c.execute("SELECT pg_advisory_lock(61)")
        yield lambda: c.execute("SELECT pg_advisory_unlock(61)")


def waits(pg):
    return pg.sql("SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = 61 AND NOT granted")


def test_many_sets_go_out_a_piece_at_a_time(daemon, wire, pg, table, lock):
    """What PostgreSQL does not read yet is not put into a buffer either, and nobody waits meanwhile."""
    with Wire(daemon.socket) as other:
        request = batch_of_many(wire)
        before = daemon.rss() + len(request.SerializeToString())
        asked = wire.send(request)
        wait_until("it waits for the lock", lambda: waits(pg))
        assert all(other.values("SELECT 1") == [("1",)] for _ in range(100))
        assert daemon.rss() - before < 12 * MIB
        lock()
        answer = wire.receive(asked)
    assert answer.results[1].affected_rows == MANY and rows(answer.results[2]) == [(str(MANY).encode(),)]
    assert pg.sql("SELECT count(*), sum(a) FROM line") == [(MANY, MANY * (MANY - 1) // 2)]


@pytest.mark.parametrize("kind", ["batch", "submit"])
def test_many_statements_of_many_sets_go_out_a_piece_at_a_time(daemon, wire, pg, table, lock, kind):
    """What a turn of the loop takes is counted in sets, over all statements."""
    statements, sets = 1000, 120
    request = wire.request()
    message = getattr(request, kind)
    message.statements.add().sql = b"SELECT pg_advisory_xact_lock(61)"
    for i in range(statements):
        statement = message.statements.add()
        statement.sql = b"INSERT INTO line (a) VALUES ($1::text::int)"
        statement.parameters = b"".join(pack([str(i * sets + k)]) for k in range(sets))
        statement.parameter_count, statement.parameter_sets = 1, sets
    if kind == "batch":
        message.atomic = True
    with Wire(daemon.socket) as other:
        before = daemon.rss() + 2 * len(request.SerializeToString())
        asked = wire.send(request)
        wait_until("it waits for the lock", lambda: waits(pg))
        assert all(other.values("SELECT 1") == [("1",)] for _ in range(100))
        assert daemon.rss() - before < 7 * MIB
        lock()
        wire.receive(asked)
    n = statements * sets
    wait_until("it is run", lambda: pg.sql("SELECT count(*), sum(a) FROM line") == [(n, n * (n - 1) // 2)])


def test_a_failing_set_among_many_leaves_nothing(wire, pg, table):
    with pytest.raises(Failed) as e:
        wire.call(batch_of_many(wire, bad=MANY // 2))
    error = e.value.error
    assert (error.statement_index, error.parameter_set_index, e.value.outcome) == (1, MANY // 2, "failed")
    assert error.sql.sqlstate == "22P02" and lines(pg) == [] and wire.values("SELECT 1") == [("1",)]


def test_many_sets_each_statement_for_itself(wire, pg, table):
    answer = wire.call(batch_of_many(wire, bad=MANY - 1, atomic=False))
    (failed,) = [r for r in answer.results if r.HasField("error")]
    assert (failed.statement_index, failed.error.parameter_set_index) == (1, MANY - 1)
    assert rows(answer.results[-1]) == [(b"0",)] and lines(pg) == []


@pytest.mark.parametrize("end", ["cancel", "leave", "kill", "terminate"])
def test_many_sets_half_way_out_are_given_up(daemon, wire, pg, table, lock, end):
    with Wire(daemon.socket) as w:
        asked = w.send(batch_of_many(w))
        ((pid,),) = wait_until("it waits for the lock", lambda: waits(pg))
        if end == "cancel":
            cancel = Request()
            cancel.cancel.request_id = asked
            assert w.call(cancel).cancel.found
            error = w.receive(asked).error
            assert (CODES[error.code], OUTCOMES[error.outcome], lines(pg)) == ("CANCELLED", "failed", [])
            assert pid in [b[0] for b in pg.backends()]  # what was not out when it was heard has not gone out
        elif end == "terminate":
            pg.sql("SELECT pg_terminate_backend(%s)", pid)
            error = w.receive(asked).error
            assert OUTCOMES[error.outcome] in ("failed", "unknown")
    if end == "kill":
        daemon.kill()
        pg.sql("SELECT pg_terminate_backend(%s)", pid)  # it does not look for its client
    else:
        assert wire.values("SELECT 1") == [("1",)]
        wait_until("the connection is free", lambda: wire.status().pools[0].in_use == 0)
    pg.wait_for_end()
    assert lines(pg) == []


@pytest.mark.settings({"application reader": {"read_only": "on"}})
def test_many_sets_of_a_client_that_left_half_way_are_committed_as_their_key_tells(daemon, pg, table, lock):
    """With its key it goes on for the next to ask; a NOTIFY shows whether its transaction was committed."""

    def request(wire):
        batch = batch_of_many(wire, key=b"many")
        statement = batch.batch.statements[1]
        statement.sql = b"SELECT pg_notify('read', 'all') WHERE $1 = '0'"
        return batch

    with pg.connect() as hears:
        hears.execute("LISTEN read")
        with Wire(daemon.socket).named("reader") as gone:
            gone.send(request(gone))
            wait_until("it waits for the lock", lambda: waits(pg))
        with Wire(daemon.socket).named("reader") as again:
            wait_until("its client is gone", lambda: again.status().clients == 1)
            lock()
            assert len(again.call(request(again)).results) == 3
        assert [n.payload for n in hears.notifies(timeout=20, stop_after=1)] == ["all"]


def test_many_sets_on_a_lease_are_part_of_its_transaction(wire, pg, table):
    lease = wire.lease(begin=True)
    wire.call(batch_of_many(wire, lease=lease))
    assert wire.values("SELECT count(*) FROM line", lease=lease) == [(str(MANY),)]
    wire.release(lease)
    assert lines(pg) == []
    lease = wire.lease(begin=True)
    wire.call(batch_of_many(wire, lease=lease, finish=COMMIT))
    assert len(lines(pg)) == MANY


def test_many_sets_may_be_submitted(wire, pg, table):
    batch = batch_of_many(wire)
    request = wire.request()
    request.submit.statements.extend(batch.batch.statements[:2])
    wire.call(request)
    wait_until("it is run", lambda: pg.sql("SELECT count(*), sum(a) FROM line") == [(MANY, MANY * (MANY - 1) // 2)])


@pytest.mark.parametrize("atomic", [True, False])
def test_many_statements_go_out_a_piece_at_a_time(wire, pg, table, atomic):
    n = 1000
    statements = [("INSERT INTO line (a) VALUES ($1::text::int) RETURNING a", [str(i)]) for i in range(n)]
    answer = wire.call(wire.batch_request(statements, atomic=atomic))
    assert [rows(r) for r in answer.results] == [[(str(i).encode(),)] for i in range(n)] and lines(pg) == list(range(n))


def test_each_of_many_statements_is_a_transaction_of_its_own(wire, pg, table):
    """Also where one has many sets, and at the seam between two pieces."""
    n, bad = 300, {0, 127, 128, 129, 256, 299}
    request = wire.batch_request([("INSERT INTO line (a) VALUES ($1::text::int)", [str(i)]) for i in range(n)], atomic=False)
    for i in bad | {10}:
        statement = request.batch.statements[i]
        values = [str(1000 * i + k) for k in range(600)]
        statement.parameters = b"".join(pack([v]) for v in values + (["x"] if i in bad else ["-1"]))
        statement.parameter_sets = 601
    answer = wire.call(request)
    failed = {r.statement_index: r.error.parameter_set_index for r in answer.results if r.HasField("error")}
    assert failed == {i: 600 for i in bad}
    assert lines(pg) == sorted([i for i in range(n) if i not in bad | {10}] + [10_000 + k for k in range(600)] + [-1])
