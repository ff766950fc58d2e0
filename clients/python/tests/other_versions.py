# SPDX-License-Identifier: MIT
"""Tests run with another version of a package than the environment's."""
import os
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
# What old packages do that later Pythons warn of, and that is not ours to mend: protobuf 3.20 asks for the epoch in this way.
THEIRS = "ignore:datetime.datetime.utcfromtimestamp:DeprecationWarning"


def run_with(wanted, folder, *arguments):
    """Installs `wanted` into a folder and runs pytest with it. The test is skipped where it cannot be had."""
    install = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--target", str(folder), wanted]
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"{wanted} cannot be had here: {done.stderr[-300:]}")
    path = os.pathsep.join([str(folder), str(HERE.parent / "src"), *sys.path])
    command = [sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", THEIRS]
    command += ["--rootdir", str(HERE.parent), *arguments]
    done = subprocess.run(command, cwd=HERE, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:]
