# SPDX-License-Identifier: MIT
"""What a cursor has of an answer: columns, rows in pieces that are loaded when they are asked for, and the tag."""
from __future__ import annotations

import re
from typing import Any

from ._rows import load_rows, unpack_columns

_LAST_NUMBER = re.compile(r"(\d+)$")


class Column:
    """A column of a result: a sequence of seven as DB-API 2.0 has it, with names."""

    __slots__ = ("name", "type_code", "table_oid", "table_column", "_size", "_modifier", "_types")

    def __init__(self, wire: Any, types: Any = None) -> None:
        self.name: str = wire.name
        self.type_code: int = wire.type_oid
        self.table_oid: int = wire.table_oid
        self.table_column: int = wire.column_number
        self._size: int = wire.type_bytes
        self._modifier: int = wire.type_modifier
        self._types = types

    @property
    def internal_size(self) -> int | None:
        return self._size if self._size >= 0 else None

    @property
    def display_size(self) -> int | None:
        if self.type_code in (1042, 1043) and self._modifier >= 4:
            return self._modifier - 4
        if self.type_code in (1560, 1562) and self._modifier >= 0:
            return self._modifier
        return None

    @property
    def precision(self) -> int | None:
        if self.type_code == 1700 and self._modifier >= 4:
            return (self._modifier - 4) >> 16 & 0xFFFF
        if self.type_code in (1083, 1114, 1184, 1266) and self._modifier >= 0:
            return self._modifier
        return None

    @property
    def scale(self) -> int | None:
        if self.type_code != 1700 or self._modifier < 4:
            return None
        scale = (self._modifier - 4) & 0x7FF
        return scale - 0x800 if scale >= 0x400 else scale

    null_ok: bool | None = None

    @property
    def type_display(self) -> str:
        info = self._types.get(self.type_code) if self._types is not None else None
        return info.name if info is not None else str(self.type_code)

    def _fields(self) -> tuple[Any, ...]:
        return (
            self.name, self.type_code, self.display_size, self.internal_size, self.precision, self.scale, self.null_ok,
        )

    def __len__(self) -> int:
        return 7

    def __getitem__(self, index: Any) -> Any:
        return self._fields()[index]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Column) and self._fields() == other._fields()

    def __hash__(self) -> int:
        return hash(self._fields())

    def __repr__(self) -> str:
        return f"<Column {self.name!r}, type: {self.type_display} (oid: {self.type_code})>"


class ResultSet:
    """One statement's result, of one answer or of several."""

    __slots__ = ("columns", "pieces", "row_count", "tag", "affected", "more", "index", "error")

    def __init__(self, wire):
        self.columns = list(wire.columns)
        self.pieces = []
        self.row_count = 0
        self.tag = ""
        self.affected = 0
        self.index = wire.statement_index  # in a batch
        self.error = wire.error if wire.HasField("error") else None  # why it has no result, in one that is not atomic
        self.more = False  # its rows go on in the next answer
        self.add(wire)

    def add(self, wire):
        """Takes what the next answer brought of it."""
        if wire.row_count:
            self.pieces.append((wire.rows, wire.row_count))
            self.row_count += wire.row_count
        if wire.command_tag:
            self.tag, self.affected = wire.command_tag, wire.affected_rows

    @property
    def has_rows(self):
        return bool(self.columns) or self.tag.startswith(("SELECT", "FETCH", "SHOW", "VALUES"))

    @property
    def rowcount(self):
        if self.has_rows:
            return self.row_count
        return self.affected if _LAST_NUMBER.search(self.tag) else -1


class Rows:
    """The rows of a ResultSet by position; a piece is loaded when the first of its rows is asked for."""

    __slots__ = ("_pieces", "_next", "_loaders", "_make", "loaded", "count", "position")

    def __init__(self, pieces, count, loaders, make):
        self._pieces = pieces  # (packed rows, how many) of each answer
        self._next = 0  # of the pieces: the first that is not loaded
        self._loaders, self._make = loaders, make
        self.loaded = None  # the rows of the pieces before that
        self.count = count
        self.position = 0

    def _load(self, upto):
        if self.loaded is None:
            self._next, self.loaded = 0, []
        while len(self.loaded) < upto:
            data, n = self._pieces[self._next]
            self._next += 1
            self.loaded += load_rows(data, n, self._loaders, self._make)

    def take(self, n):
        """The next n rows, or what there is of them."""
        end = min(self.position + n, self.count)
        self._load(end)
        rows = self.loaded[self.position : end]
        self.position = end
        return rows

    def take_columns(self):
        """The rest as a list of bytes and None for each column."""
        columns = [[] for _ in self._loaders]
        skip = self.position
        for data, n in self._pieces:
            if skip < n:
                unpack_columns(data, n, columns, skip)
            skip = max(0, skip - n)
        self.position = self.count
        return columns

    def one(self):
        at = self.position
        if at >= self.count:
            return None
        if self.loaded is None or at >= len(self.loaded):
            self._load(at + 1)
        self.position = at + 1
        return self.loaded[at]

    def remake(self, make):
        """Rows are made by another factory from here on."""
        self._make = make
        self.loaded = None

    def scroll(self, value, mode):
        if mode not in ("relative", "absolute"):
            raise ValueError(f"bad mode: {mode!r}. It should be 'relative' or 'absolute'")
        target = value if mode == "absolute" else self.position + value
        if not 0 <= target < self.count:
            raise IndexError("position out of bound")
        self.position = target
