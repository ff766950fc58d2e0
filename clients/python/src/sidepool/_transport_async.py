# SPDX-License-Identifier: MIT
"""Requests to the daemon from asyncio. All connections of one event loop to one socket share a link; the loop says when
the socket can be read or written, and what happens then is the same as for threads (_link.py)."""
import asyncio
import os
import time
import weakref
from collections import OrderedDict

from . import errors
from ._channel import Call, Unsent
from ._express import short_call
from ._link import (
    GREETING_TIMEOUT, Link, Patience, bound_lost, cancel_call, check_hello, hello, outcome, refusal, stamp, unreachable,
)
from ._listening import Listening


class _Looped(Link):
    """A link that an event loop drives."""

    def __init__(self, loop):
        super().__init__()
        self.loop = loop
        self._writing = False
        self._rooms = []  # futures of those who wait for room
        self.watchers = []  # called when it is closed

    def start(self, path):
        self.connect(path)
        self.loop.add_reader(self.sock, self._readable)

    def send(self):
        """Sends what the channel has; the loop sees to the rest."""
        if self.push() or self._writing or self.channel.lost is not None:
            return
        self._writing = True
        self.loop.add_writer(self.sock, self._writable)

    def _writable(self):
        if self.push() and self.channel.lost is None:
            self._writing = False
            self.loop.remove_writer(self.sock)
            self._give_room()

    def _readable(self):
        self.pull()
        if self.channel.lost is None:
            self.send()  # what answers made it say
        self._give_room()

    def _give_room(self):
        if self._rooms and (not self.channel.full or self.channel.lost is not None):
            rooms, self._rooms = self._rooms, []
            for future in rooms:
                if not future.done():
                    future.set_result(None)

    async def room(self):
        while self.channel.full and self.channel.lost is None:
            future = self.loop.create_future()
            self._rooms.append(future)
            await future

    async def drive(self, call, deadline):
        """Waits until the call is done; False if `deadline` passed first."""
        if call.done:
            return True
        future = self.loop.create_future()
        call.wake = lambda: future.done() or future.set_result(None)
        timer = None
        if deadline is not None:
            timer = self.loop.call_later(max(0, deadline - time.monotonic()), call.wake)
        try:
            await future
        finally:
            call.wake = None
            if timer is not None:
                timer.cancel()
        return call.done

    def end(self, reason):
        super().end(reason)
        self._give_room()

    def close(self):
        if self.sock.fileno() >= 0 and not self.loop.is_closed():
            self.loop.remove_reader(self.sock)
            self.loop.remove_writer(self.sock)
        super().close()
        for watcher in list(self.watchers):
            watcher()


