# SPDX-License-Identifier: MIT
"""The exceptions of DB-API 2.0, below them one for each SQLSTATE, and the pool's own.

Every one that came from the daemon or from PostgreSQL says in `outcome` which of three it was: "not sent" (PostgreSQL never
saw it: safe to try again), "failed" (it ended without effect), "outcome unknown" (it was sent, and the answer was lost:
look before you repeat it).
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._error_codes import CODES
from ._sqlstates import SQLSTATES

if TYPE_CHECKING:
    from ._sqlstate_types import *  # noqa: F403

NOT_SENT = "not sent"
FAILED = "failed"
UNKNOWN = "outcome unknown"
_OUTCOMES = ("", NOT_SENT, FAILED, UNKNOWN)
_OUTCOME_OF = {"NOT_SENT": NOT_SENT, "FAILED": FAILED, "UNKNOWN": UNKNOWN}
_BY_NUMBER = {entry[0]: entry for entry in CODES}
_BY_NAME = {entry[1]: entry for entry in CODES}


class Warning(Exception):  # noqa: A001 (the name is PEP 249's)
    """Of PEP 249; never raised."""


class Error(Exception):
    """Everything that goes wrong with a database."""

    sqlstate: str | None = None  # of five characters, where PostgreSQL said it
    code: str | None = None  # a name of proto/errors.def: "SQL_ERROR", "ACQUIRE_TIMEOUT", ...; None where this package noticed it
    outcome: str = NOT_SENT
    retryable: bool = False
    retry_after: float = 0.0  # seconds; not before, where the daemon gives the advice
    remedy: str = ""
    pool: PoolState | None = None  # how the pool stood, for waits that failed
    statement_index: int = 0  # in a batch: which statement
    parameter_set_index: int = 0  # and which set of its parameters

    def __init__(self, *args: object, code: str | None = None, outcome: str | None = None) -> None:
        super().__init__(*args)
        self.diag = Diagnostic()
        if code is not None:
            _, self.code, usual, self.retryable, _, self.remedy = _BY_NAME[code]
            self.outcome = outcome or _OUTCOME_OF[usual]
        elif outcome is not None:
            self.outcome = outcome
        self._response: Any = None  # what came with it

    def __reduce__(self) -> tuple[Any, ...]:
        state = {k: v for k, v in self.__dict__.items() if k != "_response"}
        return _restore, (type(self), self.args), {**state, "_response": None}

    @property
    def pgcode(self) -> str | None:
        return self.sqlstate

    @property
    def outcome_unknown(self) -> bool:
        """It was sent, and nobody knows whether it took effect."""
        return self.outcome == UNKNOWN


def _restore(cls, args):
    return cls(*args)


class InterfaceError(Error):
    """This package was used wrongly, or the daemon does not understand it."""


class DatabaseError(Error):
    pass


class DataError(DatabaseError):
    pass


class OperationalError(DatabaseError):
    pass


class IntegrityError(DatabaseError):
    pass


class InternalError(DatabaseError):
    pass


class ProgrammingError(DatabaseError):
    pass


class NotSupportedError(DatabaseError):
    pass


class PoolError(OperationalError):
    """The pool refused or ended a request; `pool` says how it stood."""


class PoolTimeout(PoolError):
    """No connection became free in time; the message says who holds them."""


class PoolFull(PoolError):
    """Too much waits or is open already."""


class CircuitOpen(PoolError):
    """The database cannot be reached, and the daemon does not try for the moment: see retry_after."""


class LeaseLost(PoolError):
    """The lease, and the transaction on it, are gone; nothing of it was committed unless a commit had been answered."""


class DaemonError(OperationalError):
    """Between this process and the daemon: not reachable, or lost with `outcome` "outcome unknown"."""


class ConnectionLost(OperationalError):
    """The daemon lost its connection to PostgreSQL before the answer."""


class Cancelled(OperationalError):
    """The request was ended: by cancel(), or by a limit on its time."""


class SessionRequired(NotSupportedError):
    """It needs a connection of its own for longer than a transaction: connect(lease="session")."""


class Diagnostic:
    """The fields of PostgreSQL's report, None where it sent none."""

    _FIELDS = {
        "severity": "severity", "severity_nonlocalized": "severity", "sqlstate": "sqlstate", "message_primary": "message",
        "message_detail": "detail", "message_hint": "hint", "statement_position": "position",
        "internal_position": "internal_position", "internal_query": "internal_query", "context": "where",
        "schema_name": "schema_name", "table_name": "table_name", "column_name": "column_name",
        "datatype_name": "data_type_name", "constraint_name": "constraint_name", "source_file": "source_file",
        "source_line": "source_line", "source_function": "source_function",
    }
    __slots__ = tuple(_FIELDS)
    if TYPE_CHECKING:
        severity: str | None
        severity_nonlocalized: str | None
        sqlstate: str | None
        message_primary: str | None
        message_detail: str | None
        message_hint: str | None
        statement_position: str | None
        internal_position: str | None
        internal_query: str | None
        context: str | None
        schema_name: str | None
        table_name: str | None
        column_name: str | None
        datatype_name: str | None
        constraint_name: str | None
        source_file: str | None
        source_line: str | None
        source_function: str | None

    def __init__(self, fields: Any = None) -> None:
        for name, wire in self._FIELDS.items():
            value = getattr(fields, wire, None) if fields is not None else None
            setattr(self, name, None if value in ("", 0, None) else str(value))

    def __getstate__(self) -> Any:
        return None, {name: getattr(self, name) for name in self.__slots__}

    def __repr__(self) -> str:
        told = ", ".join(f"{n}={getattr(self, n)!r}" for n in self.__slots__ if getattr(self, n) is not None)
        return f"Diagnostic({told})"


