# SPDX-License-Identifier: MIT
import os
import sys
import pathlib

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from lib import processes, secrets  # noqa: E402
from lib.daemon import Daemon  # noqa: E402
from lib.postgres import Postgres  # noqa: E402
from lib.wire import Wire  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "fast: also in tests/run --fast")
    config.addinivalue_line("markers", "settings(config): of the daemon fixture")
    config.addinivalue_line("markers", "long: only in tests/run --all")
    config.addinivalue_line("markers", "no_memcheck(reason): what cannot be seen of a daemon under valgrind")
    if not os.environ.get("SIDEPOOLD"):
        raise pytest.UsageError("SIDEPOOLD must name the daemon under test: use tests/run integration")


def pytest_runtest_setup(item):
    mark = item.get_closest_marker("no_memcheck")
    if mark and os.environ.get("SIDEPOOL_SANITIZER") == "memcheck":
        pytest.skip(mark.args[0])


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left():
    """At the end of a worker's session no process and no descriptor is left that the tests opened."""
    processes.adopt_orphans()
    before = processes.descriptors()
    yield
    assert not processes.survivors(), "these processes outlive the tests that started them"
    left = {fd: target for fd, target in processes.descriptors().items() if before.get(fd) != target}
    assert not left, "these descriptors were left open by the tests"


@pytest.fixture(scope="session")
def pg():
    """One PostgreSQL for each worker."""
    with Postgres() as server:
        yield server


@pytest.fixture(autouse=True)
def nothing_runs_on(request):
    """A test leaves PostgreSQL at rest: what a daemon began and did not cancel would be the next test's neighbour."""
    server = request.getfixturevalue("pg") if "pg" in request.fixturenames else None
    yield
    if server:
        try:
            server.wait_for_end()
        except AssertionError:
            for pid, *_ in server.backends():
                server.sql("SELECT pg_terminate_backend(%s)", pid)
            raise


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    item.stash.setdefault(FAILED, False)
    item.stash[FAILED] |= outcome.get_result().failed


FAILED = pytest.StashKey[bool]()


def judge(daemons):
    """Stop them all; the first that has something to be blamed for is what the test fails with."""
    blame = None
    for daemon in daemons:
        try:
            daemon.close()
        except Exception as e:
            blame = blame or e
    if blame:
        raise blame


@pytest.fixture
def make_daemon(request):
    """Daemons that are stopped, and judged, at the end of the test."""
    made = []

    def make(*arguments, start=True, **options):
        daemon = Daemon(*arguments, **options)
        made.append(daemon)
        return daemon.start() if start else daemon

    yield make
    try:
        shown = secrets.places(made)
        judge(made)
        assert not shown, "the database's password is shown by " + ", ".join(shown)
    except BaseException:
        request.node.stash[FAILED] = True
        raise
    finally:
        for daemon in made:
            if request.node.stash.get(FAILED, False):
                print(f"--- log of {daemon.socket}\n{daemon.log() if daemon.log_file.exists() else '(none)'}")
            daemon.remove()


@pytest.fixture
def daemon(pg, make_daemon, request):
    """A daemon on `pg` with at most 5 connections; @pytest.mark.settings({...}) adds to its configuration."""
    mark = request.node.get_closest_marker("settings")
    config = {"sidepool": {"budget": 5, "cancel_timeout": "2s"}}
    for section, settings in (mark.args[0] if mark else {}).items():
        config.setdefault(section, {}).update(settings)
    return make_daemon(pg.url(), config=config)


@pytest.fixture
def wire(daemon):
    with Wire(daemon.socket) as w:
        yield w
