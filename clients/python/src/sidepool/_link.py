# SPDX-License-Identifier: MIT
"""A channel on a socket that never blocks. Whoever drives it waits for the socket; here is what happens when it is ready.

Also what the two transports decide alike: how long to go on trying, and whether a refused request may go again.
"""
import errno
import random
import socket
import time

from . import errors
from ._channel import Call, Channel
from ._messages import OUTCOME_NOT_SENT, Request
from ._settings import CLIENT, VERSION

GREETING_TIMEOUT = 10.0
BACKOFF_FIRST = 0.005
BACKOFF_LAST = 0.5
_READ_BYTES = 256 << 10
_FOR_GOOD = {
    errno.EACCES, errno.EPERM, errno.ENOTSOCK, errno.EPROTOTYPE, errno.EINVAL, errno.ENAMETOOLONG, errno.EMFILE, errno.ENFILE,
}
_UNKNOWN_STATEMENT = 9
_SHUTTING_DOWN = 24


class Link:
    """One socket and its channel. The socket may be one that blocks: it is told otherwise where that is not wanted."""

    receiving = False  # somebody waits in recv(): see _express_sync.py
    refused = False  # the other side takes nothing any more, and who waits in recv() has yet to learn it

    def __init__(self):
        self.channel = Channel()
        self.channel.owner = self
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.setblocking(False)

    def connect(self, path):
        """A Unix socket connects at once or not at all."""
        self.sock.connect(path)

    def push(self):
        """Hands the socket what it takes now; True if nothing is left."""
        if not self.channel.pending:
            return True
        try:
            return self._push()
        except BaseException:
            self.torn()
            raise

    def torn(self):
        """A signal's exception came while bytes passed: nobody knows which did, and to send one twice is forbidden."""
        self.end(ConnectionAbortedError("it was interrupted while bytes passed over it"))

    def _push(self):
        channel = self.channel
        while channel.pending and channel.lost is None:
            try:
                n = self.sock.send(channel.pending, socket.MSG_DONTWAIT)
            except (BlockingIOError, InterruptedError):
                return False
            except OSError as e:
                if self.receiving:
                    self.refused = True
                    return False  # who waits in recv() takes what was said before, and learns of it then
                self._drain()
                self.end(e)
                return True
            channel.taken(n)
        return True

    def _drain(self):
        """The other side has hung up; what it said before still counts."""
        while self.channel.lost is None and self.pull():
            pass

    def pull(self):
        """Takes what the socket has; False if that was nothing."""
        try:
            return self._pull()
        except BaseException:
            self.torn()
            raise

    def _pull(self):
        try:
            data = self.sock.recv(_READ_BYTES, socket.MSG_DONTWAIT)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as e:
            self.end(e)
            return False
        if not data:
            self.end(ConnectionResetError("it closed the connection"))
            return False
        self.channel.feed(data)
        if self.channel.lost is not None:
            self.close()
        return True

    def end(self, reason):
        self.channel.lose(reason)
        try:
            self.sock.shutdown(socket.SHUT_RDWR)  # wakes a thread that waits for it, as close() would not
        except OSError:
            pass
        self.close()

    def close(self):
        self.sock.close()

    def __del__(self):
        self.sock.close()  # of a daemon that shut down: another link took its place, and no lease is on it any more


class Patience:
    """How long one request goes on trying to be sent, and how long it waits before the next try."""

    def __init__(self, settings, ever_ready, deadline):
        self._wait = settings.reconnect_wait if ever_ready else settings.connect_wait
        self._reconnect_wait = settings.reconnect_wait
        self._deadline = deadline
        self._since = time.monotonic()
        self._backoff = BACKOFF_FIRST

    def pause(self, reason, at_least=0.0):
        """Seconds to wait before the next try, or None: give up."""
        now = time.monotonic()
        if isinstance(reason, errors.Error) and reason.code not in ("SHUTTING_DOWN", "DAEMON_LOST"):
            return None
        if isinstance(reason, OSError) and reason.errno in _FOR_GOOD:
            return None
        busy = isinstance(reason, BlockingIOError) or not isinstance(reason, OSError)
        if now - self._since >= (self._reconnect_wait if busy else self._wait):
            return None
        pause = max(self._backoff, min(at_least, BACKOFF_LAST)) * (0.5 + random.random() / 2)
        self._backoff = min(self._backoff * 2, BACKOFF_LAST)
        return None if self._deadline and now + pause >= self._deadline else pause


def unreachable(path, reason):
    """Why there is no daemon; nothing was sent."""
    if isinstance(reason, errors.Error):
        error = errors.pool_error(reason.code or "DAEMON_UNREACHABLE", str(reason), errors.NOT_SENT)
    else:
        text = reason.strerror if isinstance(reason, OSError) and reason.strerror else str(reason)
        error = errors.pool_error("DAEMON_UNREACHABLE", f"the daemon at {path} cannot be reached: {text}")
    if isinstance(reason, OSError) and reason.errno == errno.EACCES:
        error.remedy = "the mode, owner and group of the socket decide who may connect"
    error.__cause__ = reason
    return error


def hello(settings):
    return settings.application, CLIENT, VERSION


def check_hello(call):
    """The HelloReply. Raises where there is none."""
    if call.error is not None:
        raise call.channel.lost if isinstance(call.channel.lost, Exception) else call.error
    if call.response.HasField("error"):
        raise errors.from_wire(call.response.error)
    if not call.response.HasField("hello"):
        raise errors.pool_error("PROTOCOL_VIOLATION", "Hello was not answered")
    return call.response.hello


def stamp(call, deadline):
    """The time that is left goes with the request. Raises where there is none."""
    if not deadline:
        return
    left = deadline - time.monotonic()
    if left <= 0:
        raise errors.pool_error("DAEMON_UNREACHABLE", "the deadline passed before the request could be sent")
    call.message.deadline_ms = max(1, int(left * 1000))


def refusal(call, bound):
    """What to do about an answer by which nothing ran: "again", "later" (another daemon), or None: it stands."""
    response = call.response
    if not response.HasField("error") or response.error.outcome != OUTCOME_NOT_SENT:
        return None
    code = response.error.code
    if code == _UNKNOWN_STATEMENT and call.text is not None and call.message.query.statement.statement_id:
        call.channel.forget(call)
        return "again"
    if code != _SHUTTING_DOWN:
        return None
    call.channel.draining = True
    return None if bound else "later"


def outcome(call):
    """Of a request that took the short way: its rows, or itself with its answer, or None: it did not run."""
    if call.error is not None:
        raise call.error
    if call.rows is not None:
        return call.rows
    return call if refusal(call, False) is None else None


def cancel_call(request_id=0, lease_id=0):
    request = Request()
    request.cancel.request_id, request.cancel.lease_id = request_id, lease_id
    return Call(request)


def bound_lost():
    return errors.pool_error("LEASE_LOST", "the connection to the daemon that it was held by is gone")
