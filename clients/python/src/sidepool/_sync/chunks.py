# SPDX-License-Identifier: MIT
# Made by tools/unasync.py from _async; do not edit.
"""The rest of an answer that is longer than one message. A few pieces are asked for ahead, so that the next is on its way
while this one is used; no more, so that a slow reader stops PostgreSQL and fills nobody's memory."""
from collections import deque

from .. import errors
from .._channel import Unsent
from .._messages import STATUS_ACTIVE

AHEAD = 2


class Chunks:
    def __init__(self, connection, response, stream_id=None):
        self._connection = connection
        self._channel = connection._channel
        self._lease = connection._lease
        self._stream_id = response.stream_id if stream_id is None else stream_id
        self._asked = deque()

    @property
    def ended(self):
        return self._stream_id == 0

    def _ask(self, close=False):
        request = self._connection._new_request()
        request.fetch.stream_id, request.fetch.close = self._stream_id, close
        transport, deadline = self._connection._transport, self._connection._deadline()
        return transport.submit(request, channel=self._channel, deadline=deadline), deadline

    def next(self):
        """The next Response, or None after the last."""
        if self.ended:
            return None
        while len(self._asked) <= AHEAD:
            self._asked.append(self._ask())
        call, deadline = self._asked.popleft()
        try:
            response = self._connection._transport.wait(call, deadline)
        except Unsent:
            self._stream_id = 0
            error = errors.pool_error("DAEMON_LOST", "the connection to the daemon was lost before the end of the result")
            self._lost(call, error)
            raise error from None
        except errors.Error as e:
            self._stream_id = 0
            self._lost(call, e)
            raise
        except BaseException:
            self._give_up()
            raise
        self._stream_id = response.stream_id if not response.HasField("error") else 0
        self._take(call, response)
        return response

    def _lost(self, call, error):
        if self._lease is not None and self._connection._lease is self._lease:
            self._connection._lose(error)

    def _take(self, call, response):
        connection = self._connection
        if self._lease is not None:
            if connection._lease is self._lease:
                self._lease.address(call.message)
                connection._absorb(call)
        else:
            connection._tell(response)
        if response.HasField("error"):
            raise errors.from_wire(response.error, response)

    def _give_up(self):
        if self.ended:
            return
        request = self._connection._new_request()
        request.fetch.stream_id, request.fetch.close = self._stream_id, True
        self._stream_id = 0
        self._connection._transport.fire(request, self._channel)

    def close(self):
        """Gives the rest up, and waits until the statement is over."""
        if self.ended:
            return
        call, deadline = self._ask(close=True)
        self._stream_id = 0
        try:
            self._connection._transport.wait(call, deadline)
            self._ask_status()
        except (Unsent, errors.Error):
            return  # it is gone either way; the next request says so

    def _ask_status(self):
        """Closing is answered before the statement was cancelled, if it still ran; a statement behind it tells what became of
        the transaction."""
        connection, lease = self._connection, self._lease
        if lease is None or connection._lease is not lease or lease.status != STATUS_ACTIVE:
            return
        request = connection._new_request()
        request.query.statement.sql = b";"
        connection._send(request)
