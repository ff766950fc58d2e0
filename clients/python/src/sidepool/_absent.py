# SPDX-License-Identifier: MIT
"""psycopg's names that this package has not: asked for, they say what there is instead. hasattr() is False of them."""
from typing import NoReturn

_ATTRIBUTES = {
    "pipeline": "there is no pipeline mode; batch() and executemany() send several statements in one message",
    "notifies": 'there is no notifies(); use add_notify_handler() on a connection with lease="session", or add_listener() of '
    "sidepool.asyncpg, which holds no connection",
}
_CLIENT_CURSORS = "values are bound by the server, in all statements that take any"
_POOLS = "connect() takes nothing from the daemon's pool, so connections are made where they are needed"
_NAMES = {
    **dict.fromkeys(("ClientCursor", "AsyncClientCursor"), _CLIENT_CURSORS),
    **dict.fromkeys(("ConnectionPool", "AsyncConnectionPool", "NullConnectionPool", "AsyncNullConnectionPool"), _POOLS),
    **dict.fromkeys(("AsyncConnection", "AsyncCursor"), "it is in sidepool.aio"),
}


def no_attribute(owner: object, name: str) -> NoReturn:
    """Of a connection."""
    said = _ATTRIBUTES.get(name)
    raise AttributeError(said or f"{type(owner).__name__!r} object has no attribute {name!r}", name=name, obj=owner)


def no_name(module: str, name: str) -> NoReturn:
    """Of a module."""
    said = _NAMES.get(name)
    raise AttributeError(f"module {module!r} has no attribute {name!r}" + (f": {said}" if said else ""))
