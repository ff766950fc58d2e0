# SPDX-License-Identifier: MIT
"""Cases of transactions, each a short story whose events are told by this package (sync, asyncio, with a session of its own)
and, beside it, by psycopg on a connection of its own: all must tell the same."""
import asyncio
import inspect

import psycopg
import pytest
import sidepool
import sidepool.aio

CASES = []
_CLASSES = {"ProgrammingError", "OperationalError", "InterfaceError", "IntegrityError", "InternalError", "DataError", "NotSupportedError"}


def case(*told):
    def add(story):
        CASES.append(pytest.param(story, list(told), id=story.__name__))
        return story

    return add


class Mine(Exception):
    pass


class Blocking:
    """An object of asyncio's whose coroutines run to their end at once."""

    def __init__(self, of, loop):
        self.of, self.loop = of, loop

    def __getattr__(self, name):
        value = getattr(self.of, name)
        return self._called(value) if inspect.ismethod(value) else value

    def _called(self, method):
        def call(*args, **kwargs):
            made = method(*args, **kwargs)
            if inspect.iscoroutine(made):
                made = self.loop.run_until_complete(made)
            return Blocking(made, self.loop) if hasattr(made, "__aenter__") else made

        return call

    def __enter__(self):
        made = self.loop.run_until_complete(self.of.__aenter__())
        return self if made is self.of else made

    def __exit__(self, *what):
        return self.loop.run_until_complete(self.of.__aexit__(*what))


class Side:
    """What a story is told with."""

    def __init__(self, pg, open_, lib):
        self.pg, self.lib, self._open = pg, lib, open_
        self.conn = open_()

    def another(self):
        return self._open()

    def insert(self, number):
        self.conn.execute("INSERT INTO t VALUES (%s, 'x')", [number])

    def one(self, sql):
        return self.conn.execute(sql).fetchone()[0]

    def inside(self):
        """What the connection itself sees."""
        return [n for (n,) in self.conn.execute("SELECT id FROM t ORDER BY id").fetchall()]

    def outside(self):
        return [n for (n,) in self.pg.sql("SELECT id FROM t ORDER BY id")]

    def status(self):
        return self.conn.info.transaction_status.name

    def roll_back(self, block=None):
        return self.lib.Rollback(getattr(block, "of", block))

    def error(self, what, *args):
        """The name of the error that `what` raises: an SQLSTATE, or a class of DB-API's."""
        try:
            what(*args)
        except Exception as e:
            names = [c.__name__ for c in type(e).__mro__]
            return getattr(e, "sqlstate", None) or next((n for n in names if n in _CLASSES), names[0])
        return None


@pytest.fixture
def opener(request, pg, socket_path):
    loop = asyncio.new_event_loop()
    made = []

    def open_():
        if request.param == "psycopg":
            made.append(psycopg.connect(pg.url()))
        elif request.param == "asyncio":
            made.append(Blocking(loop.run_until_complete(sidepool.aio.connect(socket_path)), loop))
        else:
            made.append(sidepool.connect(socket_path, lease="session" if request.param == "session" else "transaction"))
        return made[-1]

    open_.lib = psycopg if request.param == "psycopg" else sidepool
    yield open_
    for connection in made:
        connection.close()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


# -- transaction() blocks


@case("IDLE", "INTRANS", [], "IDLE", [1])
def block_commits(s):
    block = s.conn.transaction()
    yield s.status()
    with block:
        s.insert(1)
        yield s.status()
        yield s.outside()
    yield s.status()
    yield s.outside()


@case("Mine", "IDLE", [])
def block_rolls_back_on_an_exception(s):
    def leave():
        with s.conn.transaction():
            s.insert(1)
            raise Mine

    yield s.error(leave)
    yield s.status()
    yield s.outside()


@case("TypeError", True, "a", "AttributeError", "AttributeError")
def block_is_entered_once_and_tells_what_it_is(s):
    with s.conn.transaction("a") as block:
        pass
    yield s.error(block.__enter__)
    yield block.connection is getattr(s.conn, "of", s.conn)
    yield block.savepoint_name
    yield s.error(setattr, getattr(block, "of", block), "connection", None)
    yield s.error(setattr, getattr(block, "of", block), "savepoint_name", "b")


