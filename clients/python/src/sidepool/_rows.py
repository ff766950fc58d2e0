# SPDX-License-Identifier: MIT
"""Packed rows (proto/WIRE.md, section 5): row after row, each value a little-endian int32 length and its bytes; -1 is NULL."""
import struct

_LENGTH = struct.Struct("<i")
_pack = _LENGTH.pack
_unpack_from = _LENGTH.unpack_from
NULL = _pack(-1)


def pack_row(values):
    """One row of bytes and None."""
    parts = []
    for value in values:
        if value is None:
            parts.append(NULL)
        else:
            parts.append(_pack(len(value)))
            parts.append(value)
    return b"".join(parts)


def unpack_rows(data, row_count, column_count):
    """The rows as lists of bytes and None. Raises ValueError where the bytes are not that many rows."""
    rows, at = [], 0
    try:
        for _ in range(row_count):
            row = []
            for _ in range(column_count):
                (length,) = _unpack_from(data, at)
                at += 4
                if length < 0:
                    if length != -1:
                        raise ValueError("packed rows have a length below -1")
                    row.append(None)
                    continue
                end = at + length
                row.append(data[at:end])
                at = end
            rows.append(row)
    except struct.error:
        raise ValueError("packed rows end early") from None
    if at != len(data):
        raise ValueError("packed rows have another length than their values")
    return rows


def unpack_columns(data, row_count, columns, skip=0):
    """Appends each value to the list of its column; `skip`: rows that are passed over."""
    at = 0
    try:
        for row in range(row_count):
            for column in columns:
                (length,) = _unpack_from(data, at)
                at += 4
                value = None
                if length >= 0:
                    value = data[at : at + length]
                    at += length
                elif length != -1:
                    raise ValueError("packed rows have a length below -1")
                if row >= skip:
                    column.append(value)
    except struct.error:
        raise ValueError("packed rows end early") from None
    if at != len(data):
        raise ValueError("packed rows have another length than their values")


def load_rows(data, row_count, loaders, make):
    """The rows with each value loaded; `make` makes a row of a list."""
    rows, at = [], 0
    append = rows.append
    try:
        for _ in range(row_count):
            row = []
            for load in loaders:
                (length,) = _unpack_from(data, at)
                at += 4
                if length < 0:
                    if length != -1:
                        raise ValueError("packed rows have a length below -1")
                    row.append(None)
                    continue
                end = at + length
                row.append(load(data[at:end]))
                at = end
            append(make(row))
    except struct.error:
        raise ValueError("packed rows end early") from None
    if at != len(data):
        raise ValueError("packed rows have another length than their values")
    return rows
