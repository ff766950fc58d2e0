# SPDX-License-Identifier: MIT
"""Requests to the daemon from threads. All connections of a process to one socket share a link, and there is no thread of
ours: of the threads that wait for an answer one reads for all (`_Shared.reading`), and hands that on when it has its own. Who
reads may wait in recv(), or have begun to before there was anything left to write; so one of the others waits until the socket
takes more of what is left (`_Shared.writing`).

Locks: `Transport._connecting` (one connects, the others wait for it) before `_Shared.lock` (all of the link and channel;
never held over a wait).
"""
import atexit
import os
import select
import threading
import time
import weakref
from collections import OrderedDict, deque

from . import errors
from ._channel import Call, Unsent
from ._express_sync import ExpressTransport
from ._link import (
    GREETING_TIMEOUT, Link, Patience, bound_lost, cancel_call, check_hello, hello, refusal, stamp, unreachable,
)


_SHORT_ANSWER_BYTES = 32 << 10


class _Wake(threading.Event):
    """An Event that poll() hears too, while it has a bell. Set with the link's lock held."""

    bell = None  # an eventfd

    def set(self):
        super().set()
        if self.bell is not None:
            os.eventfd_write(self.bell, 1)

    def hang_bell(self):
        """False if there is no descriptor to spare: then the rest goes with the next answer."""
        try:
            self.bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        except OSError:
            return False
        return True

    def drop_bell(self):
        bell, self.bell = self.bell, None
        os.close(bell)


class _Shared(Link):
    """A link that threads share."""

    def __init__(self):
        super().__init__()
        self.lock = threading.Lock()
        self.reading = self.writing = False
        self.buffer = bytearray(_SHORT_ANSWER_BYTES)  # of who takes the short way
        self.orphans = deque()  # messages that finalizers left
        self._waiting = []  # Events of the threads that wait and do not read
        self._until_sent = []  # those of the threads that wait in sent()

    def connect(self, path):
        super().connect(path)
        self.sock.setblocking(True)  # for those that wait in recv(), which is one call to the kernel where poll() makes two

    def push(self):
        if super().push():
            for event in self._until_sent:
                event.set()
            return True
        if not self.writing and self._waiting:
            self._waiting[0].set()  # who waits only may write
        return False

    def send_orphans(self):
        try:
            while self.orphans:
                self.channel.enqueue(Call(self.orphans.popleft()))
        except Unsent:
            self.orphans.clear()
            return
        self.push()

    def not_sent(self, error):
        """Of the short way: the socket took nothing."""
        if isinstance(error, (BlockingIOError, InterruptedError)):
            return
        with self.lock:
            self._drain()
            self.end(error)

    def leave_short_way(self):
        """Another one reads from now on."""
        with self.lock:
            self.reading = self.receiving = False
            if self._waiting:
                self._waiting[0].set()

    def drive(self, call, deadline):
        """Waits until the call is done; False if `deadline` passed first."""
        event = _Wake()
        call.wake = event.set
        return self._until(lambda: call.done, event, deadline)

    def room(self, deadline):
        """Waits until another request may go out; False if `deadline` passed first."""
        return self._until(lambda: not self.channel.full or self.channel.lost is not None, _Wake(), deadline)

    def sent(self, deadline):
        """Waits until the socket has taken all; False if `deadline` passed first."""
        event = _Wake()
        self._until_sent.append(event)
        try:
            return self._until(lambda: not self.channel.pending or self.channel.lost is not None, event, deadline)
        finally:
            self._until_sent.remove(event)

    def _until(self, test, event, deadline):
        while True:
            with self.lock:
                if test():
                    return True
                event.clear()
                task = self._take_task(event)
            try:
                timeout = None if deadline is None else deadline - time.monotonic()
                if timeout is not None and timeout <= 0:
                    return test()
                task(event, timeout)
            finally:
                self._leave(event, task)

    def _take_task(self, event):
        """What this thread does until it is woken."""
        if not self.reading:
            self.reading = True
            return self._turn
        self._waiting.append(event)
        if self.writing or self.refused or not self.channel.pending or not event.hang_bell():
            return _Wake.wait
        self.writing = True
        return self._write

    def _leave(self, event, task):
        """Another one reads from now on, or writes."""
        with self.lock:
            if task == self._turn:
                self.reading = False
            else:
                self._waiting.remove(event)
            if task == self._write:
                self.writing = False
                event.drop_bell()
            idle = not self.reading or (self.channel.pending and not (self.writing or self.refused))
            if idle and self._waiting:
                self._waiting[0].set()

    def _turn(self, event, timeout):
        """One wait for the socket and what it brings."""
        poll = select.poll()
        with self.lock:
            self.send_orphans()
            if self.channel.lost is not None:
                return
            poll.register(self.sock, select.POLLIN | (select.POLLOUT if self.channel.pending else 0))
        _poll(poll, timeout)
        with self.lock:
            if self.channel.lost is None:
                self.pull()
                self.push()

    def _write(self, event, timeout):
        """One wait until the socket takes more, or until there is something else to do."""
        poll = select.poll()
        with self.lock:
            if self.channel.lost is not None:
                return
            poll.register(self.sock, select.POLLOUT)
            poll.register(event.bell, select.POLLIN)
        _poll(poll, timeout)
        with self.lock:
            if self.channel.lost is None:
                self.push()


