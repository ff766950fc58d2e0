# SPDX-License-Identifier: MIT
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[2] / "tests" / "integration"), str(HERE.parent / "src")]

from drivers import AsyncDriver, SyncDriver  # noqa: E402
from fake_daemon import FakeDaemon  # noqa: E402


@pytest.fixture
def fake():
    """A daemon that the test plays."""
    daemon = FakeDaemon().start()
    yield daemon
    daemon.remove()


@pytest.fixture(params=[SyncDriver, AsyncDriver], ids=["sync", "async"])
def drive(request):
    """drive(path, **settings) makes a transport, closed at the end."""
    made = []

    def make(path, **settings):
        made.append(request.param(path, **settings))
        return made[-1]

    yield make
    for driver in made:
        driver.close()
