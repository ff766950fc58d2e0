# SPDX-License-Identifier: MIT
"""asyncpg's Connection on sidepool.aio's. Autocommit; $n placeholders; PostgreSQL infers the types of parameters."""
from __future__ import annotations

import asyncio
import re
from collections import namedtuple
from collections.abc import Iterable, Sequence
from typing import Any

from .. import errors
from .._async.connection import AsyncConnection
from .._async.cursor import AsyncRawCursor
from ..adapt import AdaptersMap, Dumped
from ..types import adapters as global_adapters
from . import infinity
from .copying import Copies
from .cursors import CursorFactory
from .listeners import Listeners
from .record import Record, record_row
from .transaction import Transaction

ServerVersion = namedtuple("ServerVersion", "major minor micro releaselevel serial")
_VERSION = re.compile(r"(\d+)(?:\.(\d+))?(?:(alpha|beta|rc|devel)(\d*))?")


class _Inferred:
    """A parameter whose type PostgreSQL infers from its place."""

    __slots__ = ("value",)

    def __init__(self, value):
        self.value = value


def _dump_inferred(parameter, adapters):
    dumped = adapters.dump(parameter.value)
    return Dumped(0, dumped.data, dumped.binary)


def _make_adapters():
    """As asyncpg has it: json and jsonb are text, and infinity is a limit of Python's."""
    adapters = AdaptersMap(global_adapters)
    adapters.register_dumper_maker(_Inferred, _dump_inferred)
    for name in ("json", "jsonb"):
        adapters.register_loader(name, bytes.decode)
    infinity.register(adapters, global_adapters)
    return adapters


adapters = _make_adapters()


async def connect(
    line: str = "",
    *,
    timeout: float | None = None,
    command_timeout: float | None = None,
    record_class: type[Record] = Record,
    connection_class: type[Connection] | None = None,
    **settings: Any,
) -> Connection:
    """A Connection; `line` and settings as sidepool.connect() has them. Takes nothing from the pool."""
    settings.setdefault("autocommit", True)
    made = await _limited(AsyncConnection.connect(line, **settings), timeout)
    return (connection_class or Connection)(made, command_timeout, record_class)


async def _limited(awaitable, timeout):
    if timeout is None:
        return await awaitable
    return await asyncio.wait_for(awaitable, timeout)


