# SPDX-License-Identifier: MIT
"""Names of two-phase transactions: "format_gtrid_bqual" with base64, as JDBC and psycopg write them, or any text."""
from __future__ import annotations

import base64
import binascii
import re
from datetime import datetime
from typing import Any

_FORM = re.compile(r"^(\d+)_([^_]*)_([^_]*)$")


class Xid(tuple[Any, ...]):
    """(format_id, gtrid, bqual); where the name is not of that form, format_id and bqual are None."""

    prepared: datetime | None = None
    owner: str | None = None
    database: str | None = None

    def __new__(cls, format_id: int | None, gtrid: str, bqual: str | None) -> Xid:
        if format_id is not None:
            if not 0 <= format_id <= 0x7FFFFFFF:
                raise ValueError("format_id must be a non-negative 32-bit integer")
            for part in (gtrid, bqual):
                if part is None or len(part) > 64 or not all(" " <= c <= "~" for c in part):
                    raise ValueError("gtrid and bqual are at most 64 printable characters of ASCII")
        return super().__new__(cls, (format_id, gtrid, bqual))

    @property
    def format_id(self) -> int | None:
        return self[0]

    @property
    def gtrid(self) -> str:
        return self[1]

    @property
    def bqual(self) -> str | None:
        return self[2]

    @classmethod
    def of(cls, value: Xid | str) -> Xid:
        return value if isinstance(value, cls) else cls.parse(str(value))

    @classmethod
    def parse(
        cls, text: str, prepared: datetime | None = None, owner: str | None = None, database: str | None = None
    ) -> Xid:
        made = cls._split(text)
        made.prepared, made.owner, made.database = prepared, owner, database
        return made

    @classmethod
    def _split(cls, text):
        found = _FORM.match(text)
        if found:
            try:
                parts = [base64.b64decode(found[n], validate=True).decode() for n in (2, 3)]
                return cls(int(found[1]), *parts)
            except (binascii.Error, ValueError):
                pass
        return cls(None, text, None)

    def __str__(self) -> str:
        if self[0] is None:
            return self[1]
        return "_".join([str(self[0]), *(base64.b64encode(p.encode()).decode() for p in self[1:])])
