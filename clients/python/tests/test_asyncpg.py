# SPDX-License-Identifier: MIT
"""sidepool.asyncpg: asyncpg's names, and what it does by them."""
import asyncio
import copy
import datetime as dt
import io
import pickle
import uuid
from decimal import Decimal

import pytest
from sidepool import asyncpg, errors


@pytest.fixture
async def db(socket_path):
    connection = await asyncpg.connect(socket_path)
    yield connection
    await connection.close()


async def test_fetches(db):
    sql = "SELECT n, n * 2 AS double FROM generate_series(1, $1::int) n"
    rows = await db.fetch(sql, 3)
    assert rows == [(1, 2), (2, 4), (3, 6)] and type(rows) is list and isinstance(rows[0], asyncpg.Record)
    assert await db.fetchrow(sql, 3) == (1, 2) and await db.fetchrow(sql, 0) is None
    assert await db.fetchval(sql, 3) == 1 and await db.fetchval(sql, 3, column=1) == 2 and await db.fetchval(sql, 0) is None
    assert await db.fetchval("SELECT 5", column="?column?") == 5
    assert await db.fetch("DO $$ BEGIN END $$") == []
    with pytest.raises(IndexError):
        await db.fetchval("SELECT 1", column=7)


async def test_record(db):
    r = await db.fetchrow("SELECT 1 AS a, 'x' AS b, NULL AS c")
    assert r["a"] == 1 and r[1] == "x" and r[-1] is None and r[0:2] == (1, "x") and len(r) == 3
    assert list(r) == [1, "x", None] and list(r.keys()) == ["a", "b", "c"] and list(r.values()) == list(r)
    assert dict(r) == {"a": 1, "b": "x", "c": None} == dict(r.items())
    assert "a" in r and 1 not in r and r.get("zz", 4) == 4 and r.get("c", 4) is None
    assert r == (1, "x", None) and hash(r) == hash((1, "x", None)) and repr(r) == "<Record a=1 b='x' c=None>"
    for same in (pickle.loads(pickle.dumps(r)), copy.copy(r)):
        assert same == r and same["b"] == "x"
    with pytest.raises(KeyError, match="zz"):
        r["zz"]
    with pytest.raises(IndexError):
        r[3]
    assert repr(await db.fetchrow("SELECT")) == "<Record>"


async def test_record_class(db):
    class Mine(asyncpg.Record):
        def __getattr__(self, name):
            return self[name]

    (r,) = await db.fetch("SELECT 7 AS seven", record_class=Mine)
    assert r.seven == 7 and isinstance(r, Mine)


async def test_execute_tells_the_tag(db, table, pg):
    assert await db.execute("INSERT INTO t VALUES ($1, $2)", 1, "a") == "INSERT 0 1"
    assert await db.execute("INSERT INTO t VALUES (2, 'b'); UPDATE t SET x = 'c'; DELETE FROM t WHERE id = 1") == "DELETE 1"
    await db.executemany("INSERT INTO t VALUES ($1, $2)", [(n, None) for n in range(10, 20)])
    assert pg.sql("SELECT count(*) FROM t") == [(11,)]
    with pytest.raises(asyncpg.UniqueViolationError):
        await db.executemany("INSERT INTO t VALUES ($1, $2)", [(50, "x"), (10, "x")])
    assert pg.sql("SELECT count(*) FROM t WHERE id = 50") == [(0,)]
    rows = await db.fetchmany("INSERT INTO t VALUES ($1, $2) RETURNING id", [(60, "x"), (61, "y")])
    assert rows == [(60,), (61,)]


@pytest.mark.parametrize(
    "type_name, value",
    [
        ("int2", 5), ("int4", -7), ("int8", 2**40), ("numeric", Decimal("1.50")), ("float8", 0.1), ("float4", 0.5), ("bool", True), ("text", "ü'\\"),
        ("bytea", b"\0\xff"), ("date", dt.date(2026, 1, 2)), ("timestamp", dt.datetime(2026, 1, 2, 3, 4, 5, 6)),
        ("timestamptz", dt.datetime(2026, 1, 2, tzinfo=dt.timezone.utc)), ("interval", dt.timedelta(days=1, seconds=3)), ("uuid", uuid.uuid4()),
        ("json", '{"a": [1, null]}'), ("jsonb", '{"a": [1, null]}'), ("int4[]", [1, None, 3]), ("text[]", ["a", "b,"]), ("text[]", []),
        ("bytea[]", [b"x", None]), ("numrange", asyncpg.Range(Decimal(1), Decimal(2))), ("date[]", [dt.date(2026, 1, 2)]), ("text", None),
    ],
)  # fmt: skip
async def test_values_have_the_type_of_their_place(db, type_name, value):
    assert await db.fetchval(f"SELECT $1::{type_name}", value) == value


