# SPDX-License-Identifier: MIT
# Made by tools/unasync.py from _async; do not edit.
"""Two-phase commit, as DB-API 2.0 has it. What is prepared belongs to the server, so that anybody may finish it."""
from __future__ import annotations

from .. import errors
from .._messages import FINISH_COMMIT, FINISH_ROLLBACK
from .._quote import quote_literal
from .._xid import Xid
from ..rows import tuple_row


class TwoPhase:
    _tpc: tuple[Xid, bool] | None

    def xid(self, format_id: int, gtrid: str, bqual: str) -> Xid:
        return Xid(format_id, gtrid, bqual)

    def tpc_begin(self, xid: Xid | str) -> None:
        with self.lock:
            self._check_usable()
            if self._in_transaction:
                raise errors.ProgrammingError("can't start two-phase transaction: a transaction is in progress")
            if self._autocommit:
                raise errors.ProgrammingError("can't use two-phase transactions in autocommit mode")
            self._tpc = (Xid.of(xid), False)

    def tpc_prepare(self) -> None:
        with self.lock:
            if self._tpc is None:
                raise errors.ProgrammingError("tpc_prepare() must be called inside a two-phase transaction")
            xid, prepared = self._tpc
            if prepared:
                raise errors.ProgrammingError("tpc_prepare() cannot be used twice")
            self._tpc = (xid, True)
            self._command(f"PREPARE TRANSACTION {quote_literal(str(xid))}")

    def tpc_commit(self, xid: Xid | str | None = None) -> None:
        with self.lock:
            self._tpc_end("COMMIT", xid)

    def tpc_rollback(self, xid: Xid | str | None = None) -> None:
        with self.lock:
            self._tpc_end("ROLLBACK", xid)

    def _tpc_end(self, action, xid):
        if xid is not None:
            if self._in_transaction or self._tpc is not None:
                raise errors.ProgrammingError(f"tpc_{action.lower()}(xid) must be called outside of a transaction")
            self._outside(f"{action} PREPARED {quote_literal(str(Xid.of(xid)))}")
            return
        if self._tpc is None:
            raise errors.ProgrammingError(f"tpc_{action.lower()}() must be called inside a two-phase transaction")
        (ours, prepared), self._tpc = self._tpc, None
        if prepared:
            self._outside(f"{action} PREPARED {quote_literal(str(ours))}")
        elif action == "COMMIT":
            self._finish(FINISH_COMMIT)
        else:
            self._finish(FINISH_ROLLBACK)

    def _outside(self, sql):
        """Runs a statement that PostgreSQL takes outside of transactions only."""
        self._settle()
        before, self._autocommit = self._autocommit, True
        try:
            self._command(sql)
        finally:
            self._autocommit = before

    def tpc_recover(self) -> list[Xid]:
        """The Xids of what is prepared in this database."""
        with self.lock:
            cursor = self.cursor(row_factory=tuple_row)
            before = self._in_transaction
            cursor.execute(
                "SELECT gid, prepared, owner, database FROM pg_prepared_xacts WHERE database = current_database()"
            )
            found = [Xid.parse(*row) for row in cursor.fetchall()]
            if not before and self._in_transaction and self._tpc is None:
                self._finish(FINISH_ROLLBACK)
            return found
