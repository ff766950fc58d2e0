# SPDX-License-Identifier: MIT
"""The samples beside psycopg and asyncpg on connections of their own: the same values, and the same types of parameters."""
import datetime as dt
from decimal import Decimal
from uuid import UUID

import asyncpg as theirs_async
import psycopg
import pytest
from psycopg import adapt
from psycopg.types.json import Json, Jsonb
from psycopg.types.multirange import Multirange
from psycopg.types.range import Range
from sidepool import asyncpg, types
from test_type_samples import NO_BINARY, READ, as_parameter, base, check, exact, selected
from type_samples import FAMILIES, UTC


def theirs(value):
    """Our value in psycopg's classes."""
    if isinstance(value, types.Range):
        return Range(theirs(value.lower), theirs(value.upper), value.bounds or "[)", empty=value.isempty)
    if isinstance(value, types.Multirange):
        return Multirange([theirs(r) for r in value])
    if isinstance(value, (types.Json, types.Jsonb)):
        return (Json if isinstance(value, types.Json) else Jsonb)(value.obj)
    return [theirs(v) for v in value] if isinstance(value, list) else value


def ours(value):
    """psycopg's value in our classes."""
    if isinstance(value, Range):
        return types.Range(ours(value.lower), ours(value.upper), value.bounds or "[)", empty=value.isempty)
    if isinstance(value, Multirange):
        return types.Multirange([ours(r) for r in value])
    return [ours(v) for v in value] if isinstance(value, list) else value


NOT_AS_PSYCOPG = {"int2vector", "oidvector", "xid", "xid8", "cid"}  # which it leaves as text


@pytest.fixture(scope="module")
def other(pg):
    with psycopg.connect(pg.url(), autocommit=True) as connection:
        yield connection


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("family", READ)
def test_psycopg_reads_the_same(other, family, binary):
    without = (NO_BINARY | {"xml", "refcursor"} if binary else set()) | NOT_AS_PSYCOPG
    samples = [s for s in READ[family] if base(s[0]) not in without]
    check(samples, [ours(v) for v in other.execute(*selected(samples), binary=binary).fetchone()], binary)


@pytest.mark.parametrize("family", FAMILIES)
def test_parameters_have_the_types_that_psycopg_gives_them(conn, other, family):
    for type_name, text, value in FAMILIES[family]:
        one = as_parameter(type_name, value)
        for parameter in (one, [one], [None, one], [[one], [one]]):
            if isinstance(value, list) and parameter is not one:
                continue  # the depth of an array of arrays is its parameter's affair
            dumper = adapt.Transformer(other)
            dumper.dump_sequence([theirs(parameter)], [adapt.PyFormat.TEXT])
            assert conn.adapters.dump(parameter).oid == dumper.types[0], (type_name, text[:200])


@pytest.mark.parametrize("family", [f for f in FAMILIES if f != "jsons"])
def test_psycopg_writes_the_same(conn, other, family):
    samples = FAMILIES[family]
    sql = "SELECT " + ", ".join(f"(%s::{t})::text" for t, _, _ in samples)
    values = [v for _, _, v in samples]
    assert conn.execute(sql, values).fetchone() == other.execute(sql, [theirs(v) for v in values]).fetchone()


# -- asyncpg

# It has classes of its own for these, the nearest whole minute of an offset, and no arrays of multiranges.
NOT_AS_ASYNCPG = {
    "bit", "varbit", "char", "point", "line", "lseg", "box", "path", "polygon", "circle", "tid", "pg_lsn", "txid_snapshot", "refcursor",
}  # fmt: skip


def plain(value):
    """What is left of a value where both have classes of their own."""
    if isinstance(value, (types.Range, theirs_async.Range)):
        return "Range", value.isempty, plain(value.lower), plain(value.upper), value.lower_inc, value.upper_inc
    if isinstance(value, (list, tuple, types.Multirange)):
        return [plain(v) for v in value]
    if isinstance(value, Decimal) and value.is_finite():
        return Decimal, Decimal(str(value)).normalize() if len(str(value)) < 25 else value
    return ("UUID", str(value)) if isinstance(value, UUID) else exact(value)


def for_asyncpg(value):
    if isinstance(value, types.Range):
        if value.isempty:
            return theirs_async.Range(empty=True)
        ends = [for_asyncpg(end) for end in (value.lower, value.upper)]
        return theirs_async.Range(*ends, lower_inc=value.lower_inc, upper_inc=value.upper_inc)
    return [for_asyncpg(v) for v in value] if isinstance(value, (list, types.Multirange)) else value


def whole_minutes(value):
    return not isinstance(value, dt.time) or value.tzinfo is None or value.utcoffset().seconds % 60 == 0


def common(family):
    """Samples for both, json as the text that it is to asyncpg."""
    found = [s for s in READ[family] if base(s[0]) not in NOT_AS_ASYNCPG and "multirange[]" not in s[0] and whole_minutes(s[2])]
    return [(t, text, text if family == "jsons" else v) for t, text, v in found]


@pytest.fixture
async def both(pg, socket_path):
    mine, other = await asyncpg.connect(socket_path), await theirs_async.connect(pg.url())
    yield mine, other
    await mine.close()
    await other.close()


@pytest.mark.parametrize("family", FAMILIES)
async def test_asyncpg_reads_and_writes_the_same(both, family):
    mine, other = both
    samples = [s for s in common(family) if base(s[0]) not in ("float4",)]
    assert len(samples) >= 8
    read = "SELECT " + ", ".join(f"${n}::text::{t}" for n, (t, _, _) in enumerate(samples, 1))
    texts = [text for _, text, _ in samples]
    for (type_name, text, _), one, another in zip(samples, await mine.fetchrow(read, *texts), await other.fetchrow(read, *texts)):
        assert plain(one) == plain(another), (type_name, text[:200])
    write = "SELECT " + ", ".join(f"(${n}::{t})::text" for n, (t, _, _) in enumerate(samples, 1))
    one = await mine.fetchrow(write, *[v for _, _, v in samples])
    assert tuple(one) == tuple(await other.fetchrow(write, *[for_asyncpg(v) for _, _, v in samples]))


@pytest.mark.parametrize("type_name", ["date", "timestamp", "timestamptz"])
async def test_infinity_is_the_last_moment_as_asyncpg_has_it(both, type_name):
    sql = f"SELECT '-infinity'::{type_name}, 'infinity'::{type_name}, ARRAY['infinity'::{type_name}, NULL]"
    cls = dt.date if type_name == "date" else dt.datetime
    for connection in both:
        row = tuple(await connection.fetchrow(sql))
        assert exact(row) == exact((cls.min, cls.max, [cls.max, None]))
        back = await connection.fetchrow(f"SELECT $1::{type_name}::text, $2::{type_name}::text, $3::{type_name}[]::text", *row)
        assert tuple(back) == ("-infinity", "infinity", "{infinity,NULL}")
        if type_name == "timestamptz":
            aware = [limit.replace(tzinfo=UTC) for limit in row[:2]]
            assert tuple(await connection.fetchrow("SELECT $1::timestamptz::text, $2::timestamptz::text", *aware)) == ("-infinity", "infinity")
        assert await connection.fetchval(f"SELECT $1::{type_name}::text", cls(9999, 12, 30)) == {"date": "9999-12-30", "timestamp": "9999-12-30 00:00:00"}.get(
            type_name, "9999-12-30 00:00:00+00"
        )