async def test_types_are_inferred_as_asyncpg_has_it(db):
    assert await db.fetchval("SELECT round($1, 1)", 2.25) == Decimal("2.3")
    assert await db.fetchval("SELECT interval '1 hour' * $1", 2) == dt.timedelta(hours=2)
    assert await db.fetchval("SELECT date '2026-01-01' + $1::int", 2) == dt.date(2026, 1, 3)
    assert await db.fetchval("SELECT 5 = ANY($1::int[])", [4, 5]) is True
    assert await db.fetchval("SELECT $1 || 'b'", "a") == "ab"
    assert await db.fetchval("SELECT '100%' || ' %s'") == "100% %s"


async def test_errors_by_asyncpgs_names(db):
    for sql, name in (
        ("SELECT 1/0", "DivisionByZeroError"), ("SELECT nope", "UndefinedColumnError"), ("SELEC", "PostgresSyntaxError"), ("SELECT * FROM nope", "UndefinedTableError"),
        ("SELECT 'x'::int", "InvalidTextRepresentationError"),
    ):  # fmt: skip
        with pytest.raises(getattr(asyncpg, name)) as raised:
            await db.execute(sql)
        assert isinstance(raised.value, asyncpg.PostgresError) and len(raised.value.sqlstate) == 5
    with pytest.raises(AttributeError):
        asyncpg.NoSuchThingError  # noqa: B018


async def test_transactions(db, table, leases):
    with pytest.raises(ZeroDivisionError):
        async with db.transaction():
            await db.execute("INSERT INTO t VALUES (1, 'a')")
            raise ZeroDivisionError
    async with db.transaction():
        assert db.is_in_transaction()
        await db.execute("INSERT INTO t VALUES (2, 'a')")
        with pytest.raises(asyncpg.UniqueViolationError):
            async with db.transaction():
                await db.execute("INSERT INTO t VALUES (2, 'a')")
        assert leases() == 1 and db.get_server_pid() > 0
    assert not db.is_in_transaction() and leases() == 0 and await db.fetch("SELECT id FROM t") == [(2,)]


async def test_transaction_by_hand(db, table):
    for what, left in (("rollback", []), ("commit", [(1,)])):
        tr = db.transaction()
        with pytest.raises(asyncpg.InterfaceError, match="not yet started"):
            await tr.commit()
        await tr.start()
        await db.execute("INSERT INTO t VALUES (1, 'a')")
        with pytest.raises(asyncpg.InterfaceError, match="already started"):
            await tr.start()
        await getattr(tr, what)()
        with pytest.raises(asyncpg.InterfaceError, match="already"):
            await tr.rollback()
        assert await db.fetch("SELECT id FROM t") == left
    async with db.transaction() as tr:
        with pytest.raises(asyncpg.InterfaceError, match="async with"):
            await tr.commit()


async def test_isolation(db):
    show = "SELECT current_setting('transaction_isolation'), current_setting('transaction_read_only'), current_setting('transaction_deferrable')"
    async with db.transaction(isolation="serializable", readonly=True, deferrable=True):
        assert await db.fetchrow(show) == ("serializable", "on", "on")
        async with db.transaction(isolation="serializable"):
            pass
        with pytest.raises(asyncpg.InterfaceError, match="different isolation"):
            await db.transaction(isolation="repeatable_read").start()
    async with db.transaction():
        assert await db.fetchrow(show) == ("read committed", "off", "off")
    with pytest.raises(ValueError):
        db.transaction(isolation="chaos")


async def test_cursors(db):
    sql = "SELECT generate_series(1, $1::int) AS n"
    async with db.transaction():
        assert [r["n"] async for r in db.cursor(sql, 120, prefetch=7)] == list(range(1, 121))
        cur = await db.cursor(sql, 10)
        assert await cur.fetchrow() == (1,) and await cur.fetch(2) == [(2,), (3,)] and await cur.forward(3) == 3
        assert await cur.fetch(100) == [(7,), (8,), (9,), (10,)] and await cur.fetchrow() is None and await cur.forward(5) == 0
        statement = await db.prepare(sql)
        assert [r[0] async for r in statement.cursor(3)] == [1, 2, 3]
    with pytest.raises(errors.NoActiveSqlTransaction):
        await db.cursor(sql, 1)


async def test_prepared(db, table):
    statement = await db.prepare("INSERT INTO t VALUES ($1, $2) RETURNING id")
    assert await statement.fetchval(1, "a") == 1 and await statement.fetch(2, "b") == [(2,)] and (await statement.fetchrow(3, "c"))["id"] == 3
    assert statement.get_statusmsg() == "INSERT 0 1"
    await statement.executemany([(4, "d"), (5, "e")])
    assert await db.fetchval("SELECT count(*) FROM t") == 5


async def test_copy_records(db, table):
    assert await db.copy_records_to_table("t", records=[(1, "a\tb\\"), (2, None)], columns=["id", "x"]) == "COPY 2"

    async def more():
        for n in range(3, 6):
            yield n, str(n)

    assert await db.copy_records_to_table("t", records=more(), schema_name="public", where="id > 3") == "COPY 2"
    assert await db.fetch("SELECT id, x FROM t ORDER BY id") == [(1, "a\tb\\"), (2, None), (4, "4"), (5, "5")]
    with pytest.raises(asyncpg.UniqueViolationError):
        await db.copy_records_to_table("t", records=[(1, "again")])
    assert await db.fetchval("SELECT count(*) FROM t") == 4


