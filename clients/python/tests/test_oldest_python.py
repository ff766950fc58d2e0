# SPDX-License-Identifier: MIT
"""What runs on the oldest Python that pyproject.toml promises, and needs what it says."""
import ast
import pathlib
import re
import subprocess
import sys

import pytest

TOP = pathlib.Path(__file__).resolve().parent.parent
SOURCES = sorted(p for folder in ("src", "examples") for p in (TOP / folder).rglob("*.py"))
OLDEST = tuple(map(int, re.search(r'requires-python = ">=(\d+)\.(\d+)"', (TOP / "pyproject.toml").read_text()).groups()))
# Modules and names of the standard library that came later, which ast cannot see.
LATER = {
    "tomllib", "datetime.UTC", "typing.Self", "typing.override", "asyncio.timeout", "asyncio.TaskGroup", "asyncio.Runner",
    "enum.StrEnum", "itertools.batched",
}  # fmt: skip


def names(tree):
    """Dotted names that a module uses of others."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield f"{node.value.id}.{node.attr}"
        elif isinstance(node, ast.Name) and node.id in ("ExceptionGroup", "BaseExceptionGroup"):
            yield node.id


def later(text):
    return {n for n in names(ast.parse(text, feature_version=OLDEST)) if n in LATER or "ExceptionGroup" in n}


def test_the_readme_names_the_same_version():
    assert f"Python {OLDEST[0]}.{OLDEST[1]} and later" in (TOP / "README.md").read_text()


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(TOP)))
def test_syntax_and_library(path):
    assert later(path.read_text()) == set()


@pytest.mark.parametrize("text", ["try:\n    pass\nexcept* OSError:\n    pass"])
def test_newer_syntax_is_noticed(text):
    with pytest.raises(SyntaxError):
        later(text)


@pytest.mark.parametrize("text", ["from datetime import UTC", "import asyncio\nasyncio.timeout(1)", "import tomllib", "raise ExceptionGroup('', [])"])
def test_newer_library_is_noticed(text):
    assert later(text)


def test_protobuf_is_all_that_it_needs():
    """Of what is installed, importing the package loads nothing else."""
    program = f"""
import sys
sys.path.insert(0, {str(TOP / "src")!r})
before = set(sys.modules)  # what the environment itself loads
import sidepool, sidepool.aio, sidepool.asyncpg, sidepool.types
print(*sorted({{n.partition(".")[0] for n in set(sys.modules) - before}} - sys.stdlib_module_names))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = {n for n in done.stdout.split() if not n.startswith("_sysconfigdata")}
    assert "sidepool" in loaded and loaded <= {"google", "sidepool"}