class Connection(Listeners, Copies):
    """What connect() returns."""

    def __init__(
        self, connection: AsyncConnection[Any], command_timeout: float | None = None, record_class: type[Record] = Record
    ) -> None:
        connection.adapters = AdaptersMap(adapters)
        super().__init__(connection)
        self._connection = connection
        self._command_timeout = command_timeout
        self._record_class = record_class

    @property
    def adapters(self) -> AdaptersMap:
        """The map of this connection's loaders and dumpers; see sidepool.adapt."""
        return self._connection.adapters

    # -- what all statements share

    def _check_open(self):
        if self._connection.closed:
            raise errors.InterfaceError("connection is closed")

    def _row_factory(self, record_class=None):
        return record_row(record_class or self._record_class)

    def _params(self, args):
        return [_Inferred(a) if a is not None else None for a in args] if args else None

    async def _within(self, awaitable, timeout):
        """Gives up after `timeout` seconds (command_timeout where it is None), which cancels the statement."""
        return await _limited(awaitable, self._command_timeout if timeout is None else timeout)

    async def _run(self, query, args, timeout, record_class=None):
        self._check_open()
        cursor = AsyncRawCursor(self._connection, row_factory=self._row_factory(record_class))
        await self._within(cursor.execute(query, self._params(args)), timeout)
        return cursor

    async def _many(self, query, args, timeout, returning=False, record_class=None):
        self._check_open()
        cursor = AsyncRawCursor(self._connection, row_factory=self._row_factory(record_class))
        sets = [self._params(a) or [] for a in args]
        await self._within(cursor.executemany(query, sets, returning=returning), timeout)
        return cursor

    # -- statements

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> str:
        """Runs it (or, without arguments, a script of several) and returns the last one's tag: "INSERT 0 1"."""
        cursor = await self._run(query, args, timeout)
        while cursor.nextset():
            pass
        return cursor.statusmessage

    async def executemany(self, command: str, args: Iterable[Sequence[Any]], *, timeout: float | None = None) -> None:
        """Runs it for each of the sequences in `args`, in one message, all or nothing."""
        await self._many(command, args, timeout)

    async def fetch(
        self, query: str, *args: Any, timeout: float | None = None, record_class: type[Record] | None = None
    ) -> list[Record]:
        """A list of Records."""
        return _rows(await self._run(query, args, timeout, record_class))

    async def fetchrow(
        self, query: str, *args: Any, timeout: float | None = None, record_class: type[Record] | None = None
    ) -> Record | None:
        """The first Record, or None."""
        rows = _rows(await self._run(query, args, timeout, record_class))
        return rows[0] if rows else None

    async def fetchval(self, query: str, *args: Any, column: int | str = 0, timeout: float | None = None) -> Any:
        """A value of the first Record, or None."""
        rows = _rows(await self._run(query, args, timeout))
        return rows[0][column] if rows else None

    async def fetchmany(
        self,
        query: str,
        args: Iterable[Sequence[Any]],
        *,
        timeout: float | None = None,
        record_class: type[Record] | None = None,
    ) -> list[Record]:
        """Runs it for each of the sequences in `args`, all or nothing; the Records of all in one list."""
        cursor = await self._many(query, args, timeout, True, record_class)
        rows: list[Record] = []
        while cursor.description is not None:
            rows += _rows(cursor)
            if not cursor.nextset():
                break
        return rows

    def cursor(
        self,
        query: str,
        *args: Any,
        prefetch: int | None = None,
        timeout: float | None = None,
        record_class: type[Record] | None = None,
    ) -> CursorFactory:
        """async for record in it, or await it for a Cursor; within a transaction."""
        return CursorFactory(self, query, args, prefetch, timeout, record_class)

    async def prepare(
        self, query: str, *, timeout: float | None = None, name: str | None = None, record_class: type[Record] | None = None
    ) -> PreparedStatement:
        """A statement to run many times. Nothing is sent: the daemon prepares by itself what is run again."""
        self._check_open()
        return PreparedStatement(self, query, record_class)

    def transaction(self, *, isolation: str | None = None, readonly: bool = False, deferrable: bool = False) -> Transaction:
        """A Transaction; within another: a savepoint."""
        self._check_open()
        return Transaction(self, isolation, readonly, deferrable)

    # -- what is known

    def is_in_transaction(self) -> bool:
        return self._connection._in_transaction

    def is_closed(self) -> bool:
        return self._connection.closed

    def get_server_pid(self) -> int:
        """Of the PostgreSQL process behind the lease; 0 where none is held."""
        return self._connection.info.backend_pid

    def get_server_version(self) -> ServerVersion:
        found: Any = _VERSION.match(self._connection.parameter("server_version") or "0")
        major, minor, level, serial = found.groups()
        return ServerVersion(int(major), 0, int(minor or 0), level or "final", int(serial or 0))

    # -- the end

    async def close(self, *, timeout: float | None = None) -> None:
        """Gives back what it holds, and listens no more."""
        await self.remove_all_listeners()
        await self._connection.close()

    def terminate(self) -> None:
        """The same without waiting."""
        self._drop_listeners()
        connection = self._connection
        if not connection.closed:
            connection._closed = True
            connection._blocks.clear()
            if connection._lease is not None:
                connection._let_go()

    def __repr__(self) -> str:
        return f"<{type(self).__module__}.{type(self).__qualname__}{' closed' if self.is_closed() else ''}>"


def _rows(cursor: Any) -> Any:
    return cursor._take_all() if cursor.description is not None else []


class PreparedStatement:
    """A query that is run with other arguments each time."""

    def __init__(self, connection: Connection, query: str, record_class: type[Record] | None) -> None:
        self._connection, self._query, self._record_class = connection, query, record_class
        self._status = ""

    def get_query(self) -> str:
        return self._query

    def get_statusmsg(self) -> str:
        """The tag of the last run."""
        return self._status

    async def _run(self, args, timeout):
        cursor = await self._connection._run(self._query, args, timeout, self._record_class)
        self._status = cursor.statusmessage
        return cursor

    async def fetch(self, *args: Any, timeout: float | None = None) -> list[Record]:
        return _rows(await self._run(args, timeout))

    async def fetchrow(self, *args: Any, timeout: float | None = None) -> Record | None:
        rows = _rows(await self._run(args, timeout))
        return rows[0] if rows else None

    async def fetchval(self, *args: Any, column: int | str = 0, timeout: float | None = None) -> Any:
        rows = _rows(await self._run(args, timeout))
        return rows[0][column] if rows else None

    async def fetchmany(self, args: Iterable[Sequence[Any]], *, timeout: float | None = None) -> list[Record]:
        return await self._connection.fetchmany(self._query, args, timeout=timeout, record_class=self._record_class)

    async def executemany(self, args: Iterable[Sequence[Any]], *, timeout: float | None = None) -> None:
        await self._connection.executemany(self._query, args, timeout=timeout)

    def cursor(self, *args: Any, prefetch: int | None = None, timeout: float | None = None) -> CursorFactory:
        return self._connection.cursor(self._query, *args, prefetch=prefetch, timeout=timeout, record_class=self._record_class)
