# SPDX-License-Identifier: MIT
"""The programs in examples/ run and print what they should."""
import importlib.util
import os
import pathlib
import subprocess
import sys

import pytest

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "examples"
SAID = {
    "psycopg_style": "refused: purse_coins_check\nann has 3\nbob has 7\n",
    "asyncio_style": "rows: 50, last: 49\n",
    "asyncpg_style": "done: 1\njob 2 failed\nleft: 1\n",
    "sqlalchemy_sync": "rolled back\n['Fiasco', 'Solaris'] 2\n",
    "sqlalchemy_async": "notes: 10\n",
    "django_program": "read 301 accounts\nrolled back: account_covered\nmigrated back\n",
}
# What an entry point says where the package is installed.
REGISTER = """
from sqlalchemy.dialects import registry
registry.register("postgresql.sidepool", "sidepool.sqlalchemy", "SidepoolDialect")
registry.register("postgresql.sidepool_async", "sidepool.sqlalchemy", "SidepoolAsyncDialect")
"""


def run(name, socket_path, **env):
    before = REGISTER if name.startswith("sqlalchemy") else ""
    program = f"{before}\nimport runpy, sys\nsys.path.insert(0, {str(FOLDER)!r})\nrunpy.run_path({str(FOLDER / name)!r} + '.py', run_name='__main__')"
    told = {**os.environ, "SIDEPOOL_SOCKET": socket_path, "PYTHONDONTWRITEBYTECODE": "1", **env}
    return subprocess.run([sys.executable, "-c", program], env=told, capture_output=True, text=True, check=False)


def test_each_is_listed():
    assert {p.stem for p in FOLDER.glob("*.py")} == set(SAID)


@pytest.mark.parametrize("name", SAID)
def test_runs(name, socket_path):
    package = name.split("_")[0]
    if package in ("sqlalchemy", "django") and importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    done = run(name, socket_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == SAID[name]


def test_django_with_debugging(socket_path):
    pytest.importorskip("django")
    done = run("django_program", socket_path, DEBUG="1")
    assert done.returncode == 0 and done.stdout == SAID["django_program"], done.stderr
