# SPDX-License-Identifier: MIT
"""Composites, enums and hstore: types that a database makes, registered with what it says of them."""
from __future__ import annotations

import re
from collections import namedtuple
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

from ..adapt import AdaptersMap, Dumped
from ..errors import DataError
from .array import array_text, register_array
from .range import register_range
from .registry import TypeInfo

_FIELD = re.compile(rb'(?:"((?:[^"\\]|\\.|"")*)"|((?:[^",()\\]|\\.)*))([,)])', re.S)
_UNESCAPE = re.compile(rb'\\(.)|"(")', re.S)
_ESCAPE = re.compile(rb'(["\\])')
_NEEDS_QUOTES = re.compile(rb'[",()\\\s]|^$')
_HSTORE = re.compile(r'"((?:[^"\\]|\\.)*)"\s*=>\s*(?:"((?:[^"\\]|\\.)*)"|(NULL))\s*(?:,\s*|$)', re.S | re.I)
_HSTORE_UNESCAPE = re.compile(r"\\(.)", re.S)


def parse_record(data):
    """The fields of a row as bytes and None."""
    if data == b"()":
        return []
    fields, at = [], 1
    while at < len(data):
        found = _FIELD.match(data, at)
        if not found:
            raise DataError(f"malformed record: {data[:80]!r}")
        at = found.end()
        if found[1] is not None:
            fields.append(_UNESCAPE.sub(lambda m: m[1] or m[2], found[1]))
        else:
            fields.append(_UNESCAPE.sub(lambda m: m[1] or m[2], found[2]) or None)
        if found[3] == b")":
            return fields
    raise DataError(f"malformed record: {data[:80]!r}")


def dump_tuple(value, adapters):
    """A row; PostgreSQL infers its type from the context."""
    parts = []
    for item in value:
        dumped = adapters.dump(item)
        if dumped.data is None:
            parts.append(b"")
            continue
        text = array_text(dumped)
        parts.append(b'"' + _ESCAPE.sub(rb"\1\1", text) + b'"' if _NEEDS_QUOTES.search(text) else text)
    return Dumped(0, b"(" + b",".join(parts) + b")")


def _load_record(data):
    return tuple(None if f is None else f.decode() for f in parse_record(data))


def register_composite(info: TypeInfo, adapters: AdaptersMap, factory: Callable[..., Any] | None = None) -> None:
    """Loads rows of the type as what `factory` (a namedtuple unless told) makes of the fields, and dumps those."""
    made = factory or namedtuple(_identifier(info.name), [_identifier(n) for n, _ in info.fields], rename=True)
    adapters.register_factory(info.oid, made)

    def make(adapters, session):
        loaders = [adapters.get_loader(oid, session) for _, oid in info.fields]
        return lambda data: made(*(None if f is None else load(f) for f, load in zip(parse_record(data), loaders)))

    def dump(value, adapters):
        return Dumped(info.oid, dump_tuple(tuple(value), adapters).data)

    adapters.types.add(info)
    adapters.register_loader_maker(info.oid, make)
    register_array(info, adapters)
    if isinstance(made, type) and made is not tuple:
        adapters.register_dumper_maker(made, dump)


def register_enum(
    info: TypeInfo, adapters: AdaptersMap, enum: type[Enum] | None = None, mapping: Mapping[Any, str] | None = None
) -> None:
    """Loads the labels as members of `enum` (made of the labels unless given). mapping: {member: label}."""
    made: Any = enum or Enum(_identifier(info.name), {label: label for label in info.labels}, module=__name__)
    adapters.register_factory(info.oid, made)
    pairs = dict(mapping) if mapping else {m: m.name for m in made}
    members = {label.encode(): member for member, label in pairs.items()}

    def load(data):
        if data not in members:
            raise DataError(f"bad label of {info.name}: {data.decode()!r}")
        return members[data]

    def dump(value, adapters):
        return Dumped(info.oid, pairs[value].encode())

    adapters.types.add(info)
    adapters.register_loader(info.oid, load)
    register_array(info, adapters)
    adapters.register_dumper_maker(made, dump)


def register_hstore(info: TypeInfo, adapters: AdaptersMap) -> None:
    """hstore as dict of str to str or None, both ways."""
    adapters.types.add(info)
    adapters.register_loader(info.oid, _load_hstore)
    register_array(info, adapters)

    def dump(value, adapters):
        return Dumped(info.oid, ", ".join(f"{_hstore_text(k)}=>{_hstore_text(v)}" for k, v in value.items()).encode())

    adapters.register_dumper_maker(dict, dump)


def _hstore_text(value):
    if value is None:
        return "NULL"
    if not isinstance(value, str):
        raise DataError(f"keys and values of an hstore are str, not {type(value).__name__}")
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _load_hstore(data):
    text, at, made = data.decode(), 0, {}
    while at < len(text):
        found = _HSTORE.match(text, at)
        if not found:
            raise DataError(f"malformed hstore: {text[at : at + 80]!r}")
        key, value = (None if t is None else _HSTORE_UNESCAPE.sub(r"\1", t) for t in found.group(1, 2))
        made[key] = value
        at = found.end()
    return made


def register_type(info: TypeInfo, adapters: AdaptersMap, python: Any = None) -> None:
    """Registers a TypeInfo by its kind."""
    if info.kind == "enum":
        register_enum(info, adapters, python)
    elif info.kind == "composite":
        register_composite(info, adapters, python)
    elif info.name == "hstore":
        register_hstore(info, adapters)
    else:
        adapters.types.add(info)
        if info.kind in ("range", "multirange"):
            register_range(info, adapters)
        register_array(info, adapters)


def _identifier(name):
    name = re.sub(r"\W", "_", name)
    return f"f{name}" if not name or name[0] == "_" or name[0].isdigit() else name


def register(adapters):
    adapters.register_dumper_maker(tuple, dump_tuple)
    adapters.register_loader("record", _load_record)
