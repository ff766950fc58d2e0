# SPDX-License-Identifier: MIT
"""What SQLAlchemy's types need beyond what the driver does. Parameters are sent with a cast, as PostgreSQL otherwise has to
guess what a text is."""
import decimal

from sqlalchemy import exc
from sqlalchemy import types as sqltypes
from sqlalchemy.dialects.postgresql import ARRAY, CITEXT, HSTORE, INTERVAL, JSON, JSONB, REGCONFIG, ranges
from sqlalchemy.dialects.postgresql.json import JSONPathType
from sqlalchemy.engine import processors

from ..types import Json, Jsonb, Multirange, Range

_FLOATS = (700, 701, 1021, 1022)
_EXACT = (1231, 1700, 20, 21, 23, 26, 1005, 1007, 1016)


class _Numeric:
    def bind_processor(self, dialect):
        return None

    def result_processor(self, dialect, coltype):
        if coltype not in _FLOATS and coltype not in _EXACT:
            raise exc.InvalidRequestError(f"Unknown PG numeric type: {coltype}")
        if self.asdecimal:
            if coltype in _FLOATS:
                return processors.to_decimal_processor_factory(decimal.Decimal, self._effective_decimal_return_scale)
            return None
        return None if coltype in _FLOATS else processors.to_float


class SidepoolNumeric(_Numeric, sqltypes.Numeric):
    pass


class SidepoolFloat(_Numeric, sqltypes.Float):
    pass


class SidepoolHstore(HSTORE):
    """The driver loads it where the database has hstore; SQLAlchemy does where use_native_hstore is off."""

    def bind_processor(self, dialect):
        return None if dialect.has_native_hstore else super().bind_processor(dialect)

    def result_processor(self, dialect, coltype):
        return None if dialect.has_native_hstore else super().result_processor(dialect, coltype)


def _wrapped(base, wrapper):
    class Wrapped(base):
        def bind_processor(self, dialect):
            return self._make_bind_processor(None, wrapper)

        def result_processor(self, dialect, coltype):
            return None  # the driver's loaders have done it

    Wrapped.__name__ = Wrapped.__qualname__ = f"Sidepool{base.__name__}"
    return Wrapped


def _to_range(value):
    if isinstance(value, ranges.Range):
        return Range(value.lower, value.upper, value.bounds, value.empty)
    return value


def _of_range(value):
    return ranges.Range(value.lower, value.upper, bounds=value.bounds or "[)", empty=value.isempty)


class SidepoolRange(ranges.AbstractSingleRangeImpl):
    def bind_processor(self, dialect):
        return _to_range

    def result_processor(self, dialect, coltype):
        return lambda value: None if value is None else _of_range(value)


class SidepoolMultirange(ranges.AbstractMultiRangeImpl):
    def bind_processor(self, dialect):
        def process(value):
            if value is None or isinstance(value, (str, Multirange)):
                return value
            return Multirange([_to_range(r) for r in value])

        return process

    def result_processor(self, dialect, coltype):
        return lambda value: None if value is None else ranges.MultiRange(_of_range(r) for r in value)


def _cast(base):
    """The type, whose parameters are rendered with a cast."""
    return type(f"Sidepool{base.__name__}", (base,), {"render_bind_cast": True})


_Json, _Interval = _wrapped(JSON, Json), _cast(INTERVAL)
COLSPECS = {
    sqltypes.Numeric: SidepoolNumeric, sqltypes.Float: SidepoolFloat, HSTORE: SidepoolHstore, sqltypes.ARRAY: _cast(ARRAY),
    sqltypes.String: _cast(sqltypes.String), REGCONFIG: _cast(REGCONFIG), JSON: _Json, sqltypes.JSON: _Json,
    JSONB: _wrapped(JSONB, Jsonb), CITEXT: CITEXT, sqltypes.JSON.JSONPathType: JSONPathType,
    sqltypes.JSON.JSONIntIndexType: type(
        "SidepoolJSONIntIndex", (sqltypes.JSON.JSONIntIndexType,), {"__visit_name__": "json_int_index", "render_bind_cast": True}
    ),
    sqltypes.JSON.JSONStrIndexType: type(
        "SidepoolJSONStrIndex", (sqltypes.JSON.JSONStrIndexType,), {"__visit_name__": "json_str_index", "render_bind_cast": True}
    ),
    sqltypes.Interval: _Interval, INTERVAL: _Interval, sqltypes.Date: _cast(sqltypes.Date),
    sqltypes.DateTime: _cast(sqltypes.DateTime), sqltypes.Time: _cast(sqltypes.Time), sqltypes.Integer: _cast(sqltypes.Integer),
    sqltypes.SmallInteger: _cast(sqltypes.SmallInteger), sqltypes.BigInteger: _cast(sqltypes.BigInteger),
    ranges.AbstractSingleRange: SidepoolRange, ranges.AbstractMultiRange: SidepoolMultirange,
}
