# SPDX-License-Identifier: MIT
"""The quickstart's Python program, on the sidepool package: callers of an asyncio loop that share one socket to the daemon."""
import asyncio
import json
import random
import sys

import sidepool
import sidepool.aio

CALLERS, ROUNDS = 60, 150
told = {"program": "python", "callers": CALLERS, "reads": 0, "transfers": 0, "batches": 0, "streamed": 0, "errors": 0}


async def read(conn):
    cur = await conn.execute("SELECT balance FROM sidepool_quickstart.account WHERE id = %s", [random.randint(1, 500)])
    assert await cur.fetchone()
    told["reads"] += 1


async def transfer(conn):
    low, high = sorted(random.sample(range(1, 501), 2))
    amount = random.randint(-20, 20)
    move = "UPDATE sidepool_quickstart.account SET balance = balance + %s WHERE id = %s"
    async with conn.transaction():
        await conn.execute(move, [-amount, low])
        await conn.execute(move, [amount, high])
    told["transfers"] += 1


async def batch(conn):
    """executemany() is one message, all or nothing."""
    sql = "INSERT INTO sidepool_quickstart.note (program, body) VALUES (%s, %s)"
    await conn.cursor().executemany(sql, [("python", f"note {i}") for i in range(10)])
    told["batches"] += 1


async def stream(conn):
    async for _ in conn.cursor().stream("SELECT g, repeat('x', 100) FROM generate_series(1, 50000) g"):
        told["streamed"] += 1


async def caller(number):
    async with await sidepool.aio.connect(application="bank-python", autocommit=True) as conn:
        for i in range(ROUNDS):
            work = batch if i % 10 == 9 else transfer if i % 2 else read
            try:
                await work(conn)
            except sidepool.Error as e:
                told["errors"] += 1
                print(f"python: {e}", file=sys.stderr)
        if number == 0:
            await stream(conn)


async def main():
    await asyncio.gather(*(caller(n) for n in range(CALLERS)))
    print(json.dumps(told))


asyncio.run(main())
