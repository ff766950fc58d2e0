# SPDX-License-Identifier: MIT
"""sidepool.aio: the same shape, many at once, and tasks that are cancelled."""
import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
import sidepool
from sidepool import TransactionStatus, aio, rows


async def test_shape(aconn, table, pg):
    async with aconn.cursor(row_factory=rows.dict_row) as cur:
        await cur.execute("INSERT INTO t SELECT n, 'x' FROM generate_series(1, 3) n RETURNING id")
        assert await cur.fetchone() == {"id": 1} and await cur.fetchmany(1) == [{"id": 2}] and [r async for r in cur] == [{"id": 3}]
        await cur.executemany("INSERT INTO t VALUES (%s, 'y')", [(10,), (11,)])
        assert cur.rowcount == 2
    await aconn.commit()
    assert pg.sql("SELECT count(*) FROM t") == [(5,)]
    async with aconn.transaction():
        await aconn.execute("DELETE FROM t")
        with pytest.raises(sidepool.IntegrityError):
            async with aconn.transaction():
                await aconn.execute("INSERT INTO t VALUES (1, 'a'), (1, 'b')")
        async with aconn.cursor().copy("COPY t FROM STDIN") as copy:
            await copy.write_row((7, "copied"))
    assert pg.sql("SELECT * FROM t") == [(7, "copied")]
    assert [r async for r in aconn.cursor().stream("SELECT generate_series(1, 3)")] == [(1,), (2,), (3,)]
    named = await aconn.cursor("named").execute("SELECT generate_series(1, 250)")
    assert len([r async for r in named]) == 250
    async with aconn.cursor().copy("COPY t TO STDOUT") as copy:
        assert [r async for r in copy.rows()] == [("7", "copied")]
    await aconn.rollback()


async def test_as_a_block(socket_path, table, pg):
    async with await aio.connect(socket_path) as connection:
        await connection.execute("INSERT INTO t VALUES (1, 'a')")
    assert connection.closed and pg.sql("SELECT count(*) FROM t") == [(1,)]


async def test_many_workers_on_few_connections(socket_path, table, pg):
    async def work(n):
        async with await aio.connect(socket_path) as connection:
            await connection.execute("INSERT INTO t VALUES (%s, 'x')", [n])
            await connection.execute("SELECT 1")

    await asyncio.gather(*(work(n) for n in range(200)))
    assert pg.sql("SELECT count(*) FROM t") == [(200,)]


async def test_tasks_on_one_connection_take_turns(socket_path):
    connection = await aio.connect(socket_path, autocommit=True)

    async def ask(n):
        cur = await connection.execute("SELECT %s::int", [n])
        return await cur.fetchone()

    assert await asyncio.gather(*(ask(n) for n in range(100))) == [(n,) for n in range(100)]
    await connection.close()


async def sleeping(pg, count):
    sql = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%%pg_sleep(77)%%' AND pid <> pg_backend_pid()"
    for _ in range(500):
        if pg.sql(sql) == [(count,)]:
            return True
        await asyncio.sleep(0.01)
    return False


@pytest.mark.parametrize("autocommit", [False, True])
async def test_cancelled_task_cancels_its_statement(socket_path, pg, autocommit):
    connection = await aio.connect(socket_path, autocommit=autocommit)
    task = asyncio.create_task(connection.execute("SELECT pg_sleep(77)"))
    assert await sleeping(pg, 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await sleeping(pg, 0)
    assert connection.info.transaction_status == (TransactionStatus.IDLE if autocommit else TransactionStatus.INERROR)
    await connection.rollback()
    assert await (await connection.execute("SELECT 1")).fetchone() == (1,)
    await connection.close()


async def test_cancelled_while_it_waits_takes_no_lease(make_daemon, pg):
    daemon = make_daemon(budget=1)
    holder = await aio.connect(str(daemon.socket))
    await holder.execute("SELECT 1")
    waiter = await aio.connect(str(daemon.socket))
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(waiter.execute("SELECT 1"), 0.05)
    await holder.commit()
    third = await aio.connect(str(daemon.socket))
    assert await (await third.execute("SELECT 1")).fetchone() == (1,)
    for connection in (holder, waiter, third):
        await connection.close()


async def test_cancel_from_another_task(aconn, pg):
    await aconn.execute("SELECT 1")
    task = asyncio.create_task(aconn.execute("SELECT pg_sleep(77)"))
    assert await sleeping(pg, 1)
    await aconn.cancel()
    with pytest.raises(sidepool.errors.QueryCanceled):
        await task
    await aconn.rollback()


async def test_setters(aconn):
    await aconn.set_autocommit(True)
    await aconn.set_isolation_level(sidepool.IsolationLevel.REPEATABLE_READ)
    await aconn.set_read_only(True)
    await aconn.set_deferrable(False)
    async with aconn.transaction():
        cur = await aconn.execute("SELECT current_setting('transaction_isolation'), current_setting('transaction_read_only')")
        assert await cur.fetchone() == ("repeatable read", "on")


async def test_two_phase(aconn, table, pg):
    await aconn.tpc_begin("async")
    await aconn.execute("INSERT INTO t VALUES (1, 'a')")
    await aconn.tpc_prepare()
    await aconn.tpc_commit()
    assert pg.sql("SELECT count(*) FROM t") == [(1,)] and await aconn.tpc_recover() == []


async def test_fetch_type(aconn):
    info = await aio.fetch_type(aconn, "int4range")
    assert (info.oid, info.kind, info.element_oid) == (3904, "range", 23)
    assert aconn.info.transaction_status == TransactionStatus.IDLE


def test_a_loop_after_a_loop(socket_path):
    async def ask():
        async with await aio.connect(socket_path) as connection:
            return await (await connection.execute("SELECT 1")).fetchone()

    with ThreadPoolExecutor(1) as elsewhere:  # this thread's loop is the plugin's
        assert [elsewhere.submit(lambda: asyncio.run(ask())).result() for _ in range(3)] == [(1,)] * 3
