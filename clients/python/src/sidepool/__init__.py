# SPDX-License-Identifier: MIT
"""PostgreSQL through the connections of sidepoold, as DB-API 2.0; for asyncio: sidepool.aio."""
from typing import TYPE_CHECKING as _TYPE_CHECKING

from . import errors, rows, types
from ._absent import no_name as _no_name
from ._dbapi import (
    BINARY, DATETIME, NUMBER, ROWID, STRING, Binary, Date, DateFromTicks, Time, TimeFromTicks, Timestamp, TimestampFromTicks,
    apilevel, paramstyle, threadsafety,
)
from ._rollback import Rollback
from ._session import IsolationLevel, Notify, TransactionStatus
from ._settings import VERSION as __version__
from ._submit import Submitted
from ._sync.connection import Connection
from ._sync.copy import Copy
from ._sync.cursor import Cursor, RawCursor
from ._sync.server_cursor import RawServerCursor, ServerCursor
from ._sync.transaction import Transaction
from ._sync.typeinfo import fetch_type
from ._xid import Xid
from .errors import (
    Cancelled, CircuitOpen, ConnectionLost, DaemonError, DatabaseError, DataError, Error, IntegrityError, InterfaceError,
    InternalError, LeaseLost, NotSupportedError, OperationalError, PoolError, PoolFull, PoolTimeout, ProgrammingError,
    SessionRequired, Warning,
)
from .types import adapters

connect = Connection.connect

__all__ = [
    "BINARY", "Binary", "Cancelled", "CircuitOpen", "Connection", "ConnectionLost", "Copy", "Cursor", "DATETIME", "DaemonError",
    "DataError", "DatabaseError", "Date", "DateFromTicks", "Error", "IntegrityError", "InterfaceError", "InternalError",
    "IsolationLevel", "LeaseLost", "NUMBER", "NotSupportedError", "Notify", "OperationalError", "PoolError", "PoolFull",
    "PoolTimeout", "ProgrammingError", "ROWID", "RawCursor",
    "RawServerCursor", "Rollback", "STRING", "ServerCursor", "SessionRequired", "Submitted", "Time",
    "TimeFromTicks", "Timestamp", "TimestampFromTicks", "Transaction", "TransactionStatus", "Warning", "Xid", "__version__",
    "adapters", "apilevel", "connect", "errors", "fetch_type", "paramstyle", "rows", "threadsafety", "types",
]


if not _TYPE_CHECKING:  # else any name would do

    def __getattr__(name):
        _no_name(__name__, name)
