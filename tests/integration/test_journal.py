# SPDX-License-Identifier: MIT
"""What reaches the journal: real fields, on the journal's own socket; and what reaches stderr stays whole lines."""
import array
import json
import os
import shutil
import socket
import struct
import subprocess

import pytest
from lib.daemon import Daemon
from lib.wait import wait_until
from lib.wire import Failed, Request, Wire

pytestmark = pytest.mark.fast

# The path of the journal's socket is fixed, so the daemon has a /run of its own. stderr is named as systemd does it.
IN_A_RUN_OF_ITS_OWN = """
mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/journal && ln -s "$1" /run/systemd/journal/socket || exit 99
JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) || exit 99
export JOURNAL_STREAM
shift
exec "$@"
"""


def may_mount():
    probe = ["unshare", "--mount", "sh", "-c", "mount -t tmpfs tmpfs /run"]
    return shutil.which("unshare") and subprocess.run(probe, capture_output=True, check=False).returncode == 0


def parse(data):
    """https://systemd.io/JOURNAL_NATIVE_PROTOCOL/"""
    entry = {}
    while data:
        line, _, rest = data.partition(b"\n")
        if b"=" in line:
            key, _, value = line.partition(b"=")
        else:
            key, (n,) = line, struct.unpack("<Q", rest[:8])
            value, rest = rest[8 : 8 + n], rest[8 + n + 1 :]
        entry[key.decode()] = value.decode()
        data = rest
    return entry


class Journal:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.entries = []

    def look(self):
        while True:
            try:
                data, control, _, _ = self.socket.recvmsg(1 << 18, 1024, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return self.entries
            for _, _, fds in control:  # what is too long for a datagram comes as a file
                for fd in array.array("i", fds):
                    with os.fdopen(fd, "rb") as f:
                        f.seek(0)
                        data = f.read()
            self.entries.append(parse(data))

    def find(self, text):
        wait_until(f"the journal has {text!r}", lambda: any(text in e["MESSAGE"] for e in self.look()))
        return next(e for e in self.entries if text in e["MESSAGE"])


class Journaled(Daemon):
    def command(self):
        return ["unshare", "--mount", "sh", "-c", IN_A_RUN_OF_ITS_OWN, "sh", str(self.dir / "journal"), *super().command()]


@pytest.fixture
def journaled(pg):
    if not may_mount():
        pytest.skip("needs to mount a /run of its own")
    settings = {"slow_query": "1us", "slow_query_plan": "on", "stats_interval": "100ms"}
    daemon = Journaled(config={"sidepool": settings, "pool main": {"url": pg.url(), "min_size": 2}})
    daemon.journal = Journal(daemon.dir / "journal")
    try:
        daemon.start()
        yield daemon
    finally:
        daemon.close()
        daemon.journal.socket.close()
        daemon.remove()


@pytest.mark.no_memcheck("a plan is given up where no connection idles within 20 ms")
def test_the_fields_of_a_statement_a_lease_and_a_minute(journaled):
    with Wire(journaled.socket) as w:
        w.named("reports")
        wait_until("two idle", lambda: w.status().pools[0].idle >= 2)
        w.query("SELECT relname\nFROM pg_class WHERE relname = $1", ["x"], call_site="report.py:7")
        with pytest.raises(Failed):
            w.query("SELECT 1/(random()*0)::int AS broken")
        lease = w.lease()
        request = Request()
        request.admin.revoke_lease.lease_id = lease.lease_id
        w.call(request)
        plan = journaled.journal.find("plan of the slow statement")
        slow = journaled.journal.find("ms: SELECT relname")
        broken = journaled.journal.find("broken")
        admin = journaled.journal.find("revoked lease")
        minute = journaled.journal.find("main: Active: ")
        revoked = next(e for e in journaled.journal.look() if "LEASE" in e)
    assert (slow["APPLICATION"], slow["POOL"], slow["PID"], slow["PRIORITY"]) == ("reports", "main", str(os.getpid()), "4")
    assert slow["CALL_SITE"] == "report.py:7" and int(slow["RUN_US"]) > 0 and "SQLSTATE" not in slow
    assert slow["MESSAGE"].endswith("SELECT relname\nFROM pg_class WHERE relname = $1")
    assert "\n" in plan["PLAN"] and "relname = $1" in plan["PLAN"] and plan["APPLICATION"] == "reports"
    assert broken["SQLSTATE"] == "22012"
    assert (admin["UID"], admin["PID"], admin["APPLICATION"]) == (str(os.getuid()), str(os.getpid()), "reports")
    assert f"uid {os.getuid()}" in admin["MESSAGE"]
    assert (revoked["LEASE"], revoked["APPLICATION"], revoked["POOL"]) == (str(lease.lease_id), "reports", "main")
    assert minute["POOL"] == "main" and {"ACTIVE", "WAITING", "MIN", "MAX", "WAIT_P99_US", "HEALTH"} <= set(minute)
    assert journaled.log() == ""


@pytest.mark.settings({"sidepool": {"log_statements": "on", "log_parameters": "on", "log_format": "json"}})
def test_a_long_line_of_json_is_one_still(daemon, wire):
    wire.query("SELECT 1 -- " + "ü" * 2000, call_site="\1" * 255)
    wire.query("SELECT $1::text", ["\2" * 2000 + "€" * 2000])
    lines = [json.loads(line) for line in daemon.log_file.read_bytes().decode("utf-8", "strict").splitlines()]
    assert sum("run_us" in line for line in lines) == 2


@pytest.mark.settings({"sidepool": {"slow_query": "1h"}})
def test_nothing_is_logged_for_each_request(daemon, wire):
    before = daemon.log()
    for n in range(20):
        wire.query(f"SELECT {n}")
    wire.release(wire.lease())
    assert daemon.log() == before
