# SPDX-License-Identifier: MIT
# Made by tools/unasync.py from _async; do not edit.
"""Cursors. Their rows are here when execute() returns; stream() and cursors with a name bring them bit by bit."""
from __future__ import annotations

from collections.abc import Iterator, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Union

from .. import errors, frames
from .._batch import batches
from .._cursor import CursorState, fill, results_of
from .._express import order, remember
from .._messages import FINISH_COMMIT
from .._query import bind_raw
from ..rows import Row
from .chunks import Chunks

if TYPE_CHECKING:
    from typing_extensions import Self

    from .copy import Copy

Params = Union[Sequence[Any], Mapping[str, Any], None]


class Cursor(CursorState[Row]):
    """What connection.cursor() returns."""

    def execute(
        self, query: str | bytes, params: Params = None, *, prepare: bool | None = None, binary: bool | None = None, commit: bool = False
    ) -> Self:
        """Runs a query; returns the cursor. `prepare` and `binary` are taken for psycopg's sake: the daemon prepares by
        itself. `commit`: the transaction is committed with it, in the same message."""
        connection = self._connection
        with connection.lock:
            if self._closed or connection._closed:
                self._check_open()
            if commit:
                connection._forbid_in_block("commit")
            short = order(self, query, params) if self._short_way else None
            if short is not None and self._execute_shortly(*short):
                return self
            sql, values = self._bind(query, params)
            self._start(sql)
            response, dumped = self._ask(sql, values, commit=commit and not connection._session_lease)
            if self._short_way:
                remember(self, query, params, sql, dumped)
            results = results_of(response)
            chunks = Chunks(connection, response)
            while not chunks.ended:
                results_of(chunks.next(), results)
            if commit and connection._session_lease:
                connection._finish(FINISH_COMMIT)
            self._have(results)
            return self

    def _execute_shortly(self, plan, body):
        """Runs what is known well; False: nothing ran, and it has to go the long way."""
        connection = self._connection
        answer = connection._transport.express(plan, body)
        if answer is None:
            return False
        if type(answer) is bytes:
            self._have_like(plan, answer)
            return True
        self._start(plan.sql)
        try:
            results = results_of(connection._answered(answer))
        except errors.Error as e:
            self._failed(e)
            raise
        chunks = Chunks(connection, answer.response)
        while not chunks.ended:
            results_of(chunks.next(), results)
        self._have(results)
        return True

    def _ask(self, sql, values, chunk_bytes=0, commit=False):
        connection = self._connection
        request = connection._new_request()
        request.query.chunk_bytes = chunk_bytes
        dumped = fill(request.query.statement, sql, values, self._map)
        try:
            return connection._query(request, sql, values is not None, commit), dumped
        except errors.Error as e:
            self._failed(e)
            raise

    def executemany(self, query: str | bytes, params_seq: Iterable[Params], *, returning: bool = False) -> None:
        """Runs a query for each of the parameters, in one message (or as few as it takes), all or nothing."""
        with self._connection.lock:
            self._check_open()
            self._start(None)
            self._connection._reach()  # the daemon says how much goes into one message
            collected: list[Any] = []
            affected, any_run = 0, False
            pending = None
            messages = batches(self, query, params_seq, returning)
            for message, sql in messages:
                if pending is not None:
                    affected += self._batch(*pending, collected, more=True, first=not any_run)
                    any_run = True
                pending = message, sql
            if pending is not None:
                affected += self._batch(*pending, collected, more=False, first=not any_run)
            self._have_many(collected, affected, returning)

    def _batch(self, request, sql, collected, more, first):
        """Sends one message of a batch. Outside of a transaction the messages share one of their own."""
        connection = self._connection
        self._sql = sql
        connection._check_usable()
        alone = connection._autocommit and not connection._blocks and not connection._in_transaction
        try:
            if first and alone and not connection._session_lease and not more:
                response = connection._send(request)
            elif (first and alone and more) or self._own_transaction:
                response = self._batch_in_own(request, more)
            else:
                response = connection._run(request, sql)
        except errors.Error as e:
            self._own_transaction = False
            self._failed(e)
            raise
        results = results_of(response)
        chunks = Chunks(connection, response)
        while not chunks.ended:
            results_of(chunks.next(), results)
        collected += results
        return sum(max(0, r.rowcount if not r.has_rows else r.row_count) for r in results)

    def _batch_in_own(self, request, more):
        connection = self._connection
        if connection._lease is None:
            connection._begin_options(request)
        elif not self._own_transaction:
            connection._command("BEGIN")
        self._own_transaction = True
        try:
            response = connection._send(request)
            if not more:
                self._own_transaction = False
                connection._finish(FINISH_COMMIT)
            return response
        except errors.Error:
            self._own_transaction = False
            connection._rollback_quietly()
            raise

    def stream(
        self, query: str | bytes, params: Params = None, *, binary: bool | None = None, size: int = 0
    ) -> Iterator[Row]:
        """Yields rows as they come; what is not fetched is not kept. `size`: bytes of rows in one message."""
        connection = self._connection
        with connection.lock:
            self._check_open()
            sql, values = self._bind(query, params)
            self._start(sql)
            response, _ = self._ask(sql, values, size)
            chunks = Chunks(connection, response)
            try:
                results = results_of(response)
                while results:
                    self._have(results[-1:])
                    for row in self._take_all():
                        yield row
                    if chunks.ended:
                        break
                    results[-1].pieces.clear()
                    results[-1].row_count = 0
                    results = results_of(chunks.next(), results)
            finally:
                chunks.close()

    # -- fetching

    def fetchone(self) -> Row | None:
        return self._fetch_one()

    def fetchmany(self, size: int | None = None) -> list[Row]:
        return self._fetch_many(self.arraysize if size is None else size)

    def fetchall(self) -> list[Row]:
        return self._take_all()

    def fetch_arrow(self) -> Any:
        """The rest of the rows as a pyarrow.Table, made of the packed rows without a Python object for each row."""
        return self._take_frame(frames.to_arrow)

    def fetch_df(self) -> Any:
        """The same as a pandas.DataFrame."""
        return self._take_frame(frames.to_pandas)

    def scroll(self, value: int, mode: str = "relative") -> None:
        self._need_rows().scroll(value, mode)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Row:
        row = self._fetch_one()
        if row is None:
            raise StopIteration
        return row

    def callproc(self, name: str, params: Sequence[Any] = ()) -> Sequence[Any]:
        """Calls a function; its result is the cursor's. Returns the parameters."""
        places = ", ".join(["%s"] * len(params))
        self.execute(f"SELECT * FROM {name}({places})", list(params))
        return params

    def copy(self, statement: str | bytes, params: Params = None, *, writer: None = None) -> Copy:
        """A block in which rows are copied from or to the server."""
        self._check_open()
        return self._connection._copy(self, statement, params)

    def close(self) -> None:
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class RawCursor(Cursor[Row]):
    """Takes PostgreSQL's own placeholders: $1, $2."""

    _bind = staticmethod(bind_raw)
    _short_way = False
