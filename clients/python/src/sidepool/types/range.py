# SPDX-License-Identifier: MIT
"""Ranges and multiranges."""
from __future__ import annotations

import re
from collections.abc import Iterable, MutableSequence
from functools import total_ordering
from typing import Any, Generic, TypeVar

from ..adapt import Dumped
from ..errors import DataError
from .array import array_text

_BOUNDS = ("[)", "(]", "()", "[]")
_RANGE = re.compile(
    rb'\s*(?:(?P<empty>empty)|(?P<lower_inc>[\[(])(?:"(?P<lower_q>(?:[^"\\]|\\.|"")*)"|(?P<lower>[^",)\]]*)),'
    rb'(?:"(?P<upper_q>(?:[^"\\]|\\.|"")*)"|(?P<upper>[^",)\]]*))(?P<upper_inc>[\])]))\s*', re.I | re.S
)
_UNESCAPE = re.compile(rb'(?:\\(.)|"("))', re.S)
_ESCAPE = re.compile(rb'(["\\])')
_NEEDS_QUOTES = re.compile(rb'["\\,()\[\]{}\s]|^$')
_TEXT = 25
T = TypeVar("T")


@total_ordering
class Range(Generic[T]):
    """lower and upper are None where the range has no such bound."""

    __slots__ = ("_lower", "_upper", "_bounds")

    def __init__(self, lower: T | None = None, upper: T | None = None, bounds: str = "[)", empty: bool = False) -> None:
        if bounds not in _BOUNDS:
            raise ValueError(f"bound flags not valid: {bounds!r}")
        self._lower: Any = None
        self._upper: Any = None
        self._bounds = ""
        if not empty:
            self._lower, self._upper = lower, upper
            self._bounds = ("(" if lower is None else bounds[0]) + (")" if upper is None else bounds[1])

    @property
    def lower(self) -> T | None:
        return self._lower

    @property
    def upper(self) -> T | None:
        return self._upper

    @property
    def bounds(self) -> str:
        return self._bounds

    @property
    def isempty(self) -> bool:
        return not self._bounds

    @property
    def lower_inf(self) -> bool:
        return bool(self._bounds) and self._lower is None

    @property
    def upper_inf(self) -> bool:
        return bool(self._bounds) and self._upper is None

    @property
    def lower_inc(self) -> bool:
        return self._bounds[:1] == "["

    @property
    def upper_inc(self) -> bool:
        return self._bounds[1:] == "]"

    def __contains__(self, x: Any) -> bool:
        if self.isempty:
            return False
        if self._lower is not None and (x < self._lower or (x == self._lower and not self.lower_inc)):
            return False
        return self._upper is None or x < self._upper or (x == self._upper and self.upper_inc)

    def _key(self) -> tuple[Any, ...]:
        return self._lower, self._upper, self._bounds

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, Range) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def __lt__(self, other: Any) -> bool:
        if not isinstance(other, Range):
            return NotImplemented
        for name in ("_lower", "_upper", "_bounds"):
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine == theirs:
                continue
            return mine is None or (theirs is not None and mine < theirs)
        return False

    def __bool__(self) -> bool:
        return not self.isempty

    def __getstate__(self) -> Any:
        return None, {name: getattr(self, name) for name in self.__slots__}

    def __repr__(self) -> str:
        if self.isempty:
            return f"{type(self).__name__}(empty=True)"
        return f"{type(self).__name__}({self._lower!r}, {self._upper!r}, {self._bounds!r})"

    def __str__(self) -> str:
        return f"{self._bounds[0]}{self._lower}, {self._upper}{self._bounds[1]}" if self._bounds else "empty"


class Multirange(MutableSequence[Range[T]]):
    """A sequence of Ranges. It is no list: in one it stands for itself."""

    __hash__ = None  # type: ignore[assignment]  # it can be changed

    def __init__(self, items: Iterable[Range[T]] = ()) -> None:
        self._ranges: list[Range[T]] = [_checked(item) for item in items]

    def __len__(self) -> int:
        return len(self._ranges)

    def __getitem__(self, index: Any) -> Any:
        found = self._ranges[index]
        return type(self)(found) if isinstance(index, slice) else found

    def __setitem__(self, index: Any, value: Any) -> None:
        if not isinstance(index, slice):
            self._ranges[index] = _checked(value)
        elif isinstance(value, Iterable):
            self._ranges[index] = [_checked(item) for item in value]
        else:
            raise TypeError("what is assigned to a slice of a Multirange has to be iterable")

    def __delitem__(self, index: int | slice) -> None:
        del self._ranges[index]

    def insert(self, index: int, value: Range[T]) -> None:
        self._ranges.insert(index, _checked(value))

    def __eq__(self, other: object) -> bool:
        return self._ranges == other._ranges if isinstance(other, Multirange) else NotImplemented

    def __lt__(self, other: Any) -> bool:
        return self._ranges < other._ranges if isinstance(other, Multirange) else NotImplemented

    def __le__(self, other: Any) -> bool:
        return self._ranges <= other._ranges if isinstance(other, Multirange) else NotImplemented

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._ranges!r})"

    def __str__(self) -> str:
        return f"{{{', '.join(map(str, self._ranges))}}}"


def _checked(item: Any) -> Any:
    if not isinstance(item, Range):
        raise TypeError(f"a Multirange is made of Ranges, not of {type(item).__name__}")
    return item


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
        dumped = adapters.dump(bound)
        if dumped.data is None:  # no such bound, or a dumper's NULL
            parts.append(b"")
            continue
        oids.add(0 if type(bound) is int else _TEXT if not dumped.oid and isinstance(bound, str) else dumped.oid)
        text = array_text(dumped)
        parts.append(b'"' + _ESCAPE.sub(rb"\\\1", text) + b'"' if _NEEDS_QUOTES.search(text) else text)
    return value.bounds[0].encode() + b",".join(parts) + value.bounds[1].encode()


def _oid(kind, oids, adapters):
    """That of the range; 0, and PostgreSQL infers it, where the bounds do not say. Integers do not: there is no cast from
    int4range to int8range."""
    if len(oids) != 1:
        return 0
    info = adapters.types.of_element(kind, next(iter(oids)))
    return info.oid if info is not None else 0


def dump_range(value, adapters):
    oids = set()
    text = _range_text(value, adapters, oids)
    return Dumped(_oid("range", oids, adapters), text)


def dump_multirange(value, adapters):
    oids = set()
    text = b"{" + b",".join(_range_text(r, adapters, oids) for r in value) + b"}"
    return Dumped(_oid("multirange", oids, adapters), text)


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
