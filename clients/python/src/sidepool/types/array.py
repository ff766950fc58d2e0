# SPDX-License-Identifier: MIT
"""Arrays of any type: nested lists, NULLs, lower bounds. Dumped as text, the type that of the elements."""
import re

from ..adapt import Dumped
from ..errors import DataError
from .numeric import INT2, INT4, INT8, NUMERIC

_NEEDS_QUOTES = re.compile(rb'["{},\\\s;]|^null$|^$', re.I)
_ESCAPE = re.compile(rb'(["\\])')
_UNESCAPE = re.compile(rb"\\(.)", re.S)
_INT_ORDER = (INT2, INT4, INT8, NUMERIC)


def array_text(dumped):
    """The text of a value that stands within another value."""
    if not dumped.binary:
        return dumped.data
    if dumped.oid != 17:
        raise DataError(f"type {dumped.oid} is dumped in binary and cannot be an element")
    return b"\\x" + dumped.data.hex().encode()


def dump_list(value, adapters):
    oids, classes = set(), set()
    text = _dump(value, adapters, oids, classes)
    if len(classes) == 1 and len(oids) > 1:  # some of them do not say their type: an empty range
        oids.discard(0)
    return Dumped(_array_oid(oids, adapters), text)


def _dump(items, adapters, oids, classes):
    parts = []
    for item in items:
        if item is None:
            parts.append(b"NULL")
        elif isinstance(item, list):
            parts.append(_dump(item, adapters, oids, classes))
        else:
            dumped = adapters.dump(item)
            oids.add(dumped.oid)
            classes.add(type(item))
            parts.append(b"NULL" if dumped.data is None else _quote(array_text(dumped)))
    _check_depth(items)
    delimiter = b";" if 603 in oids else b","
    return b"{" + delimiter.join(parts) + b"}"


def _check_depth(items):
    if any(isinstance(i, list) for i in items):
        lengths = {len(i) if isinstance(i, list) else None for i in items}
        if len(lengths) > 1:
            raise DataError("nested lists have inconsistent lengths or depths")


def _quote(text):
    if not _NEEDS_QUOTES.search(text):
        return text
    return b'"' + _ESCAPE.sub(rb"\\\1", text) + b'"'


def _array_oid(oids, adapters):
    if not oids or oids == {0}:
        return 0
    if len(oids) == 1:
        element = next(iter(oids))
    elif oids <= set(_INT_ORDER):
        element = max(oids, key=_INT_ORDER.index)
    else:
        raise DataError("cannot dump lists of mixed types: " + ", ".join(sorted(_name(o, adapters) for o in oids)))
    info = adapters.types.get(element)
    return info.array_oid if info is not None else 0


def _name(oid, adapters):
    info = adapters.types.get(oid)
    return info.name if info is not None else str(oid)


def parse_array(data, load, delimiter=b","):
    """Nested lists of what `load` makes of the elements."""
    if data[:1] == b"[":  # [2:4]={...}: bounds that are not 1; Python's lists begin at 0 anyway
        data = data[data.index(b"=") + 1 :]
    stack, top = [], None
    for token in _tokens(delimiter).finditer(data):
        kind = token.lastgroup
        if kind == "open":
            stack.append([])
        elif kind == "close":
            done = stack.pop()
            if stack:
                stack[-1].append(done)
            else:
                top = done
        elif kind == "quoted":
            stack[-1].append(load(_UNESCAPE.sub(rb"\1", token["quoted"][1:-1])))
        elif kind == "bare":
            bare = token["bare"]
            stack[-1].append(None if bare.upper() == b"NULL" else load(_UNESCAPE.sub(rb"\1", bare)))
    if top is None:
        raise DataError(f"malformed array: {data[:80]!r}")
    return top


def _tokens(delimiter):
    return _TOKENS[delimiter]


def _compile(delimiter):
    d = re.escape(delimiter)
    return re.compile(
        rb'(?P<open>\{)|(?P<close>\})|(?P<quoted>"(?:[^"\\]|\\.)*")|(?P<delimiter>' + d + rb')|(?P<bare>(?:[^{}"\\' + d + rb"]|\\.)+)", re.S
    )


_TOKENS = {d: _compile(d) for d in (b",", b";")}


def register_array(info, adapters):
    """The array of a type."""
    delimiter = info.delimiter.encode()

    def make(adapters, session):
        load = adapters.get_loader(info.oid, session)
        return lambda data: parse_array(data, load, delimiter)

    if info.array_oid:
        adapters.register_loader_maker(info.array_oid, make)


def _make_vector_loader(adapters, session):
    return lambda data: [int(n) for n in data.split()]


def register(adapters):
    adapters.register_dumper_maker(list, dump_list)
    for info in adapters.types:
        register_array(info, adapters)
    for name in ("int2vector", "oidvector"):
        adapters.register_loader_maker(name, _make_vector_loader)
