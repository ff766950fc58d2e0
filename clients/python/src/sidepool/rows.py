# SPDX-License-Identifier: MIT
"""Row factories: each takes a cursor and returns what makes a row of a list of values."""
import re
from collections import namedtuple
from functools import lru_cache

from . import errors


def tuple_row(cursor):
    return tuple


def dict_row(cursor):
    names = _names(cursor)
    return lambda values: dict(zip(names, values))


def scalar_row(cursor):
    """The first column alone."""
    if cursor.description is not None and not cursor.description:
        raise errors.ProgrammingError("at least one column expected")
    return lambda values: values[0]


def namedtuple_row(cursor):
    return _namedtuple(_names(cursor))._make


@lru_cache(512)
def _namedtuple(names):
    return namedtuple("Row", [_as_identifier(n) for n in names], rename=True)


def _as_identifier(name):
    name = re.sub(r"[^0-9a-zA-Z_]", "_", name)
    return f"f{name}" if not name or name[0] == "_" or name[0].isdigit() else name


def class_row(cls):
    """Instances of `cls`, its arguments the columns by name."""

    def factory(cursor):
        names = _names(cursor)
        return lambda values: cls(**dict(zip(names, values)))

    return factory


def args_row(func):
    """What `func` makes of the values as its arguments."""
    return lambda cursor: lambda values: func(*values)


def kwargs_row(func):
    """What `func` makes of the values as its arguments by name."""
    return class_row(func)


def _names(cursor):
    return tuple(c.name for c in cursor.description or ())
