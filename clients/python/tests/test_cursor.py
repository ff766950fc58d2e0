# SPDX-License-Identifier: MIT
"""Cursors: results, batches, streams, cursors with a name, blocks of transactions, COPY."""
from dataclasses import dataclass
from decimal import Decimal

import pytest
import sidepool
from sidepool import Rollback, rows

MANY = 200_000


def test_fetching(conn):
    cur = conn.cursor()
    assert cur.execute("SELECT n, n::text FROM generate_series(1, 10) n") is cur
    assert cur.rowcount == 10 and cur.rownumber == 0 and cur.statusmessage == "SELECT 10"
    assert cur.fetchone() == (1, "1") and cur.fetchmany() == [(2, "2")] and cur.fetchmany(3) == [(3, "3"), (4, "4"), (5, "5")]
    assert cur.rownumber == 5 and [r[0] for r in cur] == [6, 7, 8, 9, 10]
    assert cur.fetchone() is None and cur.fetchall() == [] and cur.fetchmany(5) == []


def test_scroll(conn):
    cur = conn.execute("SELECT generate_series(1, 5)")
    cur.fetchall()
    cur.scroll(0, "absolute")
    assert cur.fetchone() == (1,)
    cur.scroll(2)
    assert cur.fetchone() == (4,)
    for value, mode in ((-10, "relative"), (99, "absolute")):
        with pytest.raises(IndexError):
            cur.scroll(value, mode)
    with pytest.raises(ValueError):
        cur.scroll(1, "sideways")


def test_description(conn):
    cur = conn.execute("SELECT 1::numeric(10,3) AS a, 'x'::varchar(7) AS b, NULL::timestamp(2) AS c, '1'::bit(4)")
    a, b, c, d = cur.description
    assert (a.name, a.type_code, a.precision, a.scale) == ("a", 1700, 10, 3) and a.type_display == "numeric"
    assert b.display_size == 7 and c.precision == 2 and d.display_size == 4 and tuple(a)[:2] == ("a", sidepool.NUMBER)
    assert len(a) == 7 and a[0] == "a" and b[1] == sidepool.STRING and c[1] == sidepool.DATETIME
    conn.execute("SET LOCAL work_mem TO '1MB'")
    cur.execute("SET LOCAL work_mem TO '1MB'")
    assert cur.description is None and cur.rowcount == -1
    cur.execute("SELECT")
    assert cur.description == []


@pytest.mark.parametrize("what", ["fetchone", "fetchall", "fetchmany"])
def test_nothing_to_fetch(conn, what):
    cur = conn.cursor()
    for sql in (None, "SET LOCAL work_mem TO '1MB'"):
        if sql:
            cur.execute(sql)
        with pytest.raises(sidepool.ProgrammingError):
            getattr(cur, what)()


def test_counts(conn, table):
    cur = conn.cursor()
    for sql, count, tag in (
        ("INSERT INTO t SELECT n, 'x' FROM generate_series(1, 5) n", 5, "INSERT 0 5"), ("UPDATE t SET x = 'y' WHERE id < 3", 2, "UPDATE 2"),
        ("DELETE FROM t WHERE id = 99", 0, "DELETE 0"), ("SELECT * FROM t WHERE id = 99", 0, "SELECT 0"), ("TRUNCATE t", -1, "TRUNCATE TABLE"),
    ):
        cur.execute(sql)
        assert (cur.rowcount, cur.statusmessage) == (count, tag)
    cur.execute("INSERT INTO t VALUES (1, 'a'), (2, 'b') RETURNING id")
    assert cur.rowcount == 2 and cur.fetchall() == [(1,), (2,)]


@pytest.mark.parametrize("autocommit", [False, True])
def test_several_statements(connect, table, autocommit, leases):
    connection = connect(autocommit=autocommit)
    cur = connection.execute("INSERT INTO t VALUES (1, 'a'); SELECT * FROM t; SELECT 'b', 2")
    assert cur.statusmessage == "INSERT 0 1" and cur.description is None
    assert cur.nextset() and cur.fetchall() == [(1, "a")]
    assert cur.nextset() and cur.fetchall() == [("b", 2)] and cur.nextset() is None
    with pytest.raises(sidepool.errors.SyntaxError):
        connection.execute("SELECT %s; SELECT 2", [1])
    connection.rollback()
    assert leases() == 0


def test_large_results(conn):
    cur = conn.execute("SELECT n, repeat('x', 100) FROM generate_series(1, %s) n", [MANY])
    assert cur.rowcount == MANY and cur.statusmessage == f"SELECT {MANY}"
    assert sum(n for n, _ in cur) == MANY * (MANY + 1) // 2


