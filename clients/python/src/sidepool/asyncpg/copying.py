# SPDX-License-Identifier: MIT
"""asyncpg's copy_*(): each is a COPY statement, and a source or a place for its data. Files are read and written as asyncpg
does it, without a thread: the event loop waits for the disk."""
from __future__ import annotations

import os
from collections.abc import AsyncIterable, Iterable, Sequence
from typing import Any

from .. import errors
from .._async.cursor import AsyncRawCursor
from .._quote import quote_ident, quote_literal

_READ_BYTES = 1 << 19
_NAMES = ("format", "oids", "freeze", "delimiter", "null", "header", "quote", "escape", "force_quote", "force_not_null", "force_null", "encoding")


def _table(name, schema):
    return f"{quote_ident(schema)}.{quote_ident(name)}" if schema else quote_ident(name)


def _columns(columns):
    return f"({', '.join(quote_ident(c) for c in columns)})" if columns else ""


def _options(told):
    """The WITH clause."""
    parts = []
    for name, value in told.items():
        if name not in _NAMES:
            raise TypeError(f"COPY has no option {name!r}")
        if value is None:
            continue
        if name.startswith("force_"):
            value = "*" if value is True else _columns(value)
        elif isinstance(value, bool):
            value = "true" if value else "false"
        else:
            value = quote_literal(str(value)).strip()
        parts.append(f"{name} {value}")
    return f" WITH ({', '.join(parts)})" if parts else ""


class Copies:
    """The part of a connection that copies."""

    async def copy_from_table(
        self,
        table_name: str,
        *,
        output: Any,
        columns: Sequence[str] | None = None,
        schema_name: str | None = None,
        timeout: float | None = None,
        **options: Any,
    ) -> str:
        """Writes a table's content to a path, a file object or a coroutine function; returns the tag."""
        sql = f"COPY {_table(table_name, schema_name)}{_columns(columns)} TO STDOUT{_options(options)}"
        return await self._within(self._copy_out(sql, None, output), timeout)

    async def copy_from_query(self, query: str, *args: Any, output: Any, timeout: float | None = None, **options: Any) -> str:
        """The same of a query's result."""
        sql = f"COPY ({query}) TO STDOUT{_options(options)}"
        return await self._within(self._copy_out(sql, list(args) or None, output), timeout)

    async def copy_to_table(
        self,
        table_name: str,
        *,
        source: Any,
        columns: Sequence[str] | None = None,
        schema_name: str | None = None,
        timeout: float | None = None,
        where: str | None = None,
        **options: Any,
    ) -> str:
        """Fills a table from a path, a file object or an asynchronous iterable of bytes; returns the tag."""
        sql = f"COPY {_table(table_name, schema_name)}{_columns(columns)} FROM STDIN{_options(options)}{_where(where)}"
        return await self._within(self._copy_in(sql, source), timeout)

    async def copy_records_to_table(
        self,
        table_name: str,
        *,
        records: Iterable[Sequence[Any]] | AsyncIterable[Sequence[Any]],
        columns: Sequence[str] | None = None,
        schema_name: str | None = None,
        timeout: float | None = None,
        where: str | None = None,
    ) -> str:
        """Fills a table with rows of values, from an iterable or an asynchronous one; returns the tag."""
        sql = f"COPY {_table(table_name, schema_name)}{_columns(columns)} FROM STDIN{_where(where)}"
        return await self._within(self._copy_records(sql, records), timeout)

    def _copier(self):
        self._check_open()
        return AsyncRawCursor(self._connection)

    async def _copy_out(self, sql, params, output):
        cursor = self._copier()
        async with _Output(output) as write, cursor.copy(sql, params) as copy:
            async for data in copy:
                await write(bytes(data))
        return cursor.statusmessage

    async def _copy_in(self, sql, source):
        cursor = self._copier()
        async with cursor.copy(sql) as copy:
            async for data in _pieces(source):
                await copy.write(data)
        return cursor.statusmessage

    async def _copy_records(self, sql, records):
        cursor = self._copier()
        async with cursor.copy(sql) as copy:
            if hasattr(records, "__aiter__"):
                async for row in records:
                    await copy.write_row(row)
            else:
                for row in records:
                    await copy.write_row(row)
        return cursor.statusmessage


def _where(condition):
    return f" WHERE {condition}" if condition else ""


async def _pieces(source):
    if hasattr(source, "__aiter__"):
        async for data in source:
            yield data
        return
    opened = None
    if not hasattr(source, "read"):
        source = opened = open(os.fspath(source), "rb")
    try:
        while data := source.read(_READ_BYTES):
            yield data
    finally:
        if opened is not None:
            opened.close()


class _Output:
    """Where data goes: `async with` gives the coroutine function that takes it."""

    def __init__(self, output):
        self._output, self._opened = output, None

    async def __aenter__(self):
        output = self._output
        if callable(output):
            return output
        if not hasattr(output, "write"):
            try:
                path = os.fspath(output)
            except TypeError:
                raise errors.InterfaceError(f"output is a path, a file object or a coroutine function, not {type(output).__name__}") from None
            output = self._opened = open(path, "wb")

        async def write(data):
            output.write(data)

        return write

    async def __aexit__(self, *_):
        if self._opened is not None:
            self._opened.close()
