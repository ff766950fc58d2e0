# SPDX-License-Identifier: MIT
"""Each family of types through every way by which values are read and written."""
import datetime as dt
import struct

import pytest
import sidepool
import sidepool.aio
from sidepool.types import Json, Jsonb, Multirange, Range, register_type
from type_samples import FAMILIES, ONLY_READ, UTC

READ = {**FAMILIES, "only read": ONLY_READ}
# What binary COPY cannot: their binary form is not their text, and no Python type is like them.
NO_BINARY = {
    "bit", "varbit", "macaddr", "macaddr8", "point", "line", "lseg", "box", "path", "polygon", "circle", "money", "tid", "pg_lsn",
    "jsonpath", "tsvector", "tsquery", "regtype", "char", "int2vector", "oidvector", "aclitem", "txid_snapshot",
}  # fmt: skip


def exact(value):
    """What tells values apart that are equal: types, signs of zero, scales; a timestamptz is an instant."""
    if isinstance(value, (list, tuple, Multirange)):
        return [type(value).__name__, *map(exact, value)]
    if isinstance(value, Range):
        return "Range", exact(value.lower), exact(value.upper), value.bounds, value.isempty
    if isinstance(value, dt.datetime) and value.tzinfo is not None:
        try:
            value = value.astimezone(UTC)
        except OverflowError:
            return "beyond the calendar in UTC", value.replace(tzinfo=None), value.utcoffset()
    return type(value), repr(value)


def base(type_name):
    return type_name.partition("(")[0].partition("[")[0].strip('"')


def selected(samples):
    """(statement, parameters)"""
    return "SELECT " + ", ".join(f"%s::text::{t}" for t, _, _ in samples), [text for _, text, _ in samples]


def oids(conn, samples):
    names = ", ".join(f"'{t}'::regtype::oid" for t, _, _ in samples)
    return conn.execute(f"SELECT {names}").fetchone()


# -- reading


def by_copy(conn, format):
    def read(samples):
        sql, params = selected(samples)
        types = oids(conn, samples)
        with conn.cursor().copy(f"COPY ({sql}) TO STDOUT (FORMAT {format})", params) as copy:
            copy.set_types(types)
            (row,) = copy.rows()
        return row

    return read


def by_name(conn):
    def read(samples):
        with conn.cursor("named") as cur:
            return cur.execute(*selected(samples)).fetchone()

    return read


READERS = {
    "execute": lambda conn: lambda samples: conn.execute(*selected(samples)).fetchone(),
    "binary": lambda conn: lambda samples: conn.execute(*selected(samples), binary=True).fetchone(),
    "stream": lambda conn: lambda samples: list(conn.cursor().stream(*selected(samples)))[0],
    "batch": lambda conn: lambda samples: conn.batch(["SELECT 1", selected(samples)])[1].fetchone(),
    "named cursor": by_name,
    "COPY": lambda conn: by_copy(conn, "text"),
    "binary COPY": lambda conn: by_copy(conn, "binary"),
}


def suited(samples, binary):
    return [s for s in samples if base(s[0]) not in NO_BINARY] if binary else samples


def single(type_name, value):
    """float4 is read from text as the shortest number that it is, from binary as all of it."""
    return struct.unpack("f", struct.pack("f", value))[0] if type_name == "float4" else value


def check(samples, row, binary=False):
    assert len(row) == len(samples)
    for (type_name, text, value), got in zip(samples, row):
        wanted = single(type_name, value) if binary else value
        assert exact(got) == exact(wanted), (type_name, text[:200])


@pytest.mark.parametrize("way", READERS)
@pytest.mark.parametrize("family", READ)
def test_read(conn, family, way):
    samples = suited(READ[family], way == "binary COPY")
    check(samples, READERS[way](conn)(samples), way == "binary COPY")


async def by_copy_async(aconn, samples, format):
    sql, params = selected(samples)
    names = ", ".join(f"'{t}'::regtype::oid" for t, _, _ in samples)
    types = await (await aconn.execute(f"SELECT {names}")).fetchone()
    async with aconn.cursor().copy(f"COPY ({sql}) TO STDOUT (FORMAT {format})", params) as copy:
        copy.set_types(types)
        return [row async for row in copy.rows()][0]


@pytest.mark.parametrize("family", READ)
async def test_read_with_asyncio(aconn, family):
    samples = READ[family]
    check(samples, await (await aconn.execute(*selected(samples))).fetchone())
    check(samples, [row async for row in aconn.cursor().stream(*selected(samples))][0])
    check(samples, await by_copy_async(aconn, samples, "text"))
    samples = suited(samples, True)
    check(samples, await by_copy_async(aconn, samples, "binary"), True)


@pytest.mark.parametrize("type_name", sorted(NO_BINARY))
def test_binary_copy_says_what_it_cannot(conn, type_name):
    name = {"char": '"char"'}.get(type_name, type_name)
    (oid,) = conn.execute("SELECT %s::regtype::oid", [name]).fetchone()
    with conn.cursor().copy(f"COPY (SELECT NULL::{name}) TO STDOUT (FORMAT binary)") as copy:
        with pytest.raises(sidepool.NotSupportedError):
            copy.set_types([oid])


# -- writing


def as_parameter(type_name, value):
    """JSON says by itself that it is."""
    return {"json": Json, "jsonb": Jsonb}.get(type_name, lambda v: v)(value)


def parameters(samples):
    return [as_parameter(t, v) for t, _, v in samples]


