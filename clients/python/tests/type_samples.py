# SPDX-License-Identifier: MIT
"""What PostgreSQL's text of a value is in Python, by families of types: (type, text, value)."""
import datetime as dt
import math
from decimal import Decimal
from ipaddress import ip_address, ip_interface, ip_network
from uuid import UUID

from sidepool.types import Multirange, Range

UTC = dt.timezone.utc
NAN, INF = math.nan, math.inf


def D(text):  # noqa: N802
    return Decimal(text)


def zone(hours, minutes=0, seconds=0):
    return dt.timezone(dt.timedelta(hours=hours, minutes=minutes, seconds=seconds))


def numerics(*texts):
    return [("numeric", text, D(text)) for text in texts]


def _long(n):
    """Numbers of about n digits: the groups of four digits of the binary form begin and end everywhere."""
    ones, noughts, nines = "1" * n, "0" * n, "9" * n
    return [f"1{noughts}", f"-1{noughts}.{noughts}", f"0.{noughts}1", f"1.{noughts}10", f"1{noughts}.001", f"{nines}.{nines}", f"-{ones}.5"]


NUMBERS = [
    ("bool", "true", True), ("bool", "off", False),
    *[("int2", str(n), n) for n in (-(2**15), -1, 0, 1, 2**15 - 1)],
    *[("int4", str(n), n) for n in (-(2**31), -1, 0, 1, 2**31 - 1)],
    *[("int8", str(n), n) for n in (-(2**63), -(2**53) - 1, 0, 1, 2**63 - 1)],
    *[("oid", str(n), n) for n in (0, 10, 2**31, 2**32 - 1)],
    *[("float8", t, float(t)) for t in ("0", "-0.0", "1", "-1", "1e16", "1000000.1", "-100000.000001", "1e-20", "122.2e-100", "1e30", "0.1",
        "0.30000000000000004",
        "2.718281828459045", "1.7976931348623157e308", "-1.7976931348623157e308", "5e-324",
        "2.2250738585072014e-308", "NaN", "Infinity", "-Infinity")],
    *[("float4", t, v) for t, v in (("0", 0.0), ("-0", -0.0), ("42", 42.0), ("1.5", 1.5), ("NaN", NAN), ("Infinity", INF), ("-Infinity",
        -INF))],
]  # fmt: skip

NUMERICS = [
    *numerics("0", "0.0", "0.0000000", "1", "-1", "1.0", "-1.00000000000000", "11", "1.01", "0.01", "0.10", "0.00001", "1.00001",
    "0.000010000", "9999", "10000", "9999.9999"),
    *numerics("100000000", "99999999.0", "10000.0001", "1000000000.12345", "100.123456790000000000000000", "1234000000.00088883231",
    "-03123.0023111", "3123.2311100000"),
    *numerics("0.000000000000000000000000001", "1.0000000000000000000000001", "1000000000000000000000000.001",
    "9999999999999999999999999999.9"),
    *numerics("18446744073709551616", "-340282366920938463463374607431768211456", "0.000000000000010000000000001", "NaN", "Infinity",
    "-Infinity"),
    *numerics(*(text for n in (3, 4, 5, 7, 8, 17, 100) for text in _long(n))),
    ("numeric(10,2)", "1.005", D("1.01")), ("numeric(5,0)", "0.5", D("1")), ("numeric(4,-2)", "1250", D("1300")),
    ("numeric(2,4)", "0.0012", D("0.0012")),
    ("numeric", "1" + "0" * 117 + "." + "0" * 161, D("1" + "0" * 117 + "." + "0" * 161)), ("numeric", "1e1000", D("1" + "0" * 1000)),
    ("numeric", "1.0e-1000", D("0." + "0" * 999 + "10")),
    ("numeric", "9" * 4999 + ".5", D("9" * 4999 + ".5")),
]  # fmt: skip

