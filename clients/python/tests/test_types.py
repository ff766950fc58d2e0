# SPDX-License-Identifier: MIT
"""Types both ways, exact, through a real server."""
import datetime as dt
import math
import pickle
import uuid
from collections import OrderedDict
from decimal import Decimal
from enum import Enum, IntEnum
from ipaddress import ip_address, ip_interface, ip_network
from zoneinfo import ZoneInfo

import pytest
import sidepool
from sidepool.types import Dumped, Json, Jsonb, Multirange, Range, register_type, set_json_loads

UTC = dt.timezone.utc
PLUS = dt.timezone(dt.timedelta(hours=5, minutes=30))


@pytest.fixture(scope="module")
def cur(shared_daemon):
    connection = sidepool.connect(str(shared_daemon.socket), autocommit=True)
    yield connection.cursor()
    connection.close()


ROUND = [
    ("bool", True), ("bool", False), ("int2", -32768), ("int2", 32767), ("int4", -(2**31)), ("int4", 2**31 - 1), ("int8", -(2**63)),
    ("int8", 2**63 - 1), ("numeric", Decimal(2**64)), ("float8", 1.5), ("float8", 5e-324), ("float8", 1.7976931348623157e308),
    ("float8", -0.0), ("float8", 0.1), ("float8", math.inf), ("float8", -math.inf), ("float4", 0.5),
    ("numeric", Decimal("1.50")), ("numeric", Decimal("-0.000000000000000000000000000001")), ("numeric", Decimal("1E+40")),
    ("numeric", Decimal("Infinity")), ("numeric", Decimal("-Infinity")), ("numeric", Decimal("123456789012345678901234567890.123")),
    ("text", ""), ("text", "x"), ("text", "null"), ("text", "ünïcödé \U0001f680 \\ ' \" % \t\n"), ("varchar", "abc"),
    ("bytea", b""), ("bytea", bytes(range(256))), ("bytea", b"\\x"), ("date", dt.date(1, 1, 1)), ("date", dt.date(9999, 12, 31)),
    ("time", dt.time(0, 0)), ("time", dt.time(23, 59, 59, 999999)), ("time", dt.time(12, 34, 56, 100)),
    ("timetz", dt.time(12, 34, 56, tzinfo=PLUS)), ("timetz", dt.time(1, 2, tzinfo=UTC)),
    ("timestamp", dt.datetime(1, 1, 1)), ("timestamp", dt.datetime(9999, 12, 31, 23, 59, 59, 999999)),
    ("timestamp", dt.datetime(2026, 11, 21, 7, 8, 9, 120)), ("timestamptz", dt.datetime(2026, 7, 1, 12, tzinfo=PLUS)),
    ("timestamptz", dt.datetime(1900, 1, 1, 0, 0, tzinfo=UTC)), ("interval", dt.timedelta(0)), ("interval", dt.timedelta(days=3, microseconds=1)),
    ("interval", dt.timedelta(days=-3, seconds=-1, microseconds=-1)), ("interval", dt.timedelta(microseconds=-1)),
    ("interval", dt.timedelta(hours=100)), ("uuid", uuid.UUID(int=2**128 - 2)), ("inet", ip_address("10.0.0.1")),
    ("inet", ip_address("::1")), ("inet", ip_interface("10.0.0.1/8")), ("cidr", ip_network("10.0.0.0/8")), ("cidr", ip_network("fe80::/10")),
    ("int4[]", []), ("int4[]", [1, None, -3]), ("int8[]", [[1, 2], [3, 2**40]]), ("text[]", ["", "NULL", None, "null", 'a"b', "a\\b", "a,b", "{}", " "]),
    ("numeric[]", [Decimal("1.5"), Decimal("2")]), ("bool[]", [True, None, False]), ("bytea[]", [b"\0\xff", None, b""]),
    ("date[]", [dt.date(2026, 1, 2), None]), ("timestamptz[]", [dt.datetime(2026, 1, 2, 3, 4, tzinfo=UTC)]), ("interval[]", [dt.timedelta(days=1, seconds=5)]),
    ("uuid[]", [uuid.UUID(int=5)]), ("inet[]", [ip_address("1.2.3.4")]), ("float8[]", [1.5, math.inf, None]), ("int4[][]", [[[1], [2]], [[3], [4]]]),
    ("int4range", Range(1, 5)), ("int4range", Range(None, 5)), ("int4range", Range(1, None)), ("int4range", Range(empty=True)), ("int8range", Range(2**40, 2**41)),
    ("numrange", Range(Decimal("1.5"), Decimal("2.5"), "(]")), ("daterange", Range(dt.date(2026, 1, 1), dt.date(2026, 2, 1))),
    ("tsrange", Range(dt.datetime(2026, 1, 1), dt.datetime(2026, 2, 1, 3), "[]")), ("tstzrange", Range(dt.datetime(2026, 1, 1, tzinfo=UTC), None)),
    ("int4multirange", Multirange([Range(1, 5), Range(7, 9)])), ("nummultirange", Multirange()),
    ("datemultirange", Multirange([Range(dt.date(2026, 1, 1), dt.date(2026, 2, 1))])),
    ("tsmultirange", Multirange([Range(dt.datetime(2026, 1, 1), dt.datetime(2026, 2, 1))])), ("int4range[]", [Range(1, 5), None]),
]  # fmt: skip


