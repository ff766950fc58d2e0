# SPDX-License-Identifier: MIT
"""What asyncio programs hear by the events socket: one subscription of an event loop for all that listen in it.

A channel is heard once its Listen was answered and a message has come on its topic: behind each Listen there is a mark for
that. A Listen lasts as long as the connection that asked, so a *round* is one connection to the events socket and one to the
daemon; when either is lost all channels begin anew in the next round, and who listened is told of a gap.
"""
import asyncio

from . import errors
from ._events import GREETING, HEADER, Counter, Event, EventsError, check_greeting, length_of, path_of, split
from ._messages import Request

_PAUSE_FIRST = 0.02
_PAUSE_LAST = 1.0
_MARK_WAIT = 0.1  # after it Listen is sent again: the subscription was not there yet when the mark passed
_LOST = (OSError, EOFError, EventsError, errors.Error)


class Channel:
    """A channel of a pool, and who hears of it: objects with notification(n) and gap(lost, reason)."""

    def __init__(self, pool, name):
        self.pool, self.name = pool, name
        self.listeners = []
        self.topic = None
        self.counter = Counter()
        self.answered = self.was_on = self.missed = False
        self.on = asyncio.Event()
        self.error = None

    def begin(self):
        """Another round."""
        self.missed = self.was_on
        self.topic, self.counter, self.answered = None, Counter(), False
        self.on.clear()

    def heard(self):
        if not self.answered:
            return
        if self.missed:
            self.missed = False
            self.gap(None, "the connection to the daemon was lost")
        self.was_on = True
        self.on.set()

    def gap(self, lost, reason):
        """lost: how many notifications, or None where nobody knows."""
        for listener in list(self.listeners):
            listener.gap(lost, reason)

    def take(self, event):
        missed = self.counter.missed(event)
        self.heard()
        if missed < 0:
            return
        if missed:
            self.gap(missed, "this process read too slowly")
        if event.HasField("gap") and event.gap.over:
            self.gap(None, event.gap.reason)
        elif event.HasField("notification"):
            for listener in list(self.listeners):
                listener.notification(event.notification)


class Listening:
    """All channels that are listened to over one transport."""

    def __init__(self, transport, loop):
        self._transport, self._loop = transport, loop
        self._channels = {}
        self._task = None
        self._asking = set()
        self._rpc = None  # the connection that this round's Listens went by

    async def add(self, pool, name, listener):
        """Returns when nothing that is notified from then on is missed unawares."""
        channel = self._channels.get((pool, name))
        if channel is None:
            channel = self._channels[pool, name] = Channel(pool, name)
            if self._rpc is not None:
                self._ask(channel)
        channel.listeners.append(listener)
        if self._task is None:
            self._task = self._loop.create_task(self._run())
        try:
            await channel.on.wait()
            if channel.error is not None:
                raise channel.error
        except BaseException:
            self.remove(pool, name, listener)
            raise

    def remove(self, pool, name, listener):
        channel = self._channels.get((pool, name))
        if channel is None or listener not in channel.listeners:
            return
        channel.listeners.remove(listener)
        if channel.listeners:
            return
        del self._channels[pool, name]
        if self._rpc is not None and self._rpc.usable:
            request = self._request(channel)
            request.unlisten.channel = name
            self._transport.fire(request, self._rpc)
        if not self._channels:
            self._stop()

    def _stop(self):
        task, self._task = self._task, None
        if task is not None:
            task.cancel()

    def _request(self, channel):
        request = Request()
        if channel.pool:
            request.pool = channel.pool
        return request

    # -- rounds

    async def _run(self):
        pause = _PAUSE_FIRST
        while self._channels:
            try:
                await self._round()
            except _LOST as e:
                self._give_up_new(e)
            if any(c.was_on and c.on.is_set() for c in self._channels.values()):
                pause = _PAUSE_FIRST
            for channel in self._channels.values():
                channel.begin()
            await asyncio.sleep(pause)
            pause = min(2 * pause, _PAUSE_LAST)
        self._task = None

    def _give_up_new(self, error):
        """Who has never heard a thing is told why; the others wait for the next round."""
        for channel in self._channels.values():
            if not channel.was_on:
                self._fail(channel, error)

    def _fail(self, channel, error):
        if not isinstance(error, errors.Error):
            error = errors.pool_error("DAEMON_UNREACHABLE", f"the events of the daemon cannot be heard: {error}")
        channel.error = error
        channel.on.set()
        if self._channels.get((channel.pool, channel.name)) is channel:
            del self._channels[channel.pool, channel.name]
        if not self._channels and self._rpc is not None:
            self._stop()

    async def _round(self):
        rpc = await self._transport.ready()
        reader, writer = await asyncio.open_unix_connection(path_of(rpc.hello.events_url))
        lost = lambda: writer.transport.abort()  # noqa: E731
        rpc.owner.watchers.append(lost)
        try:
            writer.write(GREETING)
            check_greeting(await reader.readexactly(len(GREETING)))
            self._rpc = rpc
            for channel in list(self._channels.values()):
                self._ask(channel)
            while rpc.usable:
                body = await reader.readexactly(length_of(await reader.readexactly(HEADER.size)))
                self._take(body)
        finally:
            self._rpc = None
            for task in self._asking:
                task.cancel()
            rpc.owner.watchers.remove(lost)
            writer.transport.abort()

    def _take(self, body):
        topic, data = split(body)
        wanted = [c for c in self._channels.values() if c.topic == topic]
        if not wanted:
            return
        try:
            event = Event.FromString(data)
        except Exception as e:  # protobuf's DecodeError has another home in each of its implementations
            raise EventsError(f"an event is not a sidepool.v1.Event: {e}") from e
        for channel in wanted:
            channel.take(event)

    def _ask(self, channel):
        task = self._loop.create_task(self._listen(channel))
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    async def _listen(self, channel):
        """Listens until a mark shows that it is heard."""
        wait = _MARK_WAIT
        rpc = self._rpc
        while not channel.on.is_set() and self._rpc is rpc and rpc is not None:
            request = self._request(channel)
            request.listen.channel = channel.name
            try:
                call = await self._transport.request(request, channel=rpc)
                if call.response.HasField("error"):
                    raise errors.from_wire(call.response.error, call.response)
            except errors.Error as e:
                if rpc.usable:  # else the round ends by itself
                    self._refused(channel, e)
                return
            channel.topic, channel.answered = call.response.listen.topic, True
            try:
                await asyncio.wait_for(channel.on.wait(), wait)
            except asyncio.TimeoutError:
                wait = min(2 * wait, _PAUSE_LAST)

    def _refused(self, channel, error):
        if not channel.was_on or not (error.retryable or error.outcome == errors.UNKNOWN):
            channel.gap(None, str(error))
            self._fail(channel, error)
        elif self._rpc is not None:
            self._loop.call_later(_PAUSE_LAST, self._again, channel, self._rpc)

    def _again(self, channel, rpc):
        if self._rpc is rpc and self._channels.get((channel.pool, channel.name)) is channel:
            self._ask(channel)
