# SPDX-License-Identifier: MIT
"""A connection to either socket: a greeting each way, then messages with their length in front (proto/WIRE.md)."""
import socket
import struct


class Framed:
    def __init__(self, path, timeout):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.socket.connect(str(path))

    def greet(self, ours, theirs):
        self.socket.sendall(ours)
        assert self.read(8) == theirs

    def read(self, n):
        data = b""
        while len(data) < n:
            part = self.socket.recv(min(n - len(data), 1 << 20))
            if not part:
                raise ConnectionError(f"closed after {len(data)} of {n} bytes")
            data += part
        return data

    def read_message(self):
        kind, n = struct.unpack(">BQ", self.read(9))
        assert kind == 1
        return self.read(n)

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
