# SPDX-License-Identifier: MIT
# Made by tools/unasync.py from _async; do not edit.
"""COPY in both directions, a few pieces ahead of the other side."""
from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from .. import errors
from .._copy import PIECE_BYTES, copy_direction, formatter, inline
from .._cursor import results_of
from .chunks import Chunks

if TYPE_CHECKING:
    from typing_extensions import Self

    from .cursor import Cursor

AHEAD = 4


class Copies:
    """The part of a connection that begins a COPY."""

    def _copy(self, cursor, statement, params):
        return Copy(cursor, inline(cursor, statement, params))

    def _begin_copy(self, sql):
        """Sends it, and returns (direction, CopyReady)."""
        direction = copy_direction(sql)
        self._lease_ahead()
        request = self._new_request()
        if direction == "in":
            request.copy_in.sql = sql
        else:
            request.copy_out.sql = sql
        response = self._run(request, sql)
        if not response.HasField("copy_ready"):
            raise errors.pool_error("PROTOCOL_VIOLATION", "COPY was not answered with copy_ready")
        return direction, response

    def _lease_ahead(self):
        """The answer that begins a COPY does not tell of a lease; it must be known before the COPY can be given up."""
        self._check_usable()
        if self._lease is not None or not (self._wants_transaction() or self._session_lease):
            return
        request = self._new_request()
        if self._wants_transaction():
            self._begin_options(request)
        else:
            request.acquire.SetInParent()
        request.take_lease.SetInParent()
        self._send(request)


class Copy:
    """A block around one COPY. In: write() or write_row(); what the block is left with ends it, an exception gives it up.
    Out: iterate, or read(), or rows()."""

    def __init__(self, cursor: Cursor[Any], sql: bytes) -> None:
        self.cursor = cursor
        self.connection = cursor._connection
        self._sql = sql
        self._direction = ""
        self._formatter: Any = None
        self._stream_id = 0
        self._channel: Any = None
        self._asked: deque[Any] = deque()
        self._buffer = bytearray()
        self._chunks: Any = None
        self._ended = False
        self._rows = self._written = False  # write_row(), or either, was called

    def __enter__(self) -> Self:
        connection = self.connection
        connection.lock.__enter__()
        try:
            self.cursor._start(self._sql)
            self._direction, response = connection._begin_copy(self._sql)
        except BaseException:
            connection.lock.__exit__(None, None, None)
            raise
        ready = response.copy_ready
        self._formatter = formatter(ready.format, self.cursor._map, connection)
        self._stream_id, self._channel = ready.stream_id or response.stream_id, connection._channel
        if self._direction == "out":
            self._chunks = Chunks(connection, response, self._stream_id)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        try:
            if self._direction == "out":
                self._leave_out(kind)
            elif not self._ended:
                self._leave_in(error)
        finally:
            self._ended = True
            self.connection.lock.__exit__(None, None, None)

    # -- in

    def write(self, data: str | bytes | bytearray | memoryview) -> None:
        """Data in the format of the COPY."""
        if self._direction != "in":
            raise TypeError("this COPY is TO STDOUT: there is nothing to write")
        self._written = True
        self._buffer += data.encode() if isinstance(data, str) else data
        while len(self._buffer) >= PIECE_BYTES:
            piece = bytes(self._buffer[:PIECE_BYTES])
            del self._buffer[:PIECE_BYTES]
            self._send(piece)

    def write_row(self, row: Sequence[Any]) -> None:
        """A row of Python values."""
        self._rows = True
        self.write(self._formatter.row(row))

    def set_types(self, types: Sequence[str | int]) -> None:
        """The types of the columns, by name or OID: a binary COPY needs them to be those of the table."""
        self._formatter.set_types(types)

    def _send(self, data=b"", end=False, fail=""):
        request = self.connection._new_request()
        piece = request.copy_data
        piece.stream_id, piece.data, piece.end, piece.fail = self._stream_id, data, end, fail
        deadline = self.connection._deadline()
        call = self.connection._transport.submit(request, channel=self._channel, deadline=deadline)
        self._asked.append((call, deadline))
        response = None
        while self._asked and (len(self._asked) > AHEAD or end or fail):
            response = self._answer()
        return response

    def _answer(self):
        connection = self.connection
        call, deadline = self._asked.popleft()
        try:
            response = connection._transport.wait(call, deadline)
        except errors.Error as e:
            self._ended = True
            if connection._lease is not None:
                connection._lose(e)
            raise
        if connection._lease is not None:
            connection._lease.address(call.message)
        connection._absorb(call)
        if response.HasField("error"):
            self._ended = True
            self._asked.clear()
            raise errors.from_wire(response.error, response)
        return response

    def _leave_in(self, error):
        if error is not None:
            text = f"error from Python: {type(error).__name__} - {error}"[:200].replace("\0", " ")
            try:
                self._send(fail=text)
            except errors.QueryCanceled:
                pass  # that is how PostgreSQL says that it gave up
            except errors.Error as e:
                error.__notes__ = [*getattr(error, "__notes__", ()), f"and giving the COPY up failed: {e}"]
            return
        if self._rows or not self._written:
            self._buffer += self._formatter.end()
        response = self._send(bytes(self._buffer), end=True)
        self._buffer.clear()
        self._have(response)

    def _have(self, response):
        self.cursor._have(results_of(response))

    # -- out

    def read(self) -> bytes:
        """The next piece of data; b"" at the end."""
        if self._direction != "out":
            raise TypeError("this COPY is FROM STDIN: there is nothing to read")
        while not self._chunks.ended:
            response = self._chunks.next()
            if response.results:
                self._have(response)
            if response.HasField("copy_chunk") and response.copy_chunk.data:
                return response.copy_chunk.data
        return b""

    def __iter__(self) -> Iterator[bytes]:
        while True:
            data = self.read()
            if not data:
                return
            yield data

    def read_row(self) -> tuple[Any, ...] | None:
        """The next row of values (str or, of a binary COPY, bytes, unless set_types() told more), or None at the end."""
        while True:
            row = self._formatter.parse(self._buffer)
            if row is not None:
                return row
            data = self.read()
            if not data:
                return None
            self._buffer += data

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Yields rows of values."""
        while True:
            row = self.read_row()
            if row is None:
                return
            yield row

    def _leave_out(self, kind):
        if self._chunks is not None and not self._chunks.ended:
            self._chunks.close()
