# SPDX-License-Identifier: MIT
"""What is installed, as meson installs it, in a folder of its own."""
import os
import pathlib
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]


def pytest_configure(config):
    config.addinivalue_line("markers", "fast: also in tests/run --fast")
    config.addinivalue_line("markers", "long: only in tests/run --all")
    if not os.environ.get("SIDEPOOL_BUILD_DIR"):
        raise pytest.UsageError("SIDEPOOL_BUILD_DIR must name the build: use tests/run deploy")


class Installed:
    """A DESTDIR; `path` is where a file below the prefix is."""

    def __init__(self, root, prefix):
        self.root, self.prefix = root, prefix

    def path(self, name):
        return self.root / self.prefix.lstrip("/") / name

    def files(self):
        return sorted(str(p.relative_to(self.path(""))) for p in self.path("").rglob("*") if not p.is_dir())


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    root = tmp_path_factory.mktemp("installed")
    build = os.environ["SIDEPOOL_BUILD_DIR"]
    command = ["meson", "install", "-C", build, "--no-rebuild", "--quiet", "--destdir", str(root)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return Installed(root, "/usr/local")


@pytest.fixture(scope="session")
def sidepoold():
    return os.environ["SIDEPOOLD"]


@pytest.fixture(scope="session")
def sidepool():
    return os.environ["SIDEPOOL"]
