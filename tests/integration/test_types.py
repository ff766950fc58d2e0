# SPDX-License-Identifier: MIT
"""Every type of PostgreSQL passes through as it is, as text and in binary, as parameter and as result."""
import pytest
from lib.wire import rows

pytestmark = pytest.mark.fast

VALUES = {
    "bool": ["t", "f"],
    "int2": ["-32768", "32767"],
    "int4": ["-2147483648", "2147483647"],
    "int8": ["-9223372036854775808", "9223372036854775807"],
    "float4": ["NaN", "-Infinity", "1e-37", "3.4028235e+38"],
    "float8": ["NaN", "Infinity", "-0", "1.7976931348623157e+308", "0.1"],
    "numeric": ["NaN", "Infinity", "0.00", "-12345678901234567890.123456789"],
    "money": ["$1.00"],
    "text": ["", "\u00e4\u20ac\U0001f40d", "a\nb\tc\\d'e\"f"],
    "varchar": ["", "x"],
    "bpchar": ["x"],
    '"char"': ["x", ""],
    "name": ["relname"],
    "bytea": ["\\x", "\\x00ff5c27"],
    "date": ["infinity", "0001-01-01 BC", "2024-02-29"],
    "time": ["24:00:00", "00:00:00.000001"],
    "timetz": ["23:59:59.999999+05:30"],
    "timestamp": ["-infinity", "294276-12-31 23:59:59.999999"],
    "timestamptz": ["infinity", "2024-02-29 12:00:00+00"],
    "interval": ["-1 years -2 mons +3 days -04:05:06.789"],
    "uuid": ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"],
    "json": ['{"a": [1, null, "\\u00e4"],  "b":2}'],
    "jsonb": ['{"a": [1, null], "b": 2}'],
    "jsonpath": ['$."a"[*]?(@ > 1)'],
    "xml": ["<a>b</a>"],
    "inet": ["192.168.0.1/24", "::1"],
    "cidr": ["10.0.0.0/8"],
    "macaddr": ["08:00:2b:01:02:03"],
    "macaddr8": ["08:00:2b:01:02:03:04:05"],
    "bit(3)": ["101"],
    "varbit": ["", "10101"],
    "point": ["(1,2)"],
    "line": ["{1,2,3}"],
    "lseg": ["[(1,2),(3,4)]"],
    "box": ["(3,4),(1,2)"],
    "path": ["((1,2),(3,4))", "[(1,2),(3,4)]"],
    "polygon": ["((1,2),(3,4),(5,6))"],
    "circle": ["<(1,2),3>"],
    "tsvector": ["'a':1 'cat':3"],
    "tsquery": ["'a' & !'b'"],
    "int4range": ["[1,10)", "empty", "(,)"],
    "numrange": ["[1.5,2.5]"],
    "tstzrange": ['["2024-01-01 00:00:00+00",)'],
    "int8multirange": ["{[1,3),[5,7)}"],
    "pg_lsn": ["16/B374D848"],
    "xid8": ["18446744073709551615"],
    "oid": ["4294967295"],
    "regclass": ["pg_class"],
    "int4[]": ["{}", "{1,NULL,3}", "[0:1]={1,2}", "{{1,2},{3,4}}"],
    "text[]": ['{"",NULL,"NULL","a,b","\\"","{}"}'],
    "mood": ["sad"],
    "pair": ['(1,"a b")', "(,)"],
    "positive": ["7"],
    "positive[]": ["{1,2}"],
}


@pytest.fixture(scope="module", autouse=True)
def own_types(pg):
    pg.psql(
        """
        DROP TYPE IF EXISTS mood, pair; DROP DOMAIN IF EXISTS positive;
        CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TYPE pair AS (a int, b text);
        CREATE DOMAIN positive AS int CHECK (VALUE > 0);
        """
    )


@pytest.mark.parametrize("name", VALUES)
def test_a_type_passes_both_ways(shared_wire, name):
    wire = shared_wire
    for value in [*VALUES[name], None]:
        sql = f"SELECT $1::{name}, ($1::{name})::text"
        ((text, cast),) = rows(wire.query(sql, [value]).results[0])
        if value is None:
            assert (text, cast) == (None, None)
            continue
        ((image, _),) = rows(wire.query(sql, [value], statement={"result_format": 1}).results[0])
        ((again, _),) = rows(wire.query(sql, [image], statement={"parameter_formats": [1]}).results[0])
        assert again == text, f"{value!r} came back from its binary form as {again!r}"
        assert text == value.encode(), f"{value!r} is written {text!r}"


@pytest.fixture(scope="module")
def shared_wire(pg):
    """One daemon for all: nothing here disturbs it."""
    from lib.daemon import Daemon
    from lib.wire import Wire

    daemon = Daemon(pg.url(options="-cTimeZone%3DUTC"), config={"sidepool": {"budget": 2}})
    try:
        with Wire(daemon.start().socket) as w:
            yield w
        daemon.close()
    finally:
        daemon.remove()
