# SPDX-License-Identifier: MIT
"""Twenty threads with a psycopg connection each: sidepool's, or those of psycopg_pool."""
from common import COUNT, DATABASE_URL, INSERT, NAME, SIDEPOOL, SLEEP, UNITS, WORKERS, run_threads


def open_pool():
    if SIDEPOOL:
        import sidepool

        return lambda: sidepool.connect(application=NAME), lambda: None
    from psycopg_pool import ConnectionPool

    pool = ConnectionPool(DATABASE_URL, min_size=WORKERS, max_size=WORKERS, open=True)
    pool.wait(5)
    return pool.connection, pool.close


def work(worker):
    for unit in range(UNITS):
        with connection() as conn:
            conn.execute(INSERT, (NAME, worker, unit))
            conn.execute(SLEEP)
        with connection() as conn:
            (n,) = conn.execute(COUNT, (NAME, worker)).fetchone()
            assert n == unit + 1
    return UNITS


connection, close = open_pool()
run_threads(work)
close()
