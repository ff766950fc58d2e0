# SPDX-License-Identifier: MIT
"""Rows that are tuples and know their columns' names."""
from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache, partial
from typing import Any


class Record(tuple[Any, ...]):
    """A row: record[0], record["name"], len(), iteration over the values; `in`, keys(), values(), items(), get() as a mapping."""

    __slots__ = ()
    _names: tuple[str, ...] = ()
    _places: dict[str, int] = {}

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            try:
                return tuple.__getitem__(self, self._places[key])
            except KeyError:
                raise KeyError(key) from None
        return tuple.__getitem__(self, key)

    def __contains__(self, key: object) -> bool:
        return key in self._places

    def keys(self) -> Iterator[str]:
        return iter(self._names)

    def values(self) -> Iterator[Any]:
        return iter(self)

    def items(self) -> Iterator[tuple[str, Any]]:
        return zip(self._names, self)

    def get(self, key: str, default: Any = None) -> Any:
        return self[key] if key in self._places else default

    def __reduce__(self) -> tuple[Any, ...]:
        base = next(c for c in type(self).__mro__ if not c.__dict__.get("_made"))
        return _unpickle, (base, self._names, tuple(self))

    def __repr__(self) -> str:
        inner = " ".join(f"{name}={value!r}" for name, value in self.items())
        return f"<Record {inner}>" if inner else "<Record>"


@lru_cache(maxsize=512)
def _class_for(base, names):
    told = {"__slots__": (), "_made": True, "_names": names, "_places": {n: i for i, n in enumerate(names)}}
    return type(base.__name__, (base,), told)


def _unpickle(base, names, values):
    return tuple.__new__(_class_for(base, names), values)


def record_row(cls=Record):
    """The row factory that makes them."""

    def factory(cursor):
        names = tuple(c.name for c in cursor.description or ())
        return partial(tuple.__new__, _class_for(cls, names))

    return factory
