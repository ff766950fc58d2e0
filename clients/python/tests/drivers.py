# SPDX-License-Identifier: MIT
"""Both transports under one surface, so that one test runs on each: `start(message)` returns a Future."""
import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

from fake_daemon import GUARD

from sidepool._messages import Request
from sidepool._settings import make_settings
from sidepool._transport_async import AsyncTransport
from sidepool._transport_sync import Transport


def query(sql=b"select 1"):
    request = Request()
    request.query.statement.sql = sql
    return request


class SyncDriver:
    kind = "sync"

    def __init__(self, path, **settings):
        self.transport = Transport(make_settings(path, **settings))
        self._threads = ThreadPoolExecutor(max_workers=64)

    def start(self, message, **options):
        return self._threads.submit(self.transport.request, message, **options)

    def ask(self, message, **options):
        return self.start(message, **options).result(GUARD)

    def ready(self):
        return self._threads.submit(self.transport.ready).result(GUARD)

    def call(self, function, *arguments):
        """Where the transport may be used."""
        return function(*arguments)

    def close(self):
        self.transport.close()
        self._threads.shutdown()


class AsyncDriver:
    kind = "async"

    def __init__(self, path, **settings):
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()
        self.transport = AsyncTransport(make_settings(path, **settings), self.loop)

    def start(self, message, **options):
        return asyncio.run_coroutine_threadsafe(self.transport.request(message, **options), self.loop)

    def ask(self, message, **options):
        return self.start(message, **options).result(GUARD)

    def ready(self):
        return asyncio.run_coroutine_threadsafe(self.transport.ready(), self.loop).result(GUARD)

    def call(self, function, *arguments):
        async def there():
            return function(*arguments)

        return asyncio.run_coroutine_threadsafe(there(), self.loop).result(GUARD)

    def close(self):
        self.call(self.transport.close)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(GUARD)
        self.loop.close()
