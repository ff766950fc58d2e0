# SPDX-License-Identifier: MIT
"""asyncpg's cursors: async for record in connection.cursor(...), or cursor = await connection.cursor(...)."""
from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Generator
from typing import Any

from .. import errors
from .._async.server_cursor import AsyncRawServerCursor
from .record import Record

_PREFETCH = 50
_numbers = itertools.count(1)


class _Portal(AsyncRawServerCursor[Any]):
    async def forward(self, count: int) -> int:
        """Passes over rows; returns over how many."""
        passed, self._ahead = self._ahead[:count], self._ahead[count:]
        if len(passed) == count:
            return count
        async with self._connection.lock:
            self._check_open()
            await self._move(f"MOVE FORWARD {count - len(passed)}")
            moved = int((self.statusmessage or "0").split()[-1])
            self._position += moved
            return len(passed) + moved


class CursorFactory:
    def __init__(self, connection: Any, query: str, args: Any, prefetch: int | None, timeout: float | None, record_class: Any) -> None:
        if prefetch is not None and prefetch <= 0:
            raise errors.InterfaceError("prefetch argument must be greater than zero")
        self._connection = connection
        self._query, self._args, self._timeout = query, args, timeout
        self._prefetch, self._record_class = prefetch, record_class

    async def _open(self):
        connection = self._connection
        connection._check_open()
        if not connection.is_in_transaction():
            raise errors.NoActiveSqlTransaction("cursor cannot be created outside of a transaction")
        factory = connection._row_factory(self._record_class)
        cursor = _Portal(connection._connection, f"sidepool_{next(_numbers)}", row_factory=factory)
        cursor.itersize = self._prefetch or _PREFETCH
        await connection._within(cursor.execute(self._query, connection._params(self._args)), self._timeout)
        return cursor

    def __await__(self) -> Generator[Any, None, Cursor]:
        if self._prefetch is not None:
            raise errors.InterfaceError("prefetch argument can only be specified for iterable cursor")
        return self._open_cursor().__await__()

    async def _open_cursor(self) -> Cursor:
        return Cursor(self._connection, await self._open())

    async def __aiter__(self) -> AsyncIterator[Record]:
        cursor = await self._open()
        try:
            async for row in cursor:
                yield row
        finally:
            await cursor.close()


class Cursor:
    def __init__(self, connection: Any, cursor: Any) -> None:
        self._connection, self._cursor = connection, cursor

    async def fetch(self, n: int, *, timeout: float | None = None) -> list[Record]:
        """The next n records, or what there is of them."""
        if n <= 0:
            raise errors.InterfaceError("n must be greater than zero")
        return await self._connection._within(self._cursor.fetchmany(n), timeout)

    async def fetchrow(self, *, timeout: float | None = None) -> Record | None:
        return await self._connection._within(self._cursor.fetchone(), timeout)

    async def forward(self, n: int, *, timeout: float | None = None) -> int:
        """Passes over n records; returns over how many."""
        if n <= 0:
            raise errors.InterfaceError("n must be greater than zero")
        return await self._connection._within(self._cursor.forward(n), timeout)
