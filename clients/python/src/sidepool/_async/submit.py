# SPDX-License-Identifier: MIT
"""Writes in the background: the daemon takes them over, and nobody waits."""
from __future__ import annotations

from typing import TYPE_CHECKING

from .. import errors
from .._submit import Submitted, submit_request

if TYPE_CHECKING:
    from .cursor import Params


class AsyncSubmits:
    """The part of a connection that submits."""

    async def submit(
        self,
        query: str | bytes | list[tuple[str | bytes, Params]],
        params: Params = None,
        *,
        key: str | bytes = b"",
        try_for: float | None = None,
        idempotency_key: bytes | None = None,
    ) -> Submitted:
        """Has the daemon run a statement later, whatever becomes of this program; or a list of them, (query, params) each,
        in one transaction of their own. It is no part of this connection's transaction, and is not rolled back with it.

        What has the same `key` (bytes or str, at most 255 bytes) is run in the order of its acceptance. `try_for`: for so
        many seconds it is tried to get it to PostgreSQL. Returns Submitted(id, journaled): journaled, it is on disk and is
        run exactly once; else it is lost if the daemon dies. Raises what refused it; what comes of it later is not told.
        """
        async with self.lock:
            self._check_usable()
            request = submit_request(self, query, params, key, try_for)
            if idempotency_key is not None:
                request.idempotency_key = idempotency_key
            call = await self._transport.request(request, deadline=self._deadline())
            if call.response.HasField("error"):
                raise errors.from_wire(call.response.error, call.response)
            reply = call.response.submit
            return Submitted(reply.submission_id, reply.journaled)
