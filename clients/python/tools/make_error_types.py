#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes src/sidepool/_sqlstate_types.pyi: what type checkers know of the classes that errors.py makes. make_error_types.py [--check]"""
import pathlib
import sys

SOURCE = pathlib.Path(__file__).resolve().parent.parent / "src"
TARGET = SOURCE / "sidepool" / "_sqlstate_types.pyi"
HEAD = '''# SPDX-License-Identifier: MIT
"""Made by tools/make_error_types.py of errors.py; do not edit."""
'''


def generated():
    sys.path.insert(0, str(SOURCE))
    from sidepool import errors

    classes = [errors.lookup(state) for state, _ in errors.SQLSTATES]
    bases = sorted({c.__base__.__name__ for c in classes})
    lines = [f"class {c.__name__}({c.__base__.__name__}): ...\n" for c in classes]
    return f"{HEAD}from .errors import {', '.join(bases)}\n\n" + "".join(lines)


def main():
    text = generated()
    if "--check" in sys.argv[1:]:
        stale = not TARGET.exists() or TARGET.read_text() != text
        print(TARGET if stale else "", end="\n" if stale else "")
        return 1 if stale else 0
    TARGET.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
