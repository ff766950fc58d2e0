# SPDX-License-Identifier: MIT
"""Values within values, characters that have to be quoted, types of a database, and who knows an adapter."""
import datetime as dt
import enum
import json
from decimal import Decimal
from zoneinfo import ZoneInfo

import psycopg
import pytest
import sidepool
from sidepool.types import Json, Jsonb, Multirange, Range, TypeInfo, register_composite, register_enum, register_hstore, register_type
from sidepool.types import set_json_dumps, set_json_loads

CHARS = [chr(n) for n in range(1, 256)] + ["€", "\U0010ffff"]
EVERY = "".join(CHARS)


@pytest.fixture(scope="module", autouse=True)
def made(pg):
    pg.psql("""
        CREATE EXTENSION IF NOT EXISTS hstore;
        CREATE SCHEMA odd;
        CREATE TYPE odd.texts AS RANGE (subtype = text, collation = "C");
        CREATE TYPE odd.moods AS ENUM ('sad', 'o''k', 'so "so"', 'a,b', '{', ' ', '\\');
        CREATE TYPE odd.inner AS (t text, n int8, f float8);
        CREATE TYPE odd.outer AS (q int8, i odd.inner, list odd.inner[], r odd.texts, m odd.moods[], h hstore);
        CREATE TYPE odd."a-b" AS ("c-d" text, "é" int, "class" int, "" text);
        CREATE TYPE odd.none AS ();
        CREATE TYPE odd.one AS (t text);
        CREATE DOMAIN odd.positive AS int CHECK (VALUE > 0);
        CREATE TABLE odd.changed (a int, gone text, b text);
        ALTER TABLE odd.changed DROP COLUMN gone;
    """.replace('"" text', '"x y" text'))
    yield
    pg.sql("DROP SCHEMA odd CASCADE")


@pytest.fixture
def known(auto):
    """A connection that knows all of them."""
    for name in ("hstore", "odd.texts", "odd.textmultirange", "odd.moods", "odd.inner", "odd.outer", "odd.one", 'odd."a-b"', "odd.changed"):
        info = sidepool.fetch_type(auto, name)
        if info is not None:
            register_type(info, auto.adapters)
    return auto


def of(conn, name):
    return conn.adapters.factory(conn.adapters.types[name].oid)


# -- every character, wherever it may stand


def test_characters_as_parameters(auto):
    columns = ", ".join("%s = chr(%s)" for _ in CHARS)
    assert all(auto.execute(f"SELECT {columns}", [x for c in CHARS for x in (c, ord(c))]).fetchone())


def test_characters_in_arrays(auto):
    got = auto.execute("SELECT %s::text[] = ARRAY(SELECT chr(n) FROM unnest(%s::int[]) n), %s::text[]", [CHARS, [ord(c) for c in CHARS], CHARS + [EVERY, [EVERY]][:1]])
    assert got.fetchone() == (True, CHARS + [EVERY])
    assert auto.execute("SELECT '[0:1]={a,b}'::text[] || %s::text[]", [CHARS]).fetchone() == (["a", "b", *CHARS],)
    assert auto.execute("SELECT %s::varchar[], %s::name[], %s::bpchar[]", [CHARS] * 3).fetchone() == (CHARS, CHARS, CHARS)


def test_characters_in_rows(known):
    inner, one = of(known, "inner"), of(known, "one")
    wanted = [inner(c, 1, 1.0) for c in CHARS]
    sql = "SELECT array_agg(ROW(chr(n), 1, 1)::odd.inner ORDER BY o), array_agg(ROW(chr(n), 1, 1)::odd.inner ORDER BY o) = %s FROM unnest(%s::int[]) WITH ORDINALITY u(n, o)"
    assert known.execute(sql, [wanted, [ord(c) for c in CHARS]]).fetchone() == (wanted, True)
    assert known.execute("SELECT ROW(%s::text, %s::text)", [EVERY, ""]).fetchone() == ((EVERY, ""),)
    assert known.execute("SELECT %s, %s::odd.one, %s::odd.one", [one(EVERY), (EVERY,), ("",)]).fetchone() == (one(EVERY), one(EVERY), one(""))


