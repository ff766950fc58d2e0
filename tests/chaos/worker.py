# SPDX-License-Identifier: MIT
"""The ledger's client in Python: threads on the blocking API, tasks on asyncio.

    worker.py SOCKET NAME SEED

Standard output is its log, a line for each event, written at once (audit.py has the format).
"""
import asyncio
import itertools
import os
import random
import signal
import sys
import threading
import time

import sidepool
import sidepool.aio
from sidepool.errors import Error

ACCOUNTS, THREADS, TASKS = 40, 3, 3
OUTCOMES = {"not sent": "N", "failed": "F", "outcome unknown": "U"}
TRANSFER = (
    "WITH moved AS (UPDATE account SET balance = balance + CASE id WHEN %(a)s::int THEN -%(n)s::bigint"
    " ELSE %(n)s::bigint END WHERE id IN (%(a)s::int, %(b)s::int) RETURNING id)"
    " INSERT INTO entry SELECT %(k)s::text, id, CASE id WHEN %(a)s::int THEN -%(n)s::bigint"
    " ELSE %(n)s::bigint END FROM moved"
)
UPDATE = "UPDATE account SET balance = balance + %s WHERE id = %s"
ENTRIES = "INSERT INTO entry VALUES (%s, %s, %s), (%s, %s, %s)"
over = threading.Event()


def say(kind, *words):
    """One line, by one write: whoever kills us gets all of it or nothing."""
    os.write(1, "\t".join([kind, f"{time.monotonic():.3f}", *map(str, words)]).encode() + b"\n")


def why(error):
    return f"{error.code or type(error).__name__} {error.sqlstate or ''}".strip()


class RolledBack(Exception):
    """What a transaction is given up with."""


class Lane:
    """What one thread or task does: the choice, and the words for the log."""

    def __init__(self, name, seed):
        self.name, self.random, self.numbers = name, random.Random(seed), itertools.count()

    def transfer(self, how):
        a, b = self.random.sample(range(ACCOUNTS), 2)
        t = {"k": f"{self.name}.{next(self.numbers)}", "a": a, "b": b, "n": self.random.randint(1, 100)}
        say("I", t["k"], how, a, b, t["n"])
        return t

    def timeout(self):
        return self.random.choice([0.02, 0.2, 1, 3, 10, 10, 10])

    def pause(self, error=None):
        """A client that is told to come back later does, within reason."""
        wait = self.random.uniform(0, 0.04)
        return wait + min(max(error.retry_after, 0.02), 0.3) if error is not None else wait

    def tell(self, keys, error, commit=True):
        """What became of these. An error before COMMIT was asked for means absence, whatever it was."""
        if error is None:
            kind, reason = "S", ""
        else:
            kind, reason = (OUTCOMES[error.outcome] if commit else "F"), why(error)
        for k in keys:
            say(kind, k, reason)

    def tell_submitted(self, t, submitted):
        """On disk it will be run exactly once; in memory it is lost with the daemon."""
        say(*("S", t["k"]) if submitted.journaled else ("U", t["k"], "accepted, in memory"))

    def check_echo(self, rows, token, size):
        if rows != [(token + "x" * size,)]:
            say("V", f"asked for {token} and got {str(rows)[:80]}")
        say("E")

    def check_sum(self, rows):
        if rows != [(0,)]:
            say("V", f"the balances sum up to {rows}")
        say("E")


def steps(t):
    return [
        (UPDATE, (-t["n"], t["a"])),
        (UPDATE, (t["n"], t["b"])),
        (ENTRIES, (t["k"], t["a"], -t["n"], t["k"], t["b"], t["n"])),
    ]


def copy_rows(t):
    return [(t["k"], t["a"], -t["n"]), (t["k"], t["b"], t["n"])]


