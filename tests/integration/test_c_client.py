# SPDX-License-Identifier: MIT
"""libsidepool against a real daemon: its driver's scenarios, and the examples of its README."""
import os
import pathlib
import socket
import subprocess

import pytest
from lib.daemon import Daemon
from lib.wait import wait_until

BUILD = pathlib.Path(os.environ.get("SIDEPOOL_BUILD_DIR", "build")) / "clients" / "c"
SCENARIOS = ["values", "changing-columns", "errors", "transaction", "stream", "batch", "copy", "cancel", "many", "session", "parameters"]

pytestmark = pytest.mark.fast


def start(daemon, *command, **options):
    environment = {**os.environ, "SIDEPOOL_SOCKET": str(daemon.socket)}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, **options)


def run(daemon, *command):
    process = start(daemon, *command, stderr=subprocess.PIPE)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return out


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_scenario(daemon, scenario):
    run(daemon, BUILD / "client-driver", scenario)


def test_a_restart_is_survived(daemon):
    with start(daemon, BUILD / "client-driver", "restart", stdin=subprocess.PIPE) as process:
        assert process.stdout.readline() == "ready\n"
        daemon.stop()
        process.stdin.write("go\n")
        process.stdin.flush()
        daemon.start()
        assert process.wait(60) == 0


def test_the_examples_do_what_they_say(daemon):
    assert run(daemon, BUILD / "example-query") == "42\n"
    assert run(daemon, BUILD / "example-concurrent") == "100 queries, sum 5050\n"
    assert run(daemon, BUILD / "example-lease") == "now 70 cents\nnow 130 cents\n"
    assert run(daemon, BUILD / "example-uv") == "1000 answers, 0 failures\n"


class Activated:
    """A daemon as systemd has it: its listening socket stays, whether a daemon is there or not."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.environment = {**daemon.environment(), "LISTEN_FDS": "1", "LISTEN_FDNAMES": "rpc"}
        del self.environment["NOTIFY_SOCKET"]
        self.process = None
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(daemon.socket))
        self.listener.listen(128)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *unused):
        self.stop()
        self.listener.close()
        self.daemon.remove()

    def start(self):
        shell = ["sh", "-c", 'LISTEN_PID=$$ exec "$@" 3<&0 </dev/null', "sh", *self.daemon.command()]
        with self.daemon.log_file.open("ab") as log:
            self.process = subprocess.Popen(shell, env=self.environment, stdin=self.listener, stdout=log, stderr=log, cwd="/")

    def stop(self):
        self.process.terminate()
        assert self.process.wait(60) == 0, self.daemon.log()


@pytest.fixture
def activated(pg):
    pg.sql("DROP TABLE IF EXISTS went; CREATE TABLE went (a int)")
    with Activated(Daemon(pg.url(), config={"sidepool": {"budget": 4, "shutdown_timeout": "60s"}})) as daemon:
        yield daemon


def say(process, line=""):
    process.stdin.write(line + "\n")
    process.stdin.flush()


def test_a_lease_ends_well_on_the_daemon_that_leaves(activated):
    with start(activated.daemon, BUILD / "client-driver", "leaving", stdin=subprocess.PIPE) as process:
        assert process.stdout.readline() == "leased\n"
        activated.process.terminate()
        wait_until("it leaves", lambda: "stopping" in activated.daemon.log())
        say(process)
        assert process.stdout.readline() == "committed\n"
        assert activated.process.wait(60) == 0
        activated.start()
        say(process)
        assert process.wait(60) == 0


@pytest.mark.no_memcheck("on a busy machine a daemon under valgrind starts in more than the 10 s that a client waits for its greeting")
def test_ten_restarts_refuse_nothing(activated, pg):
    def done():
        say(process)
        return [int(n) for n in process.stdout.readline().split()]

    with start(activated.daemon, BUILD / "client-restarts", stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        for _ in range(10):
            answered, committed, *_unused = done()
            wait_until("work goes on", lambda a=answered, c=committed: all(n > m for n, m in zip(done(), (a + 50, c + 10), strict=False)))
            activated.stop()
            activated.start()
        process.stdin.close()
        *_unused, last = process.stdout
        assert process.wait(60) == 0
        answered, committed, unknown, refused = map(int, last.split())
        assert refused == 0, process.stderr.read()
    assert answered > 500 and committed > 100
    [(transactions, rows)] = pg.sql("SELECT count(*) FILTER (WHERE a = 2), count(*) FROM went")
    assert rows == 2 * transactions and committed <= transactions <= committed + unknown
