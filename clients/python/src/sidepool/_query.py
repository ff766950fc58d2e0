# SPDX-License-Identifier: MIT
"""Queries: pyformat placeholders to $n, once for each text, and what the first words of a statement tell."""
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from . import errors

_PLACEHOLDER = re.compile(r"%(?:(%)|\(([^)]*)\)(.)|(.)|($))", re.S)
_SPACE = re.compile(r"(?:\s+|--[^\n]*(?:\n|$)|/\*(?:[^*]|\*(?!/))*\*/|[(;])*")
_WORD = re.compile(r"[A-Za-z]+")
_TOKEN = re.compile(
    r"""'(?:[^']|'')*'|[eE]'(?:[^'\\]|\\.|'')*'|"(?:[^"]|"")*"|--[^\n]*|/\*.*?\*/|\$([A-Za-z_]\w*|)\$.*?\$\1\$|[A-Za-z_]\w*|;|\S""",
    re.S,
)


@lru_cache(maxsize=1024)
def convert(text, named):
    """(the text with $n, the order of names, or the number of placeholders)."""
    parts, names, count, at = [], [], 0, 0
    for found in _PLACEHOLDER.finditer(text):
        parts.append(text[at : found.start()])
        at = found.end()
        if found[1]:
            parts.append("%")
            continue
        kind = found[3] if found[2] is not None else found[4]
        _check_kind(found, kind)
        if named != (found[2] is not None):
            raise errors.ProgrammingError("positional and named placeholders cannot be mixed, nor be given the other's values")
        if not named:
            count += 1
            parts.append(f"${count}")
            continue
        if found[2] not in names:
            names.append(found[2])
        parts.append(f"${names.index(found[2]) + 1}")
    parts.append(text[at:])
    return "".join(parts).encode(), tuple(names) if named else count


def _check_kind(found, kind):
    if kind is None:
        raise errors.ProgrammingError("incomplete placeholder: '%'; if you want to use '%' as an operator double it: '%%'")
    if kind not in "sbt":
        raise errors.ProgrammingError(f"only '%s', '%b', '%t' are allowed as placeholders, got '{found[0]}'")


def as_text(query):
    if isinstance(query, str):
        return query
    if isinstance(query, (bytes, bytearray)):
        return bytes(query).decode()
    if hasattr(query, "as_string"):
        return query.as_string(None)
    raise TypeError(f"a query is str or bytes, not {type(query).__name__}")


def bind(query, params):
    """(sql as bytes, list of values or None). Without params the text stays as it is."""
    text = as_text(query)
    if params is None:
        return text.encode(), None
    if isinstance(params, Mapping):
        sql, names = convert(text, True)
        missing = [n for n in names if n not in params]
        if missing:
            raise errors.ProgrammingError(f"query parameter missing: {', '.join(missing)}")
        return sql, [params[n] for n in names]
    if not isinstance(params, Sequence) or isinstance(params, (str, bytes)):
        raise TypeError("query parameters should be a sequence or a mapping, got " + type(params).__name__)
    sql, count = convert(text, False)
    if count != len(params):
        raise errors.ProgrammingError(f"the query has {count} placeholders but {len(params)} parameters were passed")
    return sql, params


def bind_raw(query, params):
    """The same for a query that has $n already."""
    if params is None:
        return as_text(query).encode(), None
    if not isinstance(params, Sequence) or isinstance(params, (str, bytes)):
        raise TypeError("parameters for $n should be a sequence, got " + type(params).__name__)
    return as_text(query).encode(), params


@lru_cache(maxsize=1024)
def first_words(sql):
    """The first two words of a statement, in capitals."""
    text = sql.decode(errors="replace")
    first = _WORD.match(text, _SPACE.match(text).end())
    if not first:
        return "", ""
    second = _WORD.match(text, _SPACE.match(text, first.end()).end())
    return first[0].upper(), second[0].upper() if second else ""


@lru_cache(maxsize=1024)
def is_several(sql):
    """More than one statement."""
    if b";" not in sql:
        return False
    ended = False
    for found in _TOKEN.finditer(sql.decode(errors="replace")):
        token = found[0]
        if token == ";":
            ended = True
        elif ended and not token.startswith(("--", "/*")):
            return True
    return False


def begins(sql):
    """The statement begins a transaction by itself."""
    return first_words(sql)[0] in ("BEGIN", "START")


def ends_prepared(sql):
    """COMMIT PREPARED or ROLLBACK PREPARED."""
    first, second = first_words(sql)
    return second == "PREPARED" and first in ("COMMIT", "ROLLBACK")
