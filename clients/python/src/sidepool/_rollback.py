# SPDX-License-Identifier: MIT
"""The exception that leaves a transaction() block: one for both kinds of connection."""


class Rollback(Exception):
    """Raised within a block: leaves it (or the one given) and rolls it back, and goes no further."""

    def __init__(self, transaction: "object | None" = None) -> None:
        self.transaction = transaction
