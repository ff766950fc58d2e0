# SPDX-License-Identifier: MIT
"""submit(): sync, and for asyncio, by the real daemon."""
import pytest
import sidepool
from lib.wait import wait_until


def column(pg):
    return [i for (i,) in pg.sql("SELECT id FROM t ORDER BY ctid")]


def test_it_is_run_in_the_order_of_its_key(conn, table, pg):
    told = [conn.submit("INSERT INTO t VALUES (%s, %s)", (i, None), key="k") for i in range(20)]
    assert len({s.id for s in told}) == 20 and not any(s.journaled for s in told)
    wait_until("all are run", lambda: column(pg) == list(range(20)))


def test_it_is_no_part_of_the_transaction(conn, table, pg):
    conn.execute("INSERT INTO t VALUES (1, 'rolled back')")
    conn.submit("INSERT INTO t VALUES (2, 'stays')")
    conn.rollback()
    wait_until("it is run", lambda: column(pg) == [2])


def test_several_are_one_transaction(conn, table, pg):
    conn.submit([("INSERT INTO t VALUES (%s, 'a')", (1,)), ("SELECT 1 / %s::int", (0,))], key=b"\0\xff")
    conn.submit([("INSERT INTO t VALUES (%s, 'a')", (2,)), ("INSERT INTO t VALUES (3, 'b')", None)], key=b"\0\xff")
    wait_until("the second is run", lambda: column(pg) == [2, 3])


def test_an_idempotency_key_makes_asking_again_safe(conn, table, pg):
    first = conn.submit("INSERT INTO t VALUES (1, 'a')", idempotency_key=b"python once")
    assert conn.submit("INSERT INTO t VALUES (1, 'a')", idempotency_key=b"python once") == first
    wait_until("it is run", lambda: column(pg) == [1])


def test_what_cannot_be_run_is_refused_at_once(conn):
    for query, options in (("SET x.y = 1", {}), ("SELECT 1", {"key": "x" * 256}), ([], {})):
        with pytest.raises(sidepool.Error) as e:
            conn.submit(query, **options)
        assert e.value.outcome == "not sent"
    assert conn.execute("SELECT 1").fetchone() == (1,)


async def test_the_same_for_asyncio(aconn, table, pg):
    told = await aconn.submit("INSERT INTO t VALUES (%s, 'a')", (1,), key=b"k", try_for=60)
    assert told.id > 0 and not told.journaled
    wait_until("it is run", lambda: column(pg) == [1])
