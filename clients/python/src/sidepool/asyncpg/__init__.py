# SPDX-License-Identifier: MIT
"""asyncpg's names over the daemon: `from sidepool import asyncpg`."""
from __future__ import annotations

from collections.abc import Iterator

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

_OTHERWISE = {  # asyncpg's names that are not PostgreSQL's condition, with or without "Error"
    "InvalidTextRepresentationError": "InvalidTextRepresentation", "QueryCanceledError": "QueryCanceled",
    "IntegrityConstraintViolationError": "IntegrityError", "PostgresSyntaxError": "SyntaxError",
    "AssertError": "AssertFailure", "RaiseError": "RaiseException", "SerializationError": "SerializationFailure",
    "ClientCannotConnectError": "SqlclientUnableToEstablishSqlconnection",
    "ConnectionRejectionError": "SqlserverRejectedEstablishmentOfSqlconnection",
    "InternalServerError": "InternalError_", "InvalidCachedStatementError": "FeatureNotSupported",
    "ModifyingExternalRoutineSQLDataNotPermittedError": "ModifyingSqlDataNotPermittedExt",
    "NullValueInExternalRoutineNotAllowedError": "NullValueNotAllowedExt",
    "ProhibitedExternalRoutineSQLStatementAttemptedError": "ProhibitedSqlStatementAttemptedExt",
    "ReadingExternalRoutineSQLDataNotPermittedError": "ReadingSqlDataNotPermittedExt",
    "PostgresFloatingPointError": "FloatingPointException", "PostgresIOError": "IoError",
    "TriggeredActionError": "TriggeredActionException",
}
_SPELLINGS = (("SQL", "Sql"), ("FDW", "Fdw"))


def _candidates(name: str) -> Iterator[str | None]:
    yield _OTHERWISE.get(name)
    for spelling in _SPELLINGS:
        name = name.replace(*spelling)
    yield name[: -len("Error")]
    yield name


def __getattr__(name: str) -> type[errors.Error]:
    """asyncpg.UniqueViolationError is sidepool.errors.UniqueViolation, and so on."""
    if name.endswith("Error"):
        for candidate in filter(None, _candidates(name)):
            found = getattr(errors, candidate, None)
            if isinstance(found, type) and issubclass(found, errors.Error):
                return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