@pytest.mark.parametrize("type_name, value", ROUND, ids=lambda v: str(v)[:40])
def test_there_and_back(cur, type_name, value):
    (got,) = cur.execute(f"SELECT %s::{type_name}", [value]).fetchone()
    assert got == value and type(got) is type(value)
    if isinstance(value, float):
        assert math.copysign(1, got) == math.copysign(1, value)


@pytest.mark.parametrize("type_name, value", [r for r in ROUND if r[1] != []], ids=lambda v: str(v)[:40])
def test_the_server_sees_what_it_would_write_itself(cur, type_name, value):
    """The value equals PostgreSQL's own reading of its text."""
    (text,) = cur.execute(f"SELECT (%s::{type_name})::text", [value]).fetchone()
    assert cur.execute(f"SELECT %s::text::{type_name} = %s::{type_name}", [text, value]).fetchone() == (True,)


@pytest.mark.parametrize(
    "value, oid",
    [
        (1, 21), (40000, 23), (2**40, 20), (2**70, 1700), (True, 16), (1.5, 701), (Decimal(1), 1700), (b"x", 17), (uuid.UUID(int=1), 2950),
        (dt.date(2026, 1, 1), 1082), (dt.datetime(2026, 1, 1), 1114), (dt.datetime(2026, 1, 1, tzinfo=UTC), 1184), (dt.time(1), 1083),
        (dt.timedelta(1), 1186), ([1, 2], 1005), ([1, 70000], 1007), ([1, 2**40], 1016), ([1.5], 1022), (ip_address("::1"), 869), (Jsonb(1), 3802),
        (Json(1), 114), (Range(Decimal(1), Decimal(2)), 3906), (Multirange([Range(dt.date(2026, 1, 1), None)]), 4535), (Range(dt.date(2026, 1, 1), None), 3912),
    ],
)
def test_type_of_a_parameter(cur, value, oid):
    assert cur.execute("SELECT pg_typeof(%s)::oid", [value]).fetchone() == (oid,)


def test_a_str_takes_the_type_of_its_place(cur):
    assert cur.execute("SELECT %s + 1, %s::date, %s", ["41", "2026-01-02", "x"]).fetchone() == (42, dt.date(2026, 1, 2), "x")


@pytest.mark.parametrize("type_name", ["float4", "float8", "numeric"])
def test_nan(cur, type_name):
    (got,) = cur.execute(f"SELECT 'NaN'::{type_name}").fetchone()
    assert math.isnan(got)
    (back,) = cur.execute(f"SELECT %s::{type_name}::text", [got]).fetchone()
    assert back == "NaN"


