# SPDX-License-Identifier: MIT
"""The ways in which a COPY ends before its time, and what each costs the others: see test_stream.py for those that go well."""
import pytest
from lib.wait import FACTOR, wait_until
from lib.wire import CODES, OUTCOMES, Failed, Request, Wire

# Long enough that a test which waits for it fails by its own patience: a COPY must end without it.
pytestmark = [pytest.mark.fast, pytest.mark.settings({"sidepool": {"budget": 1, "cancel_timeout": "10min"}})]


@pytest.fixture
def table(pg):
    pg.sql("DROP TABLE IF EXISTS taken; CREATE TABLE taken (a int)")


def copy_in(wire, sql="COPY taken FROM STDIN", **where):
    request = wire.request(**where)
    request.copy_in.sql = sql.encode()
    number = wire.send(request)
    response = wire.receive(number)
    assert not response.HasField("error"), response.error
    return number, response


def data(stream, text=b"", end=False):
    request = Request()
    request.copy_data.stream_id, request.copy_data.data, request.copy_data.end = stream, text, end
    return request


def told(response):
    return CODES[response.error.code], OUTCOMES[response.error.outcome]


def count(pg):
    return pg.sql("SELECT count(*) FROM taken")[0][0]


def backend(wire):
    return wire.values("SELECT pg_backend_pid()")


def test_a_client_that_is_gone_in_the_middle_frees_the_connection_at_once(daemon, wire, pg, table):
    before = backend(wire)
    with Wire(daemon.socket) as gone:
        _, response = copy_in(gone)
        gone.call(data(response.copy_ready.stream_id, b"1\n"))
    assert backend(wire) == before, "it was ended, not cut"
    assert count(pg) == 0


def test_one_on_a_lease_too(daemon, wire, pg, table):
    with Wire(daemon.socket) as gone:
        _, response = copy_in(gone, begin=True)
        gone.call(data(response.copy_ready.stream_id, b"1\n"))
    assert wire.values("SELECT count(*) FROM taken") == [("0",)]


def test_a_fetch_of_it_is_refused_and_changes_nothing(wire, pg, table):
    number, response = copy_in(wire)
    stream, rows = response.copy_ready.stream_id, b"1\n" * 500_000
    sent = [wire.send(wire.fetch_request(stream)), wire.send(data(stream, rows)), wire.send(wire.fetch_request(stream))]
    answers = [wire.receive(each) for each in sent]
    assert [told(a) for a in (answers[0], answers[2])] == [("UNKNOWN_STREAM", "not sent")] * 2
    assert not answers[1].HasField("error"), answers[1].error
    last = wire.call(data(stream, end=True))
    assert last.results[0].affected_rows == 500_000
    assert count(pg) == 500_000


def test_a_cancelled_one_says_so(daemon, wire, pg, table):
    lease = wire.lease(begin=True)
    _, response = copy_in(wire, lease=lease)
    request = Request()
    request.cancel.lease_id = lease.lease_id
    assert wire.call(request).cancel.found
    answer = wire.receive(wire.send(data(response.copy_ready.stream_id, b"1\n", end=True)))
    assert told(answer) == ("CANCELLED", "failed")
    assert wire.release(lease, 1).results[0].command_tag == "ROLLBACK" and count(pg) == 0


def test_one_past_its_deadline_is_ended(daemon, wire, pg, table):
    _, response = copy_in(wire, deadline_ms=int(200 * FACTOR))
    with Wire(daemon.socket) as other:
        assert other.values("SELECT 1") == [("1",)]
    answer = wire.receive(wire.send(data(response.copy_ready.stream_id, b"1\n", end=True)))
    assert told(answer) == ("DEADLINE_EXCEEDED", "failed") and count(pg) == 0


@pytest.mark.settings({"sidepool": {"budget": 1, "fetch_timeout": f"{200 * FACTOR:.0f}ms"}})
def test_one_that_sends_nothing_more_is_ended(daemon, wire, pg, table):
    _, response = copy_in(wire)
    wire.call(data(response.copy_ready.stream_id, b"1\n"))
    with Wire(daemon.socket) as other:
        assert other.values("SELECT 1") == [("1",)]
    answer = wire.receive(wire.send(data(response.copy_ready.stream_id, b"2\n", end=True)))
    assert told(answer) == ("FETCH_TIMEOUT", "failed") and count(pg) == 0


