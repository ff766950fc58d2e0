# SPDX-License-Identifier: MIT
"""A request with an idempotency key runs once, however often it is sent: what test_failures.py has not shown yet."""
import pytest
from lib.nobody import as_nobody
from lib.wait import wait_until
from lib.wire import Failed, Wire, rows

pytestmark = pytest.mark.fast


@pytest.fixture(autouse=True)
def table(pg):
    pg.sql("DROP TABLE IF EXISTS debit; CREATE TABLE debit (a int)")


def count(pg):
    return pg.sql("SELECT count(*) FROM debit")[0][0]


def batch(wire, key, *statements, atomic=True):
    return wire.batch_request([*statements], atomic=atomic, key=key)


def test_a_batch_is_answered_again(wire, pg, daemon):
    request = batch(wire, b"b1", "INSERT INTO debit VALUES (1) RETURNING a", "INSERT INTO debit VALUES (2)")
    first = wire.call(request)
    with Wire(daemon.socket) as other:
        again = other.call(request)
    assert [r.SerializeToString() for r in again.results] == [r.SerializeToString() for r in first.results]
    assert count(pg) == 2


def test_a_transaction_in_one_message_is_answered_again(wire, pg):
    request = wire.query_request("INSERT INTO debit VALUES (1)", key=b"t1", begin=True, finish=1)
    for _ in range(3):
        assert wire.call(request).results[0].command_tag == "INSERT 0 1"
    assert count(pg) == 1


def test_a_failure_of_postgresql_is_kept_too(wire, pg):
    request = wire.query_request("INSERT INTO debit SELECT 1 / (SELECT count(*) FROM debit WHERE a = 5)", key=b"f1")
    with pytest.raises(Failed) as first:
        wire.call(request)
    pg.sql("INSERT INTO debit VALUES (5)")  # it would work now
    with pytest.raises(Failed) as again:
        wire.call(request)
    assert first.value.error == again.value.error and again.value.error.sql.sqlstate == "22012"


@pytest.mark.parametrize(
    "change",
    [
        lambda r: setattr(r.batch, "atomic", False),
        lambda r: setattr(r.batch.statements[0], "result_format", 1),
        lambda r: setattr(r.batch.transaction, "read_only", True),
        lambda r: setattr(r.batch.statements[0], "sql", b"INSERT INTO debit VALUES (3) RETURNING a"),
        lambda r: r.batch.statements.add(sql=b"SELECT 1"),
    ],
    ids=["atomic", "format", "transaction", "text", "longer"],
)
def test_anything_else_under_the_same_key_is_refused(wire, pg, change):
    request = batch(wire, b"m1", "INSERT INTO debit VALUES (1) RETURNING a")
    wire.call(request)
    change(request)
    with pytest.raises(Failed) as e:
        wire.call(request)
    assert (e.value.code, e.value.outcome) == ("IDEMPOTENCY_MISMATCH", "not sent") and count(pg) == 1


def test_deadline_and_call_site_may_differ(wire, pg):
    wire.query("INSERT INTO debit VALUES (1)", key=b"d1", deadline_ms=5000, call_site="a.py:1")
    wire.query("INSERT INTO debit VALUES (1)", key=b"d1", deadline_ms=6000, call_site="b.py:2")
    assert count(pg) == 1


def test_a_text_and_its_statement_id_are_the_same_request(wire, pg):
    first = wire.query("INSERT INTO debit VALUES ($1)", ["1"])
    request = wire.query_request("INSERT INTO debit VALUES ($1)", ["2"], key=b"i1")
    wire.call(request)
    request.query.statement.ClearField("sql")
    request.query.statement.statement_id = first.results[0].statement_id
    wire.call(request)
    assert count(pg) == 2


@pytest.mark.settings({"sidepool": {"budget": 1}})
def test_a_repetition_takes_over_from_a_first_that_left_before_it_ran(daemon, wire, pg):
    """The first waits for a connection when its client goes: who repeated it is served all the same."""
    with Wire(daemon.socket) as holder:
        lease = holder.lease()
        request = wire.query_request("INSERT INTO debit VALUES (1)", key=b"o1")
        first = Wire(daemon.socket)
        first.send(request)
        wait_until("it waits", lambda: holder.status().pools[0].waiting == 1)
        ids = [wire.send(request) for _ in range(3)]
        wire.status()
        first.close()
        wait_until("it is gone", lambda: holder.status().clients == 2)
        holder.release(lease)
    answers = [wire.receive(i) for i in ids]
    assert [a.error.message for a in answers] == [""] * 3
    assert [a.results[0].affected_rows for a in answers] == [1] * 3 and count(pg) == 1