def test_every_float_comes_back(cur):
    values = [2.0**e * m for e in range(-1074, 1023, 97) for m in (1, 1.1, 1.9999999)]
    assert cur.execute("SELECT %s::float8[]", [values]).fetchone() == (values,)


def test_null_of_every_type(cur):
    for type_name in {t for t, _ in ROUND}:
        assert cur.execute(f"SELECT NULL::{type_name}, %s::{type_name}", [None]).fetchone() == (None, None)


@pytest.mark.parametrize(
    "sql", [
        "'infinity'::date", "'-infinity'::timestamp", "'infinity'::timestamptz", "'0044-03-15 BC'::date", "'0044-03-15 BC'::timestamp",
        "'10000-01-01'::date", "'10000-01-01'::timestamp", "'10000-01-01 UTC'::timestamptz", "'24:00'::time", "'24:00+00'::timetz",
        "'200000000 days'::interval * 10",
    ],
)  # fmt: skip
def test_what_python_cannot_hold_is_an_error(cur, sql):
    cur.execute(f"SELECT {sql}")
    with pytest.raises(sidepool.DataError):
        cur.fetchone()


def test_months_are_30_days_and_years_365_as_in_psycopg(cur):
    got = cur.execute("SELECT '1 year 2 mons 3 days'::interval, '-1 mon +1 day -00:00:00.5'::interval").fetchone()
    assert got == (dt.timedelta(365 + 60 + 3), dt.timedelta(-29, microseconds=-500000))


@pytest.mark.parametrize("style", ["postgres", "postgres_verbose", "sql_standard", "iso_8601"])
def test_interval_styles(cur, style):
    with cur.connection.transaction():
        cur.execute(f"SET LOCAL intervalstyle TO {style}")
        cur.execute("SELECT '1 year 2 mons 3 days -04:05:06.7'::interval, '-1 day'::interval, '00:00'::interval")
        if style in ("postgres", "iso_8601"):
            day = dt.timedelta(365 + 60 + 3) - dt.timedelta(hours=4, minutes=5, seconds=6, microseconds=700000)
            assert cur.fetchone() == (day, dt.timedelta(-1), dt.timedelta())
        else:
            with pytest.raises(sidepool.DataError, match="intervalstyle"):
                cur.fetchone()


@pytest.mark.parametrize("style", ["ISO, YMD", "SQL, DMY", "SQL, MDY", "German", "Postgres, DMY"])
def test_date_styles(cur, style):
    wanted = (dt.date(2026, 2, 11), dt.datetime(2026, 2, 11, 3, 4, 5, 600000))
    with cur.connection.transaction():
        cur.execute(f"SET LOCAL datestyle TO {style}")
        cur.execute("SELECT date '2026-02-11', timestamp '2026-02-11 03:04:05.6'")
        if style.startswith("Postgres"):
            with pytest.raises(sidepool.DataError, match="datestyle"):
                cur.fetchone()
        else:
            assert cur.fetchone() == wanted


def test_time_zone_of_the_session(cur):
    with cur.connection.transaction():
        cur.execute("SET LOCAL timezone TO 'Europe/Rome'")
        (got,) = cur.execute("SELECT timestamptz '2026-07-01 12:00+00'").fetchone()
        assert got == dt.datetime(2026, 7, 1, 12, tzinfo=UTC) and got.tzinfo == ZoneInfo("Europe/Rome") and got.hour == 14
        (old,) = cur.execute("SELECT timestamptz '1800-01-01 00:00+00'").fetchone()  # an offset with seconds
        assert old == dt.datetime(1800, 1, 1, tzinfo=UTC)
    (after,) = cur.execute("SELECT timestamptz '2026-07-01 12:00+00'").fetchone()
    assert after.tzinfo != ZoneInfo("Europe/Rome") and after == got


