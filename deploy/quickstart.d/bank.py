# SPDX-License-Identifier: MIT
"""The quickstart's Python program: callers of an asyncio loop that share one connection to the daemon."""
import asyncio
import json
import os
import random
import sys

from sp import Client, Request, statement

CALLERS, ROUNDS = 60, 150
COMMIT = 1
told = {"program": "python", "callers": CALLERS, "reads": 0, "transfers": 0, "batches": 0, "streamed": 0, "errors": 0}


async def read(client):
    await client.query("SELECT balance FROM sidepool_quickstart.account WHERE id = $1::int", [random.randint(1, 500)])
    told["reads"] += 1


async def transfer(client):
    """A transaction of two statements is two messages: BEGIN travels with the first, COMMIT with the last."""
    low, high = sorted(random.sample(range(1, 501), 2))
    amount = random.randint(-20, 20)
    move = "UPDATE sidepool_quickstart.account SET balance = balance + $1::bigint WHERE id = $2::int"
    first = await client.query(move, [-amount, low], begin=True)
    await client.query(move, [amount, high], lease=first.lease, finish=COMMIT)
    told["transfers"] += 1


async def batch(client):
    request = Request()
    request.batch.atomic = True
    for i in range(10):
        sql = "INSERT INTO sidepool_quickstart.note (program, body) VALUES ($1, $2)"
        statement(request.batch.statements.add(), sql, ["python", f"note {i}"])
    await client.call(request)
    told["batches"] += 1


async def stream(client):
    answer = await client.query("SELECT g, repeat('x', 100) FROM generate_series(1, 50000) g")
    while True:
        told["streamed"] += sum(r.row_count for r in answer.results)
        if not answer.stream_id:
            return
        request = Request()
        request.fetch.stream_id = answer.stream_id
        answer = await client.call(request)


async def caller(client, number):
    for i in range(ROUNDS):
        work = batch if i % 10 == 9 else transfer if i % 2 else read
        try:
            await work(client)
        except Exception as e:
            told["errors"] += 1
            print(f"python: {e}", file=sys.stderr)
    if number == 0:
        await stream(client)


async def main():
    client = await Client().open(os.environ["SIDEPOOL_SOCKET"], "bank-python")
    await asyncio.gather(*(caller(client, n) for n in range(CALLERS)))
    client.close()
    print(json.dumps(told))


asyncio.run(main())