def test_characters_in_ranges(known):
    numbers = [ord(c) for c in CHARS[:-1]]
    ranges = [Range(chr(n), chr(n + 1)) for n in numbers]
    sql = "SELECT array_agg(odd.texts(chr(n), chr(n + 1)) ORDER BY o), array_agg(odd.texts(chr(n), chr(n + 1)) ORDER BY o) = %s FROM unnest(%s::int[]) WITH ORDINALITY u(n, o)"
    assert known.execute(sql, [ranges, numbers]).fetchone() == (ranges, True)
    assert known.execute("SELECT %s, %s::odd.texts", [Range("", EVERY), Range("", "", "[]")]).fetchone() == (Range("", EVERY), Range("", "", "[]"))


def test_characters_in_hstores(known):
    value = {**{c: c for c in CHARS}, EVERY: None, "": "", "NULL": "NULL", "null": None}
    got, same = known.execute("SELECT %s, hstore(%s::text[], %s::text[]) = %s", [value, list(value), list(value.values()), value]).fetchone()
    assert got == value and same is True
    assert known.execute("SELECT %s::hstore[]", [[value, None, {}]]).fetchone() == ([value, None, {}],)


def test_characters_of_labels(known):
    moods = list(of(known, "moods"))
    assert [m.name for m in moods] == ["sad", "o'k", 'so "so"', "a,b", "{", " ", "\\"]
    got = known.execute("SELECT %s, enum_range(NULL::odd.moods), %s", [moods, moods[3]]).fetchone()
    assert got == (moods, moods, moods[3])


def test_bytes_alone_and_in_arrays(auto):
    each = [bytes([n]) for n in range(256)]
    for cls in (bytes, bytearray, memoryview, sidepool.Binary):
        values = [cls(b) for b in each]
        columns = ", ".join(f"%s = set_byte('x', 0, {n})" for n in range(256))
        assert all(auto.execute(f"SELECT {columns}", values).fetchone())
        assert auto.execute("SELECT %s", [values]).fetchone() == (each,)


# -- within each other


def test_everything_within_everything(known):
    outer, inner, moods = of(known, "outer"), of(known, "inner"), list(of(known, "moods"))
    deep = inner('a "quote", (a bracket) {a brace} \\ and \'', 2**40, -0.5)
    value = outer(1, deep, [deep, None, inner(None, None, None)], Range('"(', ",)"), moods, {'"{': "\\", ",": None})
    assert known.execute("SELECT %s, %s", [value, [value, None]]).fetchone() == (value, [value, None])
    got = known.execute("SELECT (%s).list[1].t, ((%s).i).n, (%s).m[2]::text, (%s).h -> '\"{'", [value] * 4).fetchone()
    assert got == (deep.t, deep.n, "o'k", "\\")


@pytest.mark.parametrize("value", [(None, None), (None, ""), ("", None), ("42", "ba,r"), ("foo'", "'foo"), ('"bar', 'bar"'), ("(", ")"), ("\\", "\t\n")])
def test_rows_of_texts(auto, value):
    assert auto.execute("SELECT ROW(%s::text, %s::text)", value).fetchone() == (value,)
    assert auto.execute("SELECT (r.t).a, (r.t).b FROM (SELECT %s::odd.changed AS t) r", [(None, value[1])]).fetchone() == (None, value[1])


def test_rows_of_several_widths(auto):
    assert auto.execute("VALUES (ROW('foo'::text), ROW()), (ROW('a'::text, 1), ROW(NULL::int))").fetchall() == [(("foo",), ()), (("a", "1"), ())]


def test_names_that_are_no_identifiers(known):
    row = known.execute("SELECT ROW('x', 1, 2, 'y')::odd.\"a-b\"").fetchone()[0]
    assert type(row).__name__ == "a_b" and row._fields[:2] == ("c_d", "é") and row == ("x", 1, 2, "y") and row.x_y == "y"
    changed = known.execute("SELECT ROW(1, 'b')::odd.changed").fetchone()[0]
    assert changed._fields == ("a", "b") and changed == (1, "b")


def test_domains_are_their_types(auto):
    assert auto.execute("SELECT 5::odd.positive, %s::odd.positive", [7]).fetchone() == (5, 7)
    with pytest.raises(sidepool.errors.CheckViolation):
        auto.execute("SELECT %s::odd.positive", [-1])