def test_json(cur):
    value = {"a": [1, 2.5, None, True, "ü\"'"], "b": {}}
    assert cur.execute("SELECT %s::json, %s::jsonb, %s", [Json(value), Jsonb(value), Jsonb([1])]).fetchone() == (value, value, [1])
    assert cur.execute("SELECT 'null'::jsonb, NULL::jsonb").fetchone() == (None, None)
    assert cur.execute("SELECT %s::jsonb[]", [[Jsonb({"a": '"{,'}), None]]).fetchone() == ([{"a": '"{,'}, None],)


def test_json_loads_of_a_cursor(cur):
    import json

    mine = cur.connection.cursor()
    set_json_loads(lambda data: json.loads(data, parse_float=Decimal), mine.adapters)
    assert mine.execute("SELECT '1.10'::jsonb").fetchone() == (Decimal("1.10"),)
    assert cur.execute("SELECT '1.10'::jsonb").fetchone() == (1.1,)


@pytest.mark.parametrize(
    "sql, wanted",
    [
        ("'[2:4]={1,2,3}'::int[]", [1, 2, 3]), ("'[0:1][5:6]={{1,2},{3,4}}'::int[]", [[1, 2], [3, 4]]), ("'1 2 3'::int2vector", [1, 2, 3]),
        ("'{(1,1),(0,0);(2,2),(1,1)}'::box[]", ["(1,1),(0,0)", "(2,2),(1,1)"]), ("array_fill(NULL::int, '{2}')", [None, None]),
        ("(1, 'a,b', NULL, '')::record", ("1", "a,b", None, "")), ("ROW()", ()), ("'{}'::text[]", []),
        ("xmlparse(content '<a/>')", "<a/>"), ("'abc'::name", "abc"), ("'a'::\"char\"", "a"), ("'7'::oid", 7), ("'01'::bit(2)", "01"),
        ("'12.34'::money", "$12.34"), ("'08:00:2b:01:02:03'::macaddr", "08:00:2b:01:02:03"), ("'(1,2)'::point", "(1,2)"),
    ],
)  # fmt: skip
def test_what_the_server_writes(cur, sql, wanted):
    assert cur.execute(f"SELECT {sql}").fetchone() == (wanted,)


@pytest.mark.parametrize("value", [[1, "a"], [[1], 2], [[1], [1, 2]], "a\0b", ["a\0b"], object(), {"a": 1}])
def test_what_cannot_be_a_parameter(cur, value):
    with pytest.raises(sidepool.Error):
        cur.execute("SELECT %s", [value])


class Colour(Enum):
    red = 1
    dark_green = 2


class Level(IntEnum):
    LOW = 1


class Name(str, Enum):
    A = "a-value"


def test_python_enums(cur):
    assert cur.execute("SELECT %s::text, %s + 1, %s::text", [Colour.red, Level.LOW, Name.A]).fetchone() == ("red", 2, "a-value")


def test_enum_of_the_database(cur, pg):
    pg.sql("DROP TYPE IF EXISTS colour; CREATE TYPE colour AS ENUM ('red', 'dark_green')")
    info = sidepool.fetch_type(cur.connection, "colour")
    assert info.labels == ("red", "dark_green") and info.kind == "enum"
    mine = cur.connection.cursor()
    register_type(info, mine.adapters, Colour)
    got = mine.execute("SELECT %s, 'red'::colour, %s::colour[]", [Colour.dark_green, [Colour.red, None]]).fetchone()
    assert got == (Colour.dark_green, Colour.red, [Colour.red, None])
    assert cur.execute("SELECT 'red'::colour").fetchone() == ("red",)


def test_composite(cur, pg):
    pg.sql("DROP TYPE IF EXISTS pair; CREATE TYPE pair AS (n int, \"some text\" text, d date)")
    mine = cur.connection.cursor()
    info = sidepool.fetch_type(cur.connection, "pair")
    register_type(info, mine.adapters)
    pair = mine.adapters.factory(info.oid)
    value = pair(1, 'x", (\\', None)
    assert value._fields == ("n", "some_text", "d")
    assert mine.execute("SELECT %s, (%s).n", [value, value]).fetchone() == (value, 1)
    assert mine.execute("SELECT ARRAY[%s, NULL]::pair[]", [value]).fetchone() == ([value, None],)
    assert mine.execute("SELECT %s::pair", [(2, "", dt.date(2026, 1, 1))]).fetchone() == (pair(2, "", dt.date(2026, 1, 1)),)


