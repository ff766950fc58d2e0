# SPDX-License-Identifier: MIT
"""A queue of jobs as a program of asyncpg's does it: notified, taken with SKIP LOCKED, rolled back where a job fails."""
import asyncio

from sidepool import asyncpg

TAKE = "DELETE FROM job WHERE id = (SELECT id FROM job ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id, what"


async def take(pool):
    """Takes a job; one that fails stays in the queue."""
    async with pool.acquire() as conn, conn.transaction():
        job = await conn.fetchrow(TAKE)
        if job["what"] == "fail":
            raise RuntimeError(f"job {job['id']} failed")
        return job["id"]


async def main():
    async with asyncpg.create_pool() as pool:
        await pool.execute("DROP TABLE IF EXISTS job")
        await pool.execute("CREATE TABLE job (id int PRIMARY KEY, what text)")
        async with pool.acquire() as conn:
            come = asyncio.Event()
            await conn.add_listener("job", lambda *_: come.set())
            await pool.copy_records_to_table("job", records=[(1, "wash"), (2, "fail")])
            await pool.execute("NOTIFY job")
            await come.wait()
        print(f"done: {await take(pool)}")
        try:
            await take(pool)
        except RuntimeError as e:
            print(e)
        print(f"left: {await pool.fetchval('SELECT count(*) FROM job')}")
        await pool.execute("DROP TABLE job")


if __name__ == "__main__":
    asyncio.run(main())
