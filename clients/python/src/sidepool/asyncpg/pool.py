# SPDX-License-Identifier: MIT
"""asyncpg's create_pool(). The pool is the daemon: what is acquired here is a connection object, which takes nothing from the
daemon until a statement does. So there is nothing to keep, and the sizes are taken for asyncpg's sake alone."""
from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import TYPE_CHECKING, Any

from .. import errors
from .connection import Connection, connect
from .record import Record

if TYPE_CHECKING:
    from typing_extensions import Self

_QUERIES = ("execute", "executemany", "fetch", "fetchrow", "fetchval", "fetchmany")
_COPIES = ("copy_from_table", "copy_from_query", "copy_to_table", "copy_records_to_table")


def create_pool(
    line: str = "",
    *,
    min_size: int | None = None,
    max_size: int | None = None,
    max_queries: int | None = None,
    max_inactive_connection_lifetime: float | None = None,
    init: Callable[[Connection], Awaitable[object]] | None = None,
    setup: Callable[[Connection], Awaitable[object]] | None = None,
    reset: Callable[[Connection], Awaitable[object]] | None = None,
    **settings: Any,
) -> Pool:
    """A Pool: `pool = await create_pool(...)` or `async with create_pool(...) as pool`."""
    return Pool(line, init, setup, settings)


class Pool:
    if TYPE_CHECKING:  # made below, of the connection's
        execute: Callable[..., Coroutine[Any, Any, str]]
        executemany: Callable[..., Coroutine[Any, Any, None]]
        fetch: Callable[..., Coroutine[Any, Any, list[Record]]]
        fetchrow: Callable[..., Coroutine[Any, Any, Record | None]]
        fetchval: Callable[..., Coroutine[Any, Any, Any]]
        fetchmany: Callable[..., Coroutine[Any, Any, list[Record]]]
        copy_from_table: Callable[..., Coroutine[Any, Any, str]]
        copy_from_query: Callable[..., Coroutine[Any, Any, str]]
        copy_to_table: Callable[..., Coroutine[Any, Any, str]]
        copy_records_to_table: Callable[..., Coroutine[Any, Any, str]]

    def __init__(self, line: str, init: Any, setup: Any, settings: dict[str, Any]) -> None:
        self._line, self._settings = line, settings
        self._init, self._setup = init, setup
        self._out: set[Connection] = set()
        self._state = "new"  # -> "open" -> "closed"

    async def _open(self) -> Self:
        if self._state == "new":
            await (await connect(self._line, **self._settings)).close()
            self._state = "open"
        return self

    def __await__(self) -> Generator[Any, None, Self]:
        return self._open().__await__()

    async def __aenter__(self) -> Self:
        return await self._open()

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def acquire(self, *, timeout: float | None = None) -> _Acquired:
        """`async with pool.acquire() as connection`, or `connection = await pool.acquire()`."""
        return _Acquired(self, timeout)

    async def _acquire(self, timeout: float | None) -> Connection:
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

    async def release(self, connection: Connection, *, timeout: float | None = None) -> None:
        self._out.discard(connection)
        await connection.close()

    def get_size(self) -> int:
        """How many connection objects are acquired."""
        return len(self._out)

    def get_idle_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self._state == "closed"

    async def close(self) -> None:
        """Closes what is acquired too."""
        self._state = "closed"
        for connection in list(self._out):
            await self.release(connection)

    def terminate(self) -> None:
        self._state = "closed"
        while self._out:
            self._out.pop().terminate()


def _pass_on(name):
    async def call(self: Pool, *args: Any, **options: Any) -> Any:
        async with self.acquire() as connection:
            return await getattr(connection, name)(*args, **options)

    call.__name__ = name
    call.__doc__ = f"Connection.{name}() on a connection of its own."
    return call


for _name in (*_QUERIES, *_COPIES):
    setattr(Pool, _name, _pass_on(_name))


class _Acquired:
    def __init__(self, pool: Pool, timeout: float | None) -> None:
        self._pool, self._timeout = pool, timeout
        self._connection: Connection | None = None

    def __await__(self) -> Generator[Any, None, Connection]:
        return self._pool._acquire(self._timeout).__await__()

    async def __aenter__(self) -> Connection:
        self._connection = await self._pool._acquire(self._timeout)
        return self._connection

    async def __aexit__(self, *_: object) -> None:
        if self._connection is not None:
            await self._pool.release(self._connection)