_CHARS = [chr(n) for n in range(1, 256)] + ["€", "\U0010ffff", "ë", "\u2028"]
TEXTS = [
    *[("text", t, t) for t in ("", " ", "a", "NULL", "null", "\\", "\\N", "\\.", "\\x41", "'", '"', "''", "%", "%s", "$1", "{}",
        "a\nb\r\n\tc", "".join(_CHARS), "x" * 70_000)],
    ("varchar", "abc", "abc"), ("varchar(3)", "abc", "abc"), ("bpchar", "ab ", "ab "), ("char(4)", "ab", "ab  "), ("name", "é", "é"),
    ('"char"', "a", "a"), ('"char"', "", ""),
    ("xml", "<a>é &amp; b</a>", "<a>é &amp; b</a>"), ("bit(3)", "101", "101"), ("varbit", "", ""), ("varbit", "00010001", "00010001"),
    ("macaddr", "ff:ff:ff:ff:ff:ff", "ff:ff:ff:ff:ff:ff"),
    ("macaddr8", "08:00:2b:01:02:03:04:05", "08:00:2b:01:02:03:04:05"), ("point", "(1,-2.5)", "(1,-2.5)"), ("line", "{1,2,3}", "{1,2,3}"),
    ("lseg", "[(1,2),(2,2)]", "[(1,2),(2,2)]"),
    ("box", "(1,2),(0,0)", "(1,2),(0,0)"), ("path", "[(0,0),(1,1)]", "[(0,0),(1,1)]"), ("path", "((0,0),(1,1))", "((0,0),(1,1))"),
    ("polygon", "((0,0),(1,0),(1,1))", "((0,0),(1,0),(1,1))"),
    ("circle", "<(0,0),100>", "<(0,0),100>"), ("money", "-1234.50", "-$1,234.50"), ("tid", "(4294967295,65535)", "(4294967295,65535)"),
    ("pg_lsn", "16/B374D848", "16/B374D848"),
    ("jsonpath", '$."track"[*]."HR"?(@ > 130)', '$."track"[*]."HR"?(@ > 130)'), ("tsvector", "'a':1 'b':2", "'a':1 'b':2"),
    ("tsquery", "'a' & !'b'", "'a' & !'b'"), ("regtype", "integer", "integer"),
]  # fmt: skip

BYTES = [
    ("bytea", "", b""), ("bytea", "\\x00", b"\0"), ("bytea", "\\\\x", b"\\x"),
    ("bytea", "\\x" + bytes(range(256)).hex(), bytes(range(256))),
    ("bytea", "\\x" + bytes(range(255, -1, -1)).hex() * 300, bytes(range(255, -1, -1)) * 300), ("bytea", "a\\000'b", b"a\0'b"),
    *[("uuid", t, UUID(t)) for t in ("00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "0123456789abcdef0123456789abcdef", "12345678-1234-5678-1234-567812345679",
        "{a0eebc99-9c0b4ef8-bb6d6bb9-bd380a11}", "38A4FF5A-3A56-11E6-A6C2-C8F73323C6D4")],
]  # fmt: skip

DATES = [
    *[("date", t, dt.date.fromisoformat(t)) for t in ("0001-01-01", "0500-01-01", "1000-01-01", "1582-10-15", "1999-12-31", "2000-01-01",
        "2000-02-29", "2000-12-31", "3000-05-20", "9999-12-31")],
    ("time", "00:00", dt.time(0)), ("time", "01:02", dt.time(1, 2)), ("time", "10:20:30", dt.time(10, 20, 30)),
    ("time", "10:20:30.00004", dt.time(10, 20, 30, 40)),
    ("time", "23:59:59.999999", dt.time(23, 59, 59, 999999)), ("time", "04:05:06.7", dt.time(4, 5, 6, 700000)),
    ("timetz", "00:00:00-10:00", dt.time(0, tzinfo=zone(-10))), ("timetz", "00:00+12", dt.time(0, tzinfo=zone(12))),
    ("timetz", "10:20:30.00004Z", dt.time(10, 20, 30, 40, UTC)),
    ("timetz", "10:20:30.00004+02:30", dt.time(10, 20, 30, 40, zone(2, 30))),
    ("timetz", "23:59:59.999999-15:59", dt.time(23, 59, 59, 999999, zone(-15, -59))),
    ("timetz", "03:04:05.000006-07:08:09", dt.time(3, 4, 5, 6, zone(-7, -8, -9))),
    ("timetz", "00:00:00-00:30", dt.time(0, tzinfo=zone(0, -30))), ("timetz", "00:00:00+15:59:59", dt.time(0, tzinfo=zone(15, 59, 59))),
]  # fmt: skip

