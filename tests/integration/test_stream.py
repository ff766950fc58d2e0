# SPDX-License-Identifier: MIT
"""Results of many chunks, and COPY."""
import pytest
from lib.cut import Cut
from lib.wait import FACTOR, wait_until
from lib.wire import CODES, COMMIT, OUTCOMES, Failed, Request, Wire, rows

MIB = 1024 * 1024


def read_all(wire, response, ahead=2):
    """The rows of all chunks, a few asked ahead."""
    columns = len(response.results[0].columns)
    got, stream = rows(response.results[0], columns), response.stream_id
    asked = [wire.send(wire.fetch_request(stream)) for _ in range(ahead)] if stream else []
    last = response
    while asked:
        last = wire.receive(asked.pop(0))
        if last.HasField("error"):
            assert CODES[last.error.code] == "UNKNOWN_STREAM"
            continue
        for result in last.results:
            got += rows(result, columns)
        if last.stream_id:
            asked.append(wire.send(wire.fetch_request(stream)))
        else:
            final = last
    return got, final if stream else response


@pytest.mark.fast
def test_a_large_result_comes_in_chunks_complete_and_in_order(wire):
    response = wire.query("SELECT g, repeat('x', 100) FROM generate_series(1, 20000) g", chunk_bytes=65536)
    assert response.stream_id and response.results[0].more and not response.results[0].command_tag
    got, last = read_all(wire, response)
    assert [int(r[0]) for r in got] == list(range(1, 20001))
    assert last.results[-1].command_tag == "SELECT 20000" and not last.results[-1].more
    assert wire.values("SELECT 1") == [("1",)]


@pytest.mark.fast
def test_a_stream_may_be_closed_early(wire, pg):
    response = wire.query("SELECT generate_series(1, 1000000000)")
    wire.call(wire.fetch_request(response.stream_id, close=True))
    with pytest.raises(Failed) as e:
        wire.call(wire.fetch_request(response.stream_id))
    assert e.value.code == "UNKNOWN_STREAM"
    pg.wait_for_end()
    assert wire.values("SELECT 1") == [("1",)]


def test_a_stream_of_a_client_that_is_gone_is_cancelled(daemon, wire, pg):
    with Wire(daemon.socket) as gone:
        assert gone.query("SELECT generate_series(1, 1000000000), repeat('x', 1000)").stream_id
    pg.wait_for_end()
    wait_until("the connection is free", lambda: wire.status().pools[0].in_use == 0)


@pytest.mark.settings({"sidepool": {"fetch_timeout": "200ms"}})
def test_a_client_that_does_not_fetch_loses_its_stream(wire, daemon):
    response = wire.query("SELECT generate_series(1, 1000000000), repeat('x', 1000)")
    with Wire(daemon.socket) as other:
        wait_until("its connection is free", lambda: other.status().pools[0].in_use == 0)
    answer = wire.receive(wire.send(wire.fetch_request(response.stream_id)))
    assert CODES[answer.error.code] == "FETCH_TIMEOUT"


def given_up(fetch_timeout, *case):
    return pytest.param(*case, marks=pytest.mark.settings({"sidepool": {"fetch_timeout": fetch_timeout, "max_chunk_bytes": "64KiB"}}))


# What PostgreSQL must have begun within the deadline.
SOON_MS = int(1000 * FACTOR)


@pytest.mark.parametrize(
    "sql, deadline_ms, code, outcome",
    [
        given_up("200ms", "SELECT g, repeat('x', 1000) FROM generate_series(1, 200) g", 0, "FETCH_TIMEOUT", "failed"),
        given_up("1h", "SELECT g, repeat('x', 1000) FROM generate_series(1, 200) g", SOON_MS, "DEADLINE_EXCEEDED", "failed"),
        given_up(
            "1h", "INSERT INTO late SELECT g FROM generate_series(1, 200) g RETURNING a, repeat('x', 1000)", SOON_MS, "DEADLINE_EXCEEDED",
            "unknown",
        ),
    ],
)  # fmt: skip
def test_a_stream_given_up_after_its_statement_was_done_is_no_success(wire, daemon, pg, sql, deadline_ms, code, outcome):
    """The rest fits into the sockets' buffers, so that PostgreSQL has nothing left to cancel: the dropped rows have to be told."""
    pg.sql("DROP TABLE IF EXISTS late; CREATE TABLE late (a int)")
    response = wire.query(sql, deadline_ms=deadline_ms)
    assert response.stream_id
    with Wire(daemon.socket) as other:
        wait_until("its connection is free", lambda: other.status().pools[0].in_use == 0)
    answer = wire.receive(wire.send(wire.fetch_request(response.stream_id)))
    assert (CODES[answer.error.code], OUTCOMES[answer.error.outcome]) == (code, outcome) and not answer.results


