# SPDX-License-Identifier: MIT
"""A host as one meets it at night: `python -m lib.busy_host FILE` draws what `sidepool top` shows of it."""
import contextlib
import os
import pathlib
import signal
import sys

from .daemon import Daemon
from .picture import svg
from .postgres import Postgres
from .screen import Screen
from .wait import wait_until
from .wire import Wire

CONFIG = {
    "sidepool": {"budget": 6},
    "pool main": {"pipeline": "off"},
    "application api": {"max": 4},
    "application seed-*": {"max": 1},
}
TITLE = "sidepool top: the pools, each application with its share, who holds connections and who waits for which"
HELD = [("cron-reports", "report.py:88", "BEGIN"), ("worker", "jobs/invoice.py:41", None)]
RUN = [
    ("api", "handlers/cart.py:112", "SELECT * FROM cart WHERE customer = 4711"),
    ("api", "handlers/search.py:57", "SELECT id, title FROM product WHERE title LIKE 'tea%'"),
    ("seed-users", "seed.ts:88", "INSERT INTO customer SELECT n FROM generate_series(1, 100000) AS n"),
    ("worker", "jobs/mail.py:19", "DELETE FROM mail WHERE sent < now() - interval '1 year'"),
]
WAIT = [
    ("api", "handlers/login.py:23", "SELECT id FROM customer WHERE mail = 'a@example.org'"),
    ("api", "handlers/cart.py:140", "UPDATE cart SET amount = amount + 1 WHERE id = 17"),
    ("seed-users", "seed.ts:88", "INSERT INTO customer SELECT n FROM generate_series(1, 100000) AS n"),
    ("studio", "", "SELECT * FROM product LIMIT 100"),
]
TABLES = ("cart", "customer", "mail", "product")
SECONDS = 15  # for so long it goes on like that


def be_client(socket, name, place, sql, lease):
    """A process of its own, as each application is."""
    wire = Wire(socket).named(name)
    held = wire.lease(call_site=place) if lease else None
    if sql and held:
        wire.query(sql, lease=held)
    elif sql:
        wire.send(wire.query_request(sql, call_site=place, deadline_ms=30000))
    signal.pause()


def start_client(stack, *arguments):
    pid = os.fork()
    if pid == 0:
        try:
            be_client(*arguments)
        finally:
            os._exit(1)
    stack.callback(os.waitpid, pid, 0)
    stack.callback(os.kill, pid, signal.SIGKILL)


def keep_busy(stack, daemon):
    look = stack.enter_context(contextlib.closing(Wire(daemon.socket)))
    for n, (name, place, sql) in enumerate(HELD, 1):
        start_client(stack, daemon.socket, name, place, sql, True)
        wait_until("it is held", lambda: len(look.status().leases) == n)
    for entries, state, n in ((RUN, "running", len(RUN)), (WAIT, "waiting", len(WAIT))):
        for name, place, sql in entries:
            start_client(stack, daemon.socket, name, place, sql, False)
        wait_until(f"all are {state}", lambda: sum(r.state == state for r in look.status().requests) == n)
    wait_until("it lasts", lambda: min(lease.state_ms for lease in look.status().leases) > SECONDS * 1000, timeout=60)


def picture(screen):
    screen.until("all is drawn", lambda text: f"WAITING {len(WAIT)}" in text and "? help" in text)
    return svg(screen, TITLE)


def main(file):
    with Postgres() as pg, contextlib.ExitStack() as stack:
        for table in TABLES:
            pg.sql(f"CREATE TABLE {table} (id bigint, customer int, amount int, sent date, mail text, title text)")
        locks = stack.enter_context(pg.connect())
        locks.execute(f"BEGIN; LOCK TABLE {', '.join(TABLES)} IN ACCESS EXCLUSIVE MODE")
        daemon = Daemon(pg.url(), config=CONFIG)
        stack.callback(daemon.remove)
        stack.callback(daemon.close)
        daemon.start()
        keep_busy(stack, daemon)
        kept = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
        screen = Screen([os.environ["SIDEPOOL"], "top"], {**kept, "SIDEPOOL_SOCKET": str(daemon.socket)}, columns=110, lines=32)
        stack.callback(screen.close)
        pathlib.Path(file).write_text(picture(screen))


if __name__ == "__main__":
    main(sys.argv[1])
