# SPDX-License-Identifier: MIT
"""Types of PostgreSQL and of Python, and the global map between them."""
from ..adapt import AdaptersMap, Dumped
from . import array, composite, datetime, json, numeric, range
from .composite import register_composite, register_enum, register_hstore, register_type
from .json import Json, Jsonb, set_json_dumps, set_json_loads
from .range import Multirange, Range
from .registry import TypeInfo, TypesRegistry, builtin

__all__ = [
    "AdaptersMap", "Dumped", "Json", "Jsonb", "Multirange", "Range", "TypeInfo", "TypesRegistry", "adapters",
    "register_composite", "register_enum", "register_hstore", "register_type", "set_json_dumps", "set_json_loads",
]

adapters = AdaptersMap()
builtin(adapters.types)
for _module in (numeric, datetime, json, array, range, composite):
    _module.register(adapters)