async def test_copy_to_and_from_files(db, table, tmp_path):
    await db.execute("INSERT INTO t SELECT n, 'x,' || n FROM generate_series(1, 1000) n")
    path, pieces, buffer = tmp_path / "t.csv", [], io.BytesIO()

    async def keep(data):
        pieces.append(data)

    for output in (path, buffer, keep):
        assert await db.copy_from_table("t", output=output, format="csv", header=True, columns=["id", "x"], force_quote=["x"]) == "COPY 1000"
    assert path.read_bytes() == buffer.getvalue() == b"".join(pieces) and path.read_bytes().startswith(b'id,x\n1,"x,1"\n')
    out = io.BytesIO()
    assert await db.copy_from_query("SELECT id, '$2' FROM t WHERE id < $1 AND x <> $2", 3, "it's", output=out) == "COPY 2"
    assert out.getvalue() == b"1\t$2\n2\t$2\n"
    for source in (path, io.BytesIO(buffer.getvalue()), _each(pieces)):
        await db.execute("TRUNCATE t")
        assert await db.copy_to_table("t", source=source, format="csv", header=True) == "COPY 1000"
    with pytest.raises(TypeError):
        await db.copy_from_table("t", output=out, nonsense=1)


async def _each(pieces):
    for piece in pieces:
        yield piece


async def test_timeout_cancels(socket_path, pg):
    db = await asyncpg.connect(socket_path, command_timeout=0.05)
    with pytest.raises(asyncio.TimeoutError):
        await db.execute("SELECT pg_sleep(60)")
    assert await db.fetchval("SELECT 1", timeout=20) == 1
    await db.close()


async def test_pool(socket_path, table, leases):
    prepared = []

    async def init(connection):
        prepared.append(connection)

    async with asyncpg.create_pool(socket_path, min_size=1, max_size=2, init=init) as pool:
        assert await pool.fetchval("SELECT 1") == 1 and await pool.execute("INSERT INTO t VALUES (1, 'a')") == "INSERT 0 1"
        async with pool.acquire() as one, pool.acquire() as two:
            assert one is not two and pool.get_size() == 2 and leases() == 0
            assert await two.fetch("SELECT id FROM t") == [(1,)]
        third = await pool.acquire()
        await pool.release(third)
        assert third.is_closed() and pool.get_size() == 0 and len(prepared) == 5
    with pytest.raises(asyncpg.InterfaceError, match="closed"):
        await pool.fetch("SELECT 1")


async def test_closed(socket_path, db):
    await db.execute("SELECT 1")
    assert db.get_server_version() >= (15, 0, 0)
    other = await asyncpg.connect(socket_path)
    await other.execute("BEGIN")
    other.terminate()
    assert other.is_closed()
    with pytest.raises(asyncpg.InterfaceError, match="closed"):
        await other.fetch("SELECT 1")


def test_exceptions_have_asyncpgs_names():
    """All but warnings, and those that stand for a whole class of SQLSTATEs, where there are DB-API's."""
    theirs = pytest.importorskip("asyncpg.exceptions")
    classes = [getattr(theirs, name) for name in theirs.__all__ if name.endswith("Error")]
    single = [c for c in classes if getattr(c, "sqlstate", None) and not any(issubclass(d, c) for d in classes if d is not c)]
    assert len(single) > 200
    assert {c.__name__: c.sqlstate for c in single} == {c.__name__: getattr(asyncpg, c.__name__).sqlstate for c in single}
    assert asyncpg.SerializationError is errors.SerializationFailure
    for name in ("SyntaxOrAccessError", "NoSuchError", "UniqueViolation", "Error2"):
        assert not hasattr(asyncpg, name), name


def test_what_asyncpg_has_and_this_has_not():
    theirs = pytest.importorskip("asyncpg")
    missing = {n for n in dir(theirs.Connection) if not n.startswith("_") and not hasattr(asyncpg.Connection, n)}
    assert missing == {
        "add_query_logger", "add_termination_listener", "get_reset_query", "get_settings", "query_logger", "reload_schema_state",
        "remove_query_logger", "remove_termination_listener", "reset", "reset_type_codec", "set_builtin_type_codec", "set_type_codec",
    }  # fmt: skip
    missing = {n for n in dir(theirs.Pool) if not n.startswith("_") and not hasattr(asyncpg.Pool, n)}
    assert missing == {"expire_connections", "get_max_size", "get_min_size", "set_connect_args"}


async def test_sizes_of_a_pool_limit_nothing(socket_path):
    async with asyncpg.create_pool(socket_path, min_size=1, max_size=1) as pool:
        held = [await pool.acquire() for _ in range(5)]
        assert [await c.fetchval("SELECT 1") for c in held] == [1] * 5 and pool.get_size() == 5
        for connection in held:
            await pool.release(connection)