def test_another_clients_stream_is_out_of_reach(daemon, wire):
    response = wire.query("SELECT g FROM generate_series(1, 1000000) g")
    with Wire(daemon.socket) as other:
        with pytest.raises(Failed) as e:
            other.call(other.fetch_request(response.stream_id))
        assert e.value.code == "UNKNOWN_STREAM"
    wire.call(wire.fetch_request(response.stream_id, close=True))


def test_an_error_in_the_middle_of_a_stream_is_told(wire):
    response = wire.query("SELECT 100000 / (100000 - g), repeat('x', 100) FROM generate_series(1, 200000) g")
    while response.stream_id and not response.HasField("error"):
        response = wire.receive(wire.send(wire.fetch_request(response.stream_id)))
    assert response.error.sql.sqlstate == "22012" and response.stream_id == 0


def test_a_stream_in_a_batch_and_on_a_lease(wire):
    request = wire.batch_request(["SELECT 1", "SELECT g, repeat('x', 100) FROM generate_series(1, 10000) g", "SELECT 3"], begin=True, finish=COMMIT)
    request.batch.chunk_bytes = 65536
    response = wire.call(request)
    seen = {}
    while True:
        for r in response.results:
            seen[r.statement_index] = seen.get(r.statement_index, 0) + r.row_count
        if not response.stream_id:
            break
        response = wire.call(wire.fetch_request(response.stream_id))
    assert seen == {0: 1, 1: 10000, 2: 1}


def slow_reader(daemon, megabytes):
    """Fetch that much, one chunk at a time, and return by how much the daemon grew meanwhile at most."""
    with Wire(daemon.socket) as wire:
        wire.values("SELECT 1")
        before, most, got = daemon.rss(), 0, 0
        response = wire.query(f"SELECT repeat('x', 10000) FROM generate_series(1, {megabytes * 105})")
        while True:
            got += sum(len(r.rows) for r in response.results)
            most = max(most, daemon.rss())
            if not response.stream_id:
                break
            response = wire.call(wire.fetch_request(response.stream_id))
        assert got > megabytes * MIB
        return most - before


def test_memory_stays_bounded_through_200_megabytes(daemon):
    assert slow_reader(daemon, 200) < 32 * MIB


@pytest.mark.long
def test_memory_stays_bounded_through_a_gigabyte(daemon):
    assert slow_reader(daemon, 1024) < 32 * MIB


def test_asking_far_ahead_without_reading_is_bounded(daemon):
    with Wire(daemon.socket) as wire, Wire(daemon.socket) as other:
        response = wire.query("SELECT repeat('x', 10000) FROM generate_series(1, 100000)")
        before = daemon.rss()
        # The kernel holds some 270 messages for a daemon that does not read; with more we would block.
        ids = [wire.send(wire.fetch_request(response.stream_id)) for _ in range(200)]
        wait_until("others are served", lambda: other.values("SELECT 1"))
        assert daemon.rss() - before < 24 * MIB
        total = sum(r.row_count for r in response.results)
        for i in ids:
            answer = wire.receive(i)
            total += sum(r.row_count for r in answer.results)
            if not answer.stream_id:
                break
        while answer.stream_id:
            answer = wire.call(wire.fetch_request(response.stream_id))
            total += sum(r.row_count for r in answer.results)
        assert total == 100000


# ---- COPY ----


@pytest.fixture
def table(pg):
    pg.sql("DROP TABLE IF EXISTS copied; CREATE TABLE copied (a int, b text)")


def copy_in_request(sql, **where):
    r = Wire.request(None, **where)
    r.copy_in.sql = sql.encode()
    return r


def copy_data(stream, data=b"", end=False, fail=""):
    r = Request()
    r.copy_data.stream_id, r.copy_data.data, r.copy_data.end, r.copy_data.fail = stream, data, end, fail
    return r


@pytest.mark.fast
def test_copy_in_and_out(wire, pg, table):
    ready = wire.call(copy_in_request("COPY copied FROM STDIN")).copy_ready
    assert ready.stream_id and ready.format == 0 and list(ready.column_formats) == [0, 0]
    ids = [wire.send(copy_data(ready.stream_id, f"{i}\trow {i}\n".encode())) for i in range(100)]
    ids.append(wire.send(copy_data(ready.stream_id, end=True)))
    answers = [wire.receive(i) for i in ids]
    assert not any(a.HasField("error") for a in answers) and answers[-1].results[0].command_tag == "COPY 100"
    request = Request()
    request.copy_out.sql = b"COPY (SELECT * FROM copied ORDER BY a) TO STDOUT"
    response, data = wire.call(request), b""
    stream = response.copy_ready.stream_id
    while stream:
        response = wire.call(wire.fetch_request(stream))
        data += response.copy_chunk.data
        stream = response.stream_id
    assert data == b"".join(f"{i}\trow {i}\n".encode() for i in range(100))
    assert response.results[0].command_tag == "COPY 100"


