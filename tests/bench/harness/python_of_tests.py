# SPDX-License-Identifier: MIT
"""The Python that deploy/deps has filled with what the bench needs: the tests' own."""

import os
import pathlib
import sys

from building import BUILD


def become():
    """Go on as that Python, unless this is it."""
    folder = pathlib.Path(os.environ.get("SIDEPOOL_VENV", BUILD / "venv"))
    if pathlib.Path(sys.prefix).resolve() == folder.resolve():
        return
    python = folder / "bin" / "python"
    if not python.exists():
        sys.exit(f"{sys.argv[0]}: something is missing; install it with: deploy/deps --test")
    os.execv(python, [str(python), "-B", *sys.argv])
