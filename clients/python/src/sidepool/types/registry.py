# SPDX-License-Identifier: MIT
"""The types of PostgreSQL that this package knows by name and OID, and those of a database that are told by it."""
from dataclasses import dataclass
from typing import Callable, Iterator

_BASE = """bool 16 1000|bytea 17 1001|"char" 18 1002|name 19 1003|int8 20 1016|int2 21 1005|int4 23 1007|text 25 1009|oid 26 1028
json 114 199|xml 142 143|float4 700 1021|float8 701 1022|unknown 705 0|money 790 791|macaddr8 774 775|macaddr 829 1040
inet 869 1041|cidr 650 651|bpchar 1042 1014|varchar 1043 1015|date 1082 1182|time 1083 1183|timestamp 1114 1115
timestamptz 1184 1185|interval 1186 1187|timetz 1266 1270|bit 1560 1561|varbit 1562 1563|numeric 1700 1231|uuid 2950 2951
jsonb 3802 3807|xid 28 1011|cid 29 1012|tid 27 1010|xid8 5069 271|regclass 2205 2210|regtype 2206 2211|regproc 24 1008
regprocedure 2202 2207|regoper 2203 2208|regoperator 2204 2209|regnamespace 4089 4090|regrole 4096 4097|point 600 1017
lseg 601 1018|path 602 1019|box 603 1020|polygon 604 1027|line 628 629|circle 718 719|tsvector 3614 3643|tsquery 3615 3645
pg_lsn 3220 3221|refcursor 1790 2201|jsonpath 4072 4073|aclitem 1033 1034|regcollation 4191 4192|regconfig 3734 3735
regdictionary 3769 3770|gtsvector 3642 3644|txid_snapshot 2970 2949|void 2278 0|record 2249 2287|int2vector 22 1006|oidvector 30 1013"""
_RANGES = """int4range 3904 3905 23|numrange 3906 3907 1700|tsrange 3908 3909 1114|tstzrange 3910 3911 1184|daterange 3912 3913 1082
int8range 3926 3927 20"""
_MULTIRANGES = """int4multirange 4451 6150 23|nummultirange 4532 6151 1700|tsmultirange 4533 6152 1114
tstzmultirange 4534 6153 1184|datemultirange 4535 6155 1082|int8multirange 4536 6157 20"""
_ALIASES = {
    "boolean": "bool", "smallint": "int2", "integer": "int4", "int": "int4", "bigint": "int8", "real": "float4",
    "double precision": "float8", "decimal": "numeric", "character varying": "varchar", "character": "bpchar",
    "time without time zone": "time", "time with time zone": "timetz", "timestamp without time zone": "timestamp",
    "timestamp with time zone": "timestamptz", "bit varying": "varbit",
}


@dataclass
class TypeInfo:
    """A type. `kind`: "base", "range", "multirange", "enum" or "composite"."""

    name: str
    oid: int
    array_oid: int = 0
    kind: str = "base"
    regtype: str = ""
    delimiter: str = ","
    element_oid: int = 0  # of a range or multirange: its subtype
    labels: tuple = ()  # of an enum
    fields: tuple = ()  # of a composite: (name, oid) of each

    def __post_init__(self):
        self.regtype = self.regtype or self.name


class TypesRegistry:
    """Over `below`: what is added here is seen by who asks here, for the next database may have another type of the name."""

    def __init__(self, below: "TypesRegistry | None" = None, changed: Callable = lambda: None) -> None:
        self._below, self._changed = below, changed
        self._by_oid: dict[int, TypeInfo] = {}
        self._by_name: dict[str, TypeInfo] = {}
        self._by_element: dict[tuple[str, int], TypeInfo] = {}

    def add(self, info: TypeInfo) -> None:
        self._changed()
        self._by_oid[info.oid] = info
        self._by_name[info.name] = self._by_name[info.regtype] = info
        if info.kind in ("range", "multirange"):
            self._by_element[info.kind, info.element_oid] = info
        if info.array_oid:
            self._by_oid.setdefault(info.array_oid, TypeInfo(f"{info.name}[]", info.array_oid, kind="array", element_oid=info.oid))

    def get(self, key: "int | str") -> "TypeInfo | None":
        if not isinstance(key, int):
            if key.endswith("[]"):
                element = self.get(key[:-2])
                return self.get(element.array_oid) if element is not None and element.array_oid else None
            key = _ALIASES.get(key, key)
        step: TypesRegistry | None = self
        while step is not None:
            found = step._by_oid.get(key) if isinstance(key, int) else step._by_name.get(key)
            if found is not None:
                return found
            step = step._below
        return None

    def of_element(self, kind: str, oid: int) -> "TypeInfo | None":
        """The "range" or "multirange" of a type: that registered last."""
        step: TypesRegistry | None = self
        while step is not None:
            found = step._by_element.get((kind, oid))
            if found is not None:
                return found
            step = step._below
        return None

    def __getitem__(self, key):
        found = self.get(key)
        if found is None:
            raise KeyError(f"no type {key!r} is known: see sidepool.types.TypeInfo and fetch_type()")
        return found

    def __iter__(self) -> Iterator[TypeInfo]:
        seen = dict(self._by_oid)
        step = self._below
        while step is not None:
            seen = {**step._by_oid, **seen}
            step = step._below
        return iter([t for t in seen.values() if t.kind != "array"])


def _entries(table):
    for entry in table.replace("\n", "|").split("|"):
        name, *numbers = entry.split()
        yield name, *map(int, numbers)


def builtin(registry: "TypesRegistry | None" = None) -> TypesRegistry:
    """PostgreSQL's own types, put into a registry."""
    registry = TypesRegistry() if registry is None else registry
    for name, oid, array in _entries(_BASE):
        registry.add(TypeInfo(name, oid, array, delimiter=";" if name == "box" else ","))
    for kind, table in (("range", _RANGES), ("multirange", _MULTIRANGES)):
        for name, oid, array, element in _entries(table):
            registry.add(TypeInfo(name, oid, array, kind=kind, element_oid=element))
    return registry
