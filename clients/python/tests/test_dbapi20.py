# SPDX-License-Identifier: MIT
"""What PEP 249 asks, point by point."""
import datetime as dt
import time

import pytest
import sidepool

DRINKS = ["Cooper's", "Boag's", "Victoria Bitter", "XXXX", "Carlton"]


@pytest.fixture
def booze(pg):
    pg.sql("DROP TABLE IF EXISTS booze")
    pg.sql("CREATE TABLE booze (name varchar(20))")


@pytest.fixture
def cur(conn, booze):
    return conn.cursor()


def fill(cur):
    cur.executemany("INSERT INTO booze VALUES (%s)", [(d,) for d in DRINKS])


def test_module():
    assert sidepool.apilevel == "2.0" and sidepool.threadsafety in (1, 2, 3) and sidepool.paramstyle == "pyformat"


def test_exceptions(conn):
    parents = {
        "Warning": Exception, "Error": Exception, "InterfaceError": sidepool.Error, "DatabaseError": sidepool.Error,
        "DataError": sidepool.DatabaseError, "OperationalError": sidepool.DatabaseError, "IntegrityError": sidepool.DatabaseError,
        "InternalError": sidepool.DatabaseError, "ProgrammingError": sidepool.DatabaseError, "NotSupportedError": sidepool.DatabaseError,
    }
    for name, parent in parents.items():
        cls = getattr(sidepool, name)
        assert issubclass(cls, parent) and getattr(conn, name) is cls


def test_cursors_are_isolated_by_connection_only(conn, booze):
    first, second = conn.cursor(), conn.cursor()
    first.execute("INSERT INTO booze VALUES ('Victoria Bitter')")
    second.execute("SELECT name FROM booze")
    assert second.fetchall() == [("Victoria Bitter",)]


def test_description(cur):
    assert cur.description is None
    cur.execute("INSERT INTO booze VALUES ('x')")
    assert cur.description is None
    cur.execute("SELECT name FROM booze")
    (column,) = cur.description
    assert len(column) == 7 and column[0].lower() == "name" and column[1] == sidepool.STRING


def test_rowcount(cur):
    assert cur.rowcount == -1
    cur.execute("INSERT INTO booze VALUES ('x')")
    assert cur.rowcount == 1
    cur.execute("SELECT name FROM booze")
    assert cur.rowcount == 1


@pytest.mark.parametrize("sql, parameters", [("INSERT INTO booze VALUES (%s)", ("a%'\\",)), ("INSERT INTO booze VALUES (%(beer)s)", {"beer": "a%'\\"})])
def test_parameters(cur, sql, parameters):
    cur.execute(sql, parameters)
    cur.execute("SELECT name FROM booze")
    assert cur.fetchall() == [("a%'\\",)]


def test_executemany(cur):
    cur.executemany("INSERT INTO booze VALUES (%s)", [("a",), ("b",)])
    cur.executemany("INSERT INTO booze VALUES (%(beer)s)", [{"beer": "c"}])
    cur.execute("SELECT name FROM booze ORDER BY name")
    assert [r[0] for r in cur.fetchall()] == ["a", "b", "c"]


def test_fetchone(cur):
    for before in (None, "INSERT INTO booze VALUES ('Victoria Bitter')"):
        if before:
            cur.execute(before)
        with pytest.raises(sidepool.Error):
            cur.fetchone()
    cur.execute("SELECT name FROM booze")
    assert cur.fetchone() == ("Victoria Bitter",) and cur.fetchone() is None and cur.rowcount in (-1, 1)


def test_fetchmany(cur):
    fill(cur)
    cur.execute("SELECT name FROM booze ORDER BY name")
    assert len(cur.fetchmany()) == 1
    cur.arraysize = 3
    assert len(cur.fetchmany()) == 3 and len(cur.fetchmany(10)) == 1 and cur.fetchmany(2) == []
    cur.execute("SELECT name FROM booze ORDER BY name")
    cur.arraysize = 10
    assert [r[0] for r in cur.fetchmany()] == sorted(DRINKS)


def test_fetchall_and_iteration(cur):
    fill(cur)
    cur.execute("SELECT name FROM booze")
    assert sorted(r[0] for r in cur.fetchall()) == sorted(DRINKS) and cur.fetchall() == []
    cur.execute("SELECT name FROM booze")
    assert sorted(r[0] for r in cur) == sorted(DRINKS)


def test_mixed_fetches(cur):
    fill(cur)
    cur.execute("SELECT name FROM booze ORDER BY name")
    rows = [cur.fetchone(), *cur.fetchmany(2), cur.fetchone(), *cur.fetchall()]
    assert [r[0] for r in rows] == sorted(DRINKS)


def test_closed_cursor(cur):
    cur.close()
    for what in (lambda: cur.execute("SELECT 1"), cur.fetchone, cur.fetchall, cur.fetchmany, cur.nextset):
        with pytest.raises(sidepool.Error):
            what()


def test_closed_connection(connect):
    connection = connect()
    cursor = connection.cursor()
    connection.close()
    for what in (connection.commit, connection.rollback, lambda: cursor.execute("SELECT 1")):
        with pytest.raises(sidepool.Error):
            what()


def test_null(cur):
    cur.execute("INSERT INTO booze VALUES (%s)", (None,))
    cur.execute("SELECT name FROM booze")
    assert cur.fetchone() == (None,)


def test_sizes_do_nothing(cur):
    cur.setinputsizes((25,))
    cur.setoutputsize(1000)
    cur.setoutputsize(2000, 0)
    cur.execute("SELECT 1")
    assert cur.fetchone() == (1,)