@pytest.mark.settings({"sidepool": {"budget": 1}})
def test_a_repetition_has_its_own_deadline(daemon, wire, pg):
    with Wire(daemon.socket) as holder:
        lease = holder.lease()
        impatient = wire.send(wire.query_request("INSERT INTO debit VALUES (1)", key=b"o2", deadline_ms=100))
        patient = wire.send(wire.query_request("INSERT INTO debit VALUES (1)", key=b"o2", deadline_ms=30000))
        assert wire.receive(impatient).error.outcome == 1
        holder.release(lease)
        assert wire.receive(patient).results[0].affected_rows == 1
    assert count(pg) == 1


def test_a_repetition_does_not_wait_beyond_its_deadline(daemon, wire, pg):
    with pg.connect() as barrier, Wire(daemon.socket) as other:
        barrier.execute("BEGIN; LOCK debit IN ACCESS EXCLUSIVE MODE")
        first = wire.send(wire.query_request("INSERT INTO debit VALUES (1)", key=b"o3"))
        wait_until("it runs", lambda: any("INSERT INTO debit" in b[2] and b[1] == "active" for b in pg.backends()))
        with pytest.raises(Failed):
            other.query("INSERT INTO debit VALUES (1)", key=b"o3", deadline_ms=200)
        barrier.execute("COMMIT")
        assert wire.receive(first).results[0].affected_rows == 1
    assert count(pg) == 1


@pytest.mark.settings({"sidepool": {"max_chunk_bytes": "64KiB"}})
def test_an_answer_that_is_too_long_to_keep_is_not_held_in_memory(daemon, wire, pg):
    before = daemon.rss()
    request = wire.query_request("SELECT g, repeat('x', 5000) FROM generate_series(1, 30000) g", key=b"l1")
    with pytest.raises(Failed) as e:
        wire.call(request)
    assert e.value.code == "INVALID_ARGUMENT" and "max_chunk_bytes" in e.value.error.message
    assert e.value.outcome == "failed" and daemon.rss() - before < 32 << 20
    assert wire.values("SELECT 1") == [("1",)]


@pytest.mark.settings({"sidepool": {"max_chunk_bytes": "64KiB"}})
def test_nobody_is_told_that_a_write_with_a_long_answer_had_no_effect(wire, pg):
    """PostgreSQL sends the rows of a RETURNING when all is written, and cannot be stopped any more."""
    request = wire.query_request("INSERT INTO debit SELECT g FROM generate_series(1, 300) g RETURNING a, repeat('x', 5000)", key=b"l2")
    for _ in range(2):
        with pytest.raises(Failed) as e:
            wire.call(request)
        assert count(pg) == (300 if e.value.outcome == "unknown" else 0)
        assert e.value.outcome != "not sent" and not e.value.error.retryable


@pytest.mark.settings({"sidepool": {"idempotency_ttl": "1s"}})
def test_a_key_is_forgotten_after_its_time(wire, pg):
    request = wire.query_request("INSERT INTO debit VALUES (1)", key=b"e1")

    def ran_again():
        wire.call(request)
        return count(pg) == 2

    wait_until("it is forgotten", ran_again)


@pytest.mark.settings({"sidepool": {"idempotency_max_bytes": "64KiB"}})
def test_what_is_kept_is_bounded(daemon, wire, pg):
    for i in range(200):
        wire.query("SELECT repeat('x', 10000)", key=f"k{i}".encode())
    before = daemon.rss()
    for i in range(2000):
        wire.query("SELECT repeat('x', 10000)", key=f"m{i}".encode())
    assert daemon.rss() - before < 8 << 20


@pytest.mark.parametrize("key", [b"x" * 256, b"x" * 5000])
def test_a_key_that_is_too_long_is_refused(wire, key):
    with pytest.raises(Failed) as e:
        wire.query("SELECT 1", key=key)
    assert (e.value.code, e.value.outcome) == ("INVALID_ARGUMENT", "not sent") and "idempotency_key" in e.value.error.message


def test_the_longest_key_and_one_with_zero_bytes_are_keys(wire, pg):
    for key in (b"x" * 255, b"\0" * 255, b"\0", b"\0\0"):
        for _ in range(2):
            wire.query("INSERT INTO debit VALUES (1)", key=key)
    assert count(pg) == 4


def test_another_users_key_is_another_key(daemon, wire, pg):
    request = wire.query_request("SELECT 'mine'", key=b"shared")
    assert rows(wire.call(request).results[0]) == [(b"mine",)]
    assert as_nobody(daemon, lambda w: w.values("SELECT 'theirs'", key=b"shared")[0][0]) == "theirs"
