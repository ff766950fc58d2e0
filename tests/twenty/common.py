# SPDX-License-Identifier: MIT
"""What the Python programs of tests/integration/test_twenty.py are told, and the work that each worker does."""
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

SIDEPOOL = sys.argv[1] == "sidepool"  # else a pool of the program's own
NAME = sys.argv[2]
WORKERS, UNITS = 20, 5
DATABASE_URL = os.environ.get("DATABASE_URL", "")  # no program on sidepool has it

INSERT = "INSERT INTO work (program, worker, unit) VALUES (%s, %s, %s)"
SLEEP = "SELECT pg_sleep(0.03)::text"  # so that workers meet
COUNT = "SELECT count(*) FROM work WHERE program = %s AND worker = %s"


def run_threads(work):
    """work(worker) in each of as many threads, all of which begin at once."""
    barrier = Barrier(WORKERS)

    def begin(worker):
        barrier.wait()
        return work(worker)

    with ThreadPoolExecutor(WORKERS) as threads:
        done(sum(threads.map(begin, range(WORKERS))))


def done(units):
    print(f"done {units}")
