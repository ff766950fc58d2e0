# SPDX-License-Identifier: MIT
"""libsidepool against a real daemon: its driver's scenarios, and the examples of its README."""
import os
import pathlib
import subprocess

import pytest

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
