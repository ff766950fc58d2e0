# SPDX-License-Identifier: MIT
"""The message of a submit()."""
from typing import NamedTuple

from ._rows import pack_row


class Submitted(NamedTuple):
    """What was accepted. `id` is its name in the daemon's log, events and status."""

    id: int
    journaled: bool


def submit_request(connection, query, params, key, try_for):
    request = connection._new_request()
    submit = request.submit
    submit.key = key.encode() if isinstance(key, str) else bytes(key)
    if try_for is not None:
        submit.try_ms = max(1, round(try_for * 1000))
    cursor = connection.cursor()
    for one, values in query if isinstance(query, list) else [(query, params)]:
        _add(submit.statements.add(), cursor, one, values)
    return request


def _add(statement, cursor, query, params):
    sql, values = cursor._bind(query, params)
    dumped = [cursor.connection.adapters.dump(v) for v in values or ()]
    statement.sql = sql
    statement.parameter_count = len(dumped)
    statement.parameter_types.extend(d.oid for d in dumped)
    if any(d.binary for d in dumped):
        statement.parameter_formats.extend(int(d.binary) for d in dumped)
    statement.parameters = pack_row([d.data for d in dumped])
