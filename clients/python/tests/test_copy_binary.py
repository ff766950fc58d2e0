# SPDX-License-Identifier: MIT
"""Rows of a binary COPY, both ways, of every type."""
import datetime as dt
import math
from decimal import Decimal

import pytest
import sidepool
from sidepool.types import Jsonb, Range, TypeInfo, register_type
from test_types import ROUND


class Table:
    """Of another name each time: a text that was prepared for other columns meets "cached plan must not change result type"."""

    count = 0

    def __init__(self, pg):
        self._pg, self.name = pg, None

    def __call__(self, columns):
        self.drop()
        Table.count += 1
        self.name = f"binary_{Table.count}"
        self._pg.sql(f"CREATE TABLE {self.name} ({columns})")

    def drop(self):
        if self.name is not None:
            self._pg.sql(f"DROP TABLE {self.name}")

    __str__ = __format__ = lambda self, *_: self.name


@pytest.fixture
def b(pg, conn):
    table = Table(pg)
    yield table
    conn.rollback()
    table.drop()


def write(conn, b, types, rows):
    with conn.cursor().copy(f"COPY {b} FROM STDIN (FORMAT binary)") as copy:
        if types is not None:
            copy.set_types(types)
        for row in rows:
            copy.write_row(row)


def read(conn, b, types):
    with conn.cursor().copy(f"COPY {b} TO STDOUT (FORMAT binary)") as copy:
        if types is not None:
            copy.set_types(types)
        return list(copy.rows())


def oid_of(conn, name):
    return conn.execute("SELECT %s::regtype::oid", [name.replace("[][]", "[]")]).fetchone()[0]


@pytest.mark.parametrize("type_name", sorted({t for t, _ in ROUND}))
def test_there_and_back(conn, b, type_name):
    rows = [(v,) for t, v in ROUND if t == type_name] + [(None,)]
    oid = oid_of(conn, type_name)
    b(f"v {type_name}")
    write(conn, b, [oid], rows)
    as_text = conn.execute(f"SELECT v FROM {b}").fetchall()
    assert as_text == rows
    got = read(conn, b, [oid])
    assert got == rows and [type(v) for (v,) in got] == [type(v) for (v,) in rows]
    assert str(got) == str(as_text)


def test_numerics_of_all_shapes(conn, b):
    texts = ["0", "0.00", "-0.001", "1", "-1", "9999", "10000", "10001", "99999999", "0.0001", "0.00001", "12345.678900", "1e20", "1e-20", "123456789e-4", "-5e3"]
    rows = [(Decimal(t),) for t in texts]
    b("v numeric")
    write(conn, b, ["numeric"], rows)
    wanted = conn.execute(f"SELECT v FROM {b}").fetchall()
    assert wanted == rows and [str(v) for (v,) in read(conn, b, ["numeric"])] == [str(v) for (v,) in wanted]
    conn.execute(f"DELETE FROM {b}")
    conn.execute(f"INSERT INTO {b} VALUES ('NaN')")
    ((nan,),) = read(conn, b, ["numeric"])
    assert nan.is_nan()


def test_numerics_to_their_limits(conn, b):
    """Linear work, and no limit of Python's own on digits."""
    b("v numeric")
    rows = [(Decimal("9" * 131_072 + "." + "9" * 16_383),), (Decimal("-1E+131071"),), (Decimal("1E-16383"),), (Decimal("0E-16383"),), (Decimal("-0"),)]
    write(conn, b, ["numeric"], rows)
    assert [str(v) for (v,) in read(conn, b, ["numeric"])] == [str(v) for (v,) in conn.execute(f"SELECT v FROM {b}")]
    assert conn.execute(f"SELECT v FROM {b}").fetchall() == rows
    for text in ("1E+131072", "1E+999999", "1E-16384", "0E-16384"):
        with pytest.raises(sidepool.DataError, match="digits"), conn.transaction():
            write(conn, b, ["numeric"], [(Decimal(text),)])


