# SPDX-License-Identifier: MIT
"""Ranges and multiranges."""
import re
from functools import total_ordering

from ..adapt import Dumped
from ..errors import DataError
from .array import array_text
from .numeric import INT2, INT4, INT8

_BOUNDS = ("[)", "(]", "()", "[]")
_RANGE = re.compile(
    rb'\s*(?:(?P<empty>empty)|(?P<lower_inc>[\[(])(?:"(?P<lower_q>(?:[^"\\]|\\.|"")*)"|(?P<lower>[^",)\]]*)),'
    rb'(?:"(?P<upper_q>(?:[^"\\]|\\.|"")*)"|(?P<upper>[^",)\]]*))(?P<upper_inc>[\])]))\s*', re.I | re.S
)
_UNESCAPE = re.compile(rb'(?:\\(.)|"("))', re.S)
_ESCAPE = re.compile(rb'(["\\])')
_NEEDS_QUOTES = re.compile(rb'["\\,()\[\]{}\s]|^$')
_OF_ELEMENT = {INT4: 3904, 1700: 3906, 1114: 3908, 1184: 3910, 1082: 3912, INT8: 3926}
_MULTI_OF_ELEMENT = {INT4: 4451, 1700: 4532, 1114: 4533, 1184: 4534, 1082: 4535, INT8: 4536}


@total_ordering
class Range:
    """lower and upper are None where the range has no such bound."""

    __slots__ = ("_lower", "_upper", "_bounds")

    def __init__(self, lower=None, upper=None, bounds="[)", empty=False):
        if bounds not in _BOUNDS:
            raise ValueError(f"bound flags not valid: {bounds!r}")
        self._lower = self._upper = self._bounds = None
        if not empty:
            self._lower, self._upper = lower, upper
            self._bounds = ("(" if lower is None else bounds[0]) + (")" if upper is None else bounds[1])

    lower = property(lambda self: self._lower)
    upper = property(lambda self: self._upper)
    bounds = property(lambda self: self._bounds)
    isempty = property(lambda self: self._bounds is None)
    lower_inf = property(lambda self: self._bounds is not None and self._lower is None)
    upper_inf = property(lambda self: self._bounds is not None and self._upper is None)
    lower_inc = property(lambda self: self._bounds is not None and self._bounds[0] == "[")
    upper_inc = property(lambda self: self._bounds is not None and self._bounds[1] == "]")

    def __contains__(self, x):
        if self.isempty:
            return False
        if self._lower is not None and (x < self._lower or (x == self._lower and not self.lower_inc)):
            return False
        return self._upper is None or x < self._upper or (x == self._upper and self.upper_inc)

    def _key(self):
        return self._lower, self._upper, self._bounds

    def __eq__(self, other):
        return self._key() == other._key() if isinstance(other, Range) else NotImplemented

    def __hash__(self):
        return hash(self._key())

    def __lt__(self, other):
        if not isinstance(other, Range):
            return NotImplemented
        for name in ("_lower", "_upper", "_bounds"):
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine == theirs:
                continue
            return mine is None or (theirs is not None and mine < theirs)
        return False

    def __bool__(self):
        return not self.isempty

    def __getstate__(self):
        return None, {name: getattr(self, name) for name in self.__slots__}

    def __repr__(self):
        if self.isempty:
            return f"{type(self).__name__}(empty=True)"
        return f"{type(self).__name__}({self._lower!r}, {self._upper!r}, {self._bounds!r})"


class Multirange(list):
    """A list of Ranges."""

    def __repr__(self):
        return f"{type(self).__name__}({super().__repr__()})"


def parse_range(data, load, at=0):
    """(Range, where it ended)."""
    found = _RANGE.match(data, at)
    if not found:
        raise DataError(f"malformed range: {data[at : at + 80]!r}")
    if found["empty"]:
        return Range(empty=True), found.end()
    lower, upper = (_bound(found, side, load) for side in ("lower", "upper"))
    return Range(lower, upper, (found["lower_inc"] + found["upper_inc"]).decode()), found.end()


def _bound(found, side, load):
    if found[f"{side}_q"] is not None:
        return load(_UNESCAPE.sub(lambda m: m[1] or m[2], found[f"{side}_q"]))
    return load(found[side]) if found[side] else None


def parse_multirange(data, load):
    made, at = Multirange(), 1
    while at < len(data) - 1:
        one, at = parse_range(data, load, at)
        made.append(one)
        if data[at : at + 1] == b",":
            at += 1
    return made


def _range_text(value, adapters, oids):
    if value.isempty:
        return b"empty"
    parts = []
    for bound in (value.lower, value.upper):
        if bound is None:
            parts.append(b"")
            continue
        dumped = adapters.dump(bound)
        oids.add(INT4 if dumped.oid == INT2 else dumped.oid)
        text = array_text(dumped)
        parts.append(b'"' + _ESCAPE.sub(rb"\\\1", text) + b'"' if _NEEDS_QUOTES.search(text) else text)
    return value.bounds[0].encode() + b",".join(parts) + value.bounds[1].encode()


def _oid(oids, table):
    """That of the range; 0, and PostgreSQL infers it, where the bounds do not say."""
    if oids == {INT4, INT8}:
        return table[INT8]
    return table.get(next(iter(oids)), 0) if len(oids) == 1 else 0


def dump_range(value, adapters):
    oids = set()
    text = _range_text(value, adapters, oids)
    return Dumped(_oid(oids, _OF_ELEMENT), text)


def dump_multirange(value, adapters):
    oids = set()
    text = b"{" + b",".join(_range_text(r, adapters, oids) for r in value) + b"}"
    return Dumped(_oid(oids, _MULTI_OF_ELEMENT), text)


def register_range(info, adapters):
    """A range or multirange type: how it is loaded."""
    parse = (lambda data, load: parse_range(data, load)[0]) if info.kind == "range" else parse_multirange

    def make(adapters, session):
        load = adapters.get_loader(info.element_oid, session)
        return lambda data: parse(data, load)

    adapters.register_loader_maker(info.oid, make)


def register(adapters):
    adapters.register_dumper_maker(Range, dump_range)
    adapters.register_dumper_maker(Multirange, dump_multirange)
    for info in adapters.types:
        if info.kind in ("range", "multirange"):
            register_range(info, adapters)
