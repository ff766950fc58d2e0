# SPDX-License-Identifier: MIT
"""Infinity as asyncpg has it: the last and the first moment that Python's classes hold stand for it, both ways."""
from datetime import date, datetime, timezone

from ..adapt import Dumped

_DATE, _STAMPS = 1082, (1114, 1184)


def _limited(below, oid, least, greatest):
    def make(adapters, session):
        load = below.get_loader(oid, session)
        limits = {b"infinity": greatest, b"-infinity": least}
        return lambda data: limits[data] if data in limits else load(data)

    return make


def _dump_limited(dump, least, greatest):
    def dumper(value, adapters):
        one = value
        if isinstance(one, datetime) and one.tzinfo is not None:
            one = one.replace(tzinfo=None) if one.tzinfo is timezone.utc else None
        if one == greatest or one == least:
            return Dumped(0, b"infinity" if one == greatest else b"-infinity")
        return dump(value, adapters)

    return dumper


def register(adapters, below):
    """In `adapters`, over what `below` knows."""
    adapters.register_loader_maker(_DATE, _limited(below, _DATE, date.min, date.max))
    for oid in _STAMPS:
        adapters.register_loader_maker(oid, _limited(below, oid, datetime.min, datetime.max))
    for cls in (date, datetime):
        adapters.register_dumper_maker(cls, _dump_limited(below.get_dumper(cls), cls.min, cls.max))