class Holder:
    """Who holds one of the pool's connections."""

    def __init__(self, wire: Any) -> None:
        self.application: str = wire.application
        self.pid: int = wire.pid
        self.unit: str = wire.unit
        self.call_site: str = wire.call_site
        self.state: str = wire.state
        self.held: float = wire.held_ms / 1000
        self.lease_id: int = wire.lease_id

    def __str__(self) -> str:
        return f"{self.application}[{self.pid}] {_seconds(self.held)} {self.state}".rstrip()


class PoolState:
    """How a pool stood when a wait failed; times in seconds."""

    def __init__(self, wire: Any) -> None:
        self.pool: str = wire.pool
        self.in_use: int = wire.in_use
        self.limit: int = wire.limit
        self.waiting: int = wire.waiting
        self.waited: float = wire.waited_ms / 1000
        self.holders = [Holder(h) for h in wire.holders]

    def __str__(self) -> str:
        text = f"pool {self.pool} {self.in_use}/{self.limit} in use"
        if self.waited > 0:
            text += f", waited {_seconds(self.waited)}"
        if self.holders:
            text += f"; longest: {', '.join(map(str, self.holders))}"
        return text


def _seconds(s):
    return f"{s:.1f} s" if s < 10 else f"{s:.0f} s"


_CLASS_OF = {  # of the first two characters of a SQLSTATE
    "02": DatabaseError, "10": ProgrammingError, "08": OperationalError, "0A": NotSupportedError, "20": ProgrammingError, "21": ProgrammingError,
    "22": DataError, "23": IntegrityError, "24": InternalError, "25": InternalError, "26": ProgrammingError,
    "27": OperationalError, "28": OperationalError, "2B": InternalError, "2D": InternalError, "2F": OperationalError,
    "34": ProgrammingError, "38": OperationalError, "39": OperationalError, "3B": OperationalError, "3D": ProgrammingError,
    "3F": ProgrammingError, "40": OperationalError, "42": ProgrammingError, "44": ProgrammingError, "53": OperationalError,
    "54": OperationalError, "55": OperationalError, "57": OperationalError, "58": OperationalError, "F0": OperationalError,
    "HV": OperationalError, "P0": ProgrammingError, "XX": InternalError,
}


def _make_sqlstates():
    made = {}
    for state, name in SQLSTATES:
        base = _CLASS_OF.get(state[:2], DatabaseError)
        made[state] = type(name, (base,), {"sqlstate": state, "__module__": __name__, "__doc__": f"SQLSTATE {state}."})
        globals()[name] = made[state]
    return made


