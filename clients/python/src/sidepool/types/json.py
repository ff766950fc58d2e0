# SPDX-License-Identifier: MIT
"""json and jsonb: loaded as Python's objects; dumped where the value says that it is JSON."""
from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ..adapt import AdaptersMap, Dumped

_JSON, _JSONB = 114, 3802


class _Wrapper:
    """`dumps` makes text of `obj`."""

    __slots__ = ("obj", "dumps")
    oid: int = 0

    def __init__(self, obj: Any, dumps: Callable[[Any], str | bytes] | None = None) -> None:
        self.obj = obj
        self.dumps = dumps

    def __repr__(self) -> str:
        text = repr(self.obj)
        return f"{type(self).__name__}({text if len(text) < 42 else text[:37] + '...'})"


class Json(_Wrapper):
    oid = _JSON


class Jsonb(_Wrapper):
    oid = _JSONB


def as_json(value, oid):
    """What stands in a column of that type: JSON, in one of json or jsonb, whether it says so or not."""
    if oid not in (_JSON, _JSONB) or value is None or isinstance(value, _Wrapper):
        return value
    return (Json if oid == _JSON else Jsonb)(value)


def set_json_dumps(dumps: Callable[[Any], str | bytes], adapters: AdaptersMap) -> None:
    """What makes text of Json and Jsonb values that do not say it themselves."""

    def dump(value, _):
        made = (value.dumps or dumps)(value.obj)
        return Dumped(value.oid, made.encode() if isinstance(made, str) else made)

    adapters.register_dumper_maker(Json, dump)
    adapters.register_dumper_maker(Jsonb, dump)


def set_json_loads(loads: Callable[[bytes], Any], adapters: AdaptersMap) -> None:
    """What makes objects of json and jsonb; it is given bytes."""
    adapters.register_loader(_JSON, loads)
    adapters.register_loader(_JSONB, loads)


def register(adapters):
    set_json_dumps(json.dumps, adapters)
    set_json_loads(json.loads, adapters)
