# SPDX-License-Identifier: MIT
"""Ways to a server: several hosts, TLS, names; and what the log tells of statements."""
import subprocess

import pytest
from lib.postgres import Postgres
from lib.wait import wait_until
from lib.wire import Failed, Request, Wire

pytestmark = pytest.mark.fast


def ask(daemon, sql="SELECT 1"):
    with Wire(daemon.socket) as w:
        return w.values(sql)[0][0]


def test_the_next_host_is_tried(pg, make_daemon):
    url = f"postgresql://postgres@127.0.0.1:1,localhost:{pg.port}/test?target_session_attrs=read-write"
    assert ask(make_daemon(url)) == "1"


def test_target_session_attrs_passes_through(pg, make_daemon):
    daemon = make_daemon(f"postgresql://postgres@localhost:{pg.port}/test?target_session_attrs=standby")
    with Wire(daemon.socket) as w, pytest.raises(Failed) as e:
        w.query("SELECT 1", deadline_ms=1000)
    assert "standby" in e.value.error.message


@pytest.fixture(scope="module")
def tls_pg(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    command = ["openssl", "req", "-new", "-x509", "-days", "2", "-nodes", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*command, "-keyout", "server.key", "-out", "server.crt"], cwd=folder, check=True, capture_output=True)
    server = Postgres(ssl="on", ssl_cert_file="server.crt", ssl_key_file="server.key")
    for name in ("server.crt", "server.key"):
        target = server.data / name
        target.write_bytes((folder / name).read_bytes())
        target.chmod(0o600)
        if server.user:
            __import__("shutil").chown(target, server.user)
    server.certificate = folder / "server.crt"
    with server:
        yield server


def test_tls_with_a_checked_certificate(tls_pg, make_daemon):
    url = f"postgresql://postgres@localhost:{tls_pg.port}/test?sslmode=verify-full&sslrootcert={tls_pg.certificate}"
    assert ask(make_daemon(url), "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()") == "t"


def test_tls_that_cannot_be_checked_is_refused(tls_pg, make_daemon):
    daemon = make_daemon(f"postgresql://postgres@127.0.0.1:{tls_pg.port}/test?sslmode=verify-full&sslrootcert={tls_pg.certificate}")
    with Wire(daemon.socket) as w, pytest.raises(Failed) as e:
        w.query("SELECT 1", deadline_ms=1000)
    assert "certificate" in e.value.error.message and e.value.outcome == "not sent"


@pytest.mark.settings({"sidepool": {"slow_query": "100ms", "log_parameters": "on"}})
def test_slow_statements_are_told_with_who_and_where(daemon, wire):
    wire.query("SELECT $1::text", ["quick"])
    wire.query("SELECT $1::text, $2::int, pg_sleep(0.15)", ["it's", None], call_site="report.py:7")
    line = next(x for x in daemon.log().splitlines() if "slow statement" in x)
    assert "pg_sleep(0.15)" in line and "call_site=report.py:7" in line and "application=" in line
    assert "$1 = 'it's', $2 = NULL" in line and "quick" not in daemon.log()


@pytest.mark.settings({"sidepool": {"log_statements": "on", "log_format": "json"}})
def test_statements_may_be_logged_all_without_their_parameters(daemon, wire):
    wire.query("SELECT $1::text AS told", ["secret"])
    assert '"message":"statement,' in daemon.log() and "AS told" in daemon.log() and "secret" not in daemon.log()


def test_pynng_is_a_client(daemon):
    pynng = pytest.importorskip("pynng")
    from lib.wire import Response, fill, rows

    request = Request()
    fill(request.query.statement, "SELECT $1::int + 1", ["41"])
    with pynng.Req0(resend_time=-1, recv_timeout=20000) as socket:
        socket.dial(f"ipc://{daemon.socket}", block=True)
        socket.send(request.SerializeToString())
        assert rows(Response.FromString(socket.recv()).results[0]) == [(b"42",)]


def test_a_pynng_client_that_resends_runs_its_statement_once(daemon, pg):
    """Its resend time is shorter than the statement takes."""
    pynng = pytest.importorskip("pynng")
    from lib.wire import Response, fill

    pg.sql("DROP TABLE IF EXISTS resent; CREATE TABLE resent (a int)")
    request = Request()
    fill(request.query.statement, "INSERT INTO resent VALUES (1)")
    with pg.connect() as barrier, pynng.Req0(resend_time=20, recv_timeout=20000) as socket:
        barrier.execute("BEGIN; LOCK resent IN ACCESS EXCLUSIVE MODE")
        socket.dial(f"ipc://{daemon.socket}", block=True)
        socket.send(request.SerializeToString())
        wait_until("it waits for the lock", lambda: any("resent" in b[2] and b[1] == "active" for b in pg.backends()))
        barrier.execute("SELECT pg_sleep(1.5)")  # libnng looks at its resends once a second
        barrier.execute("COMMIT")
        assert Response.FromString(socket.recv()).results[0].affected_rows == 1
    assert pg.sql("SELECT count(*) FROM resent") == [(1,)]


def test_nngcat_is_a_client(daemon, tmp_path):
    ping = tmp_path / "ping"
    ping.write_bytes(b"\xd2\x01\x00")
    command = ["nngcat", "--req", "--dial", f"ipc://{daemon.socket}", "--file", str(ping), "--raw", "--recv-timeout", "20"]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