class Thing:
    def __init__(self, *args):
        self.args = args

    def __iter__(self):
        return iter(self.args)


def test_factory_of_rows(auto):
    info = sidepool.fetch_type(auto, "odd.inner")
    cur = auto.cursor()
    register_composite(info, cur.adapters, Thing)
    got = cur.execute("SELECT ROW('x', 1, 2)::odd.inner, ARRAY[ROW('y', NULL, 3)::odd.inner]").fetchone()
    assert isinstance(got[0], Thing) and got[0].args == ("x", 1, 2.0) and got[1][0].args == ("y", None, 3.0)
    assert cur.execute("SELECT (%s).n, pg_typeof(%s) = 'odd.inner'::regtype", [Thing("z", 5, 0.5)] * 2).fetchone() == (5, True)
    plain = auto.cursor()
    register_composite(info, plain.adapters, lambda *fields: [*fields, "more"])
    assert plain.execute("SELECT ROW('x', 1, 2)::odd.inner").fetchone() == (["x", 1, 2.0, "more"],)
    assert auto.execute("SELECT ROW('x', 1, 2)::odd.inner").fetchone() == ("(x,1,2)",)


# -- dumpers that say NULL


def test_none_of_a_dumper_is_null_wherever_it_stands(known):
    cur = known.cursor()
    cur.adapters.register_dumper(str, lambda value: value or None)
    assert cur.execute("SELECT %s::text, %s::text", ["", "x"]).fetchone() == (None, "x")
    assert cur.execute("SELECT %s::text[]", [["foo", "", "bar"]]).fetchone() == (["foo", None, "bar"],)
    assert cur.execute("SELECT %s::odd.inner", [("", 1, 2.0)]).fetchone() == ((None, 1, 2.0),)
    got = cur.execute("SELECT %s::odd.texts, %s::odd.texts", [Range("", "foo"), Range("a", "", "[]")]).fetchone()
    assert got == (Range(None, "foo"), Range("a", None))
    with cur.copy("COPY (SELECT 1) TO STDOUT") as copy:
        list(copy)
    cur.execute("CREATE TABLE odd.copied (a text, b text[])")
    with cur.copy("COPY odd.copied FROM STDIN") as copy:
        copy.write_row(["", ["", "y"]])
    assert cur.execute("SELECT * FROM odd.copied").fetchone() == (None, [None, "y"])


# -- enums


class Pure(enum.Enum):
    SAD = 1
    SO = 2


class Numbered(enum.IntEnum):
    TWO = 2


class Texts(str, enum.Enum):
    SAD = "sad"


class Flags(enum.IntFlag):
    A = 1
    B = 4


def test_enum_with_a_mapping(auto):
    info = sidepool.fetch_type(auto, "odd.moods")
    cur = auto.cursor()
    register_enum(info, cur.adapters, Pure, {Pure.SAD: "sad", Pure.SO: 'so "so"'})
    assert cur.execute("SELECT %s, %s, 'sad'::odd.moods", [Pure.SO, [Pure.SAD, None, Pure.SO]]).fetchone() == (Pure.SO, [Pure.SAD, None, Pure.SO], Pure.SAD)
    cur.execute("SELECT 'a,b'::odd.moods")
    with pytest.raises(sidepool.DataError, match="a,b"):
        cur.fetchone()
    assert auto.execute("SELECT 'sad'::odd.moods").fetchone() == ("sad",)


def test_enums_that_are_numbers_or_texts(auto):
    assert auto.execute("SELECT %s + 1, %s::odd.moods, %s, %s", [Numbered.TWO, Texts.SAD, [Numbered.TWO, None], Flags.A | Flags.B]).fetchone() == (3, "sad", [2, None], 5)


# -- hstore


@pytest.mark.parametrize("text", ["a", '"a"', '"a=>"1"', '"a"=>"1", "b"=>NUL', '"a"=>"1" "b"=>"2"'])
def test_hstores_that_are_none(known, text):
    oid = known.adapters.types["hstore"].oid
    with pytest.raises(sidepool.DataError, match="hstore"):
        known.adapters.get_loader(oid, known)(text.encode())


def test_hstore_takes_texts_alone(known):
    for value in ({"a": 1}, {1: "a"}):
        with pytest.raises(sidepool.DataError, match="int"):
            known.execute("SELECT %s", [value])