@pytest.mark.parametrize("autocommit", [False, True])
def test_stream(connect, autocommit, leases):
    connection = connect(autocommit=autocommit)
    cur = connection.cursor()
    assert sum(n for (n,) in cur.stream("SELECT generate_series(1, %s)", [MANY])) == MANY * (MANY + 1) // 2
    for row in cur.stream("SELECT generate_series(1, 1000000)", size=1000):
        if row == (10,):
            break
    connection.rollback()  # what is left early is cancelled, and that fails a transaction
    assert connection.execute("SELECT 1").fetchone() == (1,)
    with pytest.raises(sidepool.errors.DivisionByZero):
        for _ in cur.stream("SELECT 1 / (5000 - n) FROM generate_series(1, 10000) n", size=1000):
            pass
    connection.rollback()
    assert leases() == 0


@pytest.mark.parametrize("factory, wanted", [
    (rows.tuple_row, (1, "x")), (rows.dict_row, {"a": 1, "b": "x"}), (rows.scalar_row, 1), (rows.args_row(lambda a, b: [b, a]), ["x", 1]),
    (rows.kwargs_row(lambda a, b: a), 1),
])  # fmt: skip
def test_row_factories(conn, factory, wanted):
    assert conn.cursor(row_factory=factory).execute("SELECT 1 AS a, 'x' AS b").fetchone() == wanted


def test_more_row_factories(connect):
    @dataclass
    class Thing:
        a: int
        b: str

    connection = connect(row_factory=rows.class_row(Thing))
    assert connection.execute("SELECT 1 AS a, 'x' AS b").fetchone() == Thing(1, "x")
    cur = connection.cursor(row_factory=rows.namedtuple_row)
    row = cur.execute('SELECT 1 AS a, 2 AS "b c", 3 AS "?column?"').fetchone()
    assert row._fields == ("a", "b_c", "f_column_") and row.b_c == 2
    cur.execute("SELECT generate_series(1, 3) AS a")
    cur.fetchone()
    cur.row_factory = rows.dict_row
    assert cur.fetchall() == [{"a": 2}, {"a": 3}]


@pytest.mark.parametrize("autocommit", [False, True])
def test_executemany(connect, table, pg, autocommit):
    connection = connect(autocommit=autocommit)
    cur = connection.cursor()
    cur.executemany("INSERT INTO t VALUES (%s, %s)", ((i, None if i % 7 == 0 else f"r{i}") for i in range(30_000)))
    assert cur.rowcount == 30_000
    cur.executemany("UPDATE t SET x = %(x)s WHERE id < %(n)s", [{"x": "a", "n": 10}, {"x": "b", "n": 5}])
    assert cur.rowcount == 15
    cur.executemany("DELETE FROM t WHERE id = %s", [])
    connection.commit()
    assert pg.sql("SELECT count(*), count(x), count(*) FILTER (WHERE x = 'b') FROM t")[0][0] == 30_000
    cur.executemany("INSERT INTO t VALUES (%s, 'n') RETURNING id", [(-1,), (-70000,), (-2,)], returning=True)
    got = [cur.fetchone()]
    while cur.nextset():
        got.append(cur.fetchone())
    assert got == [(-1,), (-70000,), (-2,)]


@pytest.mark.parametrize("count", [10, 30_000])
def test_executemany_is_all_or_nothing(auto, table, pg, count, leases):
    cur = auto.cursor()
    with pytest.raises(sidepool.errors.UniqueViolation):
        cur.executemany("INSERT INTO t VALUES (%s, 'x')", [(i,) for i in [*range(count), 0]])
    assert pg.sql("SELECT count(*) FROM t") == [(0,)] and leases() == 0
    assert cur.execute("SELECT 1").fetchone() == (1,)


def test_callproc(conn, pg):
    pg.sql("CREATE OR REPLACE FUNCTION plus(a int, b int) RETURNS int LANGUAGE sql AS 'SELECT a + b'")
    cur = conn.cursor()
    assert cur.callproc("plus", [1, 2]) == [1, 2] and cur.fetchone() == (3,)


def test_cursor_with_a_name(conn, table):
    conn.execute("INSERT INTO t SELECT n, n::text FROM generate_series(1, 1000) n")
    with conn.cursor("my cursor", scrollable=True) as cur:
        cur.execute("SELECT id FROM t WHERE id > %s ORDER BY id", [10])
        assert cur.description[0].name == "id" and cur.fetchone() == (11,) and cur.fetchmany(2) == [(12,), (13,)]
        assert cur.rownumber == 3
        cur.scroll(-2)
        assert cur.fetchone() == (12,)
        cur.scroll(0, "absolute")
        assert sum(1 for _ in cur) == 990 and cur.fetchone() is None
        cur.execute("SELECT 1")
        assert cur.fetchall() == [(1,)]
    conn.commit()


