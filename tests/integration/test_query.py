# SPDX-License-Identifier: MIT
"""Plain queries: what goes in comes out, and what must not run does not."""
import re
import struct

import pytest
from lib.wire import COMMIT, Failed, Request, Wire, rows

pytestmark = pytest.mark.fast


def test_values_come_back_as_postgresql_writes_them(wire):
    response = wire.query("SELECT 1 AS one, 'x'::text AS x, NULL::int AS nothing, '' AS empty, 1.50::numeric, ARRAY[1,NULL]")
    result = response.results[0]
    assert rows(result) == [(b"1", b"x", None, b"", b"1.50", b"{1,NULL}")]
    assert [c.name for c in result.columns][:4] == ["one", "x", "nothing", "empty"]
    assert [c.type_oid for c in result.columns] == [23, 25, 23, 25, 1700, 1007]
    assert (result.command_tag, result.affected_rows, response.stream_id) == ("SELECT 1", 1, 0)


def test_parameters_are_bound_typed_untyped_binary_and_null(wire):
    sql = "SELECT $1::int + 1, $2 || 'y', $3::int, $4::text, $5::bytea"
    request = wire.query_request(sql, ["41", "x", struct.pack(">i", 7), None, b"\0\xff"])
    request.query.statement.parameter_formats.extend([0, 0, 1, 0, 1])
    request.query.statement.parameter_types.extend([0, 25, 23])
    assert rows(wire.call(request).results[0]) == [(b"42", b"xy", b"7", None, b"\\x00ff")]


def test_results_may_be_binary(wire):
    result = wire.query("SELECT 258::int, 'x'::text", statement={"result_format": 1}).results[0]
    assert rows(result) == [(struct.pack(">i", 258), b"x")]
    assert result.format == 1


def test_empty_results_have_columns_and_commands_have_tags(wire):
    result = wire.query("SELECT 1 AS a WHERE false").results[0]
    assert [c.name for c in result.columns] == ["a"] and result.row_count == 0 and result.command_tag == "SELECT 0"
    wire.query("CREATE TABLE IF NOT EXISTS tags (a int)")
    assert wire.query("INSERT INTO tags SELECT generate_series(1, 3)").results[0].affected_rows == 3
    result = wire.query("DELETE FROM tags").results[0]
    assert (result.command_tag, result.affected_rows, len(result.columns)) == ("DELETE 3", 3, 0)


def test_notices_come_with_the_result(wire):
    result = wire.query("DO $$ BEGIN RAISE NOTICE 'hello %', 1 USING HINT = 'none'; END $$").results[0]
    assert [(n.fields.severity, n.fields.message, n.fields.hint) for n in result.notices] == [("NOTICE", "hello 1", "none")]


def test_an_error_has_every_field(wire):
    wire.query("DROP TABLE IF EXISTS errors")
    wire.query("CREATE TABLE errors (a int CONSTRAINT positive CHECK (a > 0), b int UNIQUE)")
    with pytest.raises(Failed) as e:
        wire.query("INSERT INTO errors VALUES (-1, 1)")
    sql = e.value.error.sql
    assert (e.value.code, e.value.outcome) == ("SQL_ERROR", "failed")
    assert (sql.sqlstate, sql.severity, sql.table_name, sql.constraint_name, sql.schema_name) == (
        "23514", "ERROR", "errors", "positive", "public",
    )  # fmt: skip
    assert "Failing row" in sql.detail and sql.source_function
    with pytest.raises(Failed) as e:
        wire.query("SELECT nothing FROM pg_class")
    assert e.value.error.sql.sqlstate == "42703" and e.value.error.sql.position == 8
    assert wire.values("SELECT 1") == [("1",)], "the connection goes on"