# -- who knows an adapter


def test_registered_for_a_cursor_a_connection_and_all(connect):
    conn, other = connect(autocommit=True), connect(autocommit=True)
    info = sidepool.fetch_type(conn, "hstore")
    cur = conn.cursor()
    register_hstore(info, cur.adapters)
    assert cur.execute("SELECT 'a=>1'::hstore, NULL::hstore, ''::hstore").fetchone() == ({"a": "1"}, None, {})
    assert conn.adapters.types.get(info.oid) is None and conn.execute("SELECT 'a=>1'::hstore").fetchone() == ('"a"=>"1"',)
    register_hstore(info, conn.adapters)
    assert conn.execute("SELECT 'a=>1'::hstore").fetchone() == ({"a": "1"},)
    assert other.adapters.types.get("hstore") is None and other.execute("SELECT 'a=>1'::hstore").fetchone() == ('"a"=>"1"',)


def test_loader_of_elements_is_the_loader_of_arrays_and_ranges(auto):
    cur = auto.cursor()
    cur.adapters.register_loader("numeric", float)
    got = cur.execute("SELECT 1.5, ARRAY[1.5, NULL], numrange(1, 2), 'NaN'::numeric::text, ROW(1.5)").fetchone()
    assert got[:3] == (1.5, [1.5, None], Range(1.0, 2.0)) and isinstance(got[0], float) and isinstance(got[2].lower, float)
    with cur.copy("COPY (SELECT 1.5, '{2.5}'::numeric[]) TO STDOUT") as copy:
        copy.set_types(["numeric", "numeric[]"])
        assert copy.read_row() == (1.5, [2.5])


def test_infinity_as_the_documentation_of_psycopg_has_it(auto):
    """A date for what has none: its dumper and its loader."""
    cur = auto.cursor()
    load = cur.adapters.get_loader(1082, auto)
    cur.adapters.register_loader("date", lambda data: dt.date.max if data == b"infinity" else load(data))
    cur.adapters.register_dumper(dt.date, lambda value: "infinity" if value == dt.date.max else value.isoformat(), 1082)
    assert cur.execute("SELECT %s::text, %s::text", [dt.date(2020, 12, 31), dt.date.max]).fetchone() == ("2020-12-31", "infinity")
    assert cur.execute("SELECT '2020-12-31'::date, 'infinity'::date, %s", [[dt.date.max]]).fetchone() == (dt.date(2020, 12, 31), dt.date.max, [dt.date.max])


def test_class_within_arrays_of_semicolons(auto):
    class Box(tuple):
        pass

    auto.adapters.register_dumper(Box, lambda box: "(%s,%s),(%s,%s)" % box, 603)
    got = auto.execute("SELECT %s::text, %s::text", [Box((1, 2, 3, 4)), [Box((1, 2, 3, 4)), Box((5, 4, 3, 2))]]).fetchone()
    assert got == ("(3,4),(1,2)", "{(3,4),(1,2);(5,4),(3,2)}")


# -- JSON


def more(value):
    return json.dumps({**value, "baz": "qux"})


@pytest.mark.parametrize("wrapper", [Json, Jsonb])
def test_dumps_of_a_value_a_cursor_and_bytes(auto, wrapper):
    sql, value, cur = "SELECT %s ->> 'baz'", {"foo": 1}, auto.cursor()
    assert auto.execute(sql, [wrapper(value, more)]).fetchone() == ("qux",)
    for dumps in (more, lambda v: more(v).encode()):
        set_json_dumps(dumps, cur.adapters)
        assert cur.execute(sql, [wrapper(value)]).fetchone() == ("qux",) and auto.execute(sql, [wrapper(value)]).fetchone() == (None,)
    assert auto.execute("SELECT %s, pg_typeof(%s)::text", [[wrapper(value), None], wrapper([])]).fetchone() == ([value, None], wrapper.__name__.lower())


def test_dict_as_json_where_it_is_registered(auto):
    cur = auto.cursor()
    cur.adapters.register_dumper(dict, json.dumps, 3802)
    assert cur.execute("SELECT %s, %s", [{"a": [1, None]}, [{"b": 1}]]).fetchone() == ({"a": [1, None]}, [{"b": 1}])


