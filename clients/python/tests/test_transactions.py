# SPDX-License-Identifier: MIT
"""What programs of psycopg, pg8000 and asyncpg expect of transactions."""
import pytest
import sidepool
from sidepool import IsolationLevel, TransactionStatus

INSERT = "INSERT INTO t VALUES (%s, 'x')"


@pytest.fixture
def ids(pg, table):
    return lambda: [n for (n,) in pg.sql("SELECT id FROM t ORDER BY id")]


class Mine(Exception):
    pass


@pytest.mark.parametrize("autocommit", [False, True])
def test_block_commits_or_rolls_back(connect, ids, autocommit):
    conn = connect(autocommit=autocommit)
    with conn.transaction():
        conn.execute(INSERT, [1])
        assert ids() == []
    assert ids() == [1]
    with pytest.raises(Mine), conn.transaction():
        conn.execute(INSERT, [2])
        raise Mine
    assert ids() == [1] and conn.info.transaction_status == TransactionStatus.IDLE


def test_inner_block_alone_is_rolled_back(conn, ids):
    with conn.transaction():
        conn.execute(INSERT, [1])
        with pytest.raises(Mine), conn.transaction():
            conn.execute(INSERT, [2])
            with conn.transaction():
                conn.execute(INSERT, [3])
            raise Mine
        with conn.transaction():
            conn.execute(INSERT, [4])
    assert ids() == [1, 4]


def test_rollback_leaves_the_block_that_it_names(conn, ids):
    with conn.transaction() as outer:
        conn.execute(INSERT, [1])
        with conn.transaction():
            conn.execute(INSERT, [2])
            raise sidepool.Rollback(outer)
        raise AssertionError("not reached")  # noqa: B012
    with conn.transaction():
        with conn.transaction():
            conn.execute(INSERT, [3])
            raise sidepool.Rollback
        conn.execute(INSERT, [4])
    assert ids() == [4]


def test_block_in_a_transaction_that_was_begun_is_a_savepoint(conn, ids):
    conn.execute(INSERT, [1])
    with conn.transaction() as tx:
        assert tx.savepoint_name
        conn.execute(INSERT, [2])
    assert ids() == [] and conn.info.transaction_status == TransactionStatus.INTRANS
    conn.rollback()
    assert ids() == []


def test_force_rollback(conn, ids):
    with conn.transaction(force_rollback=True):
        conn.execute(INSERT, [1])
    assert ids() == []


def test_failed_transaction_refuses_until_it_is_rolled_back(conn, ids):
    with pytest.raises(sidepool.errors.DivisionByZero):
        conn.execute("SELECT 1/0")
    with pytest.raises(sidepool.errors.InFailedSqlTransaction):
        conn.execute("SELECT 1")
    assert conn.info.transaction_status == TransactionStatus.INERROR
    conn.rollback()
    assert conn.execute("SELECT 1").fetchone() == (1,)


def test_commit_of_a_failed_transaction_rolls_back(conn, ids):
    conn.execute(INSERT, [1])
    with pytest.raises(sidepool.errors.UniqueViolation):
        conn.execute(INSERT, [1])
    conn.commit()
    assert ids() == [] and conn.info.transaction_status == TransactionStatus.IDLE


def test_deferred_constraint_fails_at_commit(conn, pg):
    pg.sql("DROP TABLE IF EXISTS deferred")
    pg.sql("CREATE TABLE deferred (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
    conn.execute("INSERT INTO deferred VALUES (1), (1)")
    with pytest.raises(sidepool.errors.UniqueViolation):
        conn.commit()
    assert conn.info.transaction_status == TransactionStatus.IDLE and pg.sql("SELECT count(*) FROM deferred") == [(0,)]


def test_commit_and_rollback_are_forbidden_in_a_block(conn, ids):
    for what in (conn.commit, conn.rollback):
        with pytest.raises(sidepool.ProgrammingError, match="forbidden within"), conn.transaction():
            what()


def test_statements_of_ones_own_begin_and_end(connect, ids, leases):
    conn = connect(autocommit=True)
    conn.execute("BEGIN")
    conn.execute(INSERT, [1])
    conn.execute("SAVEPOINT s")
    conn.execute(INSERT, [2])
    conn.execute("ROLLBACK TO s")
    assert leases() == 1
    conn.execute("COMMIT")
    assert ids() == [1] and leases() == 0


@pytest.mark.parametrize("level", list(IsolationLevel))
def test_isolation_levels(connect, level):
    conn = connect()
    conn.isolation_level = level
    (told,) = conn.execute("SHOW transaction_isolation").fetchone()
    assert told == level.name.lower().replace("_", " ")
    with pytest.raises(sidepool.ProgrammingError):
        conn.isolation_level = None
    conn.rollback()
    conn.isolation_level = None
    assert conn.execute("SHOW transaction_isolation").fetchone() == ("read committed",)


def test_serialization_failure_is_told(connect, ids, pg):
    first, second = connect(), connect()
    pg.sql("INSERT INTO t VALUES (1, 'x')")
    for c in (first, second):
        c.isolation_level = IsolationLevel.REPEATABLE_READ
        c.execute("SELECT count(*) FROM t")
    first.execute("UPDATE t SET x = 'first'")
    first.commit()
    with pytest.raises(sidepool.errors.SerializationFailure) as raised:
        second.execute("UPDATE t SET x = 'second'")
    assert raised.value.sqlstate == "40001" and isinstance(raised.value, sidepool.OperationalError)


def test_read_only(connect, ids):
    conn = connect()
    conn.read_only = True
    with pytest.raises(sidepool.errors.ReadOnlySqlTransaction):
        conn.execute(INSERT, [1])


async def test_asyncio_blocks(aconn, ids):
    async with aconn.transaction():
        await aconn.execute(INSERT, [1])
        with pytest.raises(Mine):
            async with aconn.transaction():
                await aconn.execute(INSERT, [2])
                raise Mine
    assert ids() == [1]
