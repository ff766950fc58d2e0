# SPDX-License-Identifier: MIT
"""A daemon that is played from the script of a case (README.md: entries of `daemon`)."""
import re
import socket
import struct
import threading

from google.protobuf import text_format
from lib.wire import Request, Response

GUARD_S = 60
GREETING, CLIENT_GREETING = b"\0SP\0\0\x31\0\0", b"\0SP\0\0\x30\0\0"
HELLO = 'hello { version: 1 daemon_version: "0" application: "conformance" pools: "main" max_message_bytes: 16777216 ' \
    "max_chunk_bytes: 262144 idempotency_ms: 60000 instance_id: 1 }"  # fmt: skip
FREE = {
    "Request": ["call_site", "traceparent", "deadline_ms"],
    "Query": ["chunk_bytes"],
    "Batch": ["chunk_bytes"],
    "Statement": ["known_columns_id", "parameter_types", "parameter_formats", "result_format", "result_per_set"],
}


class Unexpected(Exception):
    """The client did not do what the script says."""


def parse(text, kind):
    return text_format.Parse(text, kind())


def forget_free(wanted, seen):
    """Clear in `seen` what a client may fill as it likes, and `wanted` does not have."""
    for name in FREE.get(wanted.DESCRIPTOR.name, ()):
        if name not in {f.name for f, _ in wanted.ListFields()}:
            seen.ClearField(name)
    if wanted.DESCRIPTOR.name == "Statement":
        for message in (wanted, seen):
            message.parameter_sets = max(1, message.parameter_sets)
    if "transaction" in seen.DESCRIPTOR.fields_by_name and not seen.transaction.ListFields():
        seen.ClearField("transaction")  # options that say nothing
    for field, value in wanted.ListFields():
        if field.message_type is None:
            continue
        other = getattr(seen, field.name)
        if hasattr(value, "ListFields"):
            forget_free(value, other) if seen.HasField(field.name) else None
        else:
            for one, another in zip(value, other):
                forget_free(one, another)


def differing(wanted, request):
    """None, or in what a request is not the wanted one."""
    seen = Request()
    seen.CopyFrom(request)
    forget_free(wanted, seen)
    if wanted == seen:
        return None
    show = [text_format.MessageToString(m, as_one_line=True) for m in (wanted, seen)]
    return f"expected {{{show[0]}}}, the client sent {{{show[1]}}}"


class PlayedDaemon:
    """Serves the script on a Unix socket, in a thread. `end()` says what went wrong."""

    def __init__(self, script, path):
        self.script, self.path = [e for e in script if "extra" not in e], str(path)
        self.extra = [e for e in script if "extra" in e]
        self.at, self.ids, self.trouble = 0, {}, None
        self.settled = threading.Event()  # no connection is about to be closed
        self.settled.set()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen()
        self.peer = None
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def end(self):
        """Raise Unexpected if the script was not followed to its end."""
        self.listener.shutdown(socket.SHUT_RDWR)
        try:
            self.peer and self.peer.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.thread.join(GUARD_S)
        self.listener.close()
        if not self.trouble and self.at < len(self.script):
            self.trouble = f"the client never sent: {self.script[self.at]['expect']}"
        if self.trouble:
            raise Unexpected(self.trouble)

    def _serve(self):
        try:
            while True:
                self.peer, _ = self.listener.accept()
                self.peer.settimeout(GUARD_S)
                try:
                    self._serve_connection(self.peer)
                except (ConnectionError, EOFError):
                    pass
                finally:
                    self.peer.close()
                    self.settled.set()
        except OSError:
            pass  # the listener was shut down
        except Exception as e:
            self.trouble = str(e)

    def _read(self, n):
        data = b""
        while len(data) < n:
            part = self.peer.recv(n - len(data))
            if not part:
                raise EOFError
            data += part
        return data

    def _serve_connection(self, peer):
        entry = self.script[self.at] if self.at < len(self.script) else {}
        if "greeting" in entry:
            self.at += 1
            peer.sendall(bytes.fromhex(entry["greeting"]))
            self._read(len(CLIENT_GREETING))
            return
        peer.sendall(GREETING)
        if (said := self._read(len(CLIENT_GREETING))) != CLIENT_GREETING:
            raise Unexpected(f"the client's greeting is {said.hex()}")
        while self._serve_request():
            pass

    def _serve_request(self):
        """False: the connection is to be closed."""
        first, size = struct.unpack(">BQ", self._read(9))
        if first != 1 or size < 4:
            raise Unexpected(f"the client sent a frame of type {first} with {size} bytes")
        (number,) = struct.unpack(">I", self._read(4))
        if not number & 0x80000000:
            raise Unexpected(f"request id {number:08x} has no top bit")
        request = Request.FromString(self._read(size - 4))
        kind = request.WhichOneof("kind")
        if kind in ("hello", "ping"):
            self._answer(number, parse(HELLO if kind == "hello" else "", Response), None)
            return True
        if self.at == len(self.script):
            return self._serve_extra(number, request)
        entry = self.script[self.at]
        self.ids[self.at] = number
        self._check(entry, request)
        self.at += 1
        if entry.get("close"):
            self.settled.clear()
        self._react(entry, number)
        return not entry.get("close")

    def _serve_extra(self, number, request):
        """What may come behind the script's end, as often as the client likes."""
        for entry in self.extra:
            if differing(parse(entry["expect"], Request), request) is None:
                self._answer(number, parse(entry["answer"], Response), None)
                return True
        raise Unexpected(f"the client sent more than the script has: {text_format.MessageToString(request, as_one_line=True)}")

    def _check(self, entry, request):
        text = re.sub(r"\$(\d+)", lambda m: str(self.ids[int(m[1])]), entry["expect"]) if "cancel" in entry["expect"] else entry["expect"]
        if (why := differing(parse(text, Request), request)) is not None:
            raise Unexpected(f"entry {self.at}: {why}")
        if "deadline_within" in entry and not 1 <= request.deadline_ms <= entry["deadline_within"]:
            raise Unexpected(f"entry {self.at}: deadline_ms is {request.deadline_ms}, not from 1 to {entry['deadline_within']}")

    def _react(self, entry, number):
        if "raw" in entry:
            self.peer.sendall(bytes.fromhex(entry["raw"]))
        if "answer" in entry:
            self._answer(number, parse(entry["answer"], Response), entry.get("pieces"))
        for index, text in entry.get("answers", ()):
            self._answer(self.ids[index], parse(text, Response), entry.get("pieces"))

    def _answer(self, number, response, pieces):
        body = struct.pack(">I", number) + response.SerializeToString()
        data = struct.pack(">BQ", 1, len(body)) + body
        for at in range(0, len(data), pieces or len(data)):
            self.peer.sendall(data[at : at + (pieces or len(data))])