STAMPS = [
    ("timestamp", "0001-01-01", dt.datetime(1, 1, 1)), ("timestamp", "0250-01-01 05:25:10", dt.datetime(250, 1, 1, 5, 25, 10)),
    ("timestamp", "0258-1-8 1:12:32.358261", dt.datetime(258, 1, 8, 1, 12, 32, 358261)),
    ("timestamp", "1970-01-01 20:31:23.648", dt.datetime(1970, 1, 1, 20, 31, 23, 648000)),
    ("timestamp", "1999-12-31 23:59:59.999999", dt.datetime(1999, 12, 31, 23, 59, 59, 999999)),
    ("timestamp", "2000-01-01", dt.datetime(2000, 1, 1)), ("timestamp", "2000-01-02 03:04:05.000006", dt.datetime(2000, 1, 2, 3, 4, 5, 6)),
    ("timestamp", "2000-01-02 03:00:00.456789", dt.datetime(2000, 1, 2, 3, 0, 0, 456789)),
    ("timestamp", "2300-01-01 00:00:00.000001", dt.datetime(2300, 1, 1, 0, 0, 0, 1)),
    ("timestamp", "9999-12-31 23:59:59.999999", dt.datetime(9999, 12, 31, 23, 59, 59, 999999)),
    ("timestamp(0)", "2001-02-03 04:05:06.5", dt.datetime(2001, 2, 3, 4, 5, 7)),
    ("timestamptz", "0001-01-01 00:00-02:00", dt.datetime(1, 1, 1, 2, tzinfo=UTC)),
    ("timestamptz", "0258-1-8 1:12:32.358261+01:02:03", dt.datetime(258, 1, 8, 1, 12, 32, 358261, zone(1, 2, 3))),
    ("timestamptz", "1000-01-01 00:00+2", dt.datetime(1000, 1, 1, tzinfo=zone(2))),
    ("timestamptz", "1800-01-01 10:10-00:33", dt.datetime(1800, 1, 1, 10, 10, tzinfo=zone(0, -33))),
    ("timestamptz", "1901-12-13 20:45:51+00", dt.datetime(1901, 12, 13, 20, 45, 51, tzinfo=UTC)),
    ("timestamptz", "1970-01-01 00:00+00", dt.datetime(1970, 1, 1, tzinfo=UTC)),
    ("timestamptz", "2000-12-31 23:59:59.999999-12", dt.datetime(2000, 12, 31, 23, 59, 59, 999999, zone(-12))),
    ("timestamptz", "2001-02-03 04:05:06.17 America/Edmonton", dt.datetime(2001, 2, 3, 11, 5, 6, 170000, UTC)),
    ("timestamptz", "7000-01-01 00:00:00.000001-01:02:03", dt.datetime(7000, 1, 1, 0, 0, 0, 1, zone(-1, -2, -3))),
    ("timestamptz", "9999-12-31 21:59:59.999999+00", dt.datetime(9999, 12, 31, 23, 59, 59, 999999, zone(2))),
]  # fmt: skip


def _interval(text, days=0, seconds=0, microseconds=0):
    return "interval", text, dt.timedelta(days, seconds, microseconds)


