# SPDX-License-Identifier: MIT
"""The same for asyncio: `conn = await sidepool.aio.connect()`. All connections of an event loop share one socket."""
from typing import TYPE_CHECKING as _TYPE_CHECKING

from ._absent import no_name as _no_name
from ._async.connection import AsyncConnection
from ._async.copy import AsyncCopy
from ._async.cursor import AsyncCursor, AsyncRawCursor
from ._async.server_cursor import AsyncRawServerCursor, AsyncServerCursor
from ._async.transaction import AsyncTransaction
from ._async.typeinfo import fetch_type
from ._rollback import Rollback

connect = AsyncConnection.connect

__all__ = [
    "AsyncConnection", "AsyncCopy", "AsyncCursor", "AsyncRawCursor", "AsyncRawServerCursor", "AsyncServerCursor",
    "AsyncTransaction", "Rollback", "connect", "fetch_type",
]


if not _TYPE_CHECKING:

    def __getattr__(name):
        _no_name(__name__, name)
