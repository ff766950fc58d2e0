# SPDX-License-Identifier: MIT
# Made by tools/unasync.py from _async; do not edit.
"""Several statements in one message: one round trip for all of them."""
from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Union

from .. import errors
from .._cursor import fill, results_of
from .chunks import Chunks

if TYPE_CHECKING:
    from .cursor import Params

    Statement = Union[str, bytes, tuple[Union[str, bytes], Params]]


class Batches:
    """The part of a connection that sends them."""

    def batch(self, statements: Iterable[Statement], *, atomic: bool = True) -> list[Any]:
        """Runs statements, each a query or (query, params), and returns a list with a cursor for each. `atomic`: all or nothing.
        Else each commits for itself, and where one failed its exception stands in the list; that takes autocommit."""
        with self.lock:
            self._check_usable()
            alone = self._autocommit and not self._blocks and not self._in_transaction and not self._session_lease
            if not atomic and not alone:
                raise errors.ProgrammingError("statements commit for themselves in autocommit, outside of a transaction, alone")
            request = self._new_request()
            request.batch.atomic = atomic
            cursors = [self._add(request, statement) for statement in statements]
            if not cursors:
                return []
            response = self._send(request) if alone else self._run(request, b"")
            results = results_of(response)
            chunks = Chunks(self, response)
            while not chunks.ended:
                results_of(chunks.next(), results)
            return _shared_out(cursors, results)

    def _add(self, request, statement):
        query, params = (statement, None) if isinstance(statement, (str, bytes)) else statement
        cur = self.cursor()
        sql, values = cur._bind(query, params)
        cur._start(sql)
        fill(request.batch.statements.add(), sql, values, cur._map)
        return cur


def _shared_out(cursors, results):
    for result in results:
        if result.error is not None:
            cursors[result.index] = errors.from_wire(result.error)
        else:
            cursors[result.index]._have([result])
    return cursors