INTERVALS = [
    _interval("0"), _interval("1 sec", 0, 1), _interval("-1 sec", 0, -1), _interval("1 hour", 0, 3600), _interval("100:00:00", 0, 360_000),
    _interval("1.001 sec", 0, 1, 1000), _interval("0.000001 s", 0, 0, 1),
    _interval("-0.000001 s", 0, 0, -1), _interval("1 day", 1), _interval("-10 day", -10), _interval("1 day 1.000001 sec", 1, 1, 1),
    _interval("-23:59:59.999999", 0, -86399, -999999), _interval("23:59:59.999999", 0, 86399, 999999),
    _interval("-1:2:3.4", 0, -3723, -400_000), _interval("1993534:40:40.447", 0, 1993534 * 3600 + 2440, 447_000),
    _interval("-100 days -00:06:40", -100, -400), _interval("40 days 00:00:10.001234", 40, 10, 1234),
    _interval("999999999 days 23:59:59.999999", 999_999_999, 86399, 999_999), _interval("-999999999 days", -999_999_999),
]  # fmt: skip

NETS = [
    *[("inet", t, ip_address(t.partition("/")[0])) for t in ("0.0.0.0", "127.0.0.1", "255.255.255.255", "10.11.12.13/32", "::", "::1",
        "2001:db8::", "::ffff:1.2.3.4", "ffff" + ":ffff" * 7, "::ffff:102:300/128")],
    *[("inet", t, ip_interface(t)) for t in ("10.0.0.1/30", "0.0.0.0/0", "255.255.255.255/31", "127.0.0.0/8", "10.1.2.3/0",
        "::ffff:102:300/127", "fe80::1/64", "::/0")],
    *[("cidr", t, ip_network(t)) for t in ("0.0.0.0/0", "127.0.0.0/8", "127.1.0.0/18", "10.0.0.0/32", "255.255.255.255/32", "::/0",
        "fe80::/10", "::1/128", "::ffff:102:300/128", "ffff" + ":ffff" * 7 + "/128")],
]  # fmt: skip

_OBJECTS = [("null", None), ("true", True), ('"te\'xt"', "te'xt"), ('"\\u00e0\\u20ac"', "à€"), ("123", 123), ("-123.45", -123.45),
('["a", 100]', ["a", 100]), ('{"a": [1, {"b": null}], "c\\"": "\\\\"}',
        {"a": [1, {"b": None}], 'c"': "\\"}), ('"a\\nb, {c}"', "a\nb, {c}"), ("[]", []), ('""', ""),
        ("12345678901234567890123456789", 12345678901234567890123456789)]  # fmt: skip
JSONS = [(name, t, v) for name in ("json", "jsonb") for t, v in _OBJECTS]

