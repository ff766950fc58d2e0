# SPDX-License-Identifier: MIT
"""the Python client"""

import sys

from group import BUILD, TOP, run as run_logged

ORDER = 70
NEEDS = "clients/python/tests"
REQUIREMENTS = TOP / "tests" / "requirements.txt"
SQLALCHEMY = "sqlalchemy[asyncio]==2.1.9"  # beside the one in tests/requirements.txt


def newer_sqlalchemy(group):
    """The Python of an environment like the tests', with the newer SQLAlchemy; None, and a failure, if it cannot be made."""
    lines = [line for line in REQUIREMENTS.read_text().splitlines() if line and not line.startswith(("#", "sqlalchemy"))]
    wanted = "\n".join([*lines, SQLALCHEMY])
    folder = BUILD / "venv-sqlalchemy"
    stamp, python = folder / ".installed", folder / "bin" / "python"
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    pip = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *wanted.splitlines()]
    for command in ([sys.executable, "-m", "venv", "--clear", folder], pip):
        status, output = run_logged(command, group.log("python-venv-sqlalchemy"))
        if status != 0:
            group.counts.add(f"python: install {SQLALCHEMY}", "failed", output)
            return None
    stamp.write_text(wanted)
    return python


def run(group):
    here = TOP / "clients" / "python"
    if not group.build():
        return
    env = {**group.programs(), "PYTHONPATH": str(here / "src")}
    group.pytest("tests", env=env, cwd=here)
    python = newer_sqlalchemy(group) if group.mode == "all" else None
    if python:
        group.pytest("tests/test_sqlalchemy.py", env=env, cwd=here, name="python-sqlalchemy-2.1", python=python)
