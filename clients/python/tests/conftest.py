# SPDX-License-Identifier: MIT
import gc
import os
import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[2] / "tests" / "integration"), str(HERE.parent / "src")]

import sidepool  # noqa: E402
import sidepool.aio  # noqa: E402
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


@pytest.fixture(scope="session")
def pg():
    """One PostgreSQL for all."""
    if not os.environ.get("SIDEPOOLD"):
        pytest.skip("SIDEPOOLD is not set to the daemon's binary")
    from lib.postgres import Postgres

    with Postgres() as server:
        yield server


def _remove(daemon):
    try:
        daemon.close()
    finally:
        daemon.remove()


@pytest.fixture(scope="session")
def shared_daemon(pg):
    from lib.daemon import Daemon

    daemon = Daemon(pg.url(), config={"sidepool": {"budget": 6}})
    yield daemon.start()
    _remove(daemon)


@pytest.fixture
def socket_path(shared_daemon):
    return str(shared_daemon.socket)


@pytest.fixture
def make_daemon(pg):
    """Daemons of one test."""
    from lib.daemon import Daemon

    made = []

    def make(**settings):
        daemon = Daemon(pg.url(), config={"sidepool": settings})
        made.append(daemon)
        return daemon.start()

    yield make
    for daemon in made:
        _remove(daemon)


@pytest.fixture
def connect(socket_path):
    """sidepool.connect() to the shared daemon; what it made is closed at the end."""
    made = []

    def make(**settings):
        made.append(sidepool.connect(socket_path, **settings))
        return made[-1]

    yield make
    for connection in made:
        connection.close()


@pytest.fixture
def conn(connect):
    return connect()


@pytest.fixture
def auto(connect):
    """A connection in autocommit."""
    return connect(autocommit=True)


@pytest.fixture
async def aconn(socket_path):
    connection = await sidepool.aio.connect(socket_path)
    yield connection
    await connection.close()


@pytest.fixture
def table(pg):
    """An empty table t (id int primary key, x text)."""
    pg.sql("DROP TABLE IF EXISTS t")
    pg.sql("CREATE TABLE t (id int PRIMARY KEY, x text)")
    return "t"


@pytest.fixture
def leases(pg):
    """How many transactions the daemon's connections have open."""

    def count():
        return pg.sql(
            "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%' AND application_name <> 'tester'"
        )[0][0]

    return count


@pytest.fixture(autouse=True)
def collected():
    """What a test left to the finalizers is finalized within it."""
    yield
    gc.collect()
