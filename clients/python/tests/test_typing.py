# SPDX-License-Identifier: MIT
"""What type checkers see: the package passes mypy, everything public has types, and a program under --strict has the right ones."""
import inspect
import pathlib
import re
import subprocess
import sys
import sysconfig
import textwrap

import pytest
import sidepool
import sidepool.aio
import sidepool.asyncpg
from sidepool import errors, rows, types

pytest.importorskip("mypy")
TOP = pathlib.Path(__file__).resolve().parent.parent
MODULES = [sidepool, sidepool.aio, sidepool.asyncpg, errors, rows, types]
PROGRAM = '''
import sidepool
import sidepool.aio
from sidepool import asyncpg, errors, rows
from sidepool.types import Range

with sidepool.connect(autocommit=True, timeout=5.0) as conn:
    conn  #: Connection[tuple[Any, ...]]
    conn.execute("SELECT 1").fetchone()  #: tuple[Any, ...] | None
    conn.cursor("named").fetchmany(3)  #: list[tuple[Any, ...]]
    [row for row in conn.cursor()]  #: list[tuple[Any, ...]]
    with conn.cursor(row_factory=rows.dict_row) as cur:
        cur.execute("SELECT 1").fetchall()  #: list[dict[str, Any]]
    conn.cursor(row_factory=rows.args_row(lambda a: int(a))).fetchone()  #: int | None
    conn.info.transaction_status  #: TransactionStatus
    conn.submit("SELECT 1", key="k").journaled  #: bool
    with conn.transaction(), conn.cursor().copy("COPY t FROM STDIN") as copy:
        copy.write_row((1, "x"))
    try:
        conn.batch(["SELECT 1", ("SELECT %s", (1,))])
    except errors.UniqueViolation as e:
        e.diag.constraint_name  #: str | None
        e.outcome_unknown  #: bool
    Range(1, 2).lower  #: int | None
    conn.pipeline()  #! "Connection[tuple[Any, ...]]" has no attribute "pipeline"
    conn.execute(3)  #! Argument 1 to "execute" of "Connection" has incompatible type "int"; expected "str | bytes"
    errors.Nonsense  #! Module has no attribute "Nonsense"

async def main() -> None:
    async with await sidepool.aio.connect(row_factory=rows.dict_row) as conn:
        conn  #: AsyncConnection[dict[str, Any]]
        cur = await conn.execute("SELECT 1")
        await cur.fetchone()  #: dict[str, Any] | None
        async for row in cur:
            row  #: dict[str, Any]
        async for row in conn.cursor().stream("SELECT 1"):
            row  #: dict[str, Any]
        await conn.cursor().execute(b"SELECT 1", [1], commit=True)  #: AsyncCursor[dict[str, Any]]
    async with asyncpg.create_pool() as pool, pool.acquire() as db:
        await db.fetchrow("SELECT $1::int", 1)  #: Record | None
        await pool.fetch("SELECT 1")  #: list[Record]
'''


def mypy(*arguments, cwd):
    command = [sys.executable, "-m", "mypy", "--no-error-summary", "--cache-dir", "/dev/null", "--no-color-output", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def test_package_passes():
    done = mypy("--config-file", "pyproject.toml", cwd=TOP)
    assert done.returncode == 0 and not done.stderr, done.stdout + done.stderr


@pytest.fixture
def installed(tmp_path):
    """A Python that has the package as if it were installed: by py.typed its types are found."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    packages = sysconfig.get_path("purelib", vars={"base": str(tmp_path / "venv")})
    (pathlib.Path(packages) / "sidepool.pth").write_text(f"{TOP / 'src'}\n")
    return tmp_path / "venv" / "bin" / "python"


def said_of(text):
    """What mypy says of a program, by line: kinds and texts, without the modules that classes are in."""
    for line, kind, message in re.findall(r"^program\.py:(\d+): (note|error): (.*?)(?:  \[[a-z-]+\])?$", text, re.M):
        found = re.fullmatch(r'Revealed type is "(.*)"', message)
        yield int(line), kind, re.sub(r"\b(?:\w+\.)+(?=[A-Z_]\w*|tuple|list)", "", found[1] if found else message)


def test_a_strict_program(installed, tmp_path):
    lines, wanted = PROGRAM.splitlines(), []
    for n, line in enumerate(lines, 1):
        code, _, told = line.partition("  #")
        if told[:1] == ":":
            lines[n - 1] = re.sub(r"(^\s*)(.*)", r"\1reveal_type(\2)", code)
            wanted.append((n, "note", told[2:]))
        elif told[:1] == "!":
            wanted.append((n, "error", told[2:]))
    assert len(wanted) > 20
    (tmp_path / "program.py").write_text(textwrap.dedent("\n".join(lines)) + "\n")
    done = mypy("--strict", "--python-version", "3.10", "--python-executable", installed, "program.py", cwd=tmp_path)
    assert list(said_of(done.stdout)) == wanted, done.stdout + done.stderr


def members(owner, name, seen):
    """(name, function) of a class and of what it has, where it is ours and public."""
    made = getattr(owner, name)
    if inspect.isclass(made):
        if made in seen or not made.__module__.startswith("sidepool"):
            return
        seen.add(made)
        for base in made.__mro__:
            if not base.__module__.startswith("sidepool"):
                continue
            for attribute, value in vars(base).items():
                if not attribute.startswith("_") or attribute in ("__init__", "__enter__", "__aenter__", "__iter__", "__aiter__"):
                    value = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
                    if inspect.isfunction(value) and value.__module__.startswith("sidepool"):
                        yield f"{base.__module__}.{value.__qualname__}", value
    elif callable(made) and str(getattr(made, "__module__", "")).startswith("sidepool") and hasattr(made, "__code__"):
        yield f"{made.__module__}.{made.__qualname__}", made


def untyped(function):
    told = function.__annotations__
    names = [n for n, p in inspect.signature(function).parameters.items() if n not in ("self", "cls")]
    return [n for n in names if n not in told] + ([] if "return" in told else ["its result"])


def test_everything_public_has_types():
    seen, found = set(), {}
    for module in MODULES:
        for name in getattr(module, "__all__", [n for n in vars(module) if n[0] != "_"]):
            found.update(members(module, name, seen))
    assert len(found) > 200 and "sidepool._sync.connection.Connection.batch" not in found  # it is of a part
    assert "sidepool._sync.batch.Batches.batch" in found and "sidepool._async.cursor.AsyncCursor.fetchone" in found
    missing = {name: untyped(function) for name, function in found.items()}
    assert {name: what for name, what in missing.items() if what} == {}
