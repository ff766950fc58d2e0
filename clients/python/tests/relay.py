# SPDX-License-Identifier: MIT
"""A socket in front of a daemon's, which keeps the messages that pass to the daemon: what went over the wire can be counted."""
import os
import shutil
import socket
import struct
import tempfile
import threading

from fake_daemon import GUARD

from sidepool._messages import Request

_HEAD = struct.Struct(">BQI")
_GREETING_BYTES = 8
_PIECE = 1 << 16


class Relay:
    """`messages`: what was asked, but for Hello; `sockets`: how many clients connected."""

    def __init__(self, target):
        self._target = target
        self._folder = tempfile.mkdtemp(prefix="sp-", dir="/tmp")
        self.path = os.path.join(self._folder, "relay.sock")
        self.messages, self.sockets = [], 0
        self._open, self._threads = [], []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen(64)
        self._begin(self._accept)

    def _begin(self, function, *arguments):
        thread = threading.Thread(target=function, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self):
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            far.connect(self._target)
            self.sockets += 1
            self._open += [near, far]
            self._begin(self._pass, near, far, self._noted())
            self._begin(self._pass, far, near, None)

    def _pass(self, source, sink, note):
        """What was noted is noted before the daemon has it, and so before it can answer."""
        try:
            while data := source.recv(_PIECE):
                if note is not None:
                    note(data)
                sink.sendall(data)
        except OSError:
            pass
        for sock in (source, sink):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _noted(self):
        """A function that takes what one peer sends, in any pieces."""
        gathered, begun = bytearray(), False

        def note(data):
            nonlocal begun
            gathered.extend(data)
            if not begun and len(gathered) >= _GREETING_BYTES:
                begun = True
                del gathered[:_GREETING_BYTES]
            while begun and len(gathered) >= _HEAD.size:
                length = _HEAD.unpack_from(gathered)[1] - 4 + _HEAD.size
                if len(gathered) < length:
                    return
                request = Request.FromString(bytes(gathered[_HEAD.size : length]))
                del gathered[:length]
                if not request.HasField("hello"):
                    self.messages.append(request)

        return note

    def take(self):
        """The messages since the last time."""
        taken, self.messages = self.messages, []
        return taken

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in self._open:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self._threads:
            thread.join(GUARD)
        for sock in self._open:
            sock.close()
        shutil.rmtree(self._folder, ignore_errors=True)
