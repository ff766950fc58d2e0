# SPDX-License-Identifier: MIT
"""The oldest and the newest protobuf runtime that install: framing, messages and transports run on each."""
import os
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent


@pytest.mark.long
@pytest.mark.parametrize("wanted", ["protobuf==3.20.0", "protobuf"], ids=["oldest", "newest"])
def test_runs_on(wanted, tmp_path):
    install = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--target", str(tmp_path), wanted]
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"{wanted} cannot be had here: {done.stderr[-300:]}")
    path = os.pathsep.join([str(tmp_path), str(HERE.parent / "src"), *sys.path])
    command = [sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(HERE.parent)]
    done = subprocess.run(
        [*command, str(HERE / "test_wire_vectors.py"), str(HERE / "test_transport.py")],
        env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:]
