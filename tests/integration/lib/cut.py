# SPDX-License-Identifier: MIT
"""A wire to PostgreSQL that is cut at a word: for what is lost at the worst moment."""
import selectors
import socket
import threading
from pathlib import Path
from tempfile import TemporaryDirectory

from .postgres import Postgres


CANCEL = b"\0\0\0\x10\x04\xd2\x16\x2e"  # the head of a CancelRequest


class Cut:
    """Relays to a server until armed; the next time the armed word comes, it and its connection end."""

    def __init__(self, pg: Postgres) -> None:
        self.server = f"{pg.data}/.s.PGSQL.{pg.port}"
        self.folder = TemporaryDirectory(prefix="sp-cut-")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(Path(self.folder.name) / f".s.PGSQL.{pg.port}"))
        self.listener.listen()
        self.url = f"postgresql://postgres@/test?host={self.folder.name}&port={pg.port}"
        self.wanted: tuple[str, bytes] | None = None
        self.keep_server = False
        self.lost_cancels = 0  # how many cancel requests are still to be swallowed
        self.keep_cancels = False  # neither delivered nor refused: whoever sent one waits
        self.kept: list[socket.socket] = []
        self.over, self.waker = socket.socketpair()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def arm(self, side: str, word: bytes, keep_server: bool = False) -> None:
        """Cuts at a word that the `side` ("client" or "server") sends; `keep_server` leaves PostgreSQL's end open."""
        self.wanted, self.keep_server = (side, word), keep_server

    def relay(self, selector: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
        side, other = key.data
        source = key.fileobj
        assert isinstance(source, socket.socket)
        try:
            data = source.recv(1 << 16)
        except OSError:
            data = b""
        if data.startswith(CANCEL) and self.lost_cancels:
            self.lost_cancels -= 1
            data = b""
        if data.startswith(CANCEL) and self.keep_cancels:
            selector.unregister(source)
            selector.unregister(other)
            self.kept += [source, other]
            return
        hit = self.wanted and self.wanted[0] == side and self.wanted[1] in data
        if hit:
            data = data[: data.index(self.wanted[1])]
        try:
            if data:
                other.sendall(data)
        except OSError:
            data = b""
        if data and not hit:
            return
        for s in (source, other):
            if s.fileno() >= 0 and s in selector.get_map():
                selector.unregister(s)
            if hit and self.keep_server and s is (other if side == "client" else source):
                self.kept.append(s)
            else:
                s.close()
        if hit:
            self.wanted = None

    def accept(self, selector: selectors.BaseSelector) -> None:
        client, _ = self.listener.accept()
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(self.server)
        except OSError:
            server.close()
            client.close()
            return
        selector.register(client, selectors.EVENT_READ, ("client", server))
        selector.register(server, selectors.EVENT_READ, ("server", client))

    def run(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self.listener, selectors.EVENT_READ, None)
            selector.register(self.waker, selectors.EVENT_READ, None)
            while True:
                for key, _ in selector.select():
                    if key.fileobj is self.waker:
                        for s in [k.fileobj for k in selector.get_map().values()] + self.kept:
                            assert isinstance(s, socket.socket)
                            s.close()
                        return
                    if key.fileobj is self.listener:
                        self.accept(selector)
                    elif key.fileobj.fileno() >= 0:  # else its other end was closed just now
                        self.relay(selector, key)

    def __enter__(self) -> "Cut":
        return self

    def __exit__(self, *_: object) -> None:
        self.over.close()
        self.thread.join()
        self.folder.cleanup()
