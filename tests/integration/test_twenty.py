# SPDX-License-Identifier: MIT
"""The point of it all: twenty processes with twenty workers each, on a PostgreSQL that allows ten connections.

Through one sidepoold all of them finish. The same programs with pools of their own do not: "too many clients".
The programs are in tests/twenty.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest
from lib import processes
from lib.postgres import Postgres

TOP = pathlib.Path(__file__).resolve().parents[2]
TWENTY = TOP / "tests" / "twenty"
NODE_PACKAGE = TOP / "clients" / "node"
PROGRAMS = {"alchemy.py": 4, "threads.py": 4, "tasks.py": 3, "pg.mjs": 3, "drizzle.mjs": 3, "prisma.mjs": 3}
WORKERS, UNITS, CONNECTIONS = 20, 5, 10
TIMEOUT_S = 300
REFUSED = re.compile(r"too many clients|remaining connection slots are reserved|TooManyConnections")


@pytest.fixture
def small_pg():
    with Postgres(max_connections=CONNECTIONS) as server:
        server.sql("CREATE ROLE app LOGIN")
        server.sql("CREATE TABLE work (id serial PRIMARY KEY, program text NOT NULL, worker int NOT NULL, unit int NOT NULL)")
        server.sql("GRANT ALL ON work, work_id_seq TO app")
        yield server


def link_packages(modules, *sources):
    """What is installed in several places, in one node_modules of links."""
    for source in sources:
        for package in sorted(source.iterdir()):
            if package.name.startswith("."):
                continue
            if package.name.startswith("@"):
                (modules / package.name).mkdir(exist_ok=True)
                link_packages(modules / package.name, package)
            elif not (modules / package.name).exists():
                (modules / package.name).symlink_to(package)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The programs, with sidepool and all that they need beside it."""
    if not (TWENTY / "node_modules").exists() or not (NODE_PACKAGE / "node_modules").exists():
        pytest.skip("the Node packages are not there: deploy/deps --test installs them")
    where = tmp_path_factory.mktemp("twenty") / "programs"
    shutil.copytree(TWENTY, where, ignore=shutil.ignore_patterns("node_modules"))
    modules = where / "node_modules"
    modules.mkdir()
    (modules / "sidepool").symlink_to(NODE_PACKAGE)
    link_packages(modules, NODE_PACKAGE / "node_modules", TWENTY / "node_modules")
    made = subprocess.run(["node", TWENTY / "generate.mjs", where], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    return where


def command(folder, program, mode, name):
    interpreter = [sys.executable, "-B"] if program.endswith(".py") else ["node", "--preserve-symlinks", "--preserve-symlinks-main", "--no-warnings"]
    return [*interpreter, str(folder / program), mode, name]


def run_all(folder, mode, environment):
    """Start all of them, then wait for all of them. Returns {name: (status, output)}."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "DATABASE_URL", "SIDEPOOL"))}
    env = {**env, "PYTHONPATH": str(TOP / "clients" / "python" / "src"), **environment}
    started, files = {}, {}
    for program, count in PROGRAMS.items():
        for i in range(count):
            name = f"{program.partition('.')[0]}-{i}"
            files[name] = (folder / f"{mode}-{name}.log").open("w+")
            started[name] = processes.launch(
                command(folder, program, mode, name), env=env, cwd=folder, stdin=subprocess.DEVNULL, stdout=files[name], stderr=files[name]
            )
    try:
        ended = {}
        for name, process in started.items():
            status = process.wait(TIMEOUT_S)
            files[name].seek(0)
            ended[name] = status, files[name].read()
        return ended
    finally:
        for name, process in started.items():
            process.kill()
            process.wait()
            files[name].close()


def test_twenty_processes_share_ten_connections(small_pg, make_daemon, folder):
    daemon = make_daemon(small_pg.url(user="app"), config={"sidepool": {"budget": CONNECTIONS}})
    ended = run_all(folder, "sidepool", {"SIDEPOOL_SOCKET": str(daemon.socket)})
    assert len(ended) == WORKERS
    for name, (status, output) in ended.items():
        assert (status, output) == (0, f"done {WORKERS * UNITS}\n"), f"{name}: {output[-3000:]}"
    counted = small_pg.sql("SELECT count(DISTINCT (program, worker, unit)), count(*), count(DISTINCT program) FROM work")
    assert counted == [(20 * WORKERS * UNITS, 20 * WORKERS * UNITS, 20)]


def test_the_same_programs_with_their_own_pools_do_not(small_pg, folder):
    ended = run_all(folder, "own", {"DATABASE_URL": small_pg.tcp_url(user="app")})
    for name, (status, output) in ended.items():
        assert status != 0, f"{name} has finished: {output[-1000:]}"
        assert REFUSED.search(output), f"{name} failed, but not of too many clients: {output[-3000:]}"
