# SPDX-License-Identifier: MIT
"""The formats of COPY, and what a COPY statement says of its direction."""
import re
import struct

from . import errors
from ._query import _TOKEN
from ._quote import quote_literal
from .types import binary
from .types.json import as_json

PIECE_BYTES = 64 << 10
_SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)  # no flags, and nothing that follows them
_COUNT, _LENGTH = struct.Struct(">h"), struct.Struct(">I")
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
    literals = [_literal(v, cursor._map) for v in values]

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


def formatter(format, adapters, session):
    """What makes rows of a COPY's data and data of rows; `format` as CopyReady says it."""
    return (BinaryFormatter if format else TextFormatter)(adapters, session)


class Formatter:
    def __init__(self, adapters, session):
        self._adapters, self._session = adapters, session
        self._oids = None

    def end(self):
        """What follows the last row, of which there may be none."""
        return b""

    def set_types(self, types):
        registry = self._adapters.types
        self._oids = [t if isinstance(t, int) else registry[t].oid for t in types]
        self._typed()

    def _check_count(self, n):
        if n != len(self._oids):
            raise errors.DataError(f"the row has {n} fields, set_types() was told {len(self._oids)}")


class TextFormatter(Formatter):
    """Rows to and from COPY's text."""

    _loaders = None

    def _typed(self):
        self._loaders = [self._adapters.get_loader(oid, self._session) for oid in self._oids]

    def row(self, values):
        fields = []
        for value in values if self._oids is None else self._told(values):
            dumped = self._adapters.dump(value)
            fields.append(rb"\N" if dumped.data is None else _ESCAPE.sub(_escape, _text(dumped)))
        return b"\t".join(fields) + b"\n"

    def _told(self, values):
        self._check_count(len(values))
        return map(as_json, values, self._oids)

    def parse(self, buffer):
        """Takes a row from the front of the buffer; None: there is no whole one."""
        end = buffer.find(b"\n")
        if end < 0:
            return None
        line = bytes(buffer[:end])
        del buffer[: end + 1]
        fields = [None if f == rb"\N" else _UNESCAPE.sub(_unescape, f) for f in line.split(b"\t")]
        if self._loaders is None:
            return tuple(None if f is None else f.decode() for f in fields)
        self._check_count(len(fields))
        return tuple(None if f is None else load(f) for f, load in zip(fields, self._loaders))


class BinaryFormatter(Formatter):
    """Rows to and from COPY's binary format. Without set_types() rows are read as bytes, and written as the types that the
    values themselves have, which PostgreSQL takes only where those are the columns'."""

    _loaders = _dumpers = None

    def __init__(self, adapters, session):
        super().__init__(adapters, session)
        self._begun = False
        self._by_oid = {}

    def end(self):
        return (b"" if self._begun else _SIGNATURE) + b"\xff\xff"

    def _typed(self):
        self._loaders = [binary.loader(oid, self._adapters, self._session) for oid in self._oids]
        self._dumpers = [binary.dumper(oid, self._adapters) for oid in self._oids]

    def _dump(self, value):
        dumped = self._adapters.dump(value)
        if dumped.data is None or dumped.binary or not dumped.oid:
            return dumped.data
        if dumped.oid not in self._by_oid:
            self._by_oid[dumped.oid] = binary.dumper(dumped.oid, self._adapters)
        return self._by_oid[dumped.oid](value)

    def row(self, values):
        parts = [] if self._begun else [_SIGNATURE]
        self._begun = True
        parts.append(_COUNT.pack(len(values)))
        if self._dumpers is None:
            parts += [binary.sized(self._dump(v)) for v in values]
        else:
            self._check_count(len(values))
            parts += [binary.sized(None if v is None else dump(v)) for v, dump in zip(values, self._dumpers)]
        return b"".join(parts)

    def parse(self, buffer):
        """As above. A row that is not here to its end is left where it is."""
        at = 0
        try:
            if not self._begun:
                at = self._header(buffer)
            (count,) = _COUNT.unpack_from(buffer, at)
            at, fields = at + 2, []
            for _ in range(max(0, count)):
                value, at = binary.take(buffer, at)
                if at > len(buffer):
                    return None
                fields.append(None if value is None else bytes(value))
        except struct.error:
            return None
        self._begun = True
        del buffer[:at]
        return self._loaded(fields) if count >= 0 else None

    def _header(self, buffer):
        if len(buffer) >= len(_SIGNATURE) and not buffer.startswith(_SIGNATURE[:11]):
            raise errors.DataError("what came is not the binary format of COPY")
        return len(_SIGNATURE) + _LENGTH.unpack_from(buffer, 15)[0]

    def _loaded(self, fields):
        if self._loaders is None:
            return tuple(fields)
        self._check_count(len(fields))
        return tuple(None if f is None else load(f) for f, load in zip(fields, self._loaders))
