# SPDX-License-Identifier: MIT
"""sidepool-bench does the work that it counts, and counts all that it should have done."""
import json
import os
import pathlib
import subprocess

import pytest
from lib.postgres import programs
from lib.wire import Wire

BENCH = pathlib.Path(os.environ["SIDEPOOL_BUILD_DIR"]) / "tests" / "bench" / "sidepool-bench"


@pytest.fixture(scope="module")
def tables(pg):
    subprocess.run([programs() / "pgbench", "-i", "-q", "-s", "1", pg.url()], check=True, capture_output=True)
    yield pg
    pg.psql("DROP TABLE pgbench_accounts, pgbench_branches, pgbench_history, pgbench_tellers")


def start(daemon, workload, *options):
    command = [BENCH, workload, "--json", "--socket", daemon.socket, "--scale", 1, *options]
    return subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process):
    """Its exit status, and what it says."""
    out, err = process.communicate(timeout=120)
    assert out, err
    return process.returncode, json.loads(out.splitlines()[-1])


@pytest.mark.parametrize("workload", ["select", "connect", "tpcb"])
@pytest.mark.parametrize("clients", [1, 7])
def test_as_many_as_asked_for(tables, daemon, workload, clients):
    status, told = finish(start(daemon, workload, "--clients", clients, "--requests", 100))
    assert (status, told["done"], told["errors"]) == (0, 100, 0)
    assert 0 < told["latency_us"]["p50"] <= told["latency_us"]["p99"] <= told["latency_us"]["max"]


def test_a_transaction_is_whole(tables, daemon):
    finish(start(daemon, "tpcb", "--clients", 5, "--requests", 50))
    [sums] = tables.sql(
        "SELECT (SELECT sum(abalance) FROM pgbench_accounts), (SELECT sum(tbalance) FROM pgbench_tellers),"
        " (SELECT sum(bbalance) FROM pgbench_branches), (SELECT sum(delta) FROM pgbench_history)"
    )
    assert len(set(sums)) == 1


@pytest.mark.parametrize("workload", ["mixed", "hidden"])
def test_long_statements_do_not_count(tables, daemon, workload):
    status, told = finish(start(daemon, workload, "--clients", 4, "--requests", 2000))  # 20 long ones, give or take chance
    assert (status, told["errors"]) == (0, 0)
    assert 1900 < told["done"] < 2000


@pytest.mark.settings({"sidepool": {"budget": 1}})
def test_what_was_due_while_nothing_moved_counts(tables, daemon):
    """With a rate, a stall shows in the latency of all that came due during it, and nothing that was due is left out."""
    with Wire(daemon.socket) as wire:
        lease = wire.lease()
        process = start(daemon, "select", "--clients", 2, "--rate", 50, "--seconds", 1)
        wire.call(wire.query_request("SELECT pg_sleep(0.5)", lease=lease))
        wire.release(lease)
    status, told = finish(process)
    assert (status, told["errors"]) == (0, 0)
    assert told["done"] + told["late"] == 50


def test_idle_clients_stay(daemon):
    process = start(daemon, "idle", "--clients", 50, "--seconds", 60)
    try:
        assert process.stdout.readline() == "ready\n"
        with Wire(daemon.socket) as wire:
            assert wire.status().clients >= 50
    finally:
        process.kill()
        process.communicate()


def test_an_error_is_told(tables, daemon):
    """The keys are those of larger tables."""
    status, told = finish(start(daemon, "select", "--requests", 3, "--scale", 10000))
    assert status != 0
    assert told["errors"] == 3
    assert "account is missing" in told["error"]
