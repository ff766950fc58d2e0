# SPDX-License-Identifier: MIT
"""Rows that are tuples and know their columns' names."""
from functools import lru_cache, partial


class Record(tuple):
    """A row: record[0], record["name"], len(), iteration over the values; `in`, keys(), values(), items(), get() as a mapping."""

    __slots__ = ()
    _names = ()
    _places = {}

    def __getitem__(self, key):
        if isinstance(key, str):
            try:
                return tuple.__getitem__(self, self._places[key])
            except KeyError:
                raise KeyError(key) from None
        return tuple.__getitem__(self, key)

    def __contains__(self, key):
        return key in self._places

    def keys(self):
        return iter(self._names)

    def values(self):
        return iter(self)

    def items(self):
        return zip(self._names, self)

    def get(self, key, default=None):
        return self[key] if key in self._places else default

    def __reduce__(self):
        base = next(c for c in type(self).__mro__ if not c.__dict__.get("_made"))
        return _unpickle, (base, self._names, tuple(self))

    def __repr__(self):
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