ARRAYS = [
    ("int4[]", "{}", []), ("int4[]", "{10,NULL,-30}", [10, None, -30]), ("int4[]", "{{10,20},{30,40}}", [[10, 20], [30, 40]]),
    ("int4[]", "{{{1,2},{3,4}},{{NULL,6},{7,8}}}", [[[1, 2], [3, 4]], [[None, 6], [7, 8]]]),
    ("int4[]", "{NULL}", [None]), ("int4[]", "{{NULL},{NULL}}", [[None], [None]]), ("int2[]", "{1,2}", [1, 2]),
    ("int8[]", "{4398046511104,-18014398509481984,0}", [2**42, -(2**54), 0]), ("oid[]", "{1,4294967295}", [1, 2**32 - 1]),
    ("text[]", "{{{{{{a}}}}}}", [[[[[["a"]]]]]]), ("text[]", "{{{{{{NULL}}}}}}", [[[[[[None]]]]]]),
    ("text[]", '{{{{{{"NULL"}}}}}}', [[[[[["NULL"]]]]]]), ("text[]", '{foo,"null","",NULL,baz}', ["foo", "null", "", None, "baz"]),
    ("text[]", r'{{{"fo{o","ba}r"},{"ba\"z",qu\'x},{"qu ux"," "}}}', [[["fo{o", "ba}r"], ['ba"z', "qu'x"], ["qu ux", " "]]]),
    ("text[]", '{"\\\\","\\"",";",","," a "}', ["\\", '"', ";", ",", " a "]),
    ("bool[]", "{t,f,NULL}", [True, False, None]), ("float8[]", "{NaN,Infinity,-Infinity,-0,1.5,NULL}", [NAN, INF, -INF, -0.0, 1.5, None]),
    ("numeric[]", "{NaN,Infinity,-Infinity,1.10,NULL}", [D("NaN"), D("Infinity"), D("-Infinity"), D("1.10"), None]),
    ("bytea[]", '{"\\\\x00ff","",NULL,"\\\\x5c22"}', [b"\0\xff", b"", None, b'\\"']),
    ("date[]", "{2000-01-01,NULL}", [dt.date(2000, 1, 1), None]),
    ("time[]", "{12:15:20,00:01:01}", [dt.time(12, 15, 20), dt.time(0, 1, 1)]),
    ("timetz[]", "{00:00:00+12}", [dt.time(0, tzinfo=zone(12))]),
    ("timestamp[]", '{"2000-01-02 03:04:05.6"}', [dt.datetime(2000, 1, 2, 3, 4, 5, 600_000)]),
    ("timestamptz[]", '{"2000-01-02 03:04:05+00"}', [dt.datetime(2000, 1, 2, 3, 4, 5, tzinfo=UTC)]),
    ("interval[]", '{"1 day 00:00:01","00:00:00.5"}', [dt.timedelta(1, 1), dt.timedelta(0, 0, 500_000)]),
    ("uuid[]", "{00000000-0000-0000-0000-000000000000,NULL}", [UUID(int=0), None]),
    ("inet[]", "{10.0.0.1,10.0.0.1/8,::1}", [ip_address("10.0.0.1"), ip_interface("10.0.0.1/8"), ip_address("::1")]),
    ("cidr[]", "{192.168.0.1/32,::1/128,10.0.0.0/8}", [ip_network("192.168.0.1/32"), ip_network("::1/128"), ip_network("10.0.0.0/8")]),
    ("int4range[]", '{empty,"(,)","[1,5)",NULL}', [Range(empty=True), Range(bounds="()"), Range(1, 5), None]),
    ("nummultirange[]", '{"{}","{[1.5,2.5],(3,)}"}',
    [Multirange(), Multirange([Range(D("1.5"), D("2.5"), "[]"), Range(D("3"), None, "()")])]),
    ("varchar(2)[]", "{ab,NULL}", ["ab", None]), ("numeric(4,1)[]", "{1.25}", [D("1.3")]),
    ("point[]", '{"(1,2)",NULL}', ["(1,2)", None]),
]  # fmt: skip

_DAY, _LATER = dt.datetime(2000, 1, 1), dt.datetime(2020, 1, 1, 23, 59, 59, 999999)
_EMPTY, _ALL = Range(empty=True), Range(bounds="()")
_SUBTYPES = {
    "int4": [("[10,20]", Range(10, 21)), ("[-2147483648,2147483647)", Range(-(2**31), 2**31 - 1)), ("(,5]", Range(None, 6, "()")),
    ("[7,)", Range(7, None))],
    "int8": [("[10,20)", Range(10, 20)), ("[-9223372036854775808,9223372036854775807)", Range(-(2**63), 2**63 - 1))],
    "num": [("(-100,100.123]", Range(D("-100"), D("100.123"), "(]")), ("(100,)", Range(D("100"), None, "()")),
    ("(,1.10)", Range(None, D("1.10"), "()")), ("[1,1]", Range(D("1"), D("1"), "[]"))],
    "date": [("[2000-01-01,2020-01-01)", Range(dt.date(2000, 1, 1), dt.date(2020, 1, 1))),
    ("(,2001-01-01)", Range(None, dt.date(2001, 1, 1), "()"))],
    "ts": [('["2000-01-01 00:00:00","2020-01-01 23:59:59.999999"]', Range(_DAY, _LATER, "[]"))],
    "tstz": [('("2000-01-01 00:00:00+02","2020-01-01 23:59:59.999999+02")',
    Range(_DAY.replace(tzinfo=zone(2)), _LATER.replace(tzinfo=zone(2)), "()"))],
}  # fmt: skip
RANGES = [(f"{sub}range", t, v) for sub, samples in _SUBTYPES.items() for t, v in [("empty", _EMPTY), ("(,)", _ALL), *samples]]
MULTIRANGES = [
    *[(f"{sub}multirange", f"{{{t}}}", Multirange([v])) for sub, samples in _SUBTYPES.items() for t, v in [("(,)", _ALL), *samples]],
    *[(f"{sub}multirange", "{}", Multirange()) for sub in _SUBTYPES],
    ("int4multirange", "{[10,20), [30,40)}", Multirange([Range(10, 20), Range(30, 40)])),
    ("nummultirange", "{(,-100),[100,100.123)}", Multirange([Range(None, D("-100"), "()"), Range(D("100"), D("100.123"))])),
    ("int4multirange", "{(,1),[3,)}", Multirange([Range(None, 1, "()"), Range(3, None)])),
]  # fmt: skip

