# SPDX-License-Identifier: MIT
"""The short way of a statement that was run before: everything that is the same each time is made once.

A Plan belongs to a channel and stands for a text and the types of its parameters. It has the request as bytes but for the
values, and of the answer what stands behind the rows, byte by byte as it was the last time: an answer that differs in rows
and times alone is known without being parsed. Whatever is unusual (an error, a notice, other columns, a longer result) is
answered the long way, by the same code as every other request. No I/O is done here.

Only what needs no lease takes the short way: it is autocommit, outside of any transaction. A plan is made when the long way
has brought the daemon's names for the statement and its columns.
"""
import re
from struct import Struct

from ._channel import Call
from ._messages import Request
from ._result import ResultSet

PLANS_MAX = 256
_VALUES_MAX_BYTES = 4096  # more of them is not worth a short way
_ANSWER_MAX_BYTES = 127  # of a result whose length is one byte
_LENGTH = Struct("<i").pack
_NULL = _LENGTH(-1)
_LENGTHS = tuple(_LENGTH(n) for n in range(256))
_TIMES = re.compile(rb"(?:\x40[\x80-\xff]*[\x00-\x7f])?(?:\x48[\x80-\xff]*[\x00-\x7f])?").fullmatch  # wait_us, run_us
_RESULTS, _ROWS = 0x0A, 0x12  # the tags of Response.results and Result.rows


def varint(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def _sized(tag, body):
    return tag + varint(len(body)) + body


class Plan:
    """A statement as the daemon at the other end of a channel knows it."""

    __slots__ = (
        "plans", "sql", "types", "known", "loaders", "loaded_by", "loaded_in", "heads", "_constant",
        "results", "has_rows", "row_count", "rowcount", "_tail", "_bare",
    )  # fmt: skip

    def __init__(self, plans, sql, dumped, known):
        self.plans = plans  # those that it is one of
        self.sql, self.known = sql, known
        self.types = [d.oid for d in dumped] if any(d.oid for d in dumped) else []
        self.loaders = self.loaded_by = self.loaded_in = None
        self.heads = {}  # what is ahead of the values, by their size
        self._constant = _statement(known, dumped)
        self.results, self.has_rows, self.row_count, self.rowcount = None, False, 0, -1  # as the last answer's were
        self._tail, self._bare = None, True

    def head(self, size):
        """The bytes of the request ahead of `size` bytes of values."""
        values = b"\x32" + varint(size) if size else b""
        inner = b"\x0a" + varint(len(self._constant) + len(values) + size) + self._constant + values
        made = self.heads[size] = b"\x42" + varint(len(inner) + size) + inner
        return made

    def find_loaders(self, cursor):
        """The functions that load the columns, as they are for this cursor."""
        loaders = cursor._loaders(self.results[0])
        self.loaded_by, self.loaded_in, self.loaders = cursor._map, cursor._map.generation, loaders
        return loaders

    def take(self, data, at, end):
        """The packed rows of an answer that is like the last, in data[at:end]; None: it is not."""
        tail = self._tail
        if tail is None or end - at < 4 or data[at] != _RESULTS:
            return None
        stop = at + 2 + data[at + 1]
        upto = stop - len(tail)
        if stop > end or not data.startswith(tail, upto) or not _TIMES(data, stop, end):
            return None
        if self._bare:
            return b"" if upto == at + 2 else None
        if upto - at - 4 != data[at + 3] or data[at + 2] != _ROWS:
            return None
        return bytes(data[at + 4 : upto])

    def learn(self, response, body):
        """Remembers what an answer was like, where it told of nothing but one result."""
        told = {field.name for field, _ in response.ListFields()}
        if len(response.results) != 1 or not told <= {"results", "wait_us", "run_us"}:
            return
        wire, known = response.results[0], self.known
        if wire.notices or wire.more or wire.HasField("error"):
            return
        if wire.columns_id == known.columns_id and wire.statement_id == known.statement_id:
            self._remember(body, wire)

    def message(self):
        """The Request that the long way would have made, but for the values: for answers that have to go there."""
        request = Request()
        statement = request.query.statement
        statement.statement_id, statement.known_columns_id = self.known.statement_id, self.known.columns_id
        statement.parameter_types.extend(self.types)
        return request

    def _remember(self, body, wire):
        """What stands behind the rows. The order of fields is the daemon's, so it is looked at, not supposed."""
        self._tail = None
        if body[0] != _RESULTS or body[1] > _ANSWER_MAX_BYTES:
            return
        bare = not wire.rows
        at = 2 if bare else 4 + len(wire.rows)
        if not bare and (body[2] != _ROWS or body[3] != len(wire.rows)):
            return
        result = ResultSet(wire)
        self.results, self.has_rows, self.row_count, self.rowcount = [result], result.has_rows, result.row_count, result.rowcount
        result.pieces = []  # those are each answer's own
        self._bare, self._tail = bare, body[at : 2 + body[1]]


def _statement(known, dumped):
    """The fields of a Statement but for the values."""
    made = b"\x10" + varint(known.statement_id)
    if dumped:
        made += b"\x18" + varint(len(dumped))
    if any(d.binary for d in dumped):
        made += _sized(b"\x2a", b"".join(varint(int(d.binary)) for d in dumped))
    if known.columns_id:
        made += b"\x48" + varint(known.columns_id)
    return made


def pool_field(name):
    return _sized(b"\x2a", name.encode()) if name else b""


def trace_field(traceparent):
    return _sized(b"\x82\x01", traceparent.encode())


def order(cursor, query, params):
    """(plan, the request's bytes), or None: the long way. Raises what a value does that cannot be adapted."""
    connection = cursor._connection
    plans = connection._plans()
    if not plans or type(query) is not str:
        return None
    if params is None:
        plan, values = plans.get((query, None)), b""
    else:
        if type(params) is not tuple and type(params) is not list:
            return None
        adapters = cursor._map
        dumpers = adapters.dumpers()
        key, parts = [query], []
        for value in params:
            dump = dumpers.get(type(value)) or adapters.remember_dumper(type(value))
            oid, data, binary = dump(value, adapters)
            key.append(-1 - oid if binary else oid)
            if data is None:
                parts.append(_NULL)
            else:
                parts.append((_LENGTHS[len(data)] if len(data) < 256 else _LENGTH(len(data))) + data)
        plan = plans.get(tuple(key))
        values = parts[0] if len(parts) == 1 else b"".join(parts)
    if plan is None or len(values) > _VALUES_MAX_BYTES:
        return None
    size = len(values)
    told = connection._origin_fields() if connection._tells_origin else connection._pool_field
    return plan, told + (plan.heads.get(size) or plan.head(size)) + values


def remember(cursor, query, params, sql, dumped):
    """After the long way: makes a plan of what the daemon told of the statement."""
    connection = cursor._connection
    plans = connection._plans()
    if plans is None or type(query) is not str or (params is not None and type(params) not in (tuple, list)):
        return
    channel = connection._channel
    types = tuple(d.oid for d in dumped) if any(d.oid for d in dumped) else ()
    known = channel.statements.get((sql, types))
    if known is None or not known.statement_id or channel.plans is not plans:
        return
    key = (query, None) if params is None else (query, *(-1 - d.oid if d.binary else d.oid for d in dumped))
    while len(plans) >= PLANS_MAX:
        plans.pop(next(iter(plans)), None)
    plans[key] = Plan(plans, sql, dumped, known)


def short_call(plan, channel):
    """The Call of a request that was made of a plan."""
    call = Call(None, plan.sql)
    call.channel, call.known, call.plan = channel, plan.known, plan
    return call