def test_many_rows_in_pieces(conn, b):
    b("id int, x text, at timestamptz")
    at = dt.datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=dt.timezone.utc)
    rows = [(n, "x" * (n % 300), at) for n in range(20_000)]
    types = ["int4", "text", "timestamptz"]
    write(conn, b, types, rows)
    assert conn.execute(f"SELECT count(*), max(id) FROM {b}").fetchone() == (20_000, 19_999)
    assert sorted(read(conn, b, types)) == rows


def test_without_types(conn, b):
    b("a int2, b text, c bytea")
    write(conn, b, None, [(7, "x", b"\0"), (None, None, None)])
    assert conn.execute(f"SELECT * FROM {b}").fetchall() == [(7, "x", b"\0"), (None, None, None)]
    assert read(conn, b, None) == [(b"\0\7", b"x", b"\0"), (None, None, None)]


def test_no_row_at_all(conn, b):
    b("a int")
    write(conn, b, ["int4"], [])
    assert read(conn, b, ["int4"]) == []


def test_types_of_a_database(conn, b, pg):
    pg.sql("DROP TYPE IF EXISTS pair, mood CASCADE")
    pg.sql("CREATE TYPE mood AS ENUM ('sad', 'happy')")
    pg.sql("CREATE TYPE pair AS (n int, t text, m mood)")
    b("p pair, m mood, ps pair[], j jsonb")
    infos = [sidepool.fetch_type(conn, name) for name in ("mood", "pair")]
    for info in infos:
        register_type(info, conn.adapters)
    mood, pair = (conn.adapters.get_loader(i.oid, conn) for i in infos)
    p, m = pair(b"(1,x,happy)"), mood(b"sad")
    types = ["pair", "mood", infos[1].array_oid, "jsonb"]
    write(conn, b, types, [(p, m, [p, None], Jsonb({"a": 1}))])
    (row,) = read(conn, b, types)
    assert row == (p, m, [p, None], {"a": 1}) and row[0].t == "x" and conn.execute(f"SELECT * FROM {b}").fetchone() == row


@pytest.mark.parametrize(
    "type_name, value",
    [("int2", 40000), ("int4", "x"), ("timestamptz", dt.datetime(2026, 1, 1)), ("int4[]", [[1], 2]), ("int4[]", [[1], [2, 3]])],
)  # fmt: skip
def test_what_does_not_fit_is_an_error(conn, b, type_name, value):
    b(f"v {type_name}")
    oid = oid_of(conn, type_name)
    with pytest.raises(sidepool.DataError):
        write(conn, b, [oid], [(value,)])
    conn.rollback()
    assert conn.execute(f"SELECT count(*) FROM {b}").fetchone() == (0,)


def test_counts_of_fields(conn, b):
    b("a int, b int")
    with pytest.raises(sidepool.DataError, match="2 fields"):
        write(conn, b, ["int4"], [(1, 2)])
    conn.rollback()
    conn.execute(f"INSERT INTO {b} VALUES (1, 2)")
    with pytest.raises(sidepool.DataError, match="2 fields"):
        read(conn, b, ["int4"])


@pytest.mark.parametrize("sql", ["'infinity'::date", "'-infinity'::timestamp", "'infinity'::timestamptz", "'24:00'::time", "'10000-01-01'::date"])
def test_what_python_cannot_hold_is_an_error(conn, sql):
    type_name = sql.partition("::")[2]
    with pytest.raises(sidepool.DataError), conn.cursor().copy(f"COPY (SELECT {sql}) TO STDOUT (FORMAT binary)") as copy:
        copy.set_types([type_name])
        copy.read_row()


