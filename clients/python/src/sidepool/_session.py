# SPDX-License-Identifier: MIT
"""The part of a connection that does no I/O: what the daemon's answers make of it, and how a request is filled in.

What a connection object holds of the pool is its lease, which is one of
    none -> held (acquire with a statement) -> none (commit, rollback, or PostgreSQL says that the transaction is over)
    held -> gone (revoked, expired, lost): everything but rollback() fails, so that half a transaction is never taken for a whole
A session's lease goes from none to held once, and when it is gone the connection is closed, for it cannot be what it was.
"""
from __future__ import annotations

import time
from collections.abc import Callable
from datetime import tzinfo
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from . import _origin, adapt, errors
from ._absent import no_attribute
from ._express import pool_field, trace_field
from ._messages import FINISH_COMMIT, FINISH_ROLLBACK, STATUS_ACTIVE, STATUS_FAILED, STATUS_IDLE, Request
from ._settings import Settings
from ._xid import Xid

_GONE = {41, 50, 51, 52, 53, 54, 55, 56}  # codes after which there is no lease


class TransactionStatus(IntEnum):
    """As libpq's PQtransactionStatus()."""

    IDLE = 0
    ACTIVE = 1
    INTRANS = 2
    INERROR = 3
    UNKNOWN = 4


class IsolationLevel(IntEnum):
    READ_UNCOMMITTED = 1
    READ_COMMITTED = 2
    REPEATABLE_READ = 3
    SERIALIZABLE = 4


class Lease:
    """A connection to PostgreSQL that is ours until it is given back."""

    __slots__ = ("lease_id", "token", "channel", "backend_pid", "status", "expires", "renew_at")

    def __init__(self, grant, channel):
        self.channel = channel
        self.status = STATUS_IDLE
        self.renew(grant)

    def renew(self, grant):
        self.lease_id, self.token = grant.lease_id, grant.token
        self.backend_pid = grant.backend_pid or getattr(self, "backend_pid", 0)
        self.expires = grant.expires_ms / 1000
        self.renew_at = time.monotonic() + self.expires / 2 if self.expires else float("inf")

    def address(self, request):
        request.lease.lease_id, request.lease.token = self.lease_id, self.token


class Notify:
    """A NOTIFY that came."""

    __slots__ = ("channel", "payload", "pid")

    def __init__(self, channel: str, payload: str, pid: int) -> None:
        self.channel, self.payload, self.pid = channel, payload, pid

    def __repr__(self) -> str:
        return f"Notify(channel={self.channel!r}, payload={self.payload!r}, pid={self.pid})"


class Info:
    """What is known of the session behind a connection."""

    def __init__(self, session: SessionState) -> None:
        self._session = session

    @property
    def transaction_status(self) -> TransactionStatus:
        session = self._session
        if session._closed:
            return TransactionStatus.UNKNOWN
        if session._gone is not None or session._status == STATUS_FAILED:
            return TransactionStatus.INERROR
        if session._status == STATUS_ACTIVE or session._blocks:
            return TransactionStatus.INTRANS
        return TransactionStatus.IDLE

    def parameter_status(self, name: str) -> str | None:
        return self._session.parameter(name)

    @property
    def backend_pid(self) -> int:
        """Of the PostgreSQL process behind the lease; 0 where none is held."""
        lease = self._session._lease
        return lease.backend_pid if lease is not None else 0

    @property
    def server_version(self) -> int:
        text = self.parameter_status("server_version") or ""
        numbers = [int(n) for n in text.split()[0].split(".") if n.isdigit()] if text else []
        if not numbers:
            return 0
        return numbers[0] * 10000 + (numbers[1] if len(numbers) > 1 else 0)

    @property
    def encoding(self) -> str:
        return "utf-8"

    @property
    def timezone(self) -> tzinfo:
        from .types.datetime import session_zone

        return session_zone(self._session)


