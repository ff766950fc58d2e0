# SPDX-License-Identifier: MIT
"""The network between the daemon and PostgreSQL, in our hands: it can stall, crawl, break in the
middle of a message, swallow the answers, refuse.

A thread of its own runs the event loop; every method may be called from any other thread.
"""
import asyncio
import random
import socket
import struct
import threading

TO_SERVER, TO_CLIENT = "to the server", "to the client"
RESET = struct.pack("ii", 1, 0)  # SO_LINGER of 0 s: close() sends RST


class Link:
    """One connection through the proxy: its sockets, and the task that closes them at its end."""

    def __init__(self, client):
        self.client, self.server = client, socket.socket()
        self.reset, self.ending, self.task = False, False, None
        for s in (self.client, self.server):
            s.setblocking(False)

    def close(self):
        for s in (self.client, self.server):
            if self.reset:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            s.close()


class Proxy:
    """Listens on a port of its own, and leads to `target`, a port of this host; to nothing while that is None."""

    def __init__(self, target):
        self.target = target
        self.links = set()
        self.accepted = self.cuts = 0
        self.refusing = False
        self.swallowed = None  # a direction in which everything is lost
        self.cut = None        # (direction, bytes left until then, reset, all links)
        self.slow = None       # (seconds for each piece, bytes of a piece)
        self.loop = asyncio.new_event_loop()
        self.open = asyncio.Event()
        self.open.set()
        self.port, self.listener = 0, None
        self._bind()
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._run, name="proxy")
        self.thread.start()

    def _call(self, function):
        done = threading.Event()

        def call():
            function()
            done.set()

        self.loop.call_soon_threadsafe(call)
        done.wait(10)

    # -- the faults

    def stall(self):
        """Nothing goes through, in neither direction; nothing is lost either."""
        self._call(self.open.clear)

    def crawl(self, seconds, size):
        self._call(lambda: setattr(self, "slow", (seconds, size)))

    def swallow(self, direction):
        """From now on what goes this way is lost. Only a reset may follow: bytes never vanish from TCP."""
        self._call(lambda: setattr(self, "swallowed", direction))

    def refuse(self):
        """Who connects is reset at once."""
        self._call(lambda: setattr(self, "refusing", True))

    def cut_after(self, direction, size, reset, every):
        """So many more bytes go that way, then the link that carried them breaks, or every one."""
        self._call(lambda: setattr(self, "cut", [direction, size, reset, every]))

    def break_all(self, reset):
        self._call(lambda: self._break(list(self.links), reset))

    def lead_to(self, target):
        """Another server; None: nobody listens here, and who connects is refused as by a dead host."""

        def lead():
            self.target = target
            self._break(list(self.links), True)
            self.accepting.cancel()

        self._call(lead)

    def heal(self):
        """No fault any more. What was swallowed from cannot go on: it is reset."""

        def heal():
            if self.swallowed:
                self._break(list(self.links), True)
            self.swallowed = self.slow = self.cut = None
            self.refusing = False
            self.open.set()

        self._call(heal)

    def close(self):
        self.loop.call_soon_threadsafe(self.main.cancel)
        self.thread.join()

    # -- the loop

    def _bind(self):
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", self.port))
        self.listener.listen(512 if self.target else 0)
        self.listener.setblocking(False)

    def _run(self):
        self.main = self.loop.create_task(self._live())
        self.loop.run_until_complete(self.main)
        self.loop.close()

    def _break(self, links, reset):
        """No socket may be closed under the hands of the loop: the link's task closes them."""
        for link in links:
            if not link.ending:
                link.reset, link.ending = reset, True
                link.task.cancel()

    async def _live(self):
        """Until close(): it accepts, or does not, according to the target."""
        try:
            while True:
                self.accepting = self.loop.create_task(self._accept())
                await asyncio.wait([self.accepting])
        except asyncio.CancelledError:
            self.accepting.cancel()
            tasks = [self.accepting, *(link.task for link in self.links)]
            self._break(list(self.links), True)
            await asyncio.gather(*tasks, return_exceptions=True)
            self.listener.close()

    async def _accept(self):
        self.listener.close()
        if self.target is None:
            await self.loop.create_future()
        self._bind()
        while True:
            client, _ = await self.loop.sock_accept(self.listener)
            self.accepted += 1
            link = Link(client)
            self.links.add(link)
            link.task = self.loop.create_task(self._serve(link))

    async def _serve(self, link):
        pumps = []
        try:
            if self.refusing:
                link.reset = True
                return
            await self.loop.sock_connect(link.server, ("127.0.0.1", self.target))
            for s in (link.client, link.server):
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            pumps = [
                self.loop.create_task(self._pump(link, link.client, link.server, TO_SERVER)),
                self.loop.create_task(self._pump(link, link.server, link.client, TO_CLIENT)),
            ]
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        except OSError:
            link.reset = True  # nobody listens there
        except asyncio.CancelledError:
            pass  # it is to be broken
        finally:
            link.ending = True
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            link.close()
            self.links.discard(link)

    async def _pump(self, link, source, sink, direction):
        try:
            while data := await self.loop.sock_recv(source, 65536):
                await self.open.wait()
                if not await self._pass(link, sink, direction, data):
                    return
        except OSError:
            pass  # broken by one of the ends: this link is over

    async def _pass(self, link, sink, direction, data):
        """Whether the link goes on."""
        if self.swallowed == direction:
            return True
        cut = self.cut
        if cut and cut[0] == direction:
            if len(data) >= cut[1]:
                self.cut = None
                self.cuts += 1
                await self.loop.sock_sendall(sink, data[: cut[1]])
                self._break(list(self.links) if cut[3] else [link], cut[2])
                return False
            cut[1] -= len(data)
        if not self.slow:
            await self.loop.sock_sendall(sink, data)
            return True
        while data and self.slow:
            seconds, size = self.slow
            piece, data = data[:size], data[size:]
            await asyncio.sleep(random.uniform(0, seconds))
            await self.loop.sock_sendall(sink, piece)
        await self.loop.sock_sendall(sink, data)
        return True
