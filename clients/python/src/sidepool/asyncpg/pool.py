# SPDX-License-Identifier: MIT
"""asyncpg's create_pool(). The pool is the daemon: what is acquired here is a connection object, which takes nothing from the
daemon until a statement does. So there is nothing to keep, and the sizes are taken for asyncpg's sake alone."""
from .. import errors
from .connection import connect

_QUERIES = ("execute", "executemany", "fetch", "fetchrow", "fetchval", "fetchmany")
_COPIES = ("copy_from_table", "copy_from_query", "copy_to_table", "copy_records_to_table")


def create_pool(line="", *, min_size=None, max_size=None, max_queries=None, max_inactive_connection_lifetime=None, init=None,
                setup=None, reset=None, **settings):
    """A Pool: `pool = await create_pool(...)` or `async with create_pool(...) as pool`."""
    return Pool(line, init, setup, settings)


class Pool:
    def __init__(self, line, init, setup, settings):
        self._line, self._settings = line, settings
        self._init, self._setup = init, setup
        self._out = set()
        self._state = "new"  # -> "open" -> "closed"

    async def _open(self):
        if self._state == "new":
            await (await connect(self._line, **self._settings)).close()
            self._state = "open"
        return self

    def __await__(self):
        return self._open().__await__()

    async def __aenter__(self):
        return await self._open()

    async def __aexit__(self, *_):
        await self.close()

    def acquire(self, *, timeout=None):
        """`async with pool.acquire() as connection`, or `connection = await pool.acquire()`."""
        return _Acquired(self, timeout)

    async def _acquire(self, timeout):
        if self._state != "open":
            raise errors.InterfaceError("pool is not initialized" if self._state == "new" else "pool is closed")
        connection = await connect(self._line, timeout=timeout, **self._settings)
        self._out.add(connection)
        try:
            for prepare in (self._init, self._setup):
                if prepare is not None:
                    await prepare(connection)
        except BaseException:
            await self.release(connection)
            raise
        return connection

    async def release(self, connection, *, timeout=None):
        self._out.discard(connection)
        await connection.close()

    def get_size(self):
        """How many connection objects are acquired."""
        return len(self._out)

    def get_idle_size(self):
        return 0

    def is_closing(self):
        return self._state == "closed"

    async def close(self):
        """Closes what is acquired too."""
        self._state = "closed"
        for connection in list(self._out):
            await self.release(connection)

    def terminate(self):
        self._state = "closed"
        while self._out:
            self._out.pop().terminate()


def _pass_on(name):
    async def call(self, *args, **options):
        async with self.acquire() as connection:
            return await getattr(connection, name)(*args, **options)

    call.__name__ = name
    call.__doc__ = f"Connection.{name}() on a connection of its own."
    return call


for _name in (*_QUERIES, *_COPIES):
    setattr(Pool, _name, _pass_on(_name))


class _Acquired:
    def __init__(self, pool, timeout):
        self._pool, self._timeout = pool, timeout
        self._connection = None

    def __await__(self):
        return self._pool._acquire(self._timeout).__await__()

    async def __aenter__(self):
        self._connection = await self._pool._acquire(self._timeout)
        return self._connection

    async def __aexit__(self, *_):
        await self._pool.release(self._connection)