def test_intervals_and_floats(conn, b):
    b("i interval, f float8")
    conn.execute(f"INSERT INTO {b} VALUES ('1 year 2 mons 3 days', 'NaN'), ('-1 mon +1 day -00:00:00.5', '-0')")
    (first, second) = read(conn, b, ["interval", "float8"])
    assert [first[0], second[0]] == [i for (i,) in conn.execute(f"SELECT i FROM {b}")]
    assert math.isnan(first[1]) and math.copysign(1, second[1]) == -1


def test_unknown_type_is_named(conn, b):
    b("p point")
    with pytest.raises(sidepool.NotSupportedError, match="point"):
        write(conn, b, ["point"], [])
    conn.rollback()
    with pytest.raises(sidepool.NotSupportedError, match="987654"):
        write(conn, b, [987654], [])


async def test_asyncio(aconn, pg):
    pg.sql("DROP TABLE IF EXISTS b")
    pg.sql("CREATE TABLE b (r int4range)")
    async with aconn.cursor().copy("COPY b FROM STDIN (FORMAT binary)") as copy:
        copy.set_types(["int4range"])
        await copy.write_row([Range(1, 5)])
    async with aconn.cursor().copy("COPY b TO STDOUT (FORMAT binary)") as copy:
        copy.set_types(["int4range"])
        assert [r async for r in copy.rows()] == [(Range(1, 5),)]


def test_one_name_in_two_databases(pg, make_daemon):
    """Types are known by connection: another database has another type of the same name."""
    from lib.daemon import Daemon

    daemons, connections = [], []
    for name, label in (("first_db", "sad"), ("second_db", "glad")):
        pg.sql(f"DROP DATABASE IF EXISTS {name}")
        pg.sql(f"CREATE DATABASE {name}")
        if label == "glad":
            pg.sql("CREATE TYPE other AS ENUM ('x')", database=name)  # so that OIDs differ
        pg.sql(f"CREATE TYPE mood AS ENUM ('{label}')", database=name)
        daemons.append(Daemon(pg.url(database=name)).start())
        connections.append(sidepool.connect(str(daemons[-1].socket), autocommit=True))
    try:
        infos = [sidepool.fetch_type(c, "mood") for c in connections]
        for c, info in zip(connections, infos):
            register_type(info, c.adapters)
        for c, info, label in zip(connections, infos, ("sad", "glad")):
            assert c.adapters.types["mood"] is info and c.cursor().adapters.types["mood"] is info
            assert c.execute(f"SELECT '{label}'::mood").fetchone()[0].name == label
        assert sidepool.adapters.types.get("mood") is None
    finally:
        for c, daemon in zip(connections, daemons):
            c.close()
            daemon.close()
            daemon.remove()


def test_adapters_of_everybody_a_connection_and_a_cursor(connect):
    """The nearest counts; what is registered below is seen at once by what exists already."""

    class Celsius(float):
        pass

    conn, other = connect(autocommit=True), connect(autocommit=True)
    cur, second = conn.cursor(), conn.cursor()
    try:
        sidepool.adapters.register_dumper(Celsius, lambda v: f"{float(v)} C", 25)
        assert [c.execute("SELECT %s", [Celsius(1)]).fetchone() for c in (cur, other)] == [("1.0 C",)] * 2
        conn.adapters.register_dumper(Celsius, lambda v: "of the connection", 25)
        cur.adapters.register_dumper(Celsius, lambda v: "of the cursor", 25)
        got = [c.execute("SELECT %s", [Celsius(1)]).fetchone()[0] for c in (cur, second, conn.cursor(), other)]
        assert got == ["of the cursor", "of the connection", "of the connection", "1.0 C"]
        conn.adapters.register_loader("text", lambda data: "loaded")
        cur.adapters.types.add(TypeInfo("mine", 999_999))
        assert cur.execute("SELECT 'x'::text").fetchone() == ("loaded",) and other.execute("SELECT 'x'::text").fetchone() == ("x",)
        assert cur.adapters.types["mine"].oid == 999_999 and conn.adapters.types.get("mine") is None
    finally:
        del sidepool.adapters._dumpers[Celsius]
