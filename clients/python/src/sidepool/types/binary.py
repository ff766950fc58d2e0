# SPDX-License-Identifier: MIT
"""PostgreSQL's binary representations, for the rows of a binary COPY: of each type a loader and a dumper, made for a map of
adapters and a session. A type whose binary form is its text goes by the map's own loader and dumper.
"""
import struct
import uuid
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from ipaddress import ip_address, ip_interface, ip_network

from ..errors import DataError, NotSupportedError
from .datetime import session_zone
from .json import as_json
from .range import Multirange, Range

_I2, _I4, _I8 = struct.Struct(">h"), struct.Struct(">i"), struct.Struct(">q")
_U2, _U4, _U8 = struct.Struct(">H"), struct.Struct(">I"), struct.Struct(">Q")
_F4, _F8 = struct.Struct(">f"), struct.Struct(">d")
_ARRAY, _INTERVAL, _TIMETZ, _NUMERIC = struct.Struct(">iiI"), struct.Struct(">qii"), struct.Struct(">qi"), struct.Struct(">HhHh")
_NULL = b"\xff\xff\xff\xff"
_DAY_US = 86_400_000_000
_EPOCH, _EPOCH_DAY = datetime(2000, 1, 1), date(2000, 1, 1).toordinal()
_EPOCH_UTC = _EPOCH.replace(tzinfo=timezone.utc)
_US = timedelta(microseconds=1)
_NUMERIC_SIGNS = {0xC000: Decimal("NaN"), 0xD000: Decimal("Infinity"), 0xF000: Decimal("-Infinity")}
_NUMERIC_WHOLE, _NUMERIC_SCALE = 131_072, 16_383
_EMPTY, _LOWER_INC, _UPPER_INC, _LOWER_INF, _UPPER_INF = 1, 2, 4, 8, 16
_NUMBERS = {
    "int2": _I2, "int4": _I4, "int8": _I8, "oid": _U4, "xid": _U4, "cid": _U4, "xid8": _U8, "float4": _F4, "float8": _F8,
}
_AS_TEXT = ("text", "varchar", "bpchar", "name", "json", "xml", "unknown", "refcursor")


def sized(data):
    """A value behind its length, or NULL."""
    return _NULL if data is None else _I4.pack(len(data)) + data


def take(data, at):
    """(the value behind its length or None, where it ended)"""
    (length,) = _I4.unpack_from(data, at)
    at += 4
    return (None, at) if length < 0 else (data[at : at + length], at + length)


# -- numbers


def load_numeric(data):
    count, weight, sign, scale = _NUMERIC.unpack_from(data)
    if sign in _NUMERIC_SIGNS:
        return _NUMERIC_SIGNS[sign]
    digits = "".join(["%04d" % group for group in struct.unpack_from(f">{count}h", data, 8)])
    length = max(1, 4 * (weight + 1) + scale)  # digits beyond the scale are zeros
    return Decimal(f"{'-' if sign else ''}{digits.ljust(length, '0')[:length]}E{-scale}")


def dump_numeric(value):
    value = Decimal(value)
    if not value.is_finite():
        sign = 0xC000 if value.is_nan() else 0xD000 if value > 0 else 0xF000
        return _NUMERIC.pack(0, 0, sign, 0)
    negative, digits, exponent = value.as_tuple()
    scale = max(0, -exponent)
    if scale > _NUMERIC_SCALE or value and value.adjusted() >= _NUMERIC_WHOLE:
        raise DataError(f"a numeric has up to {_NUMERIC_WHOLE} digits before the point and {_NUMERIC_SCALE} behind it")
    if not value:
        return _NUMERIC.pack(0, 0, 0, scale)
    text = "".join(map(str, digits)) + "0" * (max(0, exponent) + -scale % 4)  # whole groups of four behind the point
    text = "0" * (-len(text) % 4) + text
    groups = [int(text[at : at + 4]) for at in range(0, len(text), 4)]
    weight = len(groups) - 1 - (scale + 3) // 4
    return _NUMERIC.pack(len(groups), weight, 0x4000 if negative else 0, scale) + struct.pack(f">{len(groups)}h", *groups)


# -- dates and times


def _refused(what):
    return DataError(f"Python's {what} cannot hold the value; cast it to text")


def load_date(data):
    try:
        return date.fromordinal(_I4.unpack(data)[0] + _EPOCH_DAY)
    except (ValueError, OverflowError):
        raise _refused("date") from None


def dump_date(value):
    return _I4.pack(value.toordinal() - _EPOCH_DAY)


def load_time(data):
    (us,) = _I8.unpack(data[:8])
    if us >= _DAY_US:
        raise _refused("time")
    return (_EPOCH + us * _US).time()


