# SPDX-License-Identifier: MIT
"""clients/examples: clients made of proto/ and somebody else's NNG, run against a daemon; clients/README.md names them."""
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
EXAMPLES = TOP / "clients" / "examples"
BUILD = pathlib.Path(os.environ["SIDEPOOL_BUILD_DIR"]) / "examples"
LINES = 120


def run(command, env=None, **options):
    done = subprocess.run(
        [str(c) for c in command], env={**os.environ, **(env or {})}, capture_output=True, text=True, check=False, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def go():
    if not shutil.which("go"):
        pytest.skip("there is no go: deploy/deps --test installs it")
    run([EXAMPLES / "go" / "build", BUILD / "go"])
    return [BUILD / "go" / "bank"], {}


def python():
    folder = BUILD / "python"
    folder.mkdir(parents=True, exist_ok=True)
    run(["protoc", "-I", TOP / "proto", "--python_out", folder, *sorted((TOP / "proto" / "sidepool" / "v1").glob("*.proto"))])
    return [sys.executable, "-B", EXAMPLES / "python" / "bank.py"], {"PYTHONPATH": str(folder)}


@pytest.mark.parametrize("make, application", [(go, "bank-go"), (python, "bank-pynng")], ids=["go", "python"])
def test_example(daemon, pg, make, application):
    command, env = make()
    for _ in range(2):
        said = run(command, {**env, "SIDEPOOL_SOCKET": str(daemon.socket)}).splitlines()
        hello, batch, query, transaction, error = said
        assert re.fullmatch(rf"hello: {application} \[.*main.*\]", hello)
        assert batch == "batch: CREATE TABLE and 2 rows"
        assert re.fullmatch(r"query: .*alice'? ?,? ?'?100.*bob.*(None|NULL).*", query)
        assert re.fullmatch(r"transaction: .*30.*", transaction)
        assert re.fullmatch(r"error: .*SQL_ERROR, SQLSTATE 23505, OUTCOME_FAILED: .*duplicate key.*", error)
    assert pg.sql("SELECT count(*) FROM pg_class WHERE relname LIKE 'bank%%'") == [(0,)]


@pytest.mark.parametrize("file", ["go/main.go", "python/bank.py"])
def test_example_is_short_and_uses_nothing_of_ours(file):
    text = (EXAMPLES / file).read_text()
    assert len(text.splitlines()) < LINES
    assert text.count('"/run/sidepool/rpc.sock"') == 1, "where the daemon is, unless SIDEPOOL_SOCKET says otherwise"
    assert "clients/" not in text and not re.search(r"^\s*(import|from) sidepool(?!\.v1\b)", text, re.M)
