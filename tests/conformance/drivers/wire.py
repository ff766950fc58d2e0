# SPDX-License-Identifier: MIT
"""The conformance driver that is nothing but the wire: for the cases that send any message (cases/wire.json)."""
import json
import socket
import struct
import sys


class Connection:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.socket.sendall(bytes.fromhex("0053500000300000"))
        assert self.read(8) == bytes.fromhex("0053500000310000")
        self.last = 0x80000000

    def read(self, n):
        data = b""
        while len(data) < n:
            part = self.socket.recv(n - len(data))
            assert part, "the daemon closed the connection"
            data += part
        return data

    def raw(self, message):
        self.last += 1
        self.socket.sendall(struct.pack(">BQI", 1, 4 + len(message), self.last) + message)
        _, size, number = struct.unpack(">BQI", self.read(13))
        assert number == self.last
        return self.read(size - 4)


def main():
    connection = None
    for line in sys.stdin:
        step = json.loads(line)
        if step["op"] == "hello":
            ok = {"client": "the bare wire", "features": ["raw"]}
        elif step["op"] == "connect":
            connection, ok = Connection(step["socket"]), {}
        elif step["op"] == "raw":
            ok = {"response": connection.raw(bytes.fromhex(step["request"])).hex()}
        else:
            sys.exit(f"there is no operation {step['op']} on the bare wire")
        print(json.dumps({"id": step["id"], "ok": ok}), flush=True)


main()