def test_a_large_copy_in_is_bounded(daemon, wire, pg, table):
    ready = wire.call(copy_in_request("COPY copied FROM STDIN")).copy_ready
    piece = b"1\t" + b"x" * 998 + b"\n"
    before, most, waiting = daemon.rss(), 0, []
    for _ in range(300):
        waiting.append(wire.send(copy_data(ready.stream_id, piece * 500)))
        if len(waiting) > 4:
            wire.receive(waiting.pop(0))
        most = max(most, daemon.rss())
    waiting.append(wire.send(copy_data(ready.stream_id, end=True)))
    answers = [wire.receive(i) for i in waiting]
    assert answers[-1].results[0].affected_rows == 150000 and most - before < 32 * MIB


@pytest.mark.fast
def test_a_copy_may_be_given_up(wire, pg, table):
    ready = wire.call(copy_in_request("COPY copied FROM STDIN")).copy_ready
    wire.call(copy_data(ready.stream_id, b"1\tx\n"))
    answer = wire.receive(wire.send(copy_data(ready.stream_id, fail="changed my mind")))
    assert answer.error.sql.sqlstate == "57014" and "changed my mind" in answer.error.sql.message
    assert pg.sql("SELECT count(*) FROM copied") == [(0,)]


@pytest.mark.fast
def test_bad_copy_data_is_told_at_the_end(wire, pg, table):
    ready = wire.call(copy_in_request("COPY copied FROM STDIN")).copy_ready
    answer = wire.receive(wire.send(copy_data(ready.stream_id, b"not a number\tx\n", end=True)))
    assert answer.error.sql.sqlstate == "22P02" and "copied" in answer.error.sql.where
    assert wire.values("SELECT 1") == [("1",)]


@pytest.mark.fast
def test_copy_on_a_lease_is_part_of_its_transaction(wire, pg, table):
    ready = wire.call(copy_in_request("COPY copied FROM STDIN", begin=True, finish=COMMIT)).copy_ready
    assert wire.call(copy_data(ready.stream_id, b"1\tx\n", end=True)).results[0].command_tag == "COPY 1"
    assert pg.sql("SELECT count(*) FROM copied") == [(1,)]


@pytest.mark.fast
def test_the_lease_that_a_copy_takes_is_told_at_once(wire, pg, table):
    answer = wire.call(copy_in_request("COPY copied FROM STDIN", begin=True))
    assert answer.copy_ready.stream_id and answer.lease.lease_id
    wire.call(copy_data(answer.copy_ready.stream_id, b"1\tx\n", end=True))
    wire.release(answer.lease, COMMIT)
    assert pg.sql("SELECT count(*) FROM copied") == [(1,)]


@pytest.mark.fast
def test_the_wrong_direction_is_refused(wire, table):
    for sql in ("COPY copied TO STDOUT", "SELECT 1", "COPY copied FROM '/etc/passwd'"):
        with pytest.raises(Failed) as e:
            wire.call(copy_in_request(sql))
        assert e.value.code == "INVALID_ARGUMENT"
    assert wire.values("SELECT 1") == [("1",)]


def test_a_copy_of_a_client_that_is_gone_leaves_nothing(daemon, wire, pg, table):
    with Wire(daemon.socket) as gone:
        ready = gone.call(copy_in_request("COPY copied FROM STDIN")).copy_ready
        gone.call(copy_data(ready.stream_id, b"1\tx\n"))
    wait_until("the connection is free", lambda: wire.status().pools[0].in_use == 0)
    assert pg.sql("SELECT count(*) FROM copied") == [(0,)]


def test_rows_that_come_after_their_client_has_left_are_dropped(pg, make_daemon):
    """Its cancel does not arrive, so that the rows do: more than one answer can carry."""
    with Cut(pg) as cut, pg.connect() as barrier:
        daemon = make_daemon(cut.url, config={"sidepool": {"budget": 2, "cancel_timeout": "30s"}})
        barrier.execute("SELECT pg_advisory_lock(61)")
        with Wire(daemon.socket) as other, Wire(daemon.socket) as gone:
            gone.values("SELECT 1")
            cut.lost_cancels = 1000
            sql = "WITH w AS MATERIALIZED (SELECT pg_advisory_xact_lock_shared(61)) SELECT repeat('x', 1000) FROM w, generate_series(1, 5000)"
            gone.send(gone.query_request(sql))
            wait_until("it waits", lambda: pg.sql("SELECT 1 FROM pg_locks WHERE objid = 61 AND NOT granted"))
            gone.close()
            wait_until("it is gone", lambda: other.status().clients == 1)
            barrier.execute("SELECT pg_advisory_unlock(61)")
            wait_until("its connection is free", lambda: other.status().pools[0].in_use == 0)
