# SPDX-License-Identifier: MIT
"""The runner notices what is wrong; the bytes that no client of ours makes are tried on the daemon."""
import json
import pathlib
import socket
import subprocess
import sys

import pytest
import runner

HERE = pathlib.Path(__file__).resolve().parent
VECTORS = json.loads((HERE / "vectors.json").read_text())
GREETING = bytes.fromhex(VECTORS["greeting"]["client"])
TIMEOUT_S = 60

# A driver that sends each query as often as its first argument says, and tells a row whatever was answered.
TALKATIVE = """
import json, socket, struct, sys
sys.path[:0] = [sys.argv[2]]
from lib.wire import Wire
wire = None
for line in sys.stdin:
    step = json.loads(line)
    ok = {"client": "talkative", "features": []}
    if step["op"] == "connect":
        wire, ok = Wire(step["socket"]), {}
    elif step["op"] == "query":
        for _ in range(int(sys.argv[1])):
            wire.receive(wire.send(wire.query_request(step["sql"])))
        ok = {"rows": [["1"]]}
    print(json.dumps({"id": step["id"], "ok": ok}), flush=True)
"""
ANSWER = "results { columns { name: 'a' type_oid: 25 } rows: '\\001\\000\\000\\0001' row_count: 1 }"


def case(sql="SELECT 1", step=None, **entry):
    entry = {"expect": "query { statement { sql: 'SELECT 1' } }", "answer": ANSWER, **entry}
    return {"name": "x", "daemon": [entry], "steps": [{"op": "query", "sql": sql, "expect": {"rows": [["1"]]}, **(step or {})}]}


def run(it, times=1):
    runner.run_case(it, [sys.executable, "-B", "-c", TALKATIVE, times, HERE.parent / "integration"])


def test_a_case_that_is_right():
    run(case())


@pytest.mark.parametrize(
    "it, times, why",
    [
        (case(), 0, "the client never sent: query"),
        (case(), 2, "more than the script has"),
        (case(sql="SELECT 2"), 1, "entry 0: expected .*SELECT 1.*SELECT 2"),
        (case(expect="query { statement { sql: 'SELECT 1' statement_id: 1 } }"), 1, "statement_id: 1"),
        (case(deadline_within=100), 1, "deadline_ms is 0"),
        (case(step={"expect": {"rows": [["2"]]}}), 1, "the client told"),
        (case(step={"fails": {"code": "SQL_ERROR"}}), 1, "the client told"),
        (case(step={"expect": {"rows": []}}), 1, "the client told"),
    ],
)
def test_what_is_wrong_is_noticed(it, times, why):
    with pytest.raises((runner.Failed, runner.Unexpected), match=f"(?s){why}"):
        run(it, times)


def test_a_driver_that_lacks_a_feature_is_not_asked():
    with pytest.raises(runner.Skipped, match="talkative has no copy"):
        run({**case(), "needs": ["copy"]}, 0)


def test_run_prints_tap():
    driver = [sys.executable, "-B", HERE / "drivers" / "wire.py"]
    command = [sys.executable, "-B", HERE / "run", "--only", "wire: hello", "--", *driver]
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["TAP version 13", "1..1", "ok 1 wire: hello # SKIP it needs a real daemon: --socket"]


def test_run_tells_of_failures(daemon):
    command = [sys.executable, "-B", HERE / "run", "--socket", daemon.socket, "--only", "a text comes back", "--"]
    command += [sys.executable, "-c", TALKATIVE, "1", HERE.parent / "integration"]
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "not ok 1 values: a text comes back" in done.stdout and "# the client told:" in done.stdout


@pytest.mark.parametrize("vector", VECTORS["backtraces"], ids=[v["name"].replace(" ", "-") for v in VECTORS["backtraces"]])
def test_hops_come_back_unchanged(daemon, vector):
    ping = bytes.fromhex(vector["bytes"])
    at = 9 + 4 * len(vector["hops"]) + 4
    assert ping[at - 4 : at] == vector["id"].to_bytes(4, "big")
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(TIMEOUT_S)
        s.connect(str(daemon.socket))
        s.sendall(GREETING + ping)
        answer = s.makefile("rb").read(8 + at)
    assert answer[:8].hex() == VECTORS["greeting"]["daemon"]
    assert answer[8 + 9 :] == ping[9:at]
