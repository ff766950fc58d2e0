# SPDX-License-Identifier: MIT
"""The clients of the soak: each class is a function of (a source of choices, a socket's path) that does one thing and is timed."""
import contextlib
import random
import threading
import time

import psycopg
from lib.wire import COMMIT, Failed, Wire, rows

TABLE = "CREATE TABLE soak (id int PRIMARY KEY, n bigint NOT NULL); INSERT INTO soak SELECT g, 0 FROM generate_series(1, 1000) g"


class Client:
    """One thread of a class; `said` is what it was told that is no right answer."""

    def __init__(self, name, path, seed, over):
        self.name, self.path, self.over = name, path, over
        self.random = random.Random(seed)
        self.samples, self.refused, self.said = [], 0, []  # samples: (when, seconds)
        self.wire = None
        self.thread = threading.Thread(target=self._run, name=name)

    def pause(self, seconds):
        """Returns how long it took: less, at the end of the soak."""
        start = time.monotonic()
        self.over.wait(seconds)
        return time.monotonic() - start

    def again(self):
        if self.wire:
            self.wire.close()
        self.wire = Wire(self.path)
        return self.wire

    def _run(self):
        try:
            while not self.over.is_set():
                self._once()
                self.over.wait(self.random.uniform(*PAUSES[self.name]))
        except Exception as e:  # the judge has it
            self.said.append(f"{self.name}: {type(e).__name__}: {e}")
        finally:
            if self.wire:
                self.wire.close()

    def _once(self):
        start = time.monotonic()
        try:
            waited = CLASSES[self.name](self) or 0
        except Failed as e:
            if not e.error.retryable:
                raise
            self.refused += 1
            return
        self.samples.append((start, time.monotonic() - start - waited))


def short(c):
    wire = c.wire or c.again()
    token = str(c.random.random())
    assert wire.values("SELECT $1::text", [token]) == [(token,)]


def prepared(c):
    wire = c.wire or c.again()
    number = c.random.randint(1, 1000)
    assert wire.values("SELECT id FROM soak WHERE id = $1", [str(number)]) == [(str(number),)]


def transaction(c):
    """A long one. What it waits by itself is not held against the daemon."""
    wire, waits = c.wire or c.again(), 0.0
    lease = wire.lease(begin=True)
    for _ in range(c.random.randint(1, 4)):
        wire.query("UPDATE soak SET n = n + 1 WHERE id = $1", [str(c.random.randint(1, 1000))], lease=lease)
        waits += c.pause(c.random.uniform(0, 0.5))
    wire.release(lease, c.random.choice([COMMIT, 2]))
    return waits


def slow_reader(c):
    """Fetches a little of much, and gives up: by saying so, by leaving, or by saying nothing."""
    wire = c.again()
    wire.socket.settimeout(60)
    response = wire.query("SELECT g, repeat('x', 500) FROM generate_series(1, 100000) g", chunk_bytes=30_000)
    pause, waits = c.random.uniform(0.01, 0.1), 0.0
    for _ in range(3):
        waits += c.pause(pause)
        response = wire.call(wire.fetch_request(response.stream_id))
        assert rows(response.results[0], 2)
    if c.random.random() < 0.5:
        wire.call(wire.fetch_request(response.stream_id, close=True))
    wire.close()
    c.wire = None
    return waits


def reconnect(c):
    with Wire(c.path) as wire:
        assert wire.values("SELECT 7") == [("7",)]
        if c.random.random() < 0.3:
            wire.send(wire.query_request("SELECT pg_sleep(0.05)"))  # and does not wait for it


CLASSES = {"short": short, "prepared": prepared, "transaction": transaction, "slow reader": slow_reader, "reconnect": reconnect}
PAUSES = {"short": (0, 0.02), "prepared": (0, 0.02), "transaction": (0, 0.3), "slow reader": (0.1, 0.5), "reconnect": (0, 0.05)}
NUMBERS = {"short": 3, "prepared": 3, "transaction": 3, "slow reader": 2, "reconnect": 2}


class Control:
    """The same machine and the same server without the daemon: what of a latency is not the daemon's."""

    def __init__(self, pg, over):
        self.pg, self.over, self.samples = pg, over, []
        self.thread = threading.Thread(target=self._run, name="control")

    def _run(self):
        with contextlib.closing(psycopg.connect(self.pg.url(), autocommit=True)) as conn:
            while not self.over.wait(0.02):
                start = time.monotonic()
                conn.execute("SELECT 1").fetchall()
                self.samples.append((start, time.monotonic() - start))
