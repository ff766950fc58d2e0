# SPDX-License-Identifier: MIT
"""Twenty tasks of an asyncio loop: sidepool.aio, or a pool of asyncpg's."""
import asyncio

from common import COUNT, DATABASE_URL, INSERT, NAME, SIDEPOOL, SLEEP, UNITS, WORKERS, done


async def work_on_sidepool(worker):
    import sidepool.aio

    async with await sidepool.aio.connect(application=NAME, autocommit=True) as conn:
        for unit in range(UNITS):
            async with conn.transaction():
                await conn.execute(INSERT, (NAME, worker, unit))
                await conn.execute(SLEEP)
            (n,) = await (await conn.execute(COUNT, (NAME, worker))).fetchone()
            assert n == unit + 1
    return UNITS


async def work_on_asyncpg(pool, worker):
    for unit in range(UNITS):
        async with pool.acquire() as conn, conn.transaction():
            await conn.execute("INSERT INTO work (program, worker, unit) VALUES ($1, $2, $3)", NAME, worker, unit)
            await conn.execute(SLEEP)
        assert await pool.fetchval("SELECT count(*) FROM work WHERE program = $1 AND worker = $2", NAME, worker) == unit + 1
    return UNITS


async def main():
    if SIDEPOOL:
        return sum(await asyncio.gather(*map(work_on_sidepool, range(WORKERS))))
    import asyncpg

    async with asyncpg.create_pool(DATABASE_URL, min_size=WORKERS, max_size=WORKERS) as pool:
        return sum(await asyncio.gather(*(work_on_asyncpg(pool, worker) for worker in range(WORKERS))))


done(asyncio.run(main()))
