# SPDX-License-Identifier: MIT
# Made by tools/unasync.py from _async; do not edit.
"""The connection object. It takes nothing from the pool until a statement does, and gives it back with the transaction."""
from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any, Generic, cast, overload

from .. import errors
from .._locks_sync import Lock
from .._messages import FINISH_COMMIT, FINISH_ROLLBACK, STATUS_ACTIVE, STATUS_FAILED, STATUS_IDLE
from .._query import begins, ends_prepared, is_several
from .._session import IsolationLevel, SessionState
from .._settings import Settings, make_settings
from .._transport_sync import transport_for
from ..rows import Row, RowFactory, T, tuple_row
from ..types import adapters as global_adapters
from .batch import Batches
from .copy import Copies
from .cursor import Cursor, Params
from .server_cursor import ServerCursor
from .submit import Submits
from .tpc import TwoPhase
from .transaction import Transaction

if TYPE_CHECKING:
    from typing_extensions import Self


class Connection(Batches, Copies, Submits, TwoPhase, SessionState, Generic[Row]):
    """What connect() returns."""

    Warning = errors.Warning
    Error = errors.Error
    InterfaceError = errors.InterfaceError
    DatabaseError = errors.DatabaseError
    DataError = errors.DataError
    OperationalError = errors.OperationalError
    IntegrityError = errors.IntegrityError
    InternalError = errors.InternalError
    ProgrammingError = errors.ProgrammingError
    NotSupportedError = errors.NotSupportedError

    def __init__(
        self,
        settings: Settings,
        transport: Any,
        row_factory: RowFactory[Row] | None = None,
        cursor_factory: type[Cursor[Any]] | None = None,
    ) -> None:
        super().__init__(settings, global_adapters)
        self._transport = transport
        self.lock = Lock()
        self.row_factory: RowFactory[Row] = row_factory or cast("RowFactory[Row]", tuple_row)
        self.cursor_factory: type[Cursor[Any]] = cursor_factory or Cursor
        self.server_cursor_factory: type[ServerCursor[Any]] = ServerCursor

    @classmethod
    def connect(
        cls,
        line: str = "",
        *,
        row_factory: RowFactory[Row] | None = None,
        cursor_factory: type[Cursor[Any]] | None = None,
        check: bool = True,
        **settings: Any,
    ) -> Self:
        """Takes nothing from the pool. With `check` it is seen to that a daemon is there."""
        told = make_settings(line, **settings)
        transport = transport_for(told)
        connection = cls(told, transport, row_factory, cursor_factory)
        if check:
            connection._reach()
        return connection

    def _reach(self):
        """Sees to it that a daemon has been met."""
        if self._channel is None:
            self._channel = self._transport.ready()

    # -- requests

    def _send(self, request, text=None):
        """Sends a request where it belongs, and returns its Response. Raises what it says."""
        lease = self._lease
        if lease is not None:
            self._renew(lease)
            lease.address(request)
        channel = lease.channel if lease is not None else None
        try:
            call = self._transport.request(
                request, channel=channel, text=text, deadline=self._deadline(), late=self._absorb
            )
        except errors.Error as e:
            self._failed(request, e)
            raise
        return self._answered(call)

    def _answered(self, call):
        """What an answer says; raises its error."""
        self._absorb(call)
        if call.response.HasField("error"):
            error = errors.from_wire(call.response.error, call.response)
            self._settle()
            raise error
        return call.response

    def _renew(self, lease):
        """A lease that is used is held on to: Renew goes ahead of the request when half of its time is over."""
        if monotonic() < lease.renew_at:
            return
        lease.renew_at = monotonic() + lease.expires / 2
        request = self._new_request()
        lease.address(request)
        request.renew.SetInParent()
        self._transport.fire(request, lease.channel)

    def _run(self, request, sql, text=None, one=True):
        """Runs a statement under the rules of the connection: begins a transaction, or takes a lease, where they ask
        for it. `sql`: what decides; `one`: it is a plain Query."""
        self._check_usable()
        if self._lease is not None:
            if self._status == STATUS_IDLE and self._wants_transaction() and not begins(sql):
                begin = self._new_request()
                begin.query.statement.sql = self._begin_sql().encode()
                self._send(begin)
        elif self._wants_transaction() and not (self._autocommit and begins(sql)):
            self._begin_options(request)
        elif self._session_lease or begins(sql) or ends_prepared(sql):
            request.acquire.SetInParent()  # if there is no transaction after it, the lease goes back
        elif not one:
            request.acquire.SetInParent()
            request.finish = FINISH_COMMIT
        response = self._send(request, text)
        self._settle()
        return response

    def _wants_transaction(self):
        return bool(self._blocks) or not self._autocommit

    def _settle(self):
        """A statement ended the transaction by itself: the lease goes back."""
        lease = self._lease
        if lease is None or self._session_lease or lease.status != STATUS_IDLE or self._tpc is not None:
            return
        if not self._blocks:
            self._let_go()

    def _let_go(self):
        """Gives the lease back and waits for nothing."""
        lease = self._lease
        request = self._release_of(lease)
        self._given_back()
        self._transport.fire(request, lease.channel)

    def _release_of(self, lease):
        request = self._new_request()
        lease.address(request)
        request.finish = FINISH_ROLLBACK
        request.release.SetInParent()
        return request

    def _command(self, sql):
        """Runs a statement of ours and returns its tag."""
        request = self._new_request()
        request.query.statement.sql = sql.encode()
        response = self._run(request, sql.encode())
        return response.results[0].command_tag if response.results else ""

    # -- transactions

    def commit(self) -> None:
        with self.lock:
            self._forbid_in_block("commit")
            self._finish(FINISH_COMMIT)

    def rollback(self) -> None:
        with self.lock:
            self._forbid_in_block("rollback")
            self._gone = None
            self._finish(FINISH_ROLLBACK)

    def _rollback_quietly(self):
        """After an error that is to be told."""
        self._gone = None
        try:
            self._finish(FINISH_ROLLBACK)
        except errors.Error:
            self._gone = None

    def _forbid_in_block(self, what):
        if self._closed:
            raise errors.OperationalError("the connection is closed")
        if self._blocks:
            raise errors.ProgrammingError(f"explicit {what}() forbidden within a transaction() block")
        if self._tpc is not None:
            raise errors.ProgrammingError(f"{what}() cannot be used during a two-phase transaction")

    def _finish(self, finish):
        """COMMIT or ROLLBACK, and the lease goes back with it."""
        if finish == FINISH_COMMIT:
            self._check_usable()
        if self._lease is None:
            return
        request = self._new_request()
        if self._session_lease:
            if self._status not in (STATUS_ACTIVE, STATUS_FAILED):
                return
            request.query.statement.sql = b"COMMIT" if finish == FINISH_COMMIT else b"ROLLBACK"
        else:
            request.finish = finish
            request.release.SetInParent()
        try:
            self._send(request)
        except (errors.PoolError, errors.DaemonError, errors.ConnectionLost):
            if finish == FINISH_COMMIT:
                raise
            self._gone = None  # what is lost is rolled back

    def transaction(self, savepoint_name: str | None = None, force_rollback: bool = False) -> Transaction:
        """A block that commits, or rolls back where it is left by an exception; within another: a savepoint."""
        return Transaction(self, savepoint_name, force_rollback)

    # -- attributes

    @property
    def autocommit(self) -> bool:
        return self._autocommit

    @autocommit.setter
    def autocommit(self, value: bool) -> None:
        self._set_idle("autocommit")
        self._autocommit = bool(value)

    def set_autocommit(self, value: bool) -> None:
        self.autocommit = value

    @property
    def isolation_level(self) -> IsolationLevel | None:
        return self._characteristics["isolation_level"]

    @isolation_level.setter
    def isolation_level(self, value: IsolationLevel | None) -> None:
        self._set_idle("isolation_level")
        self._characteristics["isolation_level"] = None if value is None else IsolationLevel(value)

    def set_isolation_level(self, value: IsolationLevel | None) -> None:
        self.isolation_level = value

    @property
    def read_only(self) -> bool | None:
        return self._characteristics["read_only"]

    @read_only.setter
    def read_only(self, value: bool | None) -> None:
        self._set_idle("read_only")
        self._characteristics["read_only"] = None if value is None else bool(value)

    def set_read_only(self, value: bool | None) -> None:
        self.read_only = value

    @property
    def deferrable(self) -> bool | None:
        return self._characteristics["deferrable"]

    @deferrable.setter
    def deferrable(self, value: bool | None) -> None:
        self._set_idle("deferrable")
        self._characteristics["deferrable"] = None if value is None else bool(value)

    def set_deferrable(self, value: bool | None) -> None:
        self.deferrable = value

    def _set_idle(self, name):
        if self._closed:
            raise errors.OperationalError("the connection is closed")
        if self._in_transaction:
            raise errors.ProgrammingError(f"can't change {name!r} now: a transaction is in progress")

    # -- cursors

    @overload
    def cursor(
        self, name: None = None, *, row_factory: RowFactory[T], scrollable: bool | None = None, withhold: bool = False
    ) -> Cursor[T]: ...

    @overload
    def cursor(self, name: None = None, *, scrollable: bool | None = None, withhold: bool = False) -> Cursor[Row]: ...

    @overload
    def cursor(
        self, name: str, *, row_factory: RowFactory[T], scrollable: bool | None = None, withhold: bool = False
    ) -> ServerCursor[T]: ...

    @overload
    def cursor(self, name: str, *, scrollable: bool | None = None, withhold: bool = False) -> ServerCursor[Row]: ...

    def cursor(
        self,
        name: str | None = None,
        *,
        row_factory: RowFactory[Any] | None = None,
        scrollable: bool | None = None,
        withhold: bool = False,
    ) -> Cursor[Any]:
        """A cursor; with a name one that the server keeps (DECLARE), whose rows come as they are fetched."""
        if self._closed:
            raise errors.OperationalError("the connection is closed")
        if name is None:
            return self.cursor_factory(self, row_factory=row_factory)
        return self.server_cursor_factory(
            self, name, row_factory=row_factory, scrollable=scrollable, withhold=withhold
        )

    def execute(self, query: str | bytes, params: Params = None, **options: Any) -> Cursor[Row]:
        """A cursor on which the query has run."""
        return self.cursor().execute(query, params, **options)

    def cancel(self) -> None:
        """Ends what runs on this connection, as seen from another task or thread."""
        lease = self._lease
        if lease is not None:
            self._transport.cancel(lease.channel, lease_id=lease.lease_id)

    def close(self) -> None:
        """Gives back what it holds; a transaction that is open is rolled back."""
        if self._closed:
            return
        self._closed = True
        self._blocks.clear()
        if self._lease is not None:
            self._let_go()

    def __del__(self) -> None:
        lease = getattr(self, "_lease", None)
        if lease is None or self._closed:
            return
        try:
            self._transport.fire_later(self._release_of(lease), lease.channel)
        except Exception:  # the interpreter ends, or the loop did: the daemon takes it back with the socket
            pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        if self._closed:
            return
        try:
            if kind is None:
                self.commit()
            else:
                self._rollback_after(error)
        finally:
            self.close()

    def _rollback_after(self, error):
        try:
            self._blocks.clear()
            self.rollback()
        except errors.Error as e:
            error.__notes__ = [*getattr(error, "__notes__", ()), f"and rolling back failed: {e}"]

    # -- what a cursor asks of it

    def _query(self, request, sql, cacheable, commit=False):
        """Runs a Query; several statements at once go by the simple protocol. `commit`: and COMMIT goes with it."""
        if commit and (self._wants_transaction() or self._in_transaction):
            request.finish = FINISH_COMMIT
        if not cacheable and is_several(sql):
            request.query.statement.simple = True
            return self._run(request, sql, one=False)
        return self._run(request, sql, text=sql)
