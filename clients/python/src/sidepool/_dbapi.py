# SPDX-License-Identifier: MIT
"""The type objects and constructors of DB-API 2.0."""
from __future__ import annotations

import datetime as _dt

apilevel = "2.0"
threadsafety = 2
paramstyle = "pyformat"


class DBAPITypeObject:
    """Compares equal to the OIDs of its types."""

    def __init__(self, name: str, *oids: int) -> None:
        self.name = name
        self.values = frozenset(oids)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, int):
            return other in self.values
        return self is other

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f"sidepool.{self.name}"


BINARY = DBAPITypeObject("BINARY", 17)
DATETIME = DBAPITypeObject("DATETIME", 1114, 1184, 1082, 1083, 1266, 1186)
NUMBER = DBAPITypeObject("NUMBER", 20, 21, 23, 700, 701, 1700)
ROWID = DBAPITypeObject("ROWID", 26)
STRING = DBAPITypeObject("STRING", 25, 1042, 1043)

Date = _dt.date
Time = _dt.time
Timestamp = _dt.datetime
Binary = bytes


def DateFromTicks(ticks: float) -> _dt.date:  # noqa: N802 (the names are PEP 249's)
    return _dt.datetime.fromtimestamp(ticks).date()


def TimeFromTicks(ticks: float) -> _dt.time:  # noqa: N802
    return _dt.datetime.fromtimestamp(ticks).time()


def TimestampFromTicks(ticks: float) -> _dt.datetime:  # noqa: N802
    return _dt.datetime.fromtimestamp(ticks)
