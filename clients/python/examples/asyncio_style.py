# SPDX-License-Identifier: MIT
"""Fifty workers of one event loop, each with a connection object of its own, on the few connections of the daemon."""
import asyncio

import sidepool.aio


async def work(n):
    async with await sidepool.aio.connect() as conn:
        await conn.execute("INSERT INTO done VALUES (%s, %s)", [n, f"worker {n}"])
        cur = await conn.execute("SELECT name FROM done WHERE id = %s", [n])
        assert await cur.fetchone() == (f"worker {n}",)


async def main():
    async with await sidepool.aio.connect(autocommit=True) as conn:
        await conn.execute("DROP TABLE IF EXISTS done")
        await conn.execute("CREATE TABLE done (id int PRIMARY KEY, name text)")
        await asyncio.gather(*(work(n) for n in range(50)))
        cur = await conn.execute("SELECT count(*), max(id) FROM done")
        print("rows: %d, last: %d" % await cur.fetchone())
        await conn.execute("DROP TABLE done")


if __name__ == "__main__":
    asyncio.run(main())
