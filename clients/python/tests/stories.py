# SPDX-License-Identifier: MIT
"""Short stories whose events are told by this package (sync, asyncio, with a session of its own) and, beside it, by psycopg on a
connection of its own: all must tell the same."""
import asyncio
import inspect

import psycopg
import pytest
import sidepool
import sidepool.aio

_CLASSES = {"ProgrammingError", "OperationalError", "InterfaceError", "IntegrityError", "InternalError", "DataError", "NotSupportedError"}


def cases():
    """(a decorator that says what a story has to tell, the stories)"""
    stories = []

    def case(*told):
        def add(story):
            stories.append(pytest.param(story, list(told), id=story.__name__))
            return story

        return add

    return case, stories


class Mine(Exception):
    """What stories raise."""


class Blocking:
    """An object of asyncio's whose coroutines run to their end at once."""

    def __init__(self, of, loop):
        self.of, self.loop = of, loop

    def __getattr__(self, name):
        value = getattr(self.of, name)
        return self._called(value) if inspect.ismethod(value) else value

    def _called(self, method):
        def call(*args, **kwargs):
            made = method(*args, **kwargs)
            if inspect.iscoroutine(made):
                made = self.loop.run_until_complete(made)
            return Blocking(made, self.loop) if hasattr(made, "__aenter__") else made

        return call

    def __enter__(self):
        made = self.loop.run_until_complete(self.of.__aenter__())
        return self if made is self.of else made

    def __exit__(self, *what):
        return self.loop.run_until_complete(self.of.__aexit__(*what))


class Side:
    """What a story is told with."""

    def __init__(self, pg, open_, lib):
        self.pg, self.lib, self._open = pg, lib, open_
        self.conn = open_()

    def another(self):
        return self._open()

    def insert(self, number):
        self.conn.execute("INSERT INTO t VALUES (%s, 'x')", [number])

    def one(self, sql):
        return self.conn.execute(sql).fetchone()[0]

    def inside(self):
        """What the connection itself sees."""
        return [n for (n,) in self.conn.execute("SELECT id FROM t ORDER BY id").fetchall()]

    def outside(self):
        return [n for (n,) in self.pg.sql("SELECT id FROM t ORDER BY id")]

    def status(self):
        return self.conn.info.transaction_status.name

    def roll_back(self, block=None):
        return self.lib.Rollback(getattr(block, "of", block))

    def error(self, what, *args):
        """The name of the error that `what` raises: an SQLSTATE, or a class of DB-API's."""
        try:
            what(*args)
        except Exception as e:
            names = [c.__name__ for c in type(e).__mro__]
            return getattr(e, "sqlstate", None) or next((n for n in names if n in _CLASSES), names[0])
        return None


@pytest.fixture(params=["psycopg", "sync", "asyncio", "session"])
def side(request, pg, socket_path, table):
    loop = asyncio.new_event_loop()
    made = []

    def open_():
        if request.param == "psycopg":
            made.append(psycopg.connect(pg.url()))
        elif request.param == "asyncio":
            made.append(Blocking(loop.run_until_complete(sidepool.aio.connect(socket_path)), loop))
        else:
            made.append(sidepool.connect(socket_path, lease="session" if request.param == "session" else "transaction"))
        return made[-1]

    yield Side(pg, open_, psycopg if request.param == "psycopg" else sidepool)
    for connection in made:
        connection.close()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
