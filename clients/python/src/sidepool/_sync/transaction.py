# SPDX-License-Identifier: MIT
# Made by tools/unasync.py from _async; do not edit.
"""A transaction() block, and savepoints for those within it."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import errors
from .._messages import FINISH_COMMIT, FINISH_ROLLBACK, STATUS_FAILED
from .._quote import quote_ident
from .._rollback import Rollback

if TYPE_CHECKING:
    from typing_extensions import Self

    from .connection import Connection


class Transaction:
    def __init__(self, connection: Connection[Any], savepoint_name: str | None = None, force_rollback: bool = False) -> None:
        self._connection = connection
        self._savepoint = savepoint_name or ""
        self._force_rollback = force_rollback
        self._outer = False
        self._state = "new"  # -> "open" -> "done"

    @property
    def connection(self) -> Connection[Any]:
        return self._connection

    @property
    def savepoint_name(self) -> str | None:
        return self._savepoint or None

    def __enter__(self) -> Self:
        connection = self._connection
        if self._state != "new":
            raise TypeError("a transaction() block can be entered once")
        connection._check_usable()
        with connection.lock:
            self._outer = not connection._in_transaction
            if not self._outer and not self._savepoint:
                self._savepoint = f"_sp_{len(connection._blocks) + 1}"
            connection._blocks.append(self)
            try:
                if self._savepoint:
                    connection._command(f"SAVEPOINT {quote_ident(self._savepoint)}")
            except BaseException:
                connection._blocks.remove(self)
                raise
        self._state = "open"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> bool:
        connection = self._connection
        with connection.lock:
            return self._leave(kind, error)

    def _leave(self, kind, error):
        connection = self._connection
        self._state = "done"
        if connection._closed:
            return False
        if self not in connection._blocks[-1:]:
            connection._blocks.clear()  # the others are refused alike, and commit() and rollback() are free again
            raise errors.ProgrammingError("transaction() blocks are left in another order than they were entered")
        ours = kind is not None and issubclass(kind, Rollback)
        if kind is None and not self._force_rollback:
            self._commit()
            return False
        try:
            self._roll_back()
        except errors.Error as e:
            if error is None or ours:
                raise
            error.__notes__ = [*getattr(error, "__notes__", ()), f"and rolling back failed: {e}"]
        return ours and error.transaction in (None, self)

    def _commit(self):
        connection = self._connection
        if self._outer:
            connection._blocks.pop()
            connection._finish(FINISH_COMMIT)
            return
        try:
            connection._command(f"RELEASE {quote_ident(self._savepoint)}")
        finally:
            connection._blocks.pop()

    def _roll_back(self):
        connection = self._connection
        connection._blocks.pop()
        if self._outer:
            connection._gone = None
            connection._finish(FINISH_ROLLBACK)
            return
        if connection._gone is not None or connection._lease is None:
            return  # it went with the transaction
        name = quote_ident(self._savepoint)
        connection._blocks.append(self)
        try:
            connection._command(f"ROLLBACK TO {name}")
            connection._command(f"RELEASE {name}")
        finally:
            connection._blocks.pop()

    def __repr__(self) -> str:
        failed = self._connection._status == STATUS_FAILED
        what = f" {self._savepoint}" if self._savepoint else ""
        return f"<{type(self).__name__}{what} ({self._state}{', failed' if failed else ''})>"
