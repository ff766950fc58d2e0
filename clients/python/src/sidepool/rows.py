# SPDX-License-Identifier: MIT
"""Row factories: each takes a cursor and returns what makes a row of a list of values."""
from __future__ import annotations

import re
from collections import namedtuple
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from . import errors

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    Row = TypeVar("Row", covariant=True, default=tuple[Any, ...])
else:
    from typing import TypeVar

    Row = TypeVar("Row", covariant=True)
T = TypeVar("T")
RowMaker = Callable[[Sequence[Any]], T]
RowFactory = Callable[[Any], RowMaker[T]]


def tuple_row(cursor: Any) -> RowMaker[tuple[Any, ...]]:
    return tuple


def dict_row(cursor: Any) -> RowMaker[dict[str, Any]]:
    names = _names(cursor)
    return lambda values: dict(zip(names, values))


def scalar_row(cursor: Any) -> RowMaker[Any]:
    """The first column alone."""
    if cursor.description is not None and not cursor.description:
        raise errors.ProgrammingError("at least one column expected")
    return lambda values: values[0]


def namedtuple_row(cursor: Any) -> RowMaker[Any]:
    return _namedtuple(_names(cursor))._make


@lru_cache(512)
def _namedtuple(names: tuple[str, ...]) -> Any:
    return namedtuple("Row", [_as_identifier(n) for n in names], rename=True)


def _as_identifier(name: str) -> str:
    name = re.sub(r"[^0-9a-zA-Z_]", "_", name)
    return f"f{name}" if not name or name[0] == "_" or name[0].isdigit() else name


def class_row(cls: Callable[..., T]) -> RowFactory[T]:
    """Instances of `cls`, its arguments the columns by name."""

    def factory(cursor: Any) -> RowMaker[T]:
        names = _names(cursor)
        return lambda values: cls(**dict(zip(names, values)))

    return factory


def args_row(func: Callable[..., T]) -> RowFactory[T]:
    """What `func` makes of the values as its arguments."""
    return lambda cursor: lambda values: func(*values)


def kwargs_row(func: Callable[..., T]) -> RowFactory[T]:
    """What `func` makes of the values as its arguments by name."""
    return class_row(func)


def _names(cursor: Any) -> tuple[str, ...]:
    return tuple(c.name for c in cursor.description or ())