@pytest.mark.settings({"sidepool": {"budget": 1, "fetch_timeout": "200ms"}})
def test_one_whose_rows_take_long_is_not_ended_by_fetch_timeout(daemon, wire, pg, table):
    """The time in which PostgreSQL is at it is not the client's."""
    with pg.connect() as barrier:
        barrier.execute("SELECT pg_advisory_lock(99)")
        pg.sql(
            "CREATE OR REPLACE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN PERFORM pg_advisory_xact_lock(99); RETURN NEW; END $$"
        )
        pg.sql("CREATE TRIGGER slow BEFORE INSERT ON taken FOR EACH ROW EXECUTE FUNCTION slow()")
        _, response = copy_in(wire)
        last = wire.send(data(response.copy_ready.stream_id, b"1\n", end=True))
        waited = pg.sql("SELECT clock_timestamp()")[0][0]
        wait_until(
            "more than fetch_timeout has passed",
            lambda: pg.sql("SELECT clock_timestamp() - %s > interval '400 ms'", waited)[0][0],
        )
        barrier.execute("SELECT pg_advisory_unlock(99)")
    assert wire.receive(last).results[0].command_tag == "COPY 1" and count(pg) == 1


def test_one_whose_backend_is_terminated_is_told(wire, pg, table):
    _, response = copy_in(wire)
    stream = response.copy_ready.stream_id
    wire.call(data(stream, b"1\n"))
    pg.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'COPY taken%%'")
    answer = wire.receive(wire.send(data(stream, b"2\n", end=True)))
    assert told(answer)[1] in ("failed", "unknown") and count(pg) == 0
    wait_until("it goes on", lambda: wire.values("SELECT 1"))


def test_a_copy_out_that_nobody_fetches_goes_with_its_client(daemon, wire, pg, table):
    with Wire(daemon.socket) as gone:
        request = Request()
        request.copy_out.sql = b"COPY (SELECT g, repeat('x', 1000) FROM generate_series(1, 1000000) g) TO STDOUT"
        gone.call(request)
    assert wire.values("SELECT 1") == [("1",)]


def test_a_copy_out_that_fails_midway_tells_why(wire):
    request = Request()
    request.copy_out.sql = b"COPY (SELECT 1 / (5000 - g), repeat('x', 1000) FROM generate_series(1, 10000) g) TO STDOUT"
    response = wire.call(request)
    stream = response.copy_ready.stream_id
    while not response.HasField("error"):
        assert stream
        response = wire.receive(wire.send(wire.fetch_request(stream)))
    assert response.error.sql.sqlstate == "22012"
    with pytest.raises(Failed) as e:
        wire.call(wire.fetch_request(stream))
    assert e.value.code == "UNKNOWN_STREAM" and wire.values("SELECT 1") == [("1",)]


def test_binary_copies_and_copies_of_a_query(wire, pg, table):
    pg.sql("INSERT INTO taken VALUES (7)")
    request = Request()
    request.copy_out.sql = b"COPY taken TO STDOUT (FORMAT binary)"
    ready = wire.call(request).copy_ready
    assert ready.format == 1 and list(ready.column_formats) == [1]
    answer, image = wire.call(wire.fetch_request(ready.stream_id)), b""
    while answer.stream_id:
        image += answer.copy_chunk.data
        answer = wire.call(wire.fetch_request(ready.stream_id))
    image += answer.copy_chunk.data
    assert image.startswith(b"PGCOPY\n\xff\r\n\0")
    _, response = copy_in(wire, "COPY taken FROM STDIN (FORMAT binary)")
    last = wire.call(data(response.copy_ready.stream_id, image, end=True))
    assert last.results[0].affected_rows == 1 and pg.sql("SELECT a FROM taken") == [(7,), (7,)]


def test_an_empty_copy_takes_nothing(wire, pg, table):
    _, response = copy_in(wire)
    assert wire.call(data(response.copy_ready.stream_id, end=True)).results[0].command_tag == "COPY 0"


@pytest.mark.parametrize("sql", ["COPY nowhere FROM STDIN", "COPY taken (b) FROM STDIN"])
def test_a_copy_that_cannot_begin_is_answered(wire, table, sql):
    request = Request()
    request.copy_in.sql = sql.encode()
    with pytest.raises(Failed) as e:
        wire.call(request)
    assert (e.value.code, e.value.outcome) == ("SQL_ERROR", "failed") and wire.values("SELECT 1") == [("1",)]


def test_data_without_a_copy_is_refused(wire):
    with pytest.raises(Failed) as e:
        wire.call(data(4711, b"1\n"))
    assert (e.value.code, e.value.outcome) == ("UNKNOWN_STREAM", "not sent")


def test_a_connection_that_libpq_closes_while_it_writes_is_noticed(daemon, pg, table):
    """Writing to a server that has just left, libpq reads its last words and closes the socket: nothing comes from there any more."""
    for _ in range(30):
        with Wire(daemon.socket, timeout=20) as w:
            _, response = copy_in(w)
            stream = response.copy_ready.stream_id
            w.call(data(stream, b"1\n"))
            pg.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'COPY taken%%'")
            assert told(w.receive(w.send(data(stream, b"2\n", end=True))))[1] in ("failed", "unknown")
    assert count(pg) == 0