class Blocking:
    """The blocking API."""

    def __init__(self, path, lane):
        self.path, self.lane = path, lane

    def connect(self, **settings):
        return sidepool.connect(
            socket=self.path, application="ledger-python", timeout=self.lane.timeout(), **{"check": False, **settings}
        )

    def plain(self):
        t = self.lane.transfer("plain")
        with self.connect(autocommit=True) as conn:
            try:
                conn.execute(TRANSFER, t)
            except Error as e:
                self.lane.tell([t["k"]], e)
                return e
        self.lane.tell([t["k"]], None)

    def submitted(self):
        t = self.lane.transfer("submitted")
        with self.connect(autocommit=True) as conn:
            try:
                told = conn.submit(TRANSFER, t, key=self.lane.random.choice([b"", b"a", b"b"]))
            except Error as e:
                self.lane.tell([t["k"]], e)
                return e
        self.lane.tell_submitted(t, told)

    def batch(self):
        ts = [self.lane.transfer("batch") for _ in range(self.lane.random.randint(2, 5))]
        keys = [t["k"] for t in ts]
        try:
            with self.connect(autocommit=True, check=True) as conn:
                conn.cursor().executemany(TRANSFER, ts)
        except Error as e:
            self.lane.tell(keys, e)
            return e
        self.lane.tell(keys, None)

    def transaction(self, copy=False):
        t = self.lane.transfer("lease, COPY" if copy else "lease")
        conn, committing = self.connect(), False
        try:
            for sql, values in steps(t)[: 2 if copy else 3]:
                conn.execute(sql, values)
            if copy:
                with conn.cursor().copy("COPY entry FROM STDIN") as out:
                    for row in copy_rows(t):
                        out.write_row(row)
            committing = True
            conn.commit()
        except Error as e:
            self.lane.tell([t["k"]], e, committing)
            return e
        finally:
            conn.close()
        self.lane.tell([t["k"]], None)

    def copy(self):
        return self.transaction(copy=True)

    def rollback(self):
        t = self.lane.transfer("rollback")
        error = None
        with self.connect() as conn:
            try:
                with conn.transaction():
                    for sql, values in steps(t):
                        conn.execute(sql, values)
                    raise RolledBack
            except RolledBack:
                pass
            except Error as e:
                error = e
        say("F", t["k"], "rolled back")
        return error

    def echo(self):
        token, size = f"{self.lane.name}-{self.lane.random.random()}", self.lane.random.choice([0, 0, 0, 300_000])
        with self.connect(autocommit=True) as conn:
            try:
                rows = conn.execute("SELECT %s || repeat('x', %s)", (token, size)).fetchall()
            except Error as e:
                return e
        self.lane.check_echo(rows, token, size)

    def read(self):
        with self.connect(autocommit=True) as conn:
            try:
                rows = conn.execute("SELECT sum(balance)::bigint FROM account").fetchall()
            except Error as e:
                return e
        self.lane.check_sum(rows)

    def run(self):
        ways = [self.plain] * 4 + [self.submitted] * 3 + [self.batch] * 2 + [self.transaction] * 4 + [self.copy, self.rollback, self.echo, self.read]
        while not over.is_set():
            error = self.lane.random.choice(ways)()
            over.wait(self.lane.pause(error))


class Async:
    """asyncio, with tasks that are cancelled in the middle."""

    def __init__(self, path, lane):
        self.path, self.lane = path, lane

    async def connect(self, **settings):
        return await sidepool.aio.connect(
            socket=self.path, application="ledger-aio", timeout=self.lane.timeout(), check=False, **settings
        )

    async def plain(self):
        t = self.lane.transfer("plain, asyncio")
        async with await self.connect(autocommit=True) as conn:
            try:
                await conn.execute(TRANSFER, t)
            except Error as e:
                self.lane.tell([t["k"]], e)
                return e
        self.lane.tell([t["k"]], None)

    async def submitted(self):
        t = self.lane.transfer("submitted, asyncio")
        async with await self.connect(autocommit=True) as conn:
            try:
                told = await conn.submit([(sql, values) for sql, values in steps(t)], key=b"a")
            except Error as e:
                self.lane.tell([t["k"]], e)
                return e
        self.lane.tell_submitted(t, told)

    async def cancelled(self):
        """A task that is cancelled is not told what became of it."""
        t = self.lane.transfer("cancelled")
        async with await self.connect(autocommit=True) as conn:
            try:
                await asyncio.wait_for(conn.execute(TRANSFER, t), self.lane.random.uniform(0, 0.02))
            except asyncio.TimeoutError:
                say("U", t["k"], "cancelled")
                return None
            except Error as e:
                self.lane.tell([t["k"]], e)
                return e
        self.lane.tell([t["k"]], None)

    async def transaction(self):
        t, committing = self.lane.transfer("lease, asyncio"), False
        conn = await self.connect()
        try:
            for sql, values in steps(t):
                await conn.execute(sql, values)
            committing = True
            await conn.commit()
        except Error as e:
            self.lane.tell([t["k"]], e, committing)
            return e
        finally:
            await conn.close()
        self.lane.tell([t["k"]], None)

    async def read(self):
        async with await self.connect(autocommit=True) as conn:
            try:
                cursor = await conn.execute("SELECT sum(balance)::bigint FROM account")
                rows = await cursor.fetchall()
            except Error as e:
                return e
        self.lane.check_sum(rows)

    async def run(self):
        ways = [self.plain] * 4 + [self.submitted] * 2 + [self.transaction] * 3 + [self.cancelled, self.read]
        while not over.is_set():
            error = await self.lane.random.choice(ways)()
            await asyncio.sleep(self.lane.pause(error))


def guarded(function):
    """Anything but an error of the package's is a fault of its own."""

    def run(*arguments):
        try:
            function(*arguments)
        except BaseException as e:
            say("V", f"the client raised {type(e).__name__}: {e}".replace("\n", " ").replace("\t", " "))
            raise

    return run


async def tasks(path, name, seed):
    await asyncio.gather(*(Async(path, Lane(f"{name}.a{i}", f"{seed}a{i}")).run() for i in range(TASKS)))


def main(path, name, seed):
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    threads = [
        threading.Thread(target=guarded(Blocking(path, Lane(f"{name}.t{i}", f"{seed}t{i}")).run))
        for i in range(THREADS)
    ]
    threads.append(threading.Thread(target=guarded(asyncio.run), args=(tasks(path, name, seed),)))
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive():
            thread.join(0.2)
    say("B")


main(*sys.argv[1:])