def test_constructors():
    assert sidepool.Date(2002, 12, 25) == dt.date(2002, 12, 25) and sidepool.Time(13, 45, 30) == dt.time(13, 45, 30)
    assert sidepool.Timestamp(2002, 12, 25, 13, 45, 30) == dt.datetime(2002, 12, 25, 13, 45, 30) and sidepool.Binary(b"x") == b"x"
    ticks = time.mktime((2002, 12, 25, 13, 45, 30, 0, 0, -1))
    assert sidepool.DateFromTicks(ticks) == dt.date(2002, 12, 25) and sidepool.TimeFromTicks(ticks) == dt.time(13, 45, 30)
    assert sidepool.TimestampFromTicks(ticks) == dt.datetime(2002, 12, 25, 13, 45, 30)


@pytest.mark.parametrize("sql, kind", [("1", "NUMBER"), ("1.5", "NUMBER"), ("'x'::text", "STRING"), ("now()", "DATETIME"), ("'x'::bytea", "BINARY"), ("1::oid", "ROWID")])
def test_type_objects(cur, sql, kind):
    cur.execute(f"SELECT {sql}")
    code = cur.description[0][1]
    for name in ("STRING", "BINARY", "NUMBER", "DATETIME", "ROWID"):
        assert (code == getattr(sidepool, name)) is (name == kind)


def test_commit_and_rollback(conn, booze, pg):
    conn.commit()
    conn.rollback()
    conn.cursor().execute("INSERT INTO booze VALUES ('x')")
    conn.rollback()
    conn.cursor().execute("INSERT INTO booze VALUES ('y')")
    conn.commit()
    assert pg.sql("SELECT name FROM booze") == [("y",)]


def test_arraysize_is_one_and_can_be_set(cur):
    assert cur.arraysize == 1
    cur.arraysize = 7
    assert cur.arraysize == 7


def test_nextset(connect):
    cur = connect(autocommit=True).cursor()
    cur.execute("SELECT 1; SELECT 2, 3; SELECT 4 WHERE false")
    assert cur.fetchall() == [(1,)] and cur.nextset() and cur.fetchall() == [(2, 3)] and len(cur.description) == 2
    assert cur.nextset() and cur.fetchall() == [] and cur.nextset() is None


@pytest.mark.parametrize("fetch", ["fetchone", "fetchmany", "fetchall"])
def test_fetching_without_a_result_is_an_error(cur, fetch):
    with pytest.raises(sidepool.Error):
        getattr(cur, fetch)()
    cur.execute("INSERT INTO booze VALUES ('x')")
    with pytest.raises(sidepool.Error):
        getattr(cur, fetch)()


def test_callproc(cur):
    parameters = ("FOO",)
    assert cur.callproc("lower", parameters) == parameters and cur.fetchall() == [("foo",)] and cur.nextset() is None


def test_extensions(conn, cur):
    """The optional ones: connection, rownumber, scroll, iteration, and a cursor as a block."""
    fill(cur)
    cur.execute("SELECT name FROM booze ORDER BY name")
    assert cur.connection is conn and cur.rownumber == 0
    cur.fetchone()
    assert cur.rownumber == 1
    cur.scroll(2)
    assert cur.fetchone() == (sorted(DRINKS)[3],)
    cur.scroll(0, mode="absolute")
    assert cur.fetchone() == (sorted(DRINKS)[0],) and next(iter(cur)) == (sorted(DRINKS)[1],)
    for value, mode in ((99, "relative"), (-1, "absolute")):
        with pytest.raises(IndexError):
            cur.scroll(value, mode)
    with conn.cursor() as block:
        block.execute("SELECT 1")
    with pytest.raises(sidepool.InterfaceError):
        block.fetchone()


def test_executemany_without_parameters_does_nothing(cur):
    cur.executemany("INSERT INTO booze VALUES (%s)", [])
    cur.execute("SELECT count(*) FROM booze")
    assert cur.fetchone() == (0,)


def test_closing_twice_is_no_error(connect, booze):
    connection = connect()
    cursor = connection.cursor()
    for what in (cursor, cursor, connection, connection):
        what.close()


def test_closing_rolls_back(connect, booze, pg):
    connection = connect()
    connection.cursor().execute("INSERT INTO booze VALUES ('x')")
    connection.close()
    other = connect()
    assert other.execute("SELECT count(*) FROM booze").fetchone() == (0,)


def test_threads_may_share_the_module_and_a_connection(connect, booze, pg):
    """threadsafety is 2."""
    import threading

    assert sidepool.threadsafety == 2
    connection, failed = connect(autocommit=True), []

    def work(n):
        try:
            for _ in range(20):
                assert connection.execute("INSERT INTO booze VALUES (%s) RETURNING name", [str(n)]).fetchone() == (str(n),)
        except Exception as e:
            failed.append(e)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed and pg.sql("SELECT count(*) FROM booze") == [(160,)]


def test_two_phase(connect, booze, pg):
    first, second = connect(), connect()
    xid = first.xid(1, "dbapi20", "branch")
    first.tpc_begin(xid)
    first.cursor().execute("INSERT INTO booze VALUES ('x')")
    first.tpc_prepare()
    with pytest.raises(sidepool.ProgrammingError):
        first.commit()
    first.close()
    (found,) = [x for x in second.tpc_recover() if x.gtrid == "dbapi20"]
    second.tpc_commit(found)
    assert pg.sql("SELECT count(*) FROM booze") == [(1,)]
