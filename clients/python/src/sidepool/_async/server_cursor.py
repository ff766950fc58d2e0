# SPDX-License-Identifier: MIT
"""Cursors with a name: the server keeps the rows (DECLARE), and FETCH brings as many as are asked for."""
from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from .. import errors
from .._cursor import fill, results_of
from .._messages import STATUS_ACTIVE, STATUS_FAILED
from .._query import bind_raw
from .._quote import quote_ident
from ..rows import Row, RowFactory
from .chunks import AsyncChunks
from .cursor import AsyncCursor, Params

if TYPE_CHECKING:
    from typing_extensions import Self


class AsyncServerCursor(AsyncCursor[Row]):
    itersize: int = 100
    _short_way = False

    def __init__(
        self, connection: Any, name: str, *, row_factory: RowFactory[Row] | None = None, scrollable: bool | None = None, withhold: bool = False
    ) -> None:
        super().__init__(connection, row_factory=row_factory)
        self._name = name
        self.scrollable = scrollable
        self.withhold = withhold
        self._declared = False
        self._position = 0
        self._ahead: list[Row] = []

    @property
    def name(self) -> str:
        return self._name

    @property
    def rownumber(self) -> int | None:
        return self._position - len(self._ahead) if self._declared else None

    async def execute(self, query: str | bytes, params: Params = None, *, binary: bool | None = None, **options: Any) -> Self:
        async with self._connection.lock:
            self._check_open()
            self._check_lease()
            sql, values = self._bind(query, params)
            await self._close_portal()
            self._start(sql)
            await self._ask(self._declaration() + sql, values)
            self._declared, self._position, self._ahead = True, 0, []
            await self._move("FETCH FORWARD 0")
            self._rowcount = -1
            return self

    def _check_lease(self):
        connection = self._connection
        if connection._session_lease or (not self.withhold and (connection._wants_transaction())):
            return
        what = "WITH HOLD outlives its transaction" if self.withhold else "a cursor outlives its statement, and this is autocommit"
        raise errors.pool_error("SESSION_REQUIRED", f'{what}: use connect(lease="session")')

    def _declaration(self):
        scroll = {None: "", True: " SCROLL", False: " NO SCROLL"}[self.scrollable]
        hold = " WITH HOLD" if self.withhold else ""
        return f"DECLARE {quote_ident(self._name)}{scroll} CURSOR{hold} FOR ".encode()

    async def _move(self, command):
        """Runs a FETCH or MOVE and returns its rows."""
        connection = self._connection
        request = connection._new_request()
        sql = f"{command} FROM {quote_ident(self._name)}".encode()
        fill(request.query.statement, sql, None, self._map)
        response = await connection._run(request, sql)
        results = results_of(response)
        chunks = AsyncChunks(connection, response)
        while not chunks.ended:
            results_of(await chunks.next(), results)
        self._have(results)
        return self._take_all() if self._rows is not None else []

    async def _fetch_forward(self, count: int | str) -> list[Row]:
        async with self._connection.lock:
            self._check_open()
            if not self._declared:
                raise errors.ProgrammingError("no result available")
            rows = await self._move(f"FETCH FORWARD {count}")
            self._position += len(rows)
            return rows

    async def fetchone(self) -> Row | None:
        if not self._ahead:
            self._ahead = await self._fetch_forward(1)
        return self._ahead.pop(0) if self._ahead else None

    async def fetchmany(self, size: int | None = None) -> list[Row]:
        size = self.arraysize if size is None else size
        rows, self._ahead = self._ahead[:size], self._ahead[size:]
        if len(rows) < size:
            rows += await self._fetch_forward(size - len(rows))
        return rows

    async def fetchall(self) -> list[Row]:
        rows, self._ahead = self._ahead, []
        return rows + await self._fetch_forward("ALL")

    async def __anext__(self) -> Row:
        if not self._ahead:
            self._ahead = await self._fetch_forward(self.itersize)
        if not self._ahead:
            raise StopAsyncIteration
        return self._ahead.pop(0)

    async def scroll(self, value: int, mode: str = "relative") -> None:
        if mode not in ("relative", "absolute"):
            raise ValueError(f"bad mode: {mode!r}. It should be 'relative' or 'absolute'")
        async with self._connection.lock:
            self._check_open()
            if mode == "relative":
                value -= len(self._ahead)
                self._position += value
            else:
                self._position = value
            self._ahead = []
            await self._move(f"MOVE {mode.upper()} {int(value)}")

    async def executemany(self, query: str | bytes, params_seq: Iterable[Params], *, returning: bool = False) -> None:
        raise errors.NotSupportedError("executemany() is not supported on cursors with a name")

    async def fetch_arrow(self) -> Any:
        raise errors.NotSupportedError("fetch_arrow() is not supported on cursors with a name")

    async def fetch_df(self) -> Any:
        raise errors.NotSupportedError("fetch_df() is not supported on cursors with a name")

    async def _close_portal(self):
        if not self._declared:
            return
        self._declared = False
        connection = self._connection
        if connection._lease is None or connection._gone is not None or connection._status == STATUS_FAILED:
            return
        if self.withhold or connection._status == STATUS_ACTIVE:
            await connection._command(f"CLOSE {quote_ident(self._name)}")

    async def close(self) -> None:
        async with self._connection.lock:
            if not self._closed and not self._connection.closed:
                await self._close_portal()
            self._close()


class AsyncRawServerCursor(AsyncServerCursor[Row]):
    """Takes PostgreSQL's own placeholders: $1, $2."""

    _bind = staticmethod(bind_raw)
