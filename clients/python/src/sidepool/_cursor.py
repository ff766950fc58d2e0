# SPDX-License-Identifier: MIT
"""The part of a cursor that does no I/O."""
from __future__ import annotations

from typing import Any, Generic

from . import adapt, errors, frames
from ._query import bind
from ._result import Column, ResultSet, Rows
from ._rows import pack_row
from .rows import Row, RowFactory


def fill(statement, sql, values, adapters):
    """Puts a query and its values into a Statement; returns the values as they were dumped."""
    statement.sql = sql
    if values is None:
        return ()
    dumped = [adapters.dump(v) for v in values]
    statement.parameter_count = len(dumped)
    statement.parameters = pack_row([d.data for d in dumped])
    if any(d.oid for d in dumped):
        statement.parameter_types.extend([d.oid for d in dumped])
    if any(d.binary for d in dumped):
        statement.parameter_formats.extend([int(d.binary) for d in dumped])
    return dumped


def results_of(response, results=None):
    """The ResultSets of an answer; `results`: those of the answers before, the last of which may go on."""
    if results is None:
        results = []
    goes_on = bool(results) and results[-1].more
    for wire in response.results:
        if goes_on:
            results[-1].add(wire)
        else:
            results.append(ResultSet(wire))
        results[-1].more = goes_on = wire.more
    return results


class CursorState(Generic[Row]):
    _bind = staticmethod(bind)  # what makes $n of a query's placeholders

    _short_way = True  # what is executed may go by _express.py

    # As they are in a new cursor, which is made for each statement by many a program: its making has to be short.
    arraysize: int = 1
    _closed = False
    _sql: bytes | None = None
    _own_transaction = False  # executemany() in a transaction of its own
    _results: list[Any] = []  # never changed in place
    _at = 0
    _result: Any = None
    _rows: Any = None
    _description: list[Column] | None = None
    _status: str | None = None
    _rowcount = -1

    def __init__(self, connection: Any, *, row_factory: RowFactory[Row] | None = None) -> None:
        self._connection = connection
        self._map = connection.adapters
        self._row_factory = row_factory or connection.row_factory

    def _forget(self):
        self._results = []
        self._at = 0
        self._result = self._rows = self._description = self._status = None
        self._rowcount = -1

    # -- for the user

    @property
    def adapters(self) -> adapt.AdaptersMap:
        """What is registered here holds for this cursor alone."""
        if self._map is self._connection.adapters:
            self._map = adapt.AdaptersMap(self._map)
        return self._map

    @property
    def connection(self) -> Any:
        return self._connection

    @property
    def closed(self) -> bool:
        return self._closed

    @property
    def description(self) -> list[Column] | None:
        """A list of Columns, or None where the last statement returns no rows."""
        if self._description is None and self._result is not None and self._result.has_rows:
            types = self._map.types
            self._description = [Column(c, types) for c in self._result.columns]
        return self._description

    @property
    def rowcount(self) -> int:
        return self._rowcount

    @property
    def rownumber(self) -> int | None:
        return self._rows.position if self._rows is not None else None

    @property
    def statusmessage(self) -> str | None:
        """The tag that PostgreSQL answered with: "INSERT 0 1"."""
        return self._result.tag if self._result is not None else self._status

    @property
    def query(self) -> bytes | None:
        """The last query as it was sent, with $n."""
        return self._sql

    @property
    def row_factory(self) -> RowFactory[Row]:
        return self._row_factory

    @row_factory.setter
    def row_factory(self, value: RowFactory[Row]) -> None:
        self._row_factory = value
        if self._rows is not None:
            self._rows.remake(value(self))

    def setinputsizes(self, sizes: Any) -> None:
        """Does nothing, as DB-API 2.0 allows."""

    def setoutputsize(self, size: Any, column: Any = None) -> None:
        """Does nothing, as DB-API 2.0 allows."""

    def nextset(self) -> bool | None:
        """Goes on to the next result; True if there was one, else None."""
        self._check_open()
        if self._at + 1 >= len(self._results):
            return None
        self._select(self._at + 1)
        return True

    def _select(self, at):
        self._at = at
        self._result = result = self._results[at]
        self._description = None
        self._rowcount = result.rowcount
        self._rows = None
        if result.has_rows:
            self._rows = Rows(list(result.pieces), result.row_count, self._loaders(result), self._row_factory(self))

    def _loaders(self, result):
        get, session = self._map.get_loader, self._connection
        return [get(c.type_oid, session) for c in result.columns]

    # -- for those that do the I/O

    def _check_open(self):
        if self._closed:
            raise errors.InterfaceError("the cursor is closed")
        if self._connection.closed:
            raise errors.OperationalError("the connection is closed")

    def _start(self, sql):
        self._forget()
        self._sql = sql

    def _have_like(self, plan, rows):
        """The one result of a statement that took the short way: `rows` are new, the rest is what it was the last time."""
        self._sql, self._results, self._at, self._result = plan.sql, plan.results, 0, plan.results[0]
        self._description = self._status = self._rows = None
        self._rowcount = plan.rowcount
        if plan.has_rows:
            known = plan.loaded_by is self._map and plan.loaded_in == self._map.generation
            loaders = plan.loaders if known else plan.find_loaders(self)
            self._rows = Rows(((rows, plan.row_count),), plan.row_count, loaders, self._row_factory(self))

    def _failed(self, error):
        self._forget()

    def _have(self, results):
        self._results = results
        if results:
            self._select(0)

    def _have_many(self, results, affected, returning):
        if returning:
            self._have(results)
            return
        self._rowcount = affected
        self._status = results[-1].tag if results else None

    def _close(self):
        self._closed = True
        self._forget()

    def _need_rows(self) -> Any:
        self._check_open()
        if self._rows is None:
            if self._result is None:
                raise errors.ProgrammingError("no result available")
            raise errors.ProgrammingError(f"the last operation didn't produce records (command status: {self._result.tag})")
        return self._rows

    def _fetch_one(self) -> Row | None:
        rows = self._rows
        if rows is None or self._closed or self._connection._closed:
            rows = self._need_rows()
        return rows.one()

    def _fetch_many(self, size: int) -> list[Row]:
        return self._need_rows().take(size)

    def _take_all(self) -> list[Row]:
        rows = self._need_rows()
        return rows.take(rows.count)

    def _take_frame(self, make):
        """The rest of the rows as `make` makes it of the columns."""
        rows = self._need_rows()
        types = self._map.types
        parts = [frames.Part(c, load, types) for c, load in zip(self.description, self._loaders(self._result))]
        return make(parts, rows, self._connection)

    def __repr__(self) -> str:
        state = "closed" if self._closed else self.statusmessage or "no result"
        return f"<{type(self).__module__}.{type(self).__qualname__} [{state}]>"
