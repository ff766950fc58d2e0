# SPDX-License-Identifier: MIT
"""Every command line tool of the repository answers --help."""
import pathlib
import subprocess
import sys

import pytest

TOP = pathlib.Path(__file__).resolve().parent.parent.parent


def tools():
    """The programs in the repository that read their arguments with argparse, and tests/tools/groups.py, which is tests/run."""
    listed = subprocess.run(["git", "ls-files", "-s"], cwd=TOP, check=True, capture_output=True, text=True).stdout.splitlines()
    programs = [line.split("\t")[1] for line in listed if line.startswith("100755")]
    asks = [p for p in programs if p != "tests/tools/test_help.py" and "argparse.ArgumentParser(" in (TOP / p).read_text(errors="replace")]
    return sorted([*asks, "tests/tools/groups.py"])


def test_there_are_some():
    assert {"tests/bench/run", "tests/chaos/ledger", "tests/static/check"} < set(tools())


@pytest.mark.parametrize("tool", tools())
def test_help_is_answered(tool):
    done = subprocess.run([sys.executable, "-B", TOP / tool, "--help"], cwd="/", capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "usage:" in done.stdout and "--help" in done.stdout