# Both ways: PostgreSQL's text is read as the value, and the value is written as what PostgreSQL makes of the text.
FAMILIES = {
    "numbers": NUMBERS, "numerics": NUMERICS, "texts": TEXTS, "bytes": BYTES, "dates": DATES, "stamps": STAMPS, "intervals": INTERVALS,
    "nets": NETS,
    "jsons": JSONS, "arrays": ARRAYS, "ranges": RANGES, "multiranges": MULTIRANGES,
}  # fmt: skip

# From PostgreSQL alone: Python has another value for it, or none that is written so.
ONLY_READ = [
    *[("interval", t, dt.timedelta(days)) for t,
        days in (("1 year", 365), ("-2 years", -730), ("1 month", 30), ("-3 month", -90), ("6 mons -6 days", 174), ("2 years -6 days", 724),
        ("1 years -1 month", 335 - 5),
        ("10 days -240:00:00", 0), ("-10 days 240:00:00", 0),
        ("-10 days -240:00:00", -20))],
    ("interval", "41 days -990:00:00", dt.timedelta(-1, 64800)),
    ("interval", "-2 years -11 months -10 days -2 hours -800 milliseconds", dt.timedelta(-730 - 330 - 10, -7200, -800_000)),
    ("interval", "1 month 16 days 12 hours 32 minutes 64 seconds", dt.timedelta(46, 12 * 3600 + 32 * 60 + 64)),
    ("int4[]", "[2:4]={1,2,3}", [1, 2, 3]), ("text[]", "[0:1]={a,b}", ["a", "b"]),
    ("int4[]", "[1:1][-2:-1][3:5]={{{1,2,3},{4,5,6}}}", [[[1, 2, 3], [4, 5, 6]]]), ("float4", "1.1", 1.1), ("float4", "2.71828", 2.71828),
    ("float4", "1e-45", 1e-45), ("float4", "3.4028235e38", 3.4028235e38),
    ("int2vector", "1 2", [1, 2]), ("oidvector", "1 4294967295", [1, 2**32 - 1]), ("xid", "4294967295", 2**32 - 1),
    ("xid8", "18446744073709551615", 2**64 - 1), ("cid", "1", 1), ("refcursor", "c", "c"), ("json", "1e3", 1000.0),
    ("json", ' { "a" : 1, "a" : 2 } ', {"a": 2}),
    ("numeric", "1e-16383", D("1e-16383")), ("box[]", "{(2,2),(1,1);(5,6),(3,4)}", ["(2,2),(1,1)", "(5,6),(3,4)"]),
    ("aclitem", "=r/postgres", "=r/postgres"), ("aclitem[]", "{=r/postgres}", ["=r/postgres"]),
    ("txid_snapshot", "100:1000:100,200", "100:1000:100,200"),
]  # fmt: skip
