# SPDX-License-Identifier: MIT
"""asyncpg's names over the daemon: `from sidepool import asyncpg`."""
from .. import errors
from ..errors import DataError, InterfaceError
from ..types import Range
from .connection import Connection, PreparedStatement, connect
from .pool import Pool, create_pool
from .record import Record
from .transaction import Transaction

PostgresError = errors.DatabaseError

__all__ = [
    "Connection", "DataError", "InterfaceError", "Pool", "PostgresError", "PreparedStatement", "Range", "Record", "Transaction",
    "connect", "create_pool",
]

_OTHERWISE = {  # asyncpg's names that are not PostgreSQL's condition and "Error"
    "InvalidTextRepresentationError": "InvalidTextRepresentation", "QueryCanceledError": "QueryCanceled",
    "IntegrityConstraintViolationError": "IntegrityError", "PostgresSyntaxError": "SyntaxError",
    "InFailedSQLTransactionError": "InFailedSqlTransaction", "NoActiveSQLTransactionError": "NoActiveSqlTransaction",
    "ReadOnlySQLTransactionError": "ReadOnlySqlTransaction",
}


def __getattr__(name):
    """asyncpg.UniqueViolationError is sidepool.errors.UniqueViolation, and so on."""
    if name.endswith("Error"):
        found = getattr(errors, _OTHERWISE.get(name, name[: -len("Error")]), None)
        if isinstance(found, type) and issubclass(found, errors.Error):
            return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