def test_range_of_the_database(cur, pg):
    pg.sql("DROP TYPE IF EXISTS textrange; CREATE TYPE textrange AS RANGE (subtype = text)")
    mine = cur.connection.cursor()
    for name in ("textrange", "textmultirange"):
        register_type(sidepool.fetch_type(cur.connection, name), mine.adapters)
    value = Range('a", (', "b\\", "[]")
    assert mine.execute("SELECT %s::textrange, %s::textmultirange", [value, Multirange([value])]).fetchone() == (value, Multirange([value]))


def test_ranges_of_integers_fit_each_type(cur):
    """There is no cast from int4range to int8range, so they go without a type."""
    one, several = Range(1, 5), Multirange([Range(1, 5), Range(7, 2**31 - 1)])
    got = cur.execute("SELECT int8range(1, 5) = %s, numrange(1, 5) = %s, 3 <@ %s::int4range, '{[1,5),[7,2147483647)}'::int8multirange = %s", [one, one, one, several])
    assert got.fetchone() == (True, True, True, True)
    assert cur.execute("SELECT %s::int8range[], %s::int8multirange[]", [[one, None], [several]]).fetchone() == ([one, None], [several])


def test_ranges_that_do_not_say_their_type_among_others(cur):
    values = [Range(empty=True), Range(dt.date(2026, 1, 1), None), Range()]
    assert cur.execute("SELECT %s, %s", [values, [Multirange(), Multirange(values[1:2])]]).fetchone() == (values, [Multirange(), Multirange(values[1:2])])
    with pytest.raises(sidepool.DataError, match="mixed"):
        cur.execute("SELECT %s", [[*values, "x"]])


def test_range_of_a_registered_type(cur, pg):
    pg.sql("DROP TYPE IF EXISTS floats")
    pg.sql("CREATE TYPE floats AS RANGE (subtype = float8)")
    mine = cur.connection.cursor()
    register_type(sidepool.fetch_type(cur.connection, "floats"), mine.adapters)
    assert mine.execute("SELECT pg_typeof(%s)::text, %s", [Range(1.5, None), [Range(1.5, 2.5)]]).fetchone() == ("floats", [Range(1.5, 2.5)])


def test_multirange_is_a_sequence_of_ranges():
    several = Multirange([Range(10, 20), Range(30, 40), Range(50, 60)])
    assert len(several) == 3 and several[-2] == Range(30, 40) and several[1:] == Multirange([Range(30, 40), Range(50, 60)])
    several[1] = Range(31, 41)
    several[2:] = [Range(51, 61)]
    several.insert(0, Range(1, 2))
    del several[1]
    assert several == Multirange([Range(1, 2), Range(31, 41), Range(51, 61)]) and str(several) == "{[1, 2), [31, 41), [51, 61)}"
    assert several != list(several) and pickle.loads(pickle.dumps(several)) == several and not Multirange() and repr(Multirange()) == "Multirange([])"
    assert Multirange([Range(1, 2)]) < Multirange([Range(1, 3)]) <= Multirange([Range(1, 3)]) and Multirange([Range(2, 3)]) > Multirange([Range(1, 9)])


@pytest.mark.parametrize("change", [lambda m: m.insert(0, 1), lambda m: Multirange([1]), lambda m: Multirange(m[0]), lambda m: m.__setitem__(0, "x"), lambda m: m.__setitem__(slice(0, 1), m[0])])
def test_multirange_takes_nothing_else(change):
    with pytest.raises(TypeError):
        change(Multirange([Range(10, 20)]))


