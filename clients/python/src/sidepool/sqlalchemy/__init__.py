# SPDX-License-Identifier: MIT
"""SQLAlchemy 2.0 and 2.1: postgresql+sidepool:///POOL?socket=PATH&lease=session and postgresql+sidepool_async://...

Found by entry point. An engine has a NullPool: the daemon has the connections, and a connection object of this package takes
none before its first statement.
"""
from .aio import SidepoolAsyncDialect
from .dialect import SidepoolDialect

__all__ = ["SidepoolAsyncDialect", "SidepoolDialect"]