@case(*["ProgrammingError"] * 4, [1])
def within_a_block_nothing_else_ends_it(s):
    with s.conn.transaction():
        s.insert(1)
        for what in (s.conn.commit, s.conn.rollback):
            yield s.error(what)
        for autocommit in (True, False):
            yield s.error(s.conn.set_autocommit, autocommit)
    s.conn.set_autocommit(True)
    s.conn.commit()
    s.conn.rollback()
    yield s.inside()


@case(True, "INTRANS", True, "IDLE", [1], [1])
def block_in_autocommit(s):
    s.conn.set_autocommit(True)
    with s.conn.transaction():
        yield s.conn.autocommit
        s.insert(1)
        yield s.status()
    yield s.conn.autocommit
    yield s.status()
    yield s.outside()
    with pytest.raises(Mine), s.conn.transaction():
        s.insert(2)
        raise Mine
    yield s.outside()


@case([1, 2], "INTRANS", [], [1, 2], "INTRANS", [], [1, 2])
def block_in_a_transaction_that_was_begun(s):
    s.insert(1)
    with s.conn.transaction():
        s.insert(2)
    yield s.inside()
    yield s.status()
    yield s.outside()
    with pytest.raises(Mine), s.conn.transaction():
        s.insert(3)
        raise Mine
    yield s.inside()
    yield s.status()
    yield s.outside()
    s.conn.commit()
    yield s.outside()


@case([1, 2, 3], [1, 2, 3])
def blocks_within_blocks_are_all_kept(s):
    with s.conn.transaction():
        s.insert(1)
        with s.conn.transaction():
            s.insert(2)
            with s.conn.transaction():
                s.insert(3)
    yield s.inside()
    s.conn.rollback()
    yield s.outside()


@case("Mine", [], "Mine", [])
def exception_of_any_block_that_nobody_catches_undoes_all(s):
    def leave(inner):
        with s.conn.transaction():
            s.insert(1)
            with s.conn.transaction():
                s.insert(2)
                if inner:
                    raise Mine
            raise Mine

    for inner in (False, True):
        yield s.error(leave, inner)
        yield s.outside()


@case("23505", "INERROR", "25P02", "INTRANS", [1], [1, 3])
def error_of_the_server_is_left_with_the_inner_block(s):
    with s.conn.transaction():
        s.insert(1)
        with s.conn.transaction():
            yield s.error(s.insert, 1)
            yield s.status()
            yield s.error(s.insert, 2)
            raise s.roll_back()
        yield s.status()
        yield s.inside()
        s.insert(3)
    yield s.outside()


@case([1, 2, 3], [1], [1], [])
def savepoints_of_one_name(s):
    with s.conn.transaction(force_rollback=True):
        with s.conn.transaction("sp"):
            s.insert(1)
            with s.conn.transaction("sp"):
                s.insert(2)
                with s.conn.transaction("sp"):
                    s.insert(3)
        yield s.inside()
    with s.conn.transaction(force_rollback=True), s.conn.transaction("s1"):
        s.insert(1)
        with s.conn.transaction("s1", force_rollback=True):
            s.insert(2)
            with s.conn.transaction("s1"):
                s.insert(3)
        yield s.inside()
    with s.conn.transaction(force_rollback=True), s.conn.transaction("s1"):
        s.insert(1)
        with s.conn.transaction("s1") as second:
            s.insert(2)
            with s.conn.transaction("s1"):
                s.insert(3)
                raise s.roll_back(second)
        yield s.inside()
    yield s.outside()


@case('a "b', [1, 3], [1, 3])
def name_of_a_savepoint_is_quoted(s):
    with s.conn.transaction():
        s.insert(1)
        with s.conn.transaction('a "b') as block:
            yield block.savepoint_name
            s.insert(2)
            raise s.roll_back()
        with s.conn.transaction("select"):
            s.insert(3)
        yield s.inside()
    yield s.outside()