def _poll(poll, timeout):
    poll.poll(None if timeout is None else max(0, timeout) * 1000)


class Transport(ExpressTransport):
    """Requests by one socket path and application name, across restarts of the daemon."""

    def __init__(self, settings):
        self.settings = settings
        self._connecting = threading.Lock()
        self._link = None
        self._ever_ready = False
        _all.add(self)

    # -- connecting

    def _ready(self, patience):
        """A link that takes requests."""
        with self._connecting:
            while True:
                link = self._link
                if link is not None and link.channel.usable:
                    return link
                try:
                    self._link = self._connect()
                    return self._link
                except (OSError, errors.Error) as e:
                    pause = patience.pause(e)
                    if pause is None:
                        raise unreachable(self.settings.socket, e) from e
                time.sleep(pause)

    def _connect(self):
        link = _Shared()
        try:
            link.connect(self.settings.socket)
            call = link.channel.hello_call(*hello(self.settings))
            if not link.drive(call, time.monotonic() + GREETING_TIMEOUT):
                raise errors.pool_error("PROTOCOL_VIOLATION", f"it did not greet within {GREETING_TIMEOUT:.0f} s")
            link.channel.hello = check_hello(call)
        except BaseException:
            link.close()
            raise
        self._ever_ready = True
        return link

    def ready(self):
        """Connects if need be, and returns the channel of new requests."""
        return self._ready(Patience(self.settings, self._ever_ready, 0.0)).channel

    # -- requests

    def submit(self, message, *, channel=None, text=None, deadline=0.0, patience=None, call=None):
        """Sends a request and returns its Call; `channel`: only there."""
        call = call or Call(message, text)
        patience = patience or Patience(self.settings, self._ever_ready, deadline)
        while True:
            link = channel.owner if channel is not None else self._ready(patience)
            if link.channel.full and not link.room(deadline or None):
                raise errors.pool_error("QUEUE_FULL", "too many requests of this process are in flight")
            stamp(call, deadline)
            with link.lock:
                try:
                    link.channel.enqueue(call)
                except Unsent:
                    if channel is not None:
                        raise bound_lost() from None
                    continue
                link.channel.owner = link
                link.push()
            return call

    def wait(self, call, deadline=0.0):
        """The Response. Raises what became of it instead; Unsent where it may go again."""
        link = call.channel.owner
        limit = deadline + self.settings.grace if deadline else None
        if not link.drive(call, limit):
            link.channel.abandon(call)
            raise errors.pool_error("NO_ANSWER")
        if call.error is not None:
            raise call.error
        return call.response

    def _interrupted(self, link, call):
        """Ctrl-C ends the statement too; its answer is waited for, so that the lease can be used on."""
        if call.done:
            return
        self.cancel(link.channel, request_id=call.request_id)
        if not link.drive(call, time.monotonic() + self.settings.cancel_wait):
            link.channel.abandon(call)

    def request(self, message, *, channel=None, text=None, deadline=0.0, late=None):
        """Sends a request once, and returns the Call with its Response, which may carry an error. late(call): the wait
        was interrupted after it had been sent, and this is how far it came."""
        patience = Patience(self.settings, self._ever_ready, deadline)
        while True:
            call = Call(message, text)
            try:
                self.submit(message, channel=channel, text=text, deadline=deadline, patience=patience, call=call)
                self.wait(call, deadline)
            except Unsent:
                if channel is not None:
                    raise bound_lost() from None
                continue
            except Exception:
                raise
            except BaseException:
                if call.channel is not None:
                    self._interrupted(call.channel.owner, call)
                    if late is not None:
                        late(call)
                raise
            verdict = refusal(call, channel is not None)
            if verdict is None:
                return call
            if verdict == "later":
                wire = call.response.error
                pause = patience.pause(errors.from_wire(wire), wire.retry_after_ms / 1000)
                if pause is None:
                    return call
                time.sleep(pause)

    def cancel(self, channel, request_id=0, lease_id=0):
        """Asks for the end of a request or of what runs on a lease. Nobody waits for the answer."""
        link = channel.owner
        with link.lock:
            try:
                link.channel.enqueue(cancel_call(request_id, lease_id))
            except Unsent:
                return
            left = not link.push()
        if left:
            link.sent(time.monotonic() + self.settings.cancel_wait)

    def fire(self, message, channel):
        """Sends what nobody waits for."""
        link = channel.owner
        with link.lock:
            try:
                link.channel.enqueue(Call(message))
            except Unsent:
                return
            link.push()

    def fire_later(self, message, channel):
        """The same for a finalizer, which may run while this very thread has the lock."""
        link = channel.owner
        link.orphans.append(message)
        if link.lock.acquire(blocking=False):
            try:
                link.send_orphans()
            finally:
                link.lock.release()

    def close(self):
        with self._connecting:
            link, self._link = self._link, None
        if link is not None:
            with link.lock:
                link.end(errors.pool_error("CLOSED", "the transport was closed before the answer"))

    def __del__(self):
        if getattr(self, "_link", None) is not None:
            self._link.close()

    def _forked(self):
        """In the child: the socket is the parent's, and so is whoever held the locks."""
        link, self._link = self._link, None
        self._connecting = threading.Lock()
        if link is not None:
            link.lock = threading.Lock()
            link.reading = False
            link.channel.lose(errors.pool_error("FORKED", "the connection was opened by the parent process"))
            link.close()


_KEEP = 8  # sockets of this process that stay open while no connection uses them
_all: weakref.WeakSet[Transport] = weakref.WeakSet()
_by_endpoint: OrderedDict[tuple, Transport] = OrderedDict()
_registry_lock = threading.Lock()


def transport_for(settings):
    """The transport that the connections of this process share."""
    key = (settings.endpoint, settings.connect_wait, settings.reconnect_wait, settings.grace, settings.cancel_wait)
    with _registry_lock:
        found = _by_endpoint.pop(key, None) or Transport(settings)
        _by_endpoint[key] = found
        while len(_by_endpoint) > _KEEP:
            _by_endpoint.popitem(last=False)
        return found


def _close_kept():
    with _registry_lock:
        kept = list(_by_endpoint.values())
        _by_endpoint.clear()
    for transport in kept:
        transport.close()


atexit.register(_close_kept)


def _after_fork():
    global _registry_lock
    _registry_lock = threading.Lock()
    for transport in list(_all):
        transport._forked()


os.register_at_fork(after_in_child=_after_fork)
