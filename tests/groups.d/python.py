# SPDX-License-Identifier: MIT
"""the Python client"""

import sys

from group import BUILD, TOP, run as run_logged

ORDER = 70
NEEDS = "clients/python/tests"
REQUIREMENTS = TOP / "tests" / "requirements.txt"
# In an environment beside the tests': SQLAlchemy as a newer version, and packages that the client uses where they are installed.
BESIDE = ["sqlalchemy[asyncio]==2.1.9", "pyarrow==26.0.1", "pandas==3.1.1", "opentelemetry-sdk==1.45.2"]


def beside(group):
    """The Python of that environment; None, and a failure, if it cannot be made."""
    lines = [line for line in REQUIREMENTS.read_text().splitlines() if line and not line.lower().startswith(("#", "sqlalchemy"))]
    wanted = "\n".join([*lines, *BESIDE])
    folder = BUILD / "venv-python"
    stamp, python = folder / ".installed", folder / "bin" / "python"
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    pip = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *wanted.splitlines()]
    for command in ([sys.executable, "-m", "venv", "--clear", folder], pip):
        status, output = run_logged(command, group.log("python-venv"))
        if status != 0:
            group.counts.add("python: install what is beside", "failed", output)
            return None
    stamp.write_text(wanted)
    return python


def run(group):
    here = TOP / "clients" / "python"
    if not group.build():
        return
    env = {**group.programs(), "PYTHONPATH": str(here / "src")}
    group.pytest("tests", env=env, cwd=here)
    python = beside(group) if group.mode == "all" else None
    if python:
        files = [f"tests/test_{name}.py" for name in ("sqlalchemy", "frames", "opentelemetry", "examples")]
        group.pytest(*files, env=env, cwd=here, name="python-beside", python=python)
