# SPDX-License-Identifier: MIT
"""The text format of COPY, and what a COPY statement says of its direction."""
import re

from . import errors
from ._query import _TOKEN
from ._quote import quote_literal

PIECE_BYTES = 64 << 10
_ESCAPES = {b"\b": rb"\b", b"\t": rb"\t", b"\n": rb"\n", b"\v": rb"\v", b"\f": rb"\f", b"\r": rb"\r", b"\\": rb"\\"}
_UNESCAPES = {v[1:2]: k for k, v in _ESCAPES.items()}
_ESCAPE = re.compile(rb"[\b\t\n\v\f\r\\]")
_UNESCAPE = re.compile(rb"\\(x[0-9A-Fa-f]{1,2}|[0-7]{1,3}|.)", re.S)
_PLACE = re.compile(
    r"""([eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|/\*.*?\*/|\$([A-Za-z_]\w*|)\$.*?\$\2\$|[A-Za-z_][\w$]*)|\$(\d+)""",
    re.S,
)


def copy_direction(sql):
    """"in" or "out"."""
    last = ""
    for found in _TOKEN.finditer(sql.decode()):
        word = found[0].upper()
        if word == "STDIN" and last == "FROM":
            return "in"
        if word == "STDOUT" and last == "TO":
            return "out"
        last = word
    raise errors.ProgrammingError("copy() takes COPY ... FROM STDIN or COPY ... TO STDOUT")


def inline(cursor, statement, params):
    """The statement with its parameters as literals: COPY takes no others."""
    sql, values = cursor._bind(statement, params)
    if not values:
        return sql
    literals = [_literal(v, cursor.adapters) for v in values]

    def literal(found):
        if found[1] is not None:
            return found[1]
        if not 1 <= int(found[3]) <= len(literals):
            raise errors.ProgrammingError(f"there is no parameter {found[0]}: {len(literals)} were passed")
        return literals[int(found[3]) - 1]

    return _PLACE.sub(literal, sql.decode()).encode()


def _literal(value, adapters):
    dumped = adapters.dump(value)
    if dumped.data is None:
        return "NULL"
    literal = quote_literal(_text(dumped).decode())
    info = adapters.types.get(dumped.oid) if dumped.oid else None
    return f"{literal}::{info.regtype}" if info is not None else literal


def _text(dumped):
    if not dumped.binary:
        return dumped.data
    if dumped.oid != 17:
        raise errors.NotSupportedError(f"type {dumped.oid} is dumped in binary, which the text format of COPY cannot take")
    return b"\\x" + dumped.data.hex().encode()


def _escape(found):
    return _ESCAPES[found[0]]


def _unescape(found):
    what = found[1]
    if what[:1] == b"x" and len(what) > 1:
        return bytes([int(what[1:], 16)])
    if what[:1].isdigit():
        return bytes([int(what, 8) & 0xFF])
    return _UNESCAPES.get(what, what)


class Formatter:
    """Rows to and from COPY's text."""

    def __init__(self, format, adapters, session):
        self._binary = bool(format)
        self._adapters, self._session = adapters, session
        self._loaders = None

    def set_types(self, types):
        registry = self._adapters.types
        oids = [t if isinstance(t, int) else registry[t].oid for t in types]
        self._loaders = [self._adapters.get_loader(oid, self._session) for oid in oids]

    def _check(self):
        if self._binary:
            raise errors.NotSupportedError("rows of a binary COPY: use write() and read(), or the text format")

    def row(self, values):
        self._check()
        fields = []
        for value in values:
            dumped = self._adapters.dump(value)
            fields.append(rb"\N" if dumped.data is None else _ESCAPE.sub(_escape, _text(dumped)))
        return b"\t".join(fields) + b"\n"

    def parse(self, buffer):
        """Takes a row from the front of the buffer; None: there is no whole one."""
        self._check()
        end = buffer.find(b"\n")
        if end < 0:
            return None
        line = bytes(buffer[:end])
        del buffer[: end + 1]
        fields = [None if f == rb"\N" else _UNESCAPE.sub(_unescape, f) for f in line.split(b"\t")]
        if self._loaders is None:
            return tuple(None if f is None else f.decode() for f in fields)
        if len(fields) != len(self._loaders):
            raise errors.DataError(f"the row has {len(fields)} fields, set_types() was told {len(self._loaders)}")
        return tuple(None if f is None else load(f) for f, load in zip(fields, self._loaders))


