# SPDX-License-Identifier: MIT
"""How values pass between Django, which thinks of psycopg's types, and the database."""
from django.db.backends.postgresql.psycopg_any import Jsonb as PsycopgJsonb
from django.db.backends.postgresql.psycopg_any import Range as PsycopgRange
from psycopg.types import numeric

from ..adapt import AdaptersMap, Dumped
from ..types import Range, adapters

_RANGES = (3904, 3906, 3908, 3910, 3912, 3926)
_TSRANGE, _TSTZRANGE = 3908, 3910
_NUMBERS = {numeric.Int2: 21, numeric.Int4: 23, numeric.Int8: 20, numeric.IntNumeric: 1700, numeric.Float8: 701}


def _dump_range(value, adapters):
    """Django has no timestamps without a zone, so neither have its ranges."""
    if value.isempty:
        return adapters.dump(Range(empty=True))
    dumped = adapters.dump(Range(value.lower, value.upper, value.bounds))
    return Dumped(_TSTZRANGE, dumped.data) if dumped.oid == _TSRANGE else dumped


def _dump_jsonb(value, adapters):
    import json

    made = (value.dumps or json.dumps)(value.obj)
    return Dumped(3802, made.encode() if isinstance(made, str) else made)


def _number_dumper(oid):
    return lambda value, adapters: Dumped(oid, str(float(value) if oid == 701 else int(value)).encode())


def _range_maker(oid):
    def make(own, session):
        load = adapters.get_loader(oid, session)

        def loaded(data):
            made = load(data)
            return PsycopgRange(empty=True) if made.isempty else PsycopgRange(made.lower, made.upper, made.bounds)

        return loaded

    return make


def adapters_for(wrapper):
    """The map of a connection of Django's: json and addresses stay text, and times have the zone that Django says."""
    own = AdaptersMap(adapters)
    for name in ("jsonb", "inet", "cidr"):
        own.register_loader(name, bytes.decode)
    own.register_dumper_maker(PsycopgRange, _dump_range)
    own.register_dumper_maker(PsycopgJsonb, _dump_jsonb)
    for cls, oid in _NUMBERS.items():
        own.register_dumper_maker(cls, _number_dumper(oid))
    for oid in _RANGES:
        own.register_loader_maker(oid, _range_maker(oid))

    def make(own, session):
        load, zone = adapters.get_loader(1184, session), wrapper.timezone
        return lambda data: load(data).replace(tzinfo=None) if zone is None else load(data).astimezone(zone)

    own.register_loader_maker("timestamptz", make)
    return own
