# SPDX-License-Identifier: MIT
"""A subscriber of the events socket that is nothing but the wire (proto/WIRE.md, section 6)."""
from google.protobuf import message_factory

from .framed import Framed
from .wire import Request, Response

Event = message_factory.GetMessageClass(Response.DESCRIPTOR.file.pool.FindMessageTypeByName("sidepool.v1.Event"))


def listen_request(channel, deadline_ms=0, pool=""):
    r = Request(deadline_ms=deadline_ms, pool=pool)
    r.listen.channel = channel
    return r


def unlisten_request(channel, pool=""):
    r = Request(pool=pool)
    r.unlisten.channel = channel
    return r


def events_url(wire):
    r = Request()
    r.hello.min_version = r.hello.max_version = 1
    return wire.call(r).hello.events_url


class Subscriber(Framed):
    """Connected for certain when it has heard a mark: `listen()` sees to that."""

    def __init__(self, wire, timeout=60):
        super().__init__(events_url(wire).removeprefix("ipc://"), timeout)
        self.wire = wire
        self.greet(b"\0SP\0\0\x21\0\0", b"\0SP\0\0\x20\0\0")

    def receive_any(self):
        """The next message: its topic and its event."""
        topic, _, event = self.read_message().partition(b"\0")
        return topic.decode(), Event.FromString(event)

    def receive(self, prefix="", kind=None):
        """The next event of a topic, and of that kind."""
        while True:
            topic, event = self.receive_any()
            if topic.startswith(prefix) and kind in (None, event.WhichOneof("kind")):
                return event

    def listen(self, channel, pool="", wire=None):
        """Listen until a mark is heard; returns the answer to the last Listen."""
        wire = wire or self.wire
        limit = self.socket.gettimeout()
        while True:
            reply = wire.call(listen_request(channel, pool=pool)).listen
            topic = reply.topic.rstrip(b"\0").decode() if channel else reply.topic.decode() + "mark"
            self.socket.settimeout(0.2)
            try:
                while self.receive(topic, "mark").sequence < reply.sequence:
                    pass
                return reply
            except TimeoutError:
                continue
            finally:
                self.socket.settimeout(limit)

    def watch(self, pool=""):
        """Until events of the pool are heard for certain."""
        return self.listen("", pool)