def test_cursor_with_a_name_needs_a_transaction_or_a_session(auto, connect):
    with pytest.raises(sidepool.SessionRequired):
        auto.cursor("c").execute("SELECT 1")
    with auto.transaction():
        assert auto.cursor("c").execute("SELECT 1").fetchone() == (1,)
    session = connect(lease="session")
    cur = session.cursor("held", withhold=True)
    cur.execute("SELECT generate_series(1, 3)")
    session.commit()
    assert cur.fetchall() == [(1,), (2,), (3,)]
    cur.close()


# -- transaction()


def test_block_commits_and_rolls_back(conn, table, pg, leases):
    with conn.transaction():
        conn.execute("INSERT INTO t VALUES (1, 'a')")
    assert leases() == 0 and pg.sql("SELECT id FROM t") == [(1,)]
    with pytest.raises(ZeroDivisionError):
        with conn.transaction():
            conn.execute("INSERT INTO t VALUES (2, 'a')")
            raise ZeroDivisionError
    assert leases() == 0 and pg.sql("SELECT id FROM t") == [(1,)]
    with conn.transaction(force_rollback=True):
        conn.execute("INSERT INTO t VALUES (3, 'a')")
    assert pg.sql("SELECT id FROM t") == [(1,)]


def test_block_in_autocommit(auto, table, pg):
    with auto.transaction():
        auto.execute("INSERT INTO t VALUES (1, 'a')")
        assert pg.sql("SELECT id FROM t") == []
    auto.execute("INSERT INTO t VALUES (2, 'a')")
    assert pg.sql("SELECT id FROM t ORDER BY id") == [(1,), (2,)]


def test_blocks_within_blocks(conn, table, pg):
    with conn.transaction():
        conn.execute("INSERT INTO t VALUES (1, 'a')")
        with pytest.raises(sidepool.IntegrityError):
            with conn.transaction():
                conn.execute("INSERT INTO t VALUES (2, 'a')")
                conn.execute("INSERT INTO t VALUES (1, 'a')")
        with conn.transaction("mine") as inner:
            conn.execute("INSERT INTO t VALUES (3, 'a')")
            assert inner.savepoint_name == "mine"
            with conn.transaction():
                conn.execute("INSERT INTO t VALUES (4, 'a')")
                raise Rollback
        with conn.transaction() as outer:
            conn.execute("INSERT INTO t VALUES (5, 'a')")
            with conn.transaction():
                raise Rollback(outer)
    assert pg.sql("SELECT id FROM t ORDER BY id") == [(1,), (3,)]


def test_block_without_a_statement(conn, leases):
    with conn.transaction():
        assert conn.info.transaction_status == sidepool.TransactionStatus.INTRANS
    assert leases() == 0
    with conn.transaction():
        with pytest.raises(sidepool.ProgrammingError):
            conn.commit()
        with pytest.raises(sidepool.ProgrammingError):
            conn.rollback()


def test_block_in_a_transaction_is_a_savepoint(conn, table, pg):
    conn.execute("INSERT INTO t VALUES (1, 'a')")
    with conn.transaction():
        conn.execute("INSERT INTO t VALUES (2, 'a')")
    assert pg.sql("SELECT id FROM t") == []
    conn.rollback()
    assert pg.sql("SELECT id FROM t") == []


# -- COPY


def test_copy_in_and_out(conn, table, pg):
    values = [(i, v) for i, v in enumerate(["a", None, "", "\\N", "tab\tnew\nline\\ \r\b\f\v", "ü\U0001f680"])]
    cur = conn.cursor()
    with cur.copy("COPY t (id, x) FROM STDIN") as copy:
        for row in values:
            copy.write_row(row)
    assert cur.rowcount == 6 and cur.statusmessage == "COPY 6"
    with cur.copy("COPY (SELECT * FROM t ORDER BY id) TO STDOUT") as copy:
        copy.set_types(["int4", "text"])
        assert list(copy.rows()) == values
    assert cur.rowcount == 6
    with cur.copy("COPY t TO STDOUT") as copy:
        data = b"".join(copy)
    conn.execute("TRUNCATE t")
    with cur.copy("COPY t FROM STDIN") as copy:
        for at in range(0, len(data), 3):
            copy.write(data[at : at + 3])
    conn.commit()
    assert pg.sql("SELECT * FROM t ORDER BY id") == values