class AsyncTransport:
    """Requests by one socket path and application name, across restarts of the daemon."""

    def __init__(self, settings, loop):
        self.settings = settings
        self._loop = loop
        self._link = None
        self._connecting = None  # the task that connects for all
        self._ever_ready = False
        self._listening = None
        _all.add(self)

    # -- connecting

    async def _ready(self, patience):
        """A link that takes requests."""
        while True:
            link = self._link
            if link is not None and link.channel.usable:
                return link
            try:
                if self._connecting is None:
                    self._connecting = self._loop.create_task(self._connect())
                    self._connecting.add_done_callback(self._connected)
                await asyncio.shield(self._connecting)
                continue
            except (OSError, errors.Error) as e:
                pause = patience.pause(e)
                if pause is None:
                    raise unreachable(self.settings.socket, e) from e
            await asyncio.sleep(pause)

    def _connected(self, task):
        self._connecting = None
        if not task.cancelled():
            task.exception()  # those who wait for it have it

    async def _connect(self):
        link = _Looped(self._loop)
        try:
            link.start(self.settings.socket)
            call = link.channel.hello_call(*hello(self.settings))
            link.send()
            if not await link.drive(call, time.monotonic() + GREETING_TIMEOUT):
                raise errors.pool_error("PROTOCOL_VIOLATION", f"it did not greet within {GREETING_TIMEOUT:.0f} s")
            link.channel.hello = check_hello(call)
        except BaseException:
            link.close()
            raise
        self._ever_ready = True
        self._link = link

    @property
    def listening(self):
        """What is heard by the events socket."""
        if self._listening is None:
            self._listening = Listening(self, self._loop)
        return self._listening

    async def ready(self):
        """Connects if need be, and returns the channel of new requests."""
        return (await self._ready(Patience(self.settings, self._ever_ready, 0.0))).channel

    # -- requests

    async def express(self, plan, body):
        """The short way (_express.py): the packed rows of a plan's statement; or a Call with an answer that says more, for the
        long way to go on with; or None: nothing ran. Raises what became of the request."""
        link = self._link
        if link is None or link.channel.plans is not plan.plans or not link.channel.usable or link.channel.full:
            return None
        call = short_call(plan, link.channel)
        link.channel.enqueue_short(call, body)
        link.send()
        try:
            await link.drive(call, None)
            return outcome(call)
        except Unsent:
            return None
        except Exception:
            raise
        except BaseException:
            await self._interrupted(link, call)
            raise

    async def submit(self, message, *, channel=None, text=None, deadline=0.0, patience=None, call=None):
        """Sends a request and returns its Call; `channel`: only there."""
        call = call or Call(message, text)
        patience = patience or Patience(self.settings, self._ever_ready, deadline)
        while True:
            link = channel.owner if channel is not None else await self._ready(patience)
            if link.channel.full:
                await link.room()
            stamp(call, deadline)
            try:
                link.channel.enqueue(call)
            except Unsent:
                if channel is not None:
                    raise bound_lost() from None
                continue
            link.channel.owner = link
            link.send()
            return call

    async def wait(self, call, deadline=0.0):
        """The Response. Raises what became of it instead; Unsent where it may go again."""
        link = call.channel.owner
        limit = deadline + self.settings.grace if deadline else None
        if not await link.drive(call, limit):
            link.channel.abandon(call)
            raise errors.pool_error("NO_ANSWER")
        if call.error is not None:
            raise call.error
        return call.response

    async def _interrupted(self, link, call):
        """A cancelled task cancels its statement; its answer is waited for, so that the lease can be used on."""
        if call.done:
            return
        self.cancel(link.channel, request_id=call.request_id)
        try:
            answered = await link.drive(call, time.monotonic() + self.settings.cancel_wait)
        except asyncio.CancelledError:  # twice: there is no patience left
            answered = call.done
        if not answered:
            link.channel.abandon(call)

    async def request(self, message, *, channel=None, text=None, deadline=0.0, late=None):
        """Sends a request once, and returns the Call with its Response, which may carry an error. late(call): the wait
        was interrupted after it had been sent, and this is how far it came."""
        patience = Patience(self.settings, self._ever_ready, deadline)
        while True:
            call = Call(message, text)
            try:
                await self.submit(message, channel=channel, text=text, deadline=deadline, patience=patience, call=call)
                await self.wait(call, deadline)
            except Unsent:
                if channel is not None:
                    raise bound_lost() from None
                continue
            except Exception:
                raise
            except BaseException:
                if call.channel is not None:
                    await self._interrupted(call.channel.owner, call)
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
                await asyncio.sleep(pause)

    def cancel(self, channel, request_id=0, lease_id=0):
        """Asks for the end of a request or of what runs on a lease. Nobody waits for the answer."""
        self._fire(cancel_call(request_id, lease_id), channel)

    def fire(self, message, channel):
        """Sends what nobody waits for."""
        self._fire(Call(message), channel)

    def fire_later(self, message, channel):
        """The same for a finalizer, which may run anywhere."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.fire, message, channel)

    def _fire(self, call, channel):
        try:
            channel.enqueue(call)
        except Unsent:
            return
        channel.owner.send()

    def close(self):
        link, self._link = self._link, None
        if link is not None:
            link.end(errors.pool_error("CLOSED", "the transport was closed before the answer"))

    def _forked(self):
        """In the child: the socket is the parent's, and so is the event loop with its selector."""
        link, self._link = self._link, None
        if link is not None:
            link.channel.lose(errors.pool_error("FORKED", "the connection was opened by the parent process"))
            link.sock.close()


_KEEP = 8  # sockets of an event loop that stay open while no connection uses them
_all: weakref.WeakSet[AsyncTransport] = weakref.WeakSet()
_by_loop: dict[asyncio.AbstractEventLoop, OrderedDict[tuple, AsyncTransport]] = {}


def transport_for(settings):
    """The transport that the connections of the running event loop share."""
    loop = asyncio.get_running_loop()
    mine = _by_loop.get(loop)
    if mine is None:
        _forget_closed()
        mine = _by_loop[loop] = OrderedDict()
    key = (settings.endpoint, settings.connect_wait, settings.reconnect_wait, settings.grace, settings.cancel_wait)
    found = mine.pop(key, None) or AsyncTransport(settings, loop)
    mine[key] = found
    while len(mine) > _KEEP:
        mine.popitem(last=False)
    return found


def _forget_closed():
    for loop in [loop for loop in _by_loop if loop.is_closed()]:
        for transport in _by_loop.pop(loop).values():
            transport.close()


def _after_fork():
    for transport in list(_all):
        transport._forked()


os.register_at_fork(after_in_child=_after_fork)
