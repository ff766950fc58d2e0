# SPDX-License-Identifier: MIT
"""The events socket (proto/WIRE.md, section 6), without any I/O: SP's publish/subscribe, and what numbers on a topic tell."""
import struct

from ._messages import message_class

Event = message_class("Event")
GREETING = b"\0SP\0\0\x21\0\0"
DAEMON_GREETING = b"\0SP\0\0\x20\0\0"
EVENT_LIMIT_BYTES = 1 << 20
HEADER = struct.Struct(">BQ")
_SCHEME = "ipc://"


class EventsError(Exception):
    """What came is not what a daemon publishes."""


def path_of(url):
    """The path of the socket."""
    if not url.startswith(_SCHEME):
        raise EventsError(f"the daemon publishes at {url!r}, which is no Unix socket" if url else "the daemon publishes nothing: see events_socket")
    return url[len(_SCHEME) :]


def check_greeting(data):
    if data != DAEMON_GREETING:
        raise EventsError(f"the greeting is {data.hex(' ')}, not that of a PUB socket")


def length_of(header):
    """How many bytes of a message follow its header."""
    kind, length = HEADER.unpack(header)
    if kind != 1 or length > EVENT_LIMIT_BYTES:
        raise EventsError(f"a message begins with {kind:#04x} and has {length} bytes")
    return length


def split(body):
    """(topic with its zero byte, the bytes of the Event)."""
    end = body.find(b"\0") + 1
    return body[:end], body[end:]


class Counter:
    """Counts the events of one topic."""

    def __init__(self):
        self._instance, self._last = 0, None

    def missed(self, event):
        """How many were lost before this one; -1: it came before already."""
        last, number = self._last, event.sequence
        if last is None or event.instance_id != self._instance:
            self._instance, self._last = event.instance_id, number
            return 0
        expected = last if event.HasField("mark") else last + 1
        if number < expected:
            return -1
        self._last = number
        return number - expected