@pytest.mark.parametrize("autocommit", [False, True])
def test_copy_much(connect, table, autocommit, leases):
    connection = connect(autocommit=autocommit)
    cur = connection.cursor()
    with cur.copy("COPY t FROM STDIN (FORMAT csv)") as copy:
        for i in range(50_000):
            copy.write(f"{i},{'x' * 50}\n")
    assert cur.rowcount == 50_000
    with cur.copy("COPY t TO STDOUT (FORMAT binary)") as copy:
        assert sum(map(len, copy)) > 50_000 * 60
    assert cur.execute("SELECT count(*) FROM t").fetchone() == (50_000,)
    with cur.copy("COPY t TO STDOUT") as copy:
        assert copy.read()
    connection.rollback()
    assert cur.execute("SELECT 1").fetchone() == (1,)
    connection.rollback()
    assert leases() == 0


def test_copy_that_fails(conn, table):
    cur = conn.cursor()
    with pytest.raises(sidepool.errors.InvalidTextRepresentation):
        with cur.copy("COPY t FROM STDIN") as copy:
            copy.write("notanumber\tx\n")
    conn.rollback()
    with pytest.raises(ZeroDivisionError):
        with cur.copy("COPY t FROM STDIN") as copy:
            copy.write_row((1, "x"))
            raise ZeroDivisionError("mine")
    conn.rollback()
    assert cur.execute("SELECT count(*) FROM t").fetchone() == (0,)
    for sql in ("SELECT 1", "COPY t TO '/tmp/x'"):
        with pytest.raises(sidepool.ProgrammingError):
            with cur.copy(sql):
                pass


def test_copy_with_parameters(conn):
    with conn.cursor().copy("COPY (SELECT %s::int, %s::text, %s::numeric) TO STDOUT", [1, "it's \\", Decimal("1.5")]) as copy:
        assert copy.read_row() == ("1", "it's \\", "1.5") and copy.read_row() is None


def test_executemany_before_a_daemon_was_met(connect, table, pg):
    connection = connect(check=False, autocommit=True)
    connection.cursor().executemany("INSERT INTO t VALUES (%s, 'a')", [(1,), (2,)])
    assert pg.sql("SELECT count(*) FROM t") == [(2,)]


@pytest.mark.parametrize("autocommit", [False, True])
def test_batch(connect, table, pg, autocommit):
    connection = connect(autocommit=autocommit)
    insert = "INSERT INTO t VALUES (%s, %s)"
    one, two, all_of = connection.batch([(insert, (1, "a")), (insert, (2, None)), "SELECT * FROM t ORDER BY id"])
    assert (one.rowcount, two.statusmessage, all_of.fetchall()) == (1, "INSERT 0 1", [(1, "a"), (2, None)])
    connection.commit()
    with pytest.raises(sidepool.errors.UniqueViolation) as caught:
        connection.batch([(insert, (3, "c")), (insert, (1, "b"))])
    assert caught.value.statement_index == 1
    connection.rollback()
    assert connection.batch([]) == [] and pg.sql("SELECT count(*) FROM t") == [(2,)]


def test_batch_each_for_itself(auto, conn, table, pg):
    made = auto.batch([("INSERT INTO t VALUES (%s, 'a')", (n,)) for n in (1, 1, 2)], atomic=False)
    assert made[0].rowcount == 1 and isinstance(made[1], sidepool.errors.UniqueViolation) and made[2].rowcount == 1
    assert pg.sql("SELECT count(*) FROM t") == [(2,)]
    with pytest.raises(sidepool.ProgrammingError, match="autocommit"):
        conn.batch(["SELECT 1"], atomic=False)


@pytest.mark.parametrize("lease", ["transaction", "session"])
def test_commit_with_the_last_statement(connect, table, pg, lease):
    connection = connect(lease=lease)
    cur = connection.execute("INSERT INTO t VALUES (1, 'a') RETURNING id")
    assert pg.sql("SELECT count(*) FROM t") == [(0,)] and cur.fetchone() == (1,)
    assert connection.execute("INSERT INTO t VALUES (2, 'a') RETURNING id", commit=True).fetchone() == (2,)
    assert pg.sql("SELECT count(*) FROM t") == [(2,)]
    connection.rollback()
    with pytest.raises(sidepool.errors.UniqueViolation):
        connection.execute("INSERT INTO t VALUES (2, 'a')", commit=True)
    connection.rollback()
    assert connection.execute("SELECT count(*) FROM t").fetchone() == (2,)
    with connection.transaction(), pytest.raises(sidepool.ProgrammingError, match="forbidden"):
        connection.execute("SELECT 1", commit=True)
