#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes src/sidepool/_sqlstates.py from PostgreSQL's errcodes.txt files: make_sqlstates.py ERRCODES...

Several files are merged: what a newer PostgreSQL dropped stays.
"""
import pathlib
import re
import sys

TARGET = pathlib.Path(__file__).resolve().parent.parent / "src" / "sidepool" / "_sqlstates.py"
LINE = re.compile(r"^([0-9A-Z]{5})\s+([ESW])\s+\S+(?:\s+(\S+))?\s*$")
NEWER = {  # of PostgreSQL 17 and 18
    "10608": "InvalidArgumentForXquery", "25P04": "TransactionTimeout", "58P03": "FileNameTooLong",
}
HEAD = '''# SPDX-License-Identifier: MIT
"""Made by tools/make_sqlstates.py from PostgreSQL's errcodes.txt; do not edit."""

SQLSTATES = (
'''


def camel(name):
    return "".join(part.capitalize() for part in name.split("_"))


def main():
    states, names = dict(NEWER), {*NEWER.values(), "InternalError"}  # the latter is PEP 249's
    for path in sys.argv[1:]:
        for line in pathlib.Path(path).read_text().splitlines():
            found = LINE.match(line)
            if not found or not (found[2] == "E" or found[1].startswith("02")) or not found[3] or found[1] in states:
                continue
            name = camel(found[3])
            if name in names:  # a few conditions have one name in two classes
                name += "_" if name == "InternalError" else "Ext"
            names.add(name)
            states[found[1]] = name
    TARGET.write_text(HEAD + "".join(f'    ("{s}", "{n}"),\n' for s, n in sorted(states.items())) + ")\n")


if __name__ == "__main__":
    main()
