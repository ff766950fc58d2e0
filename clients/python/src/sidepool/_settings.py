# SPDX-License-Identifier: MIT
"""What a connection may be told, with the defaults, and the connection line that says it."""
import os
from dataclasses import dataclass, fields
from urllib.parse import parse_qsl, unquote, urlsplit

from . import errors

SOCKET = "/run/sidepool/rpc.sock"
_SOCKET_PATH_MAX = 107
_APPLICATION_MAX = 63
_TRUE = {"1", "true", "on", "yes"}
_FALSE = {"0", "false", "off", "no"}
VERSION = "0.1.0"
CLIENT = "sidepool-python"


@dataclass(frozen=True)
class Settings:
    """Times in seconds."""

    socket: str = SOCKET
    application: str = ""  # who asks, as in PostgreSQL's application_name; "": what the daemon knows of the process
    pool: str = ""  # "": the first that the application may use
    lease: str = "transaction"  # or "session": hold one for as long as the connection object lives
    autocommit: bool = False
    timeout: float = 0.0  # for everything that a request does; 0: what the application's settings in the daemon say
    connect_wait: float = 0.0  # how long to try a first connect while no daemon listens
    reconnect_wait: float = 10.0  # the same after a connection broke: daemons restart
    grace: float = 1.0  # how long after its deadline an answer is awaited
    cancel_wait: float = 10.0  # how long a cancelled request's answer is awaited
    call_site: bool = True
    trace: bool = True

    def __post_init__(self):
        if len(os.fsencode(self.socket)) > _SOCKET_PATH_MAX:
            raise _bad("socket", f"is a path of more than {_SOCKET_PATH_MAX} bytes, longer than a socket's address holds")
        if len(self.application.encode()) > _APPLICATION_MAX:
            raise _bad("application", f"has more than {_APPLICATION_MAX} bytes")
        if self.lease not in ("transaction", "session"):
            raise _bad("lease", 'is "transaction" or "session"')
        for name in ("timeout", "connect_wait", "reconnect_wait", "grace", "cancel_wait"):
            if not 0 <= getattr(self, name) <= 4_000_000:
                raise _bad(name, "is a number of seconds, 0 or more")

    @property
    def endpoint(self):
        """What connections of one process share a socket by."""
        return self.socket, self.application


def _bad(name, what):
    error = errors.pool_error("INVALID_ARGUMENT", f"the setting {name} {what}")
    return error


_KINDS = {f.name: type(f.default) for f in fields(Settings)}
_ALIASES = {"application_name": "application", "dbname": "pool", "database": "pool"}


def _convert(name, value):
    kind = _KINDS[name]
    if not isinstance(value, str) or kind is str:
        return kind(value)
    if kind is bool:
        if value.lower() not in _TRUE | _FALSE:
            raise _bad(name, f"is true or false, not {value!r}")
        return value.lower() in _TRUE
    try:
        return kind(value)
    except ValueError:
        raise _bad(name, f"is a number, not {value!r}") from None


def parse_line(line):
    """The settings in a connection line: "", a socket's path, or sidepool://[/POOL][?socket=PATH&name=value...]"""
    if not line:
        return {}
    if line.startswith("/"):
        return {"socket": line}
    parts = urlsplit(line)
    if parts.scheme not in ("sidepool", "sidepool+unix"):
        raise _bad("connection line", "is the path of a socket or sidepool:///POOL?socket=PATH")
    told = dict(parse_qsl(parts.query, keep_blank_values=True))
    pool = unquote(parts.path.lstrip("/"))
    if pool:
        told.setdefault("pool", pool)
    return told


def make_settings(line="", **given):
    """`given` over the connection line over the environment over the defaults. Raises InterfaceError."""
    told = {"socket": os.environ.get("SIDEPOOL_SOCKET") or SOCKET}
    for name, value in [*parse_line(line).items(), *given.items()]:
        name = _ALIASES.get(name, name)
        if name not in _KINDS:
            raise _bad(name, "is unknown")
        if value is not None:
            told[name] = _convert(name, value)
    return Settings(**told)