@case("first", [], None, "first", [1])
def outermost_block_with_a_name_is_a_savepoint_too(s):
    with s.conn.transaction("first") as block:
        yield block.savepoint_name
        s.insert(1)
        s.conn.execute("ROLLBACK TO first")
    yield s.outside()
    with s.conn.transaction() as block:
        yield block.savepoint_name or None
    s.insert(1)
    with s.conn.transaction("first") as block:
        yield block.savepoint_name
    s.conn.commit()
    yield s.outside()


@case("Mine", [], [], [1], [1])
def forced_rollback(s):
    def leave():
        with s.conn.transaction(force_rollback=True):
            s.insert(1)
            raise Mine

    yield s.error(leave)
    yield s.outside()
    with s.conn.transaction(force_rollback=True):
        s.insert(1)
    yield s.outside()
    with s.conn.transaction():
        s.insert(1)
        with s.conn.transaction(force_rollback=True):
            s.insert(2)
        yield s.inside()
    yield s.outside()


@case([], [], [], "INTRANS", [], [1, 4], [5, 6], [1, 4, 5, 6])
def rollback_as_an_exception(s):
    for raised in (lambda b: s.lib.Rollback, lambda b: s.roll_back(), lambda b: s.roll_back(b)):
        with s.conn.transaction() as block:
            s.insert(1)
            raise raised(block)
        yield s.outside()
    with s.conn.transaction():
        s.insert(1)
        with s.conn.transaction():
            s.insert(2)
            raise s.lib.Rollback
        yield s.status()
        yield s.outside()
        s.insert(4)
    yield s.outside()
    with s.conn.transaction():
        s.insert(5)
        with s.conn.transaction() as enclosing:
            s.insert(7)
            with s.conn.transaction():
                s.insert(8)
                raise s.roll_back(enclosing)
        s.insert(6)
        yield s.inside()[-2:]
    yield s.outside()


@case([], "Rollback", [1])
def rollback_of_an_outer_block_and_of_another(s):
    with s.conn.transaction() as outer:
        s.insert(1)
        with s.conn.transaction():
            s.insert(2)
            raise s.roll_back(outer)
    yield s.outside()

    def leave():
        with s.conn.transaction():
            s.insert(3)
            raise s.roll_back(outer)

    yield s.error(leave)
    s.conn.rollback()
    with s.conn.transaction():
        s.insert(1)
    yield s.outside()


@case("ProgrammingError", "ProgrammingError", None, "IDLE", [2])
def blocks_left_in_another_order(s):
    s.conn.set_autocommit(True)
    first, second = s.conn.transaction(), s.conn.transaction()
    first.__enter__()
    second.__enter__()
    s.insert(1)
    yield s.error(first.__exit__, None, None, None)
    yield s.error(second.__exit__, None, None, None)
    yield s.error(s.conn.rollback)
    yield s.status()
    with s.conn.transaction():
        s.insert(2)
    yield s.outside()


@case("ProgrammingError", "ProgrammingError", [1, 2], [2])
def blocks_left_in_another_order_within_a_transaction(s):
    s.conn.execute("SELECT 1")
    first, second = s.conn.transaction("save"), s.conn.transaction("save")
    first.__enter__()
    s.insert(1)
    second.__enter__()
    s.insert(2)
    yield s.error(first.__exit__, Mine, Mine(), None)
    yield s.error(second.__exit__, Mine, Mine(), None)
    yield s.inside()
    s.conn.rollback()
    s.insert(2)
    s.conn.commit()
    yield s.outside()


# -- connections


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


@case("read committed off off", None, None, None, *[f"{level} off off" for level in ("read uncommitted", "read committed", "repeatable read", "serializable")] * 2, "read committed off off")
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
    changes = ((s.conn.set_isolation_level, s.lib.IsolationLevel.SERIALIZABLE), (s.conn.set_read_only, True), (s.conn.set_deferrable, False))
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


@pytest.mark.parametrize("opener", ["psycopg", "sync", "asyncio", "session"], indirect=True)
@pytest.mark.parametrize("story, told", CASES)
def test_case(opener, pg, table, story, told):
    side = Side(pg, opener, opener.lib)
    assert list(story(side)) == told
