# SPDX-License-Identifier: MIT
"""asyncpg's transaction(): a block, or start(), commit() and rollback()."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import IsolationLevel, errors
from .._async.transaction import AsyncTransaction

if TYPE_CHECKING:
    from typing_extensions import Self

_LEVELS = {level.name.lower(): level for level in IsolationLevel}


class Transaction:
    """The outermost of a connection is a transaction, one within it a savepoint."""

    def __init__(self, connection: Any, isolation: str | None = None, readonly: bool = False, deferrable: bool = False) -> None:
        if isolation is not None and isolation not in _LEVELS:
            raise ValueError(f"isolation is expected to be one of {set(_LEVELS)}, got {isolation!r}")
        self._connection = connection._connection
        self._told = {"isolation_level": _LEVELS.get(isolation or ""), "read_only": readonly or None, "deferrable": deferrable or None}
        self._block: AsyncTransaction | None = None
        self._outermost = False
        self._managed = False
        self._over: str | None = None

    def _check(self, what):
        if self._managed:
            raise errors.InterfaceError(f"cannot manually {what} a transaction within an `async with` block")
        self._check_open(what)

    def _check_open(self, what):
        if self._over is not None:
            raise errors.InterfaceError(f"cannot {what}; the transaction is already {self._over}")
        if self._block is None:
            raise errors.InterfaceError(f"cannot {what}; the transaction is not yet started")

    async def start(self) -> None:
        """BEGIN, which goes with the first statement, or SAVEPOINT."""
        if self._block is not None or self._over is not None:
            raise errors.InterfaceError("cannot start; the transaction is already started")
        connection = self._connection
        self._outermost = not connection._in_transaction
        if self._outermost:
            connection._characteristics.update(self._told)
        elif self._told["isolation_level"] not in (None, connection._characteristics["isolation_level"]):
            raise errors.InterfaceError("nested transaction has a different isolation level than the outer one")
        block = AsyncTransaction(connection)
        try:
            await block.__aenter__()
        except BaseException:
            self._reset()
            raise
        self._block = block

    def _reset(self):
        if self._outermost:
            self._connection._characteristics.update(dict.fromkeys(self._told))

    async def _leave(self, over, error):
        try:
            await self._block.__aexit__(type(error) if error is not None else None, error, None)
            self._over = over
        except BaseException:
            self._over = "failed"
            raise
        finally:
            self._reset()

    async def commit(self) -> None:
        self._check("commit")
        await self._leave("committed", None)

    async def rollback(self) -> None:
        self._check("rollback")
        await self._leave("rolled back", _Wanted())

    async def __aenter__(self) -> Self:
        if self._managed:
            raise errors.InterfaceError("cannot enter context: already in an `async with` block")
        await self.start()
        self._managed = True
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        self._managed = False
        self._check_open("leave")
        await self._leave("committed" if kind is None else "rolled back", error)


class _Wanted(Exception):
    """Why rollback() rolls back; it goes nowhere."""
