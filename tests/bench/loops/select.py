#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""One-row SELECTs in a loop: select.py sidepool|psycopg|psycopg-prepared TARGET SECONDS ACCOUNTS. TARGET is the daemon's socket or
libpq's conninfo. Prints one line of JSON: how many a second, and a time in microseconds for each."""

import json
import random
import sys
import time

SQL = "SELECT abalance FROM pgbench_accounts WHERE aid = %s"
WARMUP_S = 0.3


def connect(kind, target):
    if kind == "sidepool":
        import sidepool

        return sidepool.connect(socket=target, autocommit=True)
    import psycopg

    return psycopg.connect(target, autocommit=True, prepare_threshold=5 if kind == "psycopg-prepared" else None)


def loop(connection, seconds, accounts):
    """Times in ns until `seconds` have passed."""
    clock, chance, times = time.perf_counter_ns, random.Random(1), []
    now = clock()
    end = now + int(seconds * 1e9)
    while now < end:
        row = connection.execute(SQL, (chance.randint(1, accounts),)).fetchone()
        assert len(row) == 1
        then, now = now, clock()
        times.append(now - then)
    return times


def main():
    kind, target, seconds, accounts = sys.argv[1:]
    with connect(kind, target) as connection:
        loop(connection, WARMUP_S, int(accounts))
        times = loop(connection, float(seconds), int(accounts))
    print(json.dumps({"rate": len(times) * 1e9 / sum(times), "done": len(times), "times_us": [t // 1000 for t in times]}))


if __name__ == "__main__":
    main()