def test_loads_in_arrays_and_of_all(auto):
    cur = auto.cursor()
    set_json_loads(lambda data: json.loads(data, parse_float=Decimal), cur.adapters)
    assert cur.execute("SELECT '1.10'::json, ARRAY['1.10'::jsonb]").fetchone() == (Decimal("1.10"), [Decimal("1.10")])


@pytest.mark.parametrize("format", ["text", "binary"])
def test_copy_makes_json_of_what_stands_in_such_a_column(auto, pg, format):
    """As in psycopg, where set_types() said that the column is one."""
    rows = [({"a": '"\\\n\t'}, [1, None], "text"), (None, 5, Jsonb({"wrapped": True}))]
    pg.sql("CREATE TABLE odd.documents (a json, b jsonb, c jsonb)")
    with auto.cursor().copy(f"COPY odd.documents FROM STDIN (FORMAT {format})") as copy:
        copy.set_types(["json", "jsonb", "jsonb"])
        for row in rows:
            copy.write_row(row)
    assert auto.execute("SELECT * FROM odd.documents").fetchall() == [rows[0], (None, 5, {"wrapped": True})]
    pg.sql("DROP TABLE odd.documents")


# -- time zones

ZONES = [
    ("UTC", "2000-07-01"), ("Europe/Rome", "2000-01-01"), ("Europe/Rome", "2000-07-01"), ("Europe/Rome", "1000-01-01"), ("Asia/Kolkata", "1900-01-01"), ("NOSUCH0", "2000-01-01"),
    ("0", "2000-01-01"), ("+02:00", "2000-01-02 03:04:05.000006"), ("-07:08", "2000-12-31"), ("America/Chicago", "9999-12-31 23:59:59-06"), ("Asia/Tokyo", "0001-01-01 00:00:00+09:18:59"),
    ("Europe/Berlin", "2000-10-29 02:30:00+01"), ("Europe/Berlin", "2000-10-29 02:30:00+02"),
]  # fmt: skip


@pytest.mark.parametrize("zone, text", ZONES)
def test_time_zones_of_sessions(conn, pg, zone, text):
    """Set in a transaction, before its first result; psycopg has the same."""
    with psycopg.connect(pg.url()) as other:
        got = []
        for connection in (conn, other):
            connection.execute("SELECT set_config('TimeZone', %s, true)", [zone])
            got.append(connection.execute("SELECT %s::timestamptz, %s::timestamptz::text, %s::text::timetz", [text, text, "12:00"]).fetchone())
    (mine, shown, at), (theirs, also, theirs_at) = got
    assert mine == theirs and mine.utcoffset() == theirs.utcoffset() and mine.fold == theirs.fold and shown == also and (at, at.tzinfo) == (theirs_at, theirs_at.tzinfo)
    if not text.startswith(("9999", "0001")):
        assert str(mine.tzinfo) == str(theirs.tzinfo)


@pytest.mark.parametrize("zone, sql", [("America/Chicago", "'9999-12-31 23:59:59-06'::timestamptz + '1 day'"), ("Asia/Tokyo", "'0001-01-01 00:00:00+09:18:59'::timestamptz - '1 day'::interval")])
def test_beyond_the_calendar(conn, zone, sql):
    conn.execute("SELECT set_config('TimeZone', %s, true)", [zone])
    cur = conn.execute(f"SELECT {sql}")
    with pytest.raises(sidepool.DataError):
        cur.fetchone()


def test_times_need_an_offset(auto):
    with pytest.raises(sidepool.DataError, match="Rome"):
        auto.execute("SELECT %s", [dt.time(12, tzinfo=ZoneInfo("Europe/Rome"))])


def test_the_machines_zone_is_nobodys_concern(auto, monkeypatch):
    import time

    at = dt.datetime(2001, 2, 3, 4, 5, 6, 170000)
    before = auto.execute("SELECT %s, %s::timestamptz", [at, at]).fetchone()
    monkeypatch.setenv("TZ", "America/Edmonton")
    time.tzset()
    try:
        assert auto.execute("SELECT %s, %s::timestamptz", [at, at]).fetchone() == before and before[0] == at
    finally:
        monkeypatch.undo()
        time.tzset()
