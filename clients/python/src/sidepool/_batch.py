# SPDX-License-Identifier: MIT
"""The messages of an executemany(): one, or as many as the daemon's limit on a message asks for."""
from . import errors
from ._rows import pack_row

_SETS_MAX = 10_000
_SHARE = 2  # a message is at most half of what the daemon takes, for what is around the values


def batches(cursor, query, params_seq, returning):
    """Yields (Request with a Batch, sql)."""
    connection, adapters = cursor.connection, cursor._map
    limit = _limit(connection)
    message, sql = None, None
    for params in params_seq:
        sql, values = cursor._bind(query, params)
        dumped = [adapters.dump(v) for v in values]
        row = pack_row([d.data for d in dumped])
        if message is not None and (message.size + len(row) > limit or message.sets >= _SETS_MAX):
            yield message.finish(), sql
            message = None
        if message is None:
            message = _Message(connection, returning)
        message.add(sql, dumped, row)
    if message is not None:
        yield message.finish(), sql


class _Message:
    def __init__(self, connection, returning):
        self._request = connection._new_request()
        self._request.batch.atomic = True
        self._returning = returning
        self._statement = self._types = None
        self._rows = []
        self.size = self.sets = 0

    def add(self, sql, dumped, row):
        signature = tuple((d.oid, d.binary) for d in dumped)
        if not _fits(signature, self._types, dumped):
            self._close_statement()
            self._statement = _add(self._request, sql, signature, self._returning)
            self._types = signature
            self.size += len(sql)
        self._rows.append(row)
        self.size += len(row)
        self.sets += 1

    def _close_statement(self):
        if self._statement is not None:
            self._statement.parameters = b"".join(self._rows)
            self._statement.parameter_sets = len(self._rows)
            self._rows.clear()

    def finish(self):
        self._close_statement()
        return self._request


def _fits(signature, types, dumped):
    """The values may be another set of the same statement: the same types, but that NULL goes with any."""
    if types is None:
        return False
    return signature == types or all(
        s == t or (d.data is None and s[0] == 0) for s, t, d in zip(signature, types, dumped)
    )


def _add(request, sql, signature, returning):
    statement = request.batch.statements.add()
    statement.sql = sql
    statement.parameter_count = len(signature)
    statement.parameter_types.extend(oid for oid, _ in signature)
    if any(binary for _, binary in signature):
        statement.parameter_formats.extend(int(binary) for _, binary in signature)
    statement.result_per_set = returning
    return statement


def _limit(connection):
    channel = connection._channel
    if channel is None:
        raise errors.InterfaceError("the connection has not reached the daemon yet")
    return channel.max_message_bytes // _SHARE
