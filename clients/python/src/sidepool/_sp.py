# SPDX-License-Identifier: MIT
"""SP framing over a stream socket (proto/WIRE.md, sections 2 and 3), without any I/O."""
import struct

GREETING = b"\0SP\0\0\x30\0\0"
DAEMON_GREETING = b"\0SP\0\0\x31\0\0"
FIRST_ID = 0x80000000
REPLY_LIMIT_BYTES = (1 << 30) + (1 << 20)  # PostgreSQL's largest value, and something around it

HEADER = struct.Struct(">BQI")
HEADER_BYTES = HEADER.size
_ID_BYTES = 4


class FramingError(Exception):
    """What came does not keep to the framing."""


def frame(request_id, message):
    """A message as it goes over the socket."""
    return HEADER.pack(1, len(message) + _ID_BYTES, request_id) + message


def next_id(request_id):
    """Ids have the top bit and wrap."""
    return FIRST_ID | ((request_id + 1) & 0x7FFFFFFF)


class FrameReader:
    """Cuts what arrives into messages, whatever the pieces are that it arrives in."""

    def __init__(self, limit_bytes=REPLY_LIMIT_BYTES):
        self._buffer = bytearray()
        self._limit = limit_bytes
        self.greeted = False

    def feed(self, data):
        """Takes bytes and returns the list of (request id, message) that they complete."""
        self._buffer += data
        if not self.greeted and not self._greeting():
            return []
        messages, at = [], 0
        have = len(self._buffer)
        while have - at >= HEADER_BYTES:
            kind, length, request_id = HEADER.unpack_from(self._buffer, at)
            end = self._check(kind, length, request_id) + at
            if have < end:
                break
            messages.append((request_id, bytes(self._buffer[at + HEADER_BYTES : end])))
            at = end
        if at:
            del self._buffer[:at]
        return messages

    def _greeting(self):
        got = bytes(self._buffer[:8])
        if got != DAEMON_GREETING[: len(got)]:
            raise FramingError(f"the greeting is {got.hex(' ')}, not that of a REP socket")
        if len(got) < 8:
            return False
        del self._buffer[:8]
        self.greeted = True
        return True

    def _check(self, kind, length, request_id):
        if kind != 1:
            raise FramingError(f"a message begins with {kind:#04x}, not with 0x01")
        if length < _ID_BYTES:
            raise FramingError("a message is too short for a request id")
        if length > self._limit:
            raise FramingError(f"a message of {length} bytes is too long")
        if not request_id & FIRST_ID:
            raise FramingError("an answer carries hop ids")
        return HEADER_BYTES - _ID_BYTES + length
