# SPDX-License-Identifier: MIT
"""Which function makes bytes of a Python value (a dumper) and a Python value of PostgreSQL's text (a loader).

A map knows dumpers by type and loaders by OID. There is a global one (`sidepool.adapters`); each connection has a map over
it, each cursor one over its connection's: what a map does not know it asks the one below, always as that is now.

A dumper is called with the value and returns bytes or str, or a Dumped, which says OID and format too. A loader is called
with bytes. Where either needs to know its map (for elements) or the session (its time zone), a *maker* is registered
instead: make(map, session) returns the function.
"""
from enum import Enum
from typing import Any, Callable, NamedTuple

from . import errors
from .types.registry import TypesRegistry

UNKNOWN_OID = 0


class Dumped(NamedTuple):
    """A parameter as it goes to PostgreSQL. oid 0: PostgreSQL infers the type from the context."""

    oid: int
    data: bytes | None
    binary: bool = False


class Session:
    """What loaders may know of the session; the connection is one."""

    def parameter(self, name: str) -> str | None:
        return None


class AdaptersMap:
    generation = 0  # of all maps together: goes up with each registration, for those that keep what they found

    def __init__(self, below: "AdaptersMap | None" = None) -> None:
        self._below = below
        self._dumpers: dict[type, Callable] = {}
        self._loaders: dict[int, tuple[bool, Callable]] = {}
        self._factories: dict[int, Callable] = {}
        self._types: TypesRegistry = TypesRegistry(below._types if below is not None else None, _changed)
        self._found: dict[type, Callable] = {}  # dumpers by type as they were in generation _found_in
        self._found_in = 0

    def lay_over(self, below: "AdaptersMap") -> None:
        """What this map does not know it asks `below` from now on."""
        self._below = below
        _changed()

    def register_dumper(self, cls: type, dump: Callable[[Any], Any], oid: int = UNKNOWN_OID) -> None:
        """dump(value) returns bytes, str, None (NULL) or a Dumped; subclasses of `cls` are dumped alike."""

        def dumper(value, adapters):
            made = dump(value)
            if isinstance(made, Dumped):
                return made
            if isinstance(made, str):
                made = made.encode()
            return Dumped(oid, made)

        self._dumpers[cls] = dumper
        _changed()

    def register_loader(self, oid: "int | str", load: Callable[[bytes], Any]) -> None:
        """oid: a number, or the name of a type of PostgreSQL's own."""
        self._loaders[self._oid(oid)] = (False, load)
        _changed()

    def register_dumper_maker(self, cls: type, dump: Callable) -> None:
        """dump(value, map) returns a Dumped."""
        self._dumpers[cls] = dump
        _changed()

    def register_loader_maker(self, oid: "int | str", make: Callable) -> None:
        """make(map, session) returns a loader."""
        self._loaders[self._oid(oid)] = (True, make)
        _changed()

    def register_factory(self, oid: int, make: Callable) -> None:
        """make(*fields) makes a row of a composite type; of an enum it is the class."""
        self._factories[oid] = make
        _changed()

    def factory(self, oid: int) -> Callable:
        """What was registered for a composite type or an enum."""
        step: AdaptersMap | None = self
        while step is not None:
            if oid in step._factories:
                return step._factories[oid]
            step = step._below
        return lambda *fields: fields

    @property
    def types(self) -> TypesRegistry:
        """The types of PostgreSQL by OID and name; see sidepool.types.TypesRegistry."""
        return self._types

    def _oid(self, oid):
        return oid if isinstance(oid, int) else self._types[oid].oid

    def _find_dumper(self, cls):
        step = self
        while step is not None:
            found = step._dumpers.get(cls)
            if found is not None:
                return found
            step = step._below
        return None

    def get_dumper(self, cls: type) -> Callable:
        """The function (value, map) -> Dumped of a type or the nearest of its bases."""
        found = self._find_dumper(cls)
        if found is not None:
            return found
        for base in cls.__mro__[1:]:
            if base is Enum:
                break
            found = self._find_dumper(base)
            if found is not None:
                return found
        if issubclass(cls, Enum):
            return self._find_dumper(Enum)
        raise errors.ProgrammingError(f"cannot adapt type {cls.__name__!r}: see sidepool.adapters.register_dumper()")

    def dumpers(self) -> dict[type, Callable]:
        """Those that were looked up since anything was registered, by the value's own type; see remember_dumper()."""
        if self._found_in != AdaptersMap.generation:
            self._found = {_NONE: _dump_none}
            self._found_in = AdaptersMap.generation
        return self._found

    def remember_dumper(self, cls: type) -> Callable:
        """get_dumper(), kept in dumpers()."""
        found = self.get_dumper(cls)
        self._found[cls] = found
        return found

    def dump(self, value: Any) -> Dumped:
        cls = type(value)
        return (self.dumpers().get(cls) or self.remember_dumper(cls))(value, self)

    def get_loader(self, oid: int, session: Session) -> Callable[[bytes], Any]:
        step: AdaptersMap | None = self
        while step is not None:
            found = step._loaders.get(oid)
            if found is not None:
                makes, what = found
                return what(self, session) if makes else what
            step = step._below
        return _load_text


_NULL = Dumped(UNKNOWN_OID, None)
_NONE = type(None)


def _dump_none(value: None, adapters: AdaptersMap) -> Dumped:
    return _NULL


def _changed() -> None:
    AdaptersMap.generation += 1


def _load_text(data):
    return data.decode()