def told(type_name, what):
    """The text of a value as PostgreSQL writes it; of json its meaning. A timedelta has no negative hours, and -1 day +23:00 is -1 hour."""
    if type_name == "interval":
        return f"extract(epoch from {what})::text"
    return f"({what})::jsonb::text" if type_name == "json" else f"({what})::text"


class Column:
    """A table with a column for each sample; `rows` are the texts of all that is in it, `wanted` those that should be."""

    count = 0

    def __init__(self, pg, samples):
        Column.count += 1
        self.pg, self.samples, self.name = pg, samples, f"samples_{Column.count}"
        pg.sql(f"CREATE TABLE {self.name} ({', '.join(f'c{n} {t}' for n, (t, _, _) in enumerate(samples))})")
        self.wanted = self._texts([f"%s::text::{t}" for t, _, _ in samples], [text for _, text, _ in samples])[0]

    def _texts(self, columns, params=(), where=""):
        told_of = ", ".join(told(t, c) for c, (t, _, _) in zip(columns, self.samples))
        return self.pg.sql(f"SELECT {told_of} {where}", *params)

    def check(self, count):
        rows = self._texts([f"c{n}" for n in range(len(self.samples))], where=f"FROM {self.name}")
        assert len(rows) == count
        for row in rows:
            for (type_name, text, _), got, wanted in zip(self.samples, row, self.wanted):
                assert got == wanted, (type_name, text[:200])

    def insert(self):
        return f"INSERT INTO {self.name} VALUES ({', '.join(['%s'] * len(self.samples))})"


def written_by_copy(conn, table, format):
    types = oids(conn, table.samples)
    with conn.cursor().copy(f"COPY {table.name} FROM STDIN (FORMAT {format})") as copy:
        copy.set_types(types)
        for _ in range(2):
            copy.write_row(parameters(table.samples))


WRITERS = {
    "execute": lambda conn, table: [conn.execute(table.insert(), parameters(table.samples)) for _ in range(2)],
    "executemany": lambda conn, table: conn.cursor().executemany(table.insert(), [parameters(table.samples)] * 2),
    "batch": lambda conn, table: conn.batch([(table.insert(), parameters(table.samples))] * 2),
    "COPY": lambda conn, table: written_by_copy(conn, table, "text"),
    "binary COPY": lambda conn, table: written_by_copy(conn, table, "binary"),
}


@pytest.fixture
def tables(pg):
    return lambda samples: Column(pg, samples)


@pytest.mark.parametrize("way", WRITERS)
@pytest.mark.parametrize("family", FAMILIES)
def test_write(conn, tables, family, way):
    table = tables(suited(FAMILIES[family], way == "binary COPY"))
    WRITERS[way](conn, table)
    conn.commit()
    table.check(2)


@pytest.mark.parametrize("family", FAMILIES)
async def test_write_with_asyncio(aconn, tables, family):
    table = tables(FAMILIES[family])
    await aconn.execute(table.insert(), parameters(table.samples))
    await aconn.cursor().executemany(table.insert(), [parameters(table.samples)] * 2)
    async with aconn.cursor().copy(f"COPY {table.name} FROM STDIN") as copy:
        await copy.write_row(parameters(table.samples))
    await aconn.commit()
    table.check(4)


# -- within other values


@pytest.mark.parametrize("family", [f for f in FAMILIES if f != "arrays"])
def test_as_elements_of_arrays(conn, family):
    samples = [s for s in FAMILIES[family] if s[0] != "box"]  # the elements of its arrays stand between semicolons, which a str does not know
    columns, params = [], []
    for type_name, text, value in samples:
        one, own = as_parameter(type_name, value), f"%s::text::{type_name}"
        pairs = [([one, None, one], f"ARRAY[{own}, NULL, {own}]", 2), ([[one], [None]], f"ARRAY[[{own}], [NULL::{type_name}]]", 1)]
        for mine, theirs, count in pairs:
            columns.append(f"CASE WHEN %s::{type_name}[]::text = {theirs}::text THEN NULL ELSE %s::{type_name}[]::text END")
            params += [mine, *[text] * count, mine]
    different = conn.execute("SELECT " + ", ".join(columns), params).fetchone()
    assert [d for d in different if d is not None and base(samples[0][0]) not in ("interval", "json")] == []


@pytest.mark.parametrize("family", [f for f in FAMILIES if f != "arrays"])
def test_arrays_are_read(conn, family):
    samples = [(f"{t}[]", text, [v, None, v]) for t, text, v in FAMILIES[family]]
    columns = ", ".join(f"ARRAY[%s::text::{t}, NULL, %s::text::{t}]" for t, _, _ in FAMILIES[family])
    check(samples, conn.execute(f"SELECT {columns}", [text for _, text, _ in samples for _ in range(2)]).fetchone())


@pytest.mark.parametrize("family", FAMILIES)
def test_as_fields_of_a_row(conn, tables, family):
    samples = FAMILIES[family]
    table = tables(samples)
    conn.execute(f"INSERT INTO {table.name} SELECT (%s::{table.name}).*", [tuple(parameters(samples))])
    conn.commit()
    table.check(1)
    register_type(sidepool.fetch_type(conn, table.name), conn.adapters)
    got, several = conn.execute(f"SELECT t, ARRAY[t, NULL, t] FROM {table.name} t").fetchone()
    check(samples, got)
    assert several[1] is None and exact(several[2]) == exact(got) and type(got).__name__ == table.name
    conn.execute(f"INSERT INTO {table.name} SELECT (%s).*", [type(got)(*parameters(samples))])
    conn.commit()
    table.check(2)
