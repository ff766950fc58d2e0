# SPDX-License-Identifier: MIT
"""asyncpg's add_listener() and add_log_listener(). Notifications come over the daemon's events, so that listening holds no
connection of the pool's; what may be lost on the way is told to add_gap_listener()'s."""
from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

from .. import errors

_CHANNEL_BYTES_MAX = 63


class _Ears:
    """A connection's callbacks of one channel."""

    def __init__(self, connection: Any, channel: str) -> None:
        self._connection, self._channel = connection, channel
        self.callbacks: list[Callable[..., object]] = []
        self.ready: Any = None  # a future: it is listened to

    def notification(self, n):
        for callback in list(self.callbacks):
            self._connection._call(callback, n.backend_pid, n.channel, n.payload)

    def gap(self, lost, reason):
        for callback in list(self._connection._gap_listeners):
            self._connection._call(callback, self._channel, lost, reason)


class Listeners:
    """The part of a connection that hears."""

    def __init__(self, connection: Any) -> None:
        self._ears: dict[str, _Ears] = {}
        self._gap_listeners: list[Callable[..., object]] = []
        self._log_listeners: dict[Callable[..., object], Any] = {}
        self._running: set[asyncio.Future[Any]] = set()  # of callbacks that are coroutine functions
        self._raw = connection

    def _call(self, callback, *args):
        try:
            made = callback(self, *args)
            if inspect.isawaitable(made):
                task = asyncio.ensure_future(made)
                self._running.add(task)
                task.add_done_callback(self._running.discard)
        except Exception as e:
            asyncio.get_running_loop().call_exception_handler({"message": f"a listener failed: {callback!r}", "exception": e})

    async def add_listener(self, channel: str, callback: Callable[..., object]) -> None:
        """callback(connection, pid, channel, payload), a function or a coroutine function, for each NOTIFY. Returns when none
        is missed from then on. Not folded to lower case."""
        self._check_open()
        if not 1 <= len(channel.encode()) <= _CHANNEL_BYTES_MAX:
            raise errors.InterfaceError("a channel's name has 1 to 63 bytes")
        ears = self._ears.get(channel)
        if ears is None:
            ears = self._ears[channel] = _Ears(self, channel)
            listening = self._raw._transport.listening
            ears.ready = asyncio.ensure_future(listening.add(self._raw.settings.pool, channel, ears))
        if callback not in ears.callbacks:
            ears.callbacks.append(callback)
        try:
            await asyncio.shield(ears.ready)
        except errors.Error:
            self._ears.pop(channel, None)
            raise
        except asyncio.CancelledError:
            await self.remove_listener(channel, callback)
            raise

    async def remove_listener(self, channel: str, callback: Callable[..., object]) -> None:
        ears = self._ears.get(channel)
        if ears is None or callback not in ears.callbacks:
            return
        ears.callbacks.remove(callback)
        if not ears.callbacks:
            self._drop(channel)

    async def remove_all_listeners(self) -> None:
        self._drop_listeners()

    def _drop(self, channel):
        ears = self._ears.pop(channel)
        if not ears.ready.done():
            ears.ready.cancel()
        self._raw._transport.listening.remove(self._raw.settings.pool, channel, ears)

    def _drop_listeners(self):
        for channel in list(self._ears):
            self._drop(channel)

    def add_gap_listener(self, callback: Callable[..., object]) -> None:
        """callback(connection, channel, lost, reason): notifications were lost, `lost` of them, or None where nobody knows how
        many. Who mirrors something reads it again."""
        self._gap_listeners.append(callback)

    def remove_gap_listener(self, callback: Callable[..., object]) -> None:
        self._gap_listeners.remove(callback)

    def add_log_listener(self, callback: Callable[..., object]) -> None:
        """callback(connection, diagnostic) for each notice of PostgreSQL's."""
        if callback not in self._log_listeners:
            self._log_listeners[callback] = handler = lambda diagnostic: self._call(callback, diagnostic)
            self._raw.add_notice_handler(handler)

    def remove_log_listener(self, callback: Callable[..., object]) -> None:
        handler = self._log_listeners.pop(callback, None)
        if handler is not None:
            self._raw.remove_notice_handler(handler)