def test_range_tells_its_bounds():
    assert [str(r) for r in (Range(1, 5), Range(None, 5, "[]"), Range(empty=True))] == ["[1, 5)", "(None, 5]", "empty"]
    assert Range(empty=True).bounds == "" and not Range(empty=True) and Range[int](1, 2).bounds == "[)" and Multirange[int]() == Multirange()
    inside = {"[)": (1,), "(]": (2,), "()": (), "[]": (1, 2)}
    for bounds, wanted in inside.items():
        one = Range(1, 2, bounds)
        assert tuple(n for n in (0, 1, 2, 3) if n in one) == wanted and (one.lower_inc, one.upper_inc) == (1 in wanted, 2 in wanted)
        assert pickle.loads(pickle.dumps(one)) == one and hash(one) == hash(Range(1, 2, bounds))
    assert 1 not in Range(empty=True) and 1 in Range() and Range(1, None) != Range(1, 5) and sorted([Range(2, 3), Range(), Range(1, 9)])[0] == Range()
    with pytest.raises(ValueError):
        Range(1, 2, "[}")


def test_offsets_down_to_microseconds(cur):
    odd = dt.timezone(dt.timedelta(hours=-1, microseconds=1))
    at = dt.datetime(2000, 1, 2, 3, 4, 5, 6, odd)
    assert cur.execute("SELECT %s, %s", [at, [at]]).fetchone() == (at, [at])
    with pytest.raises(sidepool.DataError, match="cannot hold"):
        cur.execute("SELECT %s", [dt.datetime.max.replace(tzinfo=odd)])


def test_hstore(cur, pg):
    pg.sql("CREATE EXTENSION IF NOT EXISTS hstore")
    mine = cur.connection.cursor()
    info = sidepool.fetch_type(cur.connection, "hstore")
    register_type(info, mine.adapters)
    value = {"a": "1", 'q"uote': "b\\ack", "null": None, "": "", "x": "NULL"}
    assert mine.execute("SELECT %s", [value]).fetchone() == (value,)
    assert mine.execute("SELECT %s::hstore[]", [[value, None]]).fetchone() == ([value, None],)


def test_no_such_type(cur):
    assert sidepool.fetch_type(cur.connection, "no_such_type") is None


class Point:
    def __init__(self, x, y):
        self.x, self.y = x, y


def test_layers_of_adapters(connect):
    connection = connect(autocommit=True)
    first, second = connection.cursor(), connection.cursor()
    first.adapters.register_loader("int4", lambda data: f"cursor {data.decode()}")
    connection.adapters.register_loader("int4", lambda data: f"connection {data.decode()}")
    assert first.execute("SELECT 1").fetchone() == ("cursor 1",)
    assert second.execute("SELECT 1, ARRAY[2]").fetchone() == ("connection 1", ["connection 2"])
    assert connect().execute("SELECT 1").fetchone() == (1,)


def test_a_class_of_ones_own(connect):
    connection = connect(autocommit=True)
    connection.adapters.register_dumper(Point, lambda p: f"({p.x},{p.y})", 600)
    connection.adapters.register_loader("point", lambda data: Point(*map(float, data.strip(b"()").split(b","))))
    (got,) = connection.execute("SELECT %s", [Point(1, 2)]).fetchone()
    assert (got.x, got.y) == (1, 2)
    connection.adapters.register_dumper(OrderedDict, lambda d: Dumped(0, None))
    assert connection.execute("SELECT %s::text", [OrderedDict()]).fetchone() == (None,)
    with pytest.raises(sidepool.ProgrammingError, match="cannot adapt type 'Point'"):
        connect().execute("SELECT %s", [Point(1, 2)])


def test_subclasses_are_dumped_as_their_bases(cur):
    class MyInt(int):
        pass

    class MyDict(dt.date):
        pass

    assert cur.execute("SELECT %s, %s", [MyInt(5), MyDict(2026, 1, 1)]).fetchone() == (5, dt.date(2026, 1, 1))
