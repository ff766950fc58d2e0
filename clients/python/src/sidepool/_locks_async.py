# SPDX-License-Identifier: MIT
"""The same of tasks: a lock that the task which has it may take again, as threading.RLock."""
import asyncio
from contextlib import asynccontextmanager

sleep = asyncio.sleep
contextmanager = asynccontextmanager


class Lock:
    def __init__(self):
        self._lock = asyncio.Lock()
        self._owner = None
        self._depth = 0

    async def __aenter__(self):
        me = asyncio.current_task()
        if self._owner is not me:
            await self._lock.acquire()
            self._owner = me
        self._depth += 1

    async def __aexit__(self, *_):
        self._depth -= 1
        if self._depth == 0:
            self._owner = None
            self._lock.release()
