# SPDX-License-Identifier: MIT
"""with --all: the Python client on 3.10, 3.13 and 3.14, and there with other versions of protobuf and Django"""

import importlib.machinery
import importlib.util
import shutil
import sys

from group import BUILD, TOP, run as run_logged

ORDER = 71
NEEDS = "clients/python/tests"
REQUIREMENTS = TOP / "tests" / "requirements.txt"
# The interpreters come without pip, and Debian's knows nothing of Python 3.12 and later.
PIP = "pip==25.3"


def tool():
    """tests/tools/pythons as a module."""
    loader = importlib.machinery.SourceFileLoader("pythons", str(TOP / "tests" / "tools" / "pythons"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("pythons", loader))
    loader.exec_module(module)
    return module


def environment(group, interpreter, version):
    """The Python of an environment with what the tests need; None, and a failure, if it cannot be made."""
    wanted = [line for line in REQUIREMENTS.read_text().splitlines() if line and not line.startswith("#")]
    folder = BUILD / f"venv-python-{version}"
    stamp, python = folder / ".installed", folder / "bin" / "python"
    told = "\n".join([str(interpreter), PIP, *wanted])
    if stamp.exists() and stamp.read_text() == told:
        return python
    shutil.rmtree(folder, ignore_errors=True)
    packages = folder / "lib" / f"python{version}" / "site-packages"
    pip = ["-m", "pip", "install", "-q", "--disable-pip-version-check"]
    for command in (
        [interpreter, "-m", "venv", "--without-pip", folder],
        [sys.executable, *pip, "--target", packages, PIP],
        [python, *pip, *wanted],
    ):
        status, output = run_logged(command, group.log(f"python-{version}-venv"))
        if status != 0:
            group.counts.add(f"Python {version}: install what the tests need", "failed", output)
            return None
    stamp.write_text(told)
    return python


def test(group, python, version):
    here = TOP / "clients" / "python"
    env = {**group.programs(), "PYTHONPATH": str(here / "src")}
    group.pytest("-n", "2", "-m", "not long", "tests", env=env, cwd=here, name=f"python-{version}", python=python)
    files = ("tests/test_protobuf_versions.py", "tests/test_django_versions.py::test_newest")
    group.pytest(*files, env=env, cwd=here, name=f"python-{version}-others", python=python)


def run(group):
    if group.mode != "all" or not group.build():
        return
    pythons = tool()
    for version in pythons.VERSIONS:
        try:
            interpreter = pythons.unpack(version, BUILD / "pythons")
        except pythons.Unavailable as e:
            group.counts.add(f"Python {version}: {e}", "skipped")
            continue
        python = environment(group, interpreter, version)
        if python:
            test(group, python, version)
