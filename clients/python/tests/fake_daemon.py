# SPDX-License-Identifier: MIT
"""A daemon that does what a test tells it, byte by byte where it must.

What is asked of it gathers until `next()` takes it; Hello is answered by `hello` (None: it is not).
"""
import os
import queue
import shutil
import socket
import struct
import tempfile
import threading

from sidepool._messages import Request, Response

GREETING = bytes.fromhex("0053500000310000")
GUARD = 20  # seconds after which a test that hangs fails
_HEAD = struct.Struct(">BQI")


def frame(request_id, body):
    return _HEAD.pack(1, len(body) + 4, request_id) + body


def hello_reply(**fields):
    response = Response()
    told = {"version": 1, "daemon_version": "0.1.0", "application": "test", "pools": ["main"], "instance_id": 7}
    told |= {"max_message_bytes": 1 << 20, "max_chunk_bytes": 1 << 18} | fields
    for name, value in told.items():
        if isinstance(value, list):
            getattr(response.hello, name).extend(value)
        else:
            setattr(response.hello, name, value)
    response.hello.parameters.add(name="server_version", value="15.0")  # else it is asked for again
    return response


class Received:
    """A request and where its answer goes."""

    def __init__(self, peer, request_id, request):
        self.peer, self.id, self.request = peer, request_id, request

    def reply(self, response=None, **fields):
        self.peer.send(frame(self.id, (response or Response(**fields)).SerializeToString()))


class Peer:
    """One connection as the daemon sees it."""

    def __init__(self, daemon, sock):
        self.daemon, self.sock = daemon, sock
        self.greeting = None
        self.hello = None
        self.received = []
        self.thread = threading.Thread(target=self._read, daemon=True)
        sock.sendall(daemon.greeting)
        daemon.peers.append(self)
        self.thread.start()

    def _read(self):
        with self.sock.makefile("rb") as stream:
            try:
                self.greeting = stream.read(8)
                while self.daemon.gate.wait() and len(head := stream.read(13)) == 13:
                    _, length, request_id = _HEAD.unpack(head)
                    if len(body := stream.read(length - 4)) < length - 4:
                        break
                    self._take(Received(self, request_id, Request.FromString(body)))
            except OSError:
                pass
        self.daemon.hangups.put(self)

    def _take(self, received):
        self.received.append(received)
        if not received.request.HasField("hello"):
            self.daemon.requests.put(received)
            return
        self.hello = received.request.hello
        if self.daemon.hello is not None:
            received.reply(self.daemon.hello)

    def send(self, data):
        try:
            self.sock.sendall(data)
        except OSError:
            pass

    def hang_up(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()


class FakeDaemon:
    def __init__(self, folder=None):
        self.folder = folder or tempfile.mkdtemp(prefix="sp-", dir="/tmp")
        self.path = os.path.join(self.folder, "rpc.sock")
        self.greeting = GREETING
        self.hello = hello_reply()
        self.requests = queue.Queue()
        self.hangups = queue.Queue()
        self.accepted = queue.Queue()
        self.peers = []
        self.listener = None
        self.gate = threading.Event()  # cleared: nothing is read, once what is being read was taken
        self.gate.set()

    def start(self):
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(self.path)
        self.listener.listen(16)
        self.thread = threading.Thread(target=self._accept, args=(self.listener,), daemon=True)
        self.thread.start()
        return self

    def _accept(self, listener):
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            self.accepted.put(Peer(self, sock))

    def next(self):
        """The next request."""
        return self.requests.get(timeout=GUARD)

    def stop(self):
        """Ends every connection and listens no more."""
        if self.listener is None:
            return
        listener, self.listener = self.listener, None
        os.unlink(self.path)
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        self.thread.join(GUARD)
        self.gate.set()
        peers, self.peers = self.peers, []
        for peer in peers:
            peer.hang_up()
            peer.thread.join(GUARD)

    def remove(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