def test_a_deferred_constraint_fails_the_statement_at_its_commit(wire, pg):
    wire.query("DROP TABLE IF EXISTS deferred")
    wire.query("CREATE TABLE deferred (a int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
    wire.query("INSERT INTO deferred VALUES (1)")
    with pytest.raises(Failed) as e:
        wire.query("INSERT INTO deferred VALUES (1)")
    assert (e.value.code, e.value.outcome, e.value.error.sql.sqlstate) == ("SQL_ERROR", "failed", "23505")
    assert pg.sql("SELECT count(*) FROM deferred") == [(1,)]


def test_a_statement_id_stands_for_its_text_also_on_another_connection(wire, daemon):
    first = wire.query("SELECT $1::int * 2", ["4"]).results[0]
    assert first.statement_id
    request = wire.query_request("", ["5"])
    request.query.statement.statement_id = first.statement_id
    assert rows(wire.call(request).results[0]) == [(b"10",)]
    with Wire(daemon.socket) as other:
        assert rows(other.call(request).results[0]) == [(b"10",)]
    request.query.statement.statement_id = first.statement_id + 1
    with pytest.raises(Failed) as e:
        wire.call(request)
    assert (e.value.code, e.value.outcome) == ("UNKNOWN_STATEMENT", "not sent")


def test_columns_that_the_client_knows_are_left_out(wire):
    sql = "SELECT 1 AS a, 2 AS b"
    first = wire.query(sql).results[0]
    again = wire.query(sql, statement={"known_columns_id": first.columns_id}).results[0]
    assert len(again.columns) == 0 and again.columns_id == first.columns_id and rows(again, 2) == [(b"1", b"2")]
    other = wire.query("SELECT 1 AS c", statement={"known_columns_id": first.columns_id}).results[0]
    assert [c.name for c in other.columns] == ["c"]


@pytest.mark.parametrize(
    "sql, word",
    [
        ("SET work_mem = '1MB'", "SET"),
        ("/* x */ begin", "BEGIN"),
        ("LISTEN x", "LISTEN"),
        ("PREPARE p AS SELECT 1", "PREPARE"),
        ("DECLARE c CURSOR FOR SELECT 1", "DECLARE"),
        ("CREATE TEMP TABLE t (a int)", "TEMPORARY"),
        ("SELECT pg_advisory_lock(1)", "pg_advisory_lock()"),
        ("SELECT set_config('work_mem', '1MB', false)", "set_config()"),
        ("SELECT lastval()", "lastval()"),
    ],
)
def test_what_would_leak_is_refused_with_its_remedy(wire, sql, word):
    with pytest.raises(Failed) as e:
        wire.query(sql)
    assert (e.value.code, e.value.outcome) == ("SESSION_REQUIRED", "not sent")
    assert e.value.error.message.startswith(word) and "lease" in e.value.error.remedy


@pytest.mark.parametrize(
    "change, part",
    [
        (lambda r: r.query.statement.ClearField("sql"), "both empty"),
        (lambda r: setattr(r.query.statement, "sql", b"SELECT 1\0; DROP TABLE x"), "zero byte"),
        (lambda r: setattr(r.query.statement, "parameter_count", 3), "packed rows"),
        (lambda r: setattr(r.query.statement, "parameters", b"\1\0\0\0\0"), "zero byte"),
        (lambda r: setattr(r.query.statement, "result_format", 2), "result_format"),
        (lambda r: r.query.statement.parameter_formats.append(7), "format"),
        (lambda r: setattr(r.query.statement, "parameter_sets", 2), "batches"),
        (lambda r: setattr(r.query.statement, "simple", True), "leases"),
        (lambda r: r.query.ClearField("statement"), "missing"),
        (lambda r: setattr(r, "finish", COMMIT), "finish"),
        (lambda r: setattr(r, "pool", "other"), "other"),
        (lambda r: setattr(r, "call_site", "x" * 300), "call_site"),
    ],
)
def test_a_field_out_of_range_is_named(wire, change, part):
    request = wire.query_request("SELECT $1::text", ["x"])
    change(request)
    with pytest.raises(Failed) as e:
        wire.call(request)
    assert e.value.outcome == "not sent" and part in e.value.error.message
    assert wire.values("SELECT 1") == [("1",)]


def test_copy_is_no_query(wire):
    with pytest.raises(Failed) as e:
        wire.query("COPY pg_class TO STDOUT")
    assert "CopyOut" in e.value.error.message


def test_large_values_pass_both_ways(wire):
    big = "x" * 5_000_000
    result = wire.query("SELECT length($1::text), $1::text", [big])
    assert rows(result.results[0])[0][0] == b"5000000"
    assert len(rows(result.results[0])[0][1]) == 5_000_000


def test_requests_on_one_connection_are_answered_as_they_are_ready(wire, pg):
    """The first waits for a lock that is given up only after the second was answered."""
    with pg.connect() as barrier:
        barrier.execute("SELECT pg_advisory_lock(4711)")
        slow = wire.send(wire.query_request("SELECT 'slow' FROM pg_advisory_xact_lock(4711)"))
        assert wire.values("SELECT 'quick'") == [("quick",)]
        barrier.execute("SELECT pg_advisory_unlock(4711)")
    assert rows(wire.receive(slow).results[0]) == [(b"slow",)]


def test_a_repeated_request_id_in_flight_runs_once(wire, pg):
    pg.sql("DROP TABLE IF EXISTS once; CREATE TABLE once (a int)")
    with pg.connect() as barrier:
        barrier.execute("BEGIN; LOCK once IN ACCESS EXCLUSIVE MODE")
        body = struct.pack(">I", 0x80001234) + wire.query_request("INSERT INTO once VALUES (1)").SerializeToString()
        wire.send_body(body)
        wire.send_body(body)
        barrier.execute("COMMIT")
    assert wire.receive(0x80001234).results[0].affected_rows == 1
    wire.values("SELECT 1")
    assert pg.sql("SELECT count(*) FROM once") == [(1,)] and 0x80001234 not in wire.early


def test_a_changed_table_does_not_break_a_prepared_statement(wire):
    wire.query("DROP TABLE IF EXISTS shape")
    wire.query("CREATE TABLE shape (a int)")
    sql, values = "SELECT *, $1::text c, $2::text d, $3::text e FROM shape", ["one", None, "three"]
    for _ in range(20):  # prepared by now, on whichever connections
        assert wire.values(sql, values) == []
    wire.query("ALTER TABLE shape ADD b int")
    wire.query("INSERT INTO shape VALUES (1, 2)")
    for _ in range(10):
        assert wire.values(sql, values) == [("1", "2", "one", None, "three")]


@pytest.mark.settings({"sidepool": {"max_message_bytes": "32MiB", "max_chunk_bytes": "128KiB", "idempotency_ttl": "90s"}})
def test_hello_tells_limits_pools_and_parameters(wire, pg):
    request = Request()
    request.hello.min_version = request.hello.max_version = 1
    request.hello.application_name = "reporter"
    wire.query("SELECT 1")
    hello = wire.call(request).hello
    assert (hello.version, hello.application, list(hello.pools)) == (1, "reporter", ["main"])
    assert (hello.max_message_bytes, hello.max_chunk_bytes, hello.idempotency_ms) == (32 << 20, 128 << 10, 90000)
    assert list(hello.features) == ["listen", "submit"] and hello.events_url.startswith("ipc:///")
    assert hello.instance_id != 0 and re.fullmatch(r"\d+\.\d+\.\d+", hello.daemon_version)
    reported = {p.name: p.value for p in hello.parameters}
    assert len(reported) == len(hello.parameters) and reported.keys() >= {"server_version", "TimeZone", "DateStyle"}
    for name, value in reported.items():
        assert pg.sql(f"SHOW {name}") == [(value,)]
    request.hello.min_version = 2
    request.hello.max_version = 3
    with pytest.raises(Failed) as e:
        wire.call(request)
    assert e.value.code == "UNSUPPORTED"
