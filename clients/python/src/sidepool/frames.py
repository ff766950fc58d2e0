# SPDX-License-Identifier: MIT
"""Tables of pyarrow and pandas, column by column from the packed rows.

Arrow parses most of the text itself; what it cannot hold (infinite dates, NaN of a numeric) is a DataError that names the
column. Types that have no exact counterpart, numeric without a precision among them, are strings of PostgreSQL's own text.
"""
from functools import lru_cache

from . import errors
from .types.array import parse_array
from .types.datetime import session_zone
from .types.numeric import load_bytea

_BOOL, _BYTEA, _NUMERIC, _DATE, _TIME, _TIMESTAMP, _TIMESTAMPTZ = 16, 17, 1700, 1082, 1083, 1114, 1184
_INT2, _INT4, _INT8, _OID, _FLOAT4, _FLOAT8 = 21, 23, 20, 26, 700, 701
_DATES = {_DATE, _TIMESTAMP, _TIMESTAMPTZ}


class Part:
    """What is known of a column."""

    def __init__(self, column, load, types):
        self.column, self.name, self.oid = column, column.name, column.type_code
        self.load, self.types = load, types

    def refuse(self, kind, error):
        return errors.DataError(f"column {self.name!r} cannot be {kind}: {error}; cast it to text")


def _values(part, texts):
    return [None if t is None else part.load(t) for t in texts]


# -- pyarrow


@lru_cache(maxsize=1)
def _arrow():
    try:
        import pyarrow
        import pyarrow.compute
    except ImportError as e:
        raise errors.NotSupportedError("fetch_arrow() needs pyarrow: pip install pyarrow") from e
    return pyarrow


def to_arrow(parts, rows, session):
    pa = _arrow()
    columns = rows.take_columns()
    arrays = [_arrow_array(pa, part, texts, session) for part, texts in zip(parts, columns)]
    return pa.Table.from_arrays(arrays, names=[p.name for p in parts])


def _arrow_type(pa, part, session):
    """That of a column; None: its text."""
    oid = part.oid
    plain = {
        _BOOL: pa.bool_(), _INT2: pa.int16(), _INT4: pa.int32(), _INT8: pa.int64(), _OID: pa.uint32(), _FLOAT4: pa.float32(),
        _FLOAT8: pa.float64(), _BYTEA: pa.binary(), _DATE: pa.date32(), _TIME: pa.time64("us"), _TIMESTAMP: pa.timestamp("us"),
    }  # fmt: skip
    if oid == _TIMESTAMPTZ:
        return pa.timestamp("us", tz=str(session_zone(session)))
    if oid == _NUMERIC and part.column.precision is not None:
        precision, scale = part.column.precision, part.column.scale
        if 0 <= scale <= precision <= 76:
            return pa.decimal128(precision, scale) if precision <= 38 else pa.decimal256(precision, scale)
    return plain.get(oid)


def _arrow_array(pa, part, texts, session):
    wanted = _arrow_type(pa, part, session)
    try:
        if wanted is None:
            lists = _arrow_list(pa, part, texts)
            return pa.array(texts, pa.binary()).cast(pa.string()) if lists is None else lists
        if part.oid == _BYTEA:
            return pa.array([None if t is None else load_bytea(t) for t in texts], wanted)
        if part.oid == _BOOL:
            return pa.compute.equal(pa.array(texts, pa.binary()), pa.scalar(b"t", pa.binary()))
        if part.oid == _TIME or part.oid in _DATES and not (session.parameter("DateStyle") or "ISO").startswith("ISO"):
            return pa.array(_values(part, texts), wanted)
        return _cast(pa, part, texts, wanted)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError, errors.DataError) as e:
        raise part.refuse(f"a column of Arrow's {wanted or 'list'}", e) from None


def _cast(pa, part, texts, wanted):
    strings = pa.array(texts, pa.binary()).cast(pa.string())
    try:
        return strings.cast(wanted)
    except pa.ArrowInvalid:
        if part.oid != _TIMESTAMPTZ:
            raise
        return pa.array(_values(part, texts), wanted)  # an offset with seconds, as they were until 1900


_ELEMENTS = {
    _BOOL: ("bool_", lambda t: t == b"t"), _INT2: ("int16", int), _INT4: ("int32", int), _INT8: ("int64", int), _FLOAT4: ("float32", float),
    _FLOAT8: ("float64", float), 25: ("string", bytes.decode), 1043: ("string", bytes.decode),
}  # fmt: skip


def _arrow_list(pa, part, texts):
    """A list of numbers, booleans or texts; None: the column is something else."""
    info = part.types.get(part.oid)
    if info is None or info.kind != "array" or info.element_oid not in _ELEMENTS:
        return None
    name, load = _ELEMENTS[info.element_oid]
    lists = [None if t is None else parse_array(t, load) for t in texts]
    if any(isinstance(item, list) for one in lists if one for item in one):
        raise errors.DataError("an array has several dimensions")
    return pa.array(lists, pa.list_(getattr(pa, name)()))


# -- pandas


def to_pandas(parts, rows, session):
    try:
        import pandas
    except ImportError as e:
        raise errors.NotSupportedError("fetch_df() needs pandas: pip install pandas") from e
    series = [_series(pandas, part, texts, session) for part, texts in zip(parts, rows.take_columns())]
    frame = pandas.concat(series, axis=1) if series else pandas.DataFrame()
    frame.columns = [p.name for p in parts]
    return frame


_PLAIN = {_INT2: "int16", _INT4: "int32", _INT8: "int64", _OID: "uint32", _BOOL: "bool", _FLOAT4: "float32", _FLOAT8: "float64"}
_WITH_NULLS = {_INT2: "Int16", _INT4: "Int32", _INT8: "Int64", _OID: "UInt32", _BOOL: "boolean"}


def _series(pandas, part, texts, session):
    values = _values(part, texts)
    if part.oid in (_TIMESTAMP, _TIMESTAMPTZ):
        zone = f", {session_zone(session)}" if part.oid == _TIMESTAMPTZ else ""
        return pandas.Series(values, dtype=f"datetime64[us{zone}]")
    nulls = part.oid in _WITH_NULLS and None in values
    return pandas.Series(values, dtype=(_WITH_NULLS if nulls else _PLAIN).get(part.oid, "object"))
