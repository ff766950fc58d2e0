# SPDX-License-Identifier: MIT
"""fetch_arrow() and fetch_df(), where pyarrow and pandas are installed; and what is said where they are not."""
import datetime as dt
import sys
from decimal import Decimal

import pytest
import sidepool

UTC = dt.timezone.utc
COLUMNS = """
SELECT n::int2 AS i2, n::int4 AS i4, n::int8 AS i8, n::oid AS o, n::float4 AS f4, n / 7::float8 AS f8, n % 2 = 0 AS b,
       'x' || n AS t, decode(to_hex(16 + n), 'hex') AS by, (n / 4.0)::numeric(10, 2) AS dec, date '2026-01-01' + n AS d,
       time '01:02:03.5' + n * interval '1 us' AS tm, timestamp '2026-01-02 03:04:05' + n * interval '1 ms' AS ts,
       timestamptz '2026-01-02 03:04:05+00' + n * interval '1 h' AS tz, NULL::int4 AS nil, ARRAY[n, NULL] AS a,
       n * 1.5 AS plain, ('{"k": ' || n || '}')::jsonb AS j
  FROM generate_series(1, 5) n"""


def test_without_the_packages(conn, monkeypatch):
    for name, method in (("pyarrow", "fetch_arrow"), ("pandas", "fetch_df")):
        sidepool.frames._arrow.cache_clear()
        monkeypatch.setitem(sys.modules, name, None)
        cur = conn.execute("SELECT 1")
        with pytest.raises(sidepool.NotSupportedError, match=f"pip install {name}"):
            getattr(cur, method)()
        assert cur.fetchone() == (1,)
    sidepool.frames._arrow.cache_clear()


@pytest.mark.long  # --all has an environment with pyarrow and pandas
class TestArrow:
    @pytest.fixture(autouse=True)
    def pa(self):
        return pytest.importorskip("pyarrow")

    def test_types_and_values(self, conn, pa):
        rows = conn.execute(COLUMNS).fetchall()
        table = conn.execute(COLUMNS).fetch_arrow()
        zone = str(conn.info.timezone)
        assert [str(t) for t in table.schema.types] == [
            "int16", "int32", "int64", "uint32", "float", "double", "bool", "string", "binary", "decimal128(10, 2)", "date32[day]", "time64[us]",
            "timestamp[us]", f"timestamp[us, tz={zone}]", "int32", "list<item: int32>", "string", "string",
        ]  # fmt: skip
        got = [tuple(row.values()) for row in table.to_pylist()]
        assert [r[:16] for r in got] == [r[:16] for r in rows]
        assert [r[16] for r in got] == [str(r[16]) for r in rows] and got[0][17] == '{"k": 1}'

    def test_floats_and_nulls(self, conn):
        table = conn.execute("VALUES ('NaN'::float8, 'Infinity'::float4), ('-Infinity', NULL), (NULL, '-0')").fetch_arrow()
        first, second = (c.to_pylist() for c in table.columns)
        assert str(first) == "[nan, -inf, None]" and str(second) == "[inf, None, -0.0]"

    def test_many_pieces_and_the_rest_of_the_rows(self, conn):
        cur = conn.execute("SELECT n, repeat('x', 500) FROM generate_series(1, 5000) n")
        assert cur.fetchone()[0] == 1 and len(cur.fetchmany(2)) == 2
        table = cur.fetch_arrow()
        assert table.column(0).to_pylist() == list(range(4, 5001)) and cur.fetchone() is None and cur.fetch_arrow().num_rows == 0

    def test_old_offsets_with_seconds(self, connect):
        conn = connect(lease="session", autocommit=True)
        conn.execute("SET timezone = 'Asia/Kolkata'")
        (at,) = conn.execute("SELECT '1850-01-01 00:00+00'::timestamptz AS at").fetch_arrow().column("at").to_pylist()
        assert at == dt.datetime(1850, 1, 1, tzinfo=UTC)

    def test_another_datestyle(self, connect):
        conn = connect(lease="session", autocommit=True)
        conn.execute("SET datestyle = 'SQL, DMY'")
        (row,) = conn.execute("SELECT date '2026-02-01' AS d, timestamp '2026-02-01 03:04' AS t").fetch_arrow().to_pylist()
        assert row == {"d": dt.date(2026, 2, 1), "t": dt.datetime(2026, 2, 1, 3, 4)}

    @pytest.mark.parametrize("sql", ["'infinity'::date", "'infinity'::timestamp", "'-infinity'::timestamptz", "'NaN'::numeric(5, 2)", "'{{1,2},{3,4}}'::int[]"])
    def test_what_it_cannot_hold_is_an_error(self, conn, sql):
        with pytest.raises(sidepool.DataError, match="column 'bad'.*cast it to text"):
            conn.execute(f"SELECT {sql} AS bad").fetch_arrow()

    @pytest.mark.parametrize("value", ["1.50::numeric", "'{\"k\": 1}'::json", "'5ff3a6b0-0000-4000-8000-000000000001'::uuid", "'1 day 02:03:04'::interval",
                                       "'10.0.0.0/8'::cidr", "'[1,5)'::int4range"])  # fmt: skip
    def test_what_has_no_counterpart_is_a_string(self, conn, value):
        table = conn.execute(f"SELECT {value} AS v, {value}::text AS t").fetch_arrow()
        assert str(table.schema.types[0]) == "string" and table.column("v").to_pylist() == table.column("t").to_pylist()

    def test_no_rows_and_no_result(self, conn):
        assert conn.execute("SELECT 1 AS a WHERE false").fetch_arrow().schema.names == ["a"]
        with pytest.raises(sidepool.ProgrammingError):
            conn.cursor().fetch_arrow()
        with pytest.raises(sidepool.NotSupportedError):
            conn.cursor("named").execute("SELECT 1").fetch_arrow()

    async def test_asyncio(self, aconn):
        cur = await aconn.execute("SELECT 7 AS seven")
        assert (await cur.fetch_arrow()).to_pydict() == {"seven": [7]}


@pytest.mark.long
class TestPandas:
    @pytest.fixture(autouse=True)
    def pd(self):
        return pytest.importorskip("pandas")

    def test_types_and_values(self, conn, pd):
        frame = conn.execute(COLUMNS).fetch_df()
        zone = conn.info.timezone
        assert [str(t) for t in frame.dtypes] == [
            "int16", "int32", "int64", "uint32", "float32", "float64", "bool", "object", "object", "object", "object", "object", "datetime64[us]",
            f"datetime64[us, {zone}]", "Int32", "object", "object", "object",
        ]  # fmt: skip
        assert list(frame["t"]) == ["x1", "x2", "x3", "x4", "x5"] and frame["dec"][0] == Decimal("0.25") and frame["j"][1] == {"k": 2}
        assert frame["nil"].isna().all() and frame["ts"][0] == pd.Timestamp("2026-01-02 03:04:05.001")

    def test_nulls_and_names(self, conn):
        frame = conn.execute("VALUES (1::int8, true, 1.5::float8, 'a'), (NULL, NULL, NULL, NULL)").fetch_df()
        assert [str(t) for t in frame.dtypes] == ["Int64", "boolean", "float64", "object"] and frame.iloc[0].tolist() == [1, True, 1.5, "a"]
        assert list(conn.execute("SELECT 1 AS a, 2 AS a").fetch_df().columns) == ["a", "a"]
        assert conn.execute("SELECT 1 AS a WHERE false").fetch_df().shape == (0, 1)