class SessionState(adapt.Session):
    """What both kinds of connection have in common."""

    def __init__(self, settings: Settings, adapters: adapt.AdaptersMap) -> None:
        self.settings = settings
        self.adapters = adapt.AdaptersMap(adapters)
        self._autocommit = settings.autocommit
        self._characteristics: dict[str, Any] = {"isolation_level": None, "read_only": None, "deferrable": None}
        self._lease: Lease | None = None
        self._gone: Exception | None = None  # why the lease is no more, until rollback()
        self._short_way = not settings.timeout and settings.lease == "transaction"  # see _express.py
        self._tells_origin = settings.call_site or settings.trace
        self._pool_field = pool_field(settings.pool)
        self._closed = False
        self._broken = False
        self._blocks: list[Any] = []  # open transaction() blocks, outermost first
        self._parameters: dict[str, str] = {}  # of the lease's session, where it changed
        self._channel: Any = None  # the last that answered
        self._notice_handlers: list[Callable[[errors.Diagnostic], object]] = []
        self._notify_handlers: list[Callable[[Notify], object]] = []
        self._tpc: tuple[Xid, bool] | None = None

    if not TYPE_CHECKING:

        def __getattr__(self, name):
            no_attribute(self, name)

    @property
    def info(self) -> Info:
        return Info(self)

    @property
    def closed(self) -> bool:
        return self._closed

    @property
    def broken(self) -> bool:
        """It was closed because what it held is lost, not because close() was called."""
        return self._broken

    @property
    def _status(self):
        return self._lease.status if self._lease is not None else STATUS_IDLE

    @property
    def _in_transaction(self):
        return self._gone is not None or bool(self._blocks) or self._status in (STATUS_ACTIVE, STATUS_FAILED)

    @property
    def _session_lease(self):
        return self.settings.lease == "session"

    def parameter(self, name: str) -> str | None:
        found = self._parameters.get(name)
        if found is None and self._channel is not None and self._channel.hello is not None:
            for p in self._channel.hello.parameters:
                if p.name == name:
                    return p.value
        return found

    # -- handlers

    def add_notice_handler(self, callback: Callable[[errors.Diagnostic], object]) -> None:
        """callback(diagnostic) for each notice of PostgreSQL's."""
        self._notice_handlers.append(callback)

    def remove_notice_handler(self, callback: Callable[[errors.Diagnostic], object]) -> None:
        self._notice_handlers.remove(callback)

    def add_notify_handler(self, callback: Callable[[Notify], object]) -> None:
        """callback(notify) for each NOTIFY that comes with an answer on the lease."""
        self._notify_handlers.append(callback)

    def remove_notify_handler(self, callback: Callable[[Notify], object]) -> None:
        self._notify_handlers.remove(callback)

    # -- requests

    def _check_usable(self):
        if self._closed:
            raise errors.OperationalError("the connection is closed")
        if self._gone is not None:
            error = errors.pool_error("LEASE_LOST", f"the transaction is lost, roll back first: {self._gone}")
            error.__cause__ = self._gone
            raise error

    def _new_request(self):
        settings = self.settings
        request = Request()
        if settings.pool:
            request.pool = settings.pool
        if settings.call_site:
            request.call_site = _origin.call_site()
        if settings.trace:
            traceparent = _origin.traceparent()
            if traceparent:
                request.traceparent = traceparent
        return request

    def _plans(self):
        """The plans of the channel that a statement would go by now, if it needs no lease; else None."""
        if self._lease is not None or not self._autocommit or not self._short_way or self._blocks:
            return None
        link = self._transport._link
        return link.channel.plans if link is not None and self._gone is None and self._tpc is None else None

    def _origin_fields(self):
        """The fields of a Request that say who asks, and of which pool, packed."""
        told, settings = self._pool_field, self.settings
        if settings.call_site:
            told += _origin.call_site_field()
        if settings.trace:
            traceparent = _origin.traceparent()
            if traceparent:
                told += trace_field(traceparent)
        return told

    def _deadline(self):
        return time.monotonic() + self.settings.timeout if self.settings.timeout else 0.0

    def _begin_options(self, request):
        """The request takes a lease and begins a transaction with it."""
        request.acquire.begin = True
        told = self._characteristics
        if any(value is not None for value in told.values()):
            options = request.acquire.transaction
            options.isolation = told["isolation_level"] or 0
            options.read_only = bool(told["read_only"])
            options.deferrable = bool(told["deferrable"])

    def _begin_sql(self):
        """The same as text, for a lease that is held already."""
        told, words = self._characteristics, ["BEGIN"]
        if told["isolation_level"] is not None:
            words.append("ISOLATION LEVEL " + IsolationLevel(told["isolation_level"]).name.replace("_", " "))
        if told["read_only"] is not None:
            words.append("READ ONLY" if told["read_only"] else "READ WRITE")
        if told["deferrable"] is not None:
            words.append("DEFERRABLE" if told["deferrable"] else "NOT DEFERRABLE")
        return " ".join(words)

    # -- answers

    def _absorb(self, call):
        """Takes what an answer (or its failing to come) says of the lease."""
        message, response = call.message, call.response
        if call.channel is not None:
            self._channel = call.channel
        if response is None:
            self._failed(message, call.error or errors.pool_error("DAEMON_LOST", "an interrupted request was not answered"))
            return
        if response.HasField("lease"):
            self._granted(response.lease, call.channel)
        if self._lease is not None and response.transaction_status:
            self._lease.status = response.transaction_status
        for p in response.parameters:
            self._parameters[p.name] = p.value
        leased = message.HasField("lease") or message.HasField("acquire")
        if leased and not message.finish and response.HasField("error") and _is_end(response.error):
            self._lose(errors.from_wire(response.error))
        elif message.finish in (FINISH_COMMIT, FINISH_ROLLBACK):
            self._given_back()
        self._tell(response)

    def _granted(self, grant, channel):
        if self._lease is not None and self._lease.lease_id == grant.lease_id:
            self._lease.renew(grant)
        else:
            self._lease = Lease(grant, channel)

    def _tell(self, response):
        for result in response.results:
            for notice in result.notices:
                diagnostic = errors.Diagnostic(notice.fields)
                for handler in list(self._notice_handlers):
                    handler(diagnostic)
        for n in response.notifications:
            notify = Notify(n.channel, n.payload, n.backend_pid)
            for handler in list(self._notify_handlers):
                handler(notify)

    def _failed(self, message, error):
        """No answer came."""
        if message.finish:
            self._given_back()
        elif message.HasField("lease"):
            self._lose(error)
        elif message.HasField("acquire") and message.acquire.begin and error.outcome != errors.NOT_SENT:
            self._lose(error)

    def _given_back(self):
        self._lease = None
        self._parameters.clear()

    def _lose(self, why):
        """The lease is gone, and with it the transaction or the session."""
        self._given_back()
        if self._session_lease:
            self._closed = self._broken = True
        else:
            self._gone = why


def _is_end(error):
    """There is no lease after it: by its code, or because PostgreSQL ended the connection."""
    return error.code in _GONE or (error.HasField("sql") and error.sql.severity in ("FATAL", "PANIC"))