_BY_SQLSTATE = _make_sqlstates()
_BY_CODE = {
    "ACQUIRE_TIMEOUT": PoolTimeout, "DEADLINE_UNREACHABLE": PoolTimeout, "QUEUE_FULL": PoolFull,
    "TOO_MANY_REQUESTS": PoolFull, "BREAKER_OPEN": CircuitOpen, "CONNECT_FAILED": CircuitOpen, "SHUTTING_DOWN": PoolError,
    "UNKNOWN_POOL": PoolError, "PERMISSION_DENIED": PoolError, "SESSION_REQUIRED": SessionRequired,
    "READ_ONLY": NotSupportedError, "UNSUPPORTED": NotSupportedError, "INVALID_MESSAGE": InterfaceError,
    "UNKNOWN_REQUEST": InterfaceError, "INVALID_ARGUMENT": InterfaceError, "CONNECTION_LOST": ConnectionLost,
    "CANCELLED": Cancelled, "DEADLINE_EXCEEDED": Cancelled, "STATEMENT_TIMEOUT": Cancelled, "FETCH_TIMEOUT": Cancelled,
    "TRANSACTION_TIMEOUT": LeaseLost, "UNKNOWN_LEASE": LeaseLost, "STALE_TOKEN": LeaseLost, "LEASE_EXPIRED": LeaseLost,
    "LEASE_IDLE": LeaseLost, "IDLE_IN_TRANSACTION": LeaseLost, "LEASE_REVOKED": LeaseLost, "LEASE_LOST": LeaseLost,
    "INTERNAL": InternalError, "DAEMON_UNREACHABLE": DaemonError, "DAEMON_LOST": DaemonError, "NO_ANSWER": DaemonError,
    "PROTOCOL_VIOLATION": DaemonError, "FORKED": InterfaceError, "CLOSED": InterfaceError,
}


def lookup(sqlstate: str) -> type[DatabaseError]:
    """The exception class of a SQLSTATE. Raises KeyError where PostgreSQL knows none."""
    return _BY_SQLSTATE[sqlstate.upper()]


def pool_error(code: str, message: str = "", outcome: str | None = None) -> Error:
    """The exception for a code that this package finds by itself."""
    return _BY_CODE.get(code, OperationalError)(message or _BY_NAME[code][4], code=code, outcome=outcome)


def _class_of(entry, sql):
    if sql is not None and sql.sqlstate:
        found = _BY_SQLSTATE.get(sql.sqlstate) or _CLASS_OF.get(sql.sqlstate[:2])
        if entry[1] == "SQL_ERROR" or entry[1] not in _BY_CODE:
            return found or DatabaseError
        if entry[1] == "CANCELLED" and sql.sqlstate == "57014":
            return found
    return _BY_CODE.get(entry[1], OperationalError)


def _message_of(wire, entry, sql, state):
    text = (sql.message if sql is not None else "") or wire.message or entry[4]
    if sql is not None and sql.detail:
        text += f"\nDETAIL:  {sql.detail}"
    if sql is not None and sql.hint:
        text += f"\nHINT:  {sql.hint}"
    if state is not None and "in use" not in text:
        text += f" ({state})"
    remedy = 'connect(lease="session") has one' if entry[1] == "SESSION_REQUIRED" else wire.remedy
    if remedy and sql is None:
        text += f" ({remedy})"
    return text


def from_wire(wire: Any, response: Any = None) -> Error:
    """The exception for a sidepool.v1.Error."""
    entry = _BY_NUMBER.get(wire.code) or (wire.code, None, "UNKNOWN", False, f"error {wire.code} of the daemon", "")
    sql = wire.sql if wire.HasField("sql") else None
    state = PoolState(wire.pool) if wire.HasField("pool") else None
    error = _class_of(entry, sql)(_message_of(wire, entry, sql, state))
    error.code = entry[1] or f"CODE_{wire.code}"
    error.outcome = _OUTCOMES[wire.outcome] if 0 < wire.outcome < 4 else _OUTCOME_OF[entry[2]]
    error.retryable = wire.retryable
    error.retry_after = wire.retry_after_ms / 1000
    error.remedy = wire.remedy
    error.pool = state
    error.statement_index = wire.statement_index
    error.parameter_set_index = wire.parameter_set_index
    if sql is not None:
        error.diag = Diagnostic(sql)
        error.sqlstate = sql.sqlstate or None
    error._response = response
    return error
