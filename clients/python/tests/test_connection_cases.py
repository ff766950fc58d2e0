# SPDX-License-Identifier: MIT
"""Commit, rollback, autocommit and the characteristics of transactions, as stories that psycopg tells alike."""
import pytest
from stories import Mine, cases, side  # noqa: F401 (side is a fixture)

case, CASES = cases()


@case("IDLE", "INTRANS", [], "IDLE", [1], "INTRANS", "IDLE", [1], "IDLE")
def first_statement_begins(s):
    yield s.status()
    s.insert(1)
    yield s.status()
    yield s.outside()
    s.conn.commit()
    yield s.status()
    yield s.outside()
    s.insert(2)
    yield s.status()
    s.conn.rollback()
    yield s.status()
    yield s.outside()
    s.conn.commit()
    yield s.status()


@case("42601", "INERROR", "25P02", "IDLE", [], "INTRANS")
def error_ends_the_transaction_at_commit_or_rollback(s):
    s.insert(1)
    yield s.error(s.conn.execute, "meh")
    yield s.status()
    yield s.error(s.conn.execute, "SELECT 1")
    s.conn.commit()
    yield s.status()
    yield s.inside()
    yield s.status()


@case("23505", "IDLE", 1, "23505", "IDLE", [])
def commit_that_fails(s):
    s.pg.sql("DROP TABLE IF EXISTS later")
    s.pg.sql("CREATE TABLE later (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
    s.conn.execute("INSERT INTO later VALUES (1), (1)")
    yield s.error(s.conn.commit)
    yield s.status()
    yield s.one("SELECT 1")
    s.conn.rollback()

    def leave():
        with s.conn.transaction():
            s.conn.execute("INSERT INTO later VALUES (1), (1)")

    yield s.error(leave)
    yield s.status()
    yield s.pg.sql("SELECT * FROM later")


@case(False, "ProgrammingError", False, "ProgrammingError", False, True, "IDLE", [1], False, True, "OperationalError")
def autocommit_is_not_changed_within_a_transaction(s):
    yield s.conn.autocommit
    s.conn.execute("SELECT 1")
    yield s.error(s.conn.set_autocommit, True)
    yield s.conn.autocommit
    s.error(s.conn.execute, "meh")
    yield s.error(s.conn.set_autocommit, True)
    yield s.conn.autocommit
    s.conn.rollback()
    s.conn.set_autocommit(True)
    yield s.conn.autocommit
    s.insert(1)
    yield s.status()
    yield s.outside()
    s.conn.set_autocommit("")
    yield s.conn.autocommit
    s.conn.set_autocommit("yes")
    yield s.conn.autocommit
    s.conn.close()
    yield s.error(s.conn.set_autocommit, False)


@case("INTRANS", "ProgrammingError", [], "IDLE", [1], "INERROR", "IDLE", [1])
def statements_of_ones_own_in_autocommit(s):
    s.conn.set_autocommit(True)
    s.conn.execute("BEGIN")
    s.insert(1)
    yield s.status()
    yield s.error(s.conn.set_read_only, True)
    yield s.outside()
    s.conn.execute("COMMIT")
    yield s.status()
    yield s.outside()
    s.conn.execute("BEGIN")
    s.error(s.insert, 1)
    yield s.status()
    s.conn.execute("ROLLBACK")
    yield s.status()
    yield s.outside()


_SETTINGS = ("SELECT current_setting('transaction_isolation') || ' ' || current_setting('transaction_read_only') || ' ' || "
             "current_setting('transaction_deferrable')")  # fmt: skip


_LEVELS = [f"{level} off off" for level in ("read uncommitted", "read committed", "repeatable read", "serializable")]


@case("read committed off off", None, None, None, *_LEVELS * 2, "read committed off off")
def isolation_levels(s):
    yield s.one(_SETTINGS)
    s.conn.rollback()
    for name in ("isolation_level", "read_only", "deferrable"):
        yield getattr(s.conn, name)
    for autocommit in (False, True):
        s.conn.set_autocommit(autocommit)
        for level in s.lib.IsolationLevel:
            s.conn.set_isolation_level(level)
            with s.conn.transaction():
                yield s.one(_SETTINGS)
    s.conn.set_isolation_level(None)
    yield s.one(_SETTINGS)


@case("serializable on on", "read committed off off", "repeatable read off on", "repeatable read off on", "read committed off off")
def characteristics_together(s):
    s.conn.set_isolation_level(s.lib.IsolationLevel.SERIALIZABLE)
    s.conn.set_read_only(True)
    s.conn.set_deferrable(True)
    yield s.one(_SETTINGS)
    s.conn.rollback()
    s.conn.set_autocommit(True)
    yield s.one(_SETTINGS)
    s.conn.set_isolation_level(s.lib.IsolationLevel.REPEATABLE_READ)
    s.conn.set_read_only(False)
    with s.conn.transaction():
        yield s.one(_SETTINGS)
        with s.conn.transaction():
            yield s.one(_SETTINGS)
    yield s.one(_SETTINGS)


@case(*["ProgrammingError"] * 9)
def characteristics_are_not_changed_within_a_transaction(s):
    level = s.lib.IsolationLevel.SERIALIZABLE
    changes = ((s.conn.set_isolation_level, level), (s.conn.set_read_only, True), (s.conn.set_deferrable, False))
    s.conn.execute("SELECT 1")
    for change, value in changes:
        yield s.error(change, value)
    s.conn.rollback()
    with s.conn.transaction():
        for change, value in changes:
            yield s.error(change, value)
    s.conn.set_autocommit(True)
    s.conn.execute("BEGIN")
    for change, value in changes:
        yield s.error(change, value)
    s.conn.execute("ROLLBACK")


@case("ValueError", "ValueError", "ValueError", "SERIALIZABLE", True, True, False, True, None)
def values_of_characteristics(s):
    for value in ("asdf", 0, 5):
        yield s.error(s.conn.set_isolation_level, value)
    s.conn.set_isolation_level(s.lib.IsolationLevel.SERIALIZABLE.value)
    yield s.conn.isolation_level.name
    yield isinstance(s.conn.isolation_level, s.lib.IsolationLevel)
    s.conn.set_read_only(1)
    yield s.conn.read_only
    s.conn.set_deferrable(0)
    yield s.conn.deferrable
    s.conn.set_read_only("on")
    yield s.conn.read_only
    s.conn.set_read_only(None)
    yield s.conn.read_only


@case("25006", "25006", "40001", [1])
def what_levels_and_read_only_forbid(s):
    s.pg.sql("INSERT INTO t VALUES (1, 'x')")
    s.conn.set_read_only(True)
    yield s.error(s.insert, 2)
    s.conn.rollback()

    def leave():
        with s.conn.transaction():
            s.insert(2)

    yield s.error(leave)
    s.conn.set_read_only(None)
    s.conn.set_isolation_level(s.lib.IsolationLevel.REPEATABLE_READ)
    s.conn.execute("SELECT count(*) FROM t")
    s.pg.sql("UPDATE t SET x = 'other'")
    yield s.error(s.conn.execute, "UPDATE t SET x = 'mine'")
    s.conn.rollback()
    yield s.inside()


@case([1], True, "Mine", [1], True, "UNKNOWN", *["OperationalError"] * 3)
def connection_as_a_block(s):
    with s.conn as conn:
        conn.execute("INSERT INTO t VALUES (1, 'x')")
    yield s.outside()
    yield s.conn.closed

    def leave(conn):
        with conn:
            conn.execute("INSERT INTO t VALUES (2, 'x')")
            raise Mine

    another = s.another()
    yield s.error(leave, another)
    yield s.outside()
    yield another.closed
    yield another.info.transaction_status.name
    yield s.error(another.commit)
    yield s.error(another.rollback)
    yield s.error(another.execute, "SELECT 1")


@case([1], [1])
def connection_that_is_closed_rolls_back(s):
    s.insert(1)
    s.conn.commit()
    s.insert(2)
    s.conn.close()
    yield s.outside()
    s.conn.close()
    yield s.outside()


@case([1, 2], "IDLE", [1, 2], "INTRANS", [1, 2, 3, 4], "23505", "INERROR", [1, 2])
def executemany_and_transactions(s):
    s.conn.set_autocommit(True)
    cursor = s.conn.cursor()
    cursor.executemany("INSERT INTO t VALUES (%s, 'x')", [(1,), (2,)])
    yield s.outside()
    yield s.status()
    s.conn.set_autocommit(False)
    cursor.executemany("INSERT INTO t VALUES (%s, 'x')", [(3,), (4,)])
    yield s.outside()
    yield s.status()
    yield s.inside()
    yield s.error(cursor.executemany, "INSERT INTO t VALUES (%s, 'x')", [(5,), (1,)])
    yield s.status()
    s.conn.rollback()
    yield s.inside()


@case("IDLE", None, "INTRANS", "34000", [1])
def cursors_with_names_live_in_a_transaction(s):
    s.insert(1)
    s.conn.commit()
    yield s.status()
    cursor = s.conn.cursor("named")
    yield s.error(cursor.execute, "SELECT id FROM t")
    yield s.status()
    s.conn.rollback()
    yield s.error(cursor.fetchone)
    s.conn.rollback()
    cursor.close()
    yield s.outside()


@pytest.mark.parametrize("story, told", CASES)
def test_case(side, story, told):  # noqa: F811
    assert list(story(side)) == told