def _time_us(value):
    return ((value.hour * 60 + value.minute) * 60 + value.second) * 1_000_000 + value.microsecond


def load_timetz(data):
    return load_time(data).replace(tzinfo=timezone(timedelta(seconds=-_TIMETZ.unpack(data)[1])))


def dump_timetz(value):
    offset = value.utcoffset()
    if offset is None:
        raise DataError(f"cannot calculate the offset of tzinfo {value.tzinfo!r} without a date")
    return _TIMETZ.pack(_time_us(value), -int(offset.total_seconds()))


def load_timestamp(data):
    try:
        return _EPOCH + _I8.unpack(data)[0] * _US
    except OverflowError:
        raise _refused("datetime") from None


def dump_timestamp(value):
    return _I8.pack((value.replace(tzinfo=None) - _EPOCH) // _US)


def dump_timestamptz(value):
    if value.tzinfo is None:
        raise DataError("a timestamptz of a binary COPY takes a datetime with a time zone")
    return _I8.pack((value - _EPOCH_UTC) // _US)


def load_interval(data):
    us, days, months = _INTERVAL.unpack(data)
    years = int(months / 12)
    try:
        return timedelta(days=days + 30 * (months - 12 * years) + 365 * years, microseconds=us)
    except OverflowError:
        raise _refused("timedelta") from None


def dump_interval(value):
    return _INTERVAL.pack((value.seconds * 1_000_000) + value.microseconds, value.days, 0)


# -- addresses


def load_inet(data):
    address = ip_address(bytes(data[4:]))
    return address if data[1] == address.max_prefixlen else ip_interface(f"{address}/{data[1]}")


def load_cidr(data):
    return ip_network((bytes(data[4:]), data[1]))


def dump_inet(value):
    interface = ip_interface(value)
    return _address(interface.ip, interface.network.prefixlen, 0)


def dump_cidr(value):
    network = ip_network(value)
    return _address(network.network_address, network.prefixlen, 1)


def _address(address, bits, cidr):
    return bytes((2 if address.version == 4 else 3, bits, cidr, len(address.packed))) + address.packed


_LOADERS = {
    "bool": lambda data: data != b"\0", "bytea": bytes, "uuid": lambda data: uuid.UUID(bytes=bytes(data)), "numeric": load_numeric, "date": load_date,
    "time": load_time, "timetz": load_timetz, "timestamp": load_timestamp, "interval": load_interval, "inet": load_inet, "cidr": load_cidr,
}  # fmt: skip
_DUMPERS = {
    "bool": lambda value: b"\1" if value else b"\0", "bytea": bytes, "uuid": lambda value: value.bytes, "numeric": dump_numeric, "date": dump_date,
    "time": lambda value: _I8.pack(_time_us(value)), "timetz": dump_timetz, "timestamp": dump_timestamp, "timestamptz": dump_timestamptz,
    "interval": dump_interval, "inet": dump_inet, "cidr": dump_cidr,
}  # fmt: skip


# -- what is made of other types


def _load_array(data, load):
    dimensions, _, _ = _ARRAY.unpack_from(data)
    at = _ARRAY.size
    lengths = [_I4.unpack_from(data, at + 8 * i)[0] for i in range(dimensions)]
    at += 8 * dimensions

    def level(depth):
        nonlocal at
        made = []
        for _ in range(lengths[depth]):
            if depth + 1 < dimensions:
                made.append(level(depth + 1))
                continue
            value, at = take(data, at)
            made.append(None if value is None else load(value))
        return made

    return level(0) if dimensions else []


def _dump_array(value, oid, dump):
    lengths, items = [], value
    while isinstance(items, list):
        lengths.append(len(items))
        items = items[0] if items else None
    if 0 in lengths:
        return _ARRAY.pack(0, 0, oid)
    parts = []

    def level(items, depth):
        if not isinstance(items, list) or len(items) != lengths[depth]:
            raise DataError("nested lists have inconsistent lengths or depths")
        for item in items:
            if depth + 1 < len(lengths):
                level(item, depth + 1)
            elif isinstance(item, list):
                raise DataError("nested lists have inconsistent lengths or depths")
            else:
                parts.append(sized(None if item is None else dump(item)))

    level(value, 0)
    bounds = b"".join(_I4.pack(n) + _I4.pack(1) for n in lengths)
    return _ARRAY.pack(len(lengths), int(_NULL in parts), oid) + bounds + b"".join(parts)


def _load_range(data, load):
    flags, at = data[0], 1
    if flags & _EMPTY:
        return Range(empty=True)
    lower = upper = None
    if not flags & _LOWER_INF:
        lower, at = take(data, at)
    if not flags & _UPPER_INF:
        upper, at = take(data, at)
    bounds = ("[" if flags & _LOWER_INC else "(") + ("]" if flags & _UPPER_INC else ")")
    return Range(None if lower is None else load(lower), None if upper is None else load(upper), bounds)


def _dump_range(value, dump):
    if value.isempty:
        return bytes((_EMPTY,))
    flags = _LOWER_INC * value.lower_inc | _UPPER_INC * value.upper_inc | _LOWER_INF * value.lower_inf | _UPPER_INF * value.upper_inf
    return bytes((flags,)) + b"".join(sized(dump(b)) for b in (value.lower, value.upper) if b is not None)


def _load_multirange(data, load):
    made, at = Multirange(), 4
    for _ in range(_I4.unpack_from(data)[0]):
        one, at = take(data, at)
        made.append(_load_range(one, load))
    return made


def _load_row(data, loaders, make):
    values, at = [], 4
    for load in loaders:
        value, at = take(data, at + 4)
        values.append(None if value is None else load(value))
    return make(*values)


def _dump_row(value, fields, dumpers):
    if len(value) != len(fields):
        raise DataError(f"the row has {len(value)} fields, its type {len(fields)}")
    parts = [_U4.pack(oid) + sized(None if v is None else dump(v)) for v, (_, oid), dump in zip(value, fields, dumpers)]
    return _I4.pack(len(parts)) + b"".join(parts)


# -- by OID


def _known(oid, adapters):
    info = adapters.types.get(oid)
    if info is None:
        raise NotSupportedError(f"type {oid} is not known, and its binary form neither: see fetch_type() and register_type()")
    return info


def _unsupported(info):
    return NotSupportedError(f"the binary form of {info.name} is not known: use the text format of COPY")


def loader(oid, adapters, session):
    """The function from the binary form to the value."""
    info = _known(oid, adapters)
    name = info.name
    if info.kind == "array":
        load = loader(info.element_oid, adapters, session)
        return lambda data: _load_array(data, load)
    if info.kind in ("range", "multirange"):
        load, parse = loader(info.element_oid, adapters, session), _load_range if info.kind == "range" else _load_multirange
        return lambda data: parse(data, load)
    if info.kind == "composite":
        loaders, make = [loader(o, adapters, session) for _, o in info.fields], adapters.factory(oid)
        return lambda data: _load_row(data, loaders, make)
    if info.kind == "enum" or name in _AS_TEXT:
        return adapters.get_loader(oid, session)
    if name == "jsonb":
        load = adapters.get_loader(oid, session)
        return lambda data: load(data[1:])
    if name in _NUMBERS:
        unpack = _NUMBERS[name].unpack
        return lambda data: unpack(data)[0]
    if name == "timestamptz":
        return _timestamptz_loader(session)
    if name not in _LOADERS:
        raise _unsupported(info)
    return _LOADERS[name]


def _timestamptz_loader(session):
    zone = session_zone(session)

    def load(data):
        at = load_timestamp(data).replace(tzinfo=timezone.utc)
        try:
            return at.astimezone(zone)
        except OverflowError:
            return at  # at the very end of the calendar

    return load


def _number_dumper(info):
    pack = _NUMBERS[info.name].pack

    def dump(value):
        try:
            return pack(value)
        except (struct.error, OverflowError) as e:
            raise DataError(f"{info.name} cannot hold {value!r}: {e}") from None

    return dump


def _text_dumper(adapters, prefix=b""):
    def dump(value):
        dumped = adapters.dump(value)
        if dumped.binary:
            raise DataError(f"a value of type {type(value).__name__} has no text")
        return prefix + dumped.data

    return dump


def dumper(oid, adapters):
    """The function from a value to the binary form."""
    info = _known(oid, adapters)
    name = info.name
    if info.kind == "array":
        element, dump = info.element_oid, dumper(info.element_oid, adapters)
        return lambda value: _dump_array(value, element, dump)
    if info.kind == "range":
        dump = dumper(info.element_oid, adapters)
        return lambda value: _dump_range(value, dump)
    if info.kind == "multirange":
        dump = dumper(info.element_oid, adapters)
        return lambda value: _I4.pack(len(value)) + b"".join(sized(_dump_range(r, dump)) for r in value)
    if info.kind == "composite":
        dumpers = [dumper(o, adapters) for _, o in info.fields]
        return lambda value: _dump_row(value, info.fields, dumpers)
    if name in ("json", "jsonb"):
        dump = _text_dumper(adapters, b"\1" if name == "jsonb" else b"")
        return lambda value: dump(as_json(value, oid))
    if info.kind == "enum" or name in _AS_TEXT:
        return _text_dumper(adapters)
    if name in _NUMBERS:
        return _number_dumper(info)
    if name not in _DUMPERS:
        raise _unsupported(info)
    return _DUMPERS[name]
