# SPDX-License-Identifier: MIT
"""transaction() blocks, as stories that psycopg tells alike."""
import pytest
from stories import Mine, cases, side  # noqa: F401 (side is a fixture)

case, CASES = cases()


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


@pytest.mark.parametrize("story, told", CASES)
def test_case(side, story, told):  # noqa: F811
    assert list(story(side)) == told
