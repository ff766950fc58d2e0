# SPDX-License-Identifier: MIT
"""Numbers, booleans, text, bytes, UUIDs and addresses."""
import ipaddress
import uuid
from decimal import Decimal
from enum import Enum

from ..adapt import Dumped
from ..errors import DataError

INT2, INT4, INT8, NUMERIC = 21, 23, 20, 1700


def int_oid(value):
    """The smallest type that holds it, as PostgreSQL does with a literal."""
    if -(1 << 15) <= value < 1 << 15:
        return INT2
    if -(1 << 31) <= value < 1 << 31:
        return INT4
    return INT8 if -(1 << 63) <= value < 1 << 63 else NUMERIC


def dump_int(value, adapters):
    value = int(value)
    return Dumped(int_oid(value), b"%d" % value)


def dump_bool(value, adapters):
    return Dumped(16, b"t" if value else b"f")


def _float_text(value):
    text = float.__repr__(value)
    return {"inf": b"Infinity", "-inf": b"-Infinity", "nan": b"NaN"}.get(text) or text.encode()


def dump_float(value, adapters):
    return Dumped(701, _float_text(float(value)))


def dump_decimal(value, adapters):
    if value.is_finite():
        return Dumped(NUMERIC, str(value).encode())
    return Dumped(NUMERIC, b"NaN" if value.is_nan() else b"Infinity" if value > 0 else b"-Infinity")


def dump_str(value, adapters):
    if "\0" in value:
        raise DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes")
    return Dumped(0, str.__str__(value).encode())


def dump_bytes(value, adapters):
    return Dumped(17, bytes(value), True)


def dump_uuid(value, adapters):
    return Dumped(2950, value.hex.encode())


def dump_address(value, adapters):
    return Dumped(869, str(value).encode())


def dump_network(value, adapters):
    return Dumped(650, str(value).encode())


def dump_enum(value, adapters):
    """By name, as PostgreSQL's enums are labels."""
    return Dumped(0, value.name.encode())


def load_bool(data):
    return data == b"t"


def load_bytea(data):
    if data[:2] == b"\\x":
        return bytes.fromhex(data[2:].decode())
    return _load_bytea_escape(data)


def _load_bytea_escape(data):
    out, at = bytearray(), 0
    while at < len(data):
        if data[at] != 0x5C:
            out.append(data[at])
            at += 1
        elif data[at + 1] == 0x5C:
            out.append(0x5C)
            at += 2
        else:
            out.append(int(data[at + 1 : at + 4], 8))
            at += 4
    return bytes(out)


def load_numeric(data):
    return Decimal(data.decode())


def load_uuid(data):
    return uuid.UUID(data.decode())


def load_inet(data):
    text = data.decode()
    return ipaddress.ip_interface(text) if "/" in text else ipaddress.ip_address(text)


def load_cidr(data):
    return ipaddress.ip_network(data.decode())


def register(adapters):
    dumpers = {
        int: dump_int, bool: dump_bool, float: dump_float, Decimal: dump_decimal, str: dump_str, bytes: dump_bytes,
        bytearray: dump_bytes, memoryview: dump_bytes, uuid.UUID: dump_uuid, Enum: dump_enum,
        ipaddress.IPv4Address: dump_address, ipaddress.IPv6Address: dump_address,
        ipaddress.IPv4Interface: dump_address, ipaddress.IPv6Interface: dump_address,
        ipaddress.IPv4Network: dump_network, ipaddress.IPv6Network: dump_network,
    }
    for cls, dump in dumpers.items():
        adapters.register_dumper_maker(cls, dump)
    loaders = {
        "bool": load_bool, "bytea": load_bytea, "int2": int, "int4": int, "int8": int, "oid": int, "xid": int, "cid": int,
        "xid8": int, "float4": float, "float8": float, "numeric": load_numeric, "uuid": load_uuid, "inet": load_inet,
        "cidr": load_cidr,
    }
    for name, load in loaders.items():
        adapters.register_loader(name, load)
