# SPDX-License-Identifier: MIT
# Made by tools/unasync.py from _async; do not edit.
"""What a database says of a type of its own."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..rows import tuple_row
from ..types import TypeInfo

if TYPE_CHECKING:
    from .connection import Connection

_TYPE = """
SELECT t.typname, t.oid, t.typarray, t.typtype, t.oid::regtype::text, t.typdelim,
       COALESCE((SELECT rngsubtype FROM pg_range WHERE rngtypid = t.oid),
                (SELECT rngsubtype FROM pg_range WHERE rngmultitypid = t.oid), 0)::oid,
       ARRAY(SELECT enumlabel::text FROM pg_enum WHERE enumtypid = t.oid ORDER BY enumsortorder),
       ARRAY(SELECT attname::text FROM pg_attribute
              WHERE attrelid = t.typrelid AND attnum > 0 AND NOT attisdropped ORDER BY attnum),
       ARRAY(SELECT atttypid FROM pg_attribute
              WHERE attrelid = t.typrelid AND attnum > 0 AND NOT attisdropped ORDER BY attnum)
  FROM pg_type t
 WHERE t.oid = to_regtype(%s)"""
_KINDS = {"r": "range", "m": "multirange", "e": "enum", "c": "composite"}


def fetch_type(connection: Connection[Any], name: str) -> TypeInfo | None:
    """The TypeInfo of a type by its name; None where there is none."""
    cursor = connection.cursor(row_factory=tuple_row)
    idle = not connection._in_transaction
    cursor.execute(_TYPE, [name])
    row = cursor.fetchone()
    if idle and connection._in_transaction:
        connection.rollback()
    if row is None:
        return None
    return TypeInfo(
        row[0], row[1], row[2], kind=_KINDS.get(row[3], "base"), regtype=row[4], delimiter=row[5], element_oid=row[6],
        labels=tuple(row[7]), fields=tuple(zip(row[8], row[9])),
    )
