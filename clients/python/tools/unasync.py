#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes src/sidepool/_sync from src/sidepool/_async: unasync.py [--check]

Words are exchanged token by token, so that strings and comments stay as they are, but for docstrings' names of classes.
"""
import io
import pathlib
import sys
import tokenize

HERE = pathlib.Path(__file__).resolve().parent.parent / "src" / "sidepool"
DROPPED = {"async", "await"}
WORDS = {
    "__aenter__": "__enter__", "__aexit__": "__exit__", "__aiter__": "__iter__", "__anext__": "__next__",
    "StopAsyncIteration": "StopIteration", "aclosing": "closing", "_transport_async": "_transport_sync",
    "AsyncTransport": "Transport", "asynccontextmanager": "contextmanager", "AsyncIterator": "Iterator",
    "AsyncIterable": "Iterable", "AsyncGenerator": "Generator", "aclose": "close", "_locks_async": "_locks_sync",
    "AsyncIterableData": "IterableData",
}
HEAD = "# Made by tools/unasync.py from _async; do not edit.\n"


def rename(word):
    if word in WORDS:
        return WORDS[word]
    return word[5:] if word.startswith("Async") and len(word) > 5 else word


def convert(source):
    lines = source.splitlines(keepends=True)
    edits = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.NAME:
            continue
        if token.string in DROPPED:
            edits.append((token.start, len(token.string) + 1, ""))
        elif rename(token.string) != token.string:
            edits.append((token.start, len(token.string), rename(token.string)))
    for (row, column), length, text in reversed(edits):
        line = lines[row - 1]
        lines[row - 1] = line[:column] + text + line[column + length :]
    return "".join(lines)


def generated():
    for path in sorted((HERE / "_async").glob("*.py")):
        lines = convert(path.read_text())
        first, rest = lines.split("\n", 1)
        yield HERE / "_sync" / path.name, f"{first}\n{HEAD}{rest}"


def main():
    stale = [p for p, text in generated() if not p.exists() or p.read_text() != text]
    if "--check" in sys.argv[1:]:
        print(*stale, sep="\n", end="\n" if stale else "")
        return 1 if stale else 0
    for path, text in generated():
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
