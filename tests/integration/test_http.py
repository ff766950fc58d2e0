# SPDX-License-Identifier: MIT
"""Health and metrics over HTTP: what they say, to whom, and what nobody may hold of the daemon."""
import os
import signal
import socket
import subprocess

import pytest
from lib.daemon import Daemon, listening
from lib.http import get, get_json, metrics, port_of
from lib.wait import wait_until
from lib.wire import Failed, Wire

LISTENS = {"http_listen": "127.0.0.1:0"}


def http(daemon):
    return daemon.dir / "http.sock"


def check(health, name):
    return next(c for c in health["checks"] if c["name"] == name)


# ---- health ----


@pytest.mark.fast
@pytest.mark.settings({"sidepool": {"budget": 5, "degraded_wait": "1h"}})
def test_a_healthy_daemon_says_so_with_its_numbers(daemon):
    with Wire(daemon.socket) as w:
        w.values("SELECT 1")
        lease = w.lease()
        status, health = get_json(http(daemon), "/health")
        assert (status, health["status"], health["recommendations"]) == (200, "Healthy", [])
        assert {c["status"] for c in health["checks"]} == {"Healthy"} and all(c["description"] for c in health["checks"])
        budget, limits = check(health, "budget")["data"], check(health, "limits")["data"]
        assert (budget["activeConnections"], budget["maxPoolSize"], budget["usagePercent"]) == (1, 5, 20.0)
        assert (limits["activeConnections"], limits["maxPoolSize"], limits["minPoolSize"]) == (1, 5, 1)
        assert check(health, "database")["data"] == {
            "breakerState": "closed", "breakerFailureCount": 0, "retryAfterMs": 0.0, "lastFailure": "",
        }  # fmt: skip
        assert check(health, "acquisition")["data"]["connectionAcquisitionTimeMs"] >= 0
        w.release(lease)
    wait_until("it idles", lambda: check(get_json(http(daemon), "/health")[1], "limits")["data"]["idleConnections"] >= 1)
    for path in ("/health/ready", "/health/live"):
        assert get_json(http(daemon), path) == (200, {"status": "Healthy"})


def test_usage_degrades_and_then_makes_unhealthy(daemon):
    with Wire(daemon.socket) as w:
        leases = [w.lease() for _ in range(4)]
        status, health = get_json(http(daemon), "/health")
        assert (status, health["status"]) == (200, "Degraded") and "sidepool leases" in health["recommendations"][0]
        leases.append(w.lease())
        status, headers, _ = get(http(daemon), "/health")
        assert status == 503 and int(headers["Retry-After"]) > 0
        assert get_json(http(daemon), "/health")[1]["status"] == "Unhealthy"
        assert get(http(daemon), "/health/ready")[0] == 200, "it is busy and queues"
        for lease in leases:
            w.release(lease)


def test_without_a_database_it_lives_and_is_not_ready(make_daemon):
    daemon = make_daemon(
        "postgresql://nobody@127.0.0.1:1/none",
        config={"pool main": {"breaker_threshold": 2, "connect_backoff_min": "10ms", "breaker_reset": "20s"}},
    )
    database = wait_until(
        "the breaker has opened",
        lambda: (c := check(get_json(http(daemon), "/health")[1], "database"))["data"]["breakerState"] != "closed" and c,
    )
    assert database["status"] == "Unhealthy" and database["data"]["breakerFailureCount"] >= 2
    assert "refused" in database["data"]["lastFailure"] and "PostgreSQL" in database["recommendations"][0]
    status, headers, body = get(http(daemon), "/health/ready")
    assert status == 503 and 1 <= int(headers["Retry-After"]) <= 60 and b"No database" in body
    assert get(http(daemon), "/health")[0] == 503 and get(http(daemon), "/health/live")[0] == 200
    m = metrics(http(daemon))
    assert m["sidepool_breaker_transitions_total", "pool=main", "state=open"] >= 1 and m["sidepool_up", "pool=main"] == 0
    assert sum(m["sidepool_breaker_state", "pool=main", f"state={s}"] for s in ("closed", "open", "half-open")) == 1
    assert m["sidepool_connection_failures_total", "pool=main", "cause=network"] >= 2


def test_what_is_recommended_names_the_pool_where_there_are_several(make_daemon):
    away = {"url": "postgresql://nobody@127.0.0.1:1/none", "breaker_threshold": 1, "breaker_reset": "20s"}
    for pools in (["main"], ["main", "p" * 63]):
        daemon = make_daemon(config={f"pool {name}": away for name in pools})
        recommended = wait_until("all have failed", lambda: (r := get_json(http(daemon), "/health")[1]["recommendations"])[len(pools) - 1 :] and r)
        assert [r.partition("Check that PostgreSQL runs")[0] for r in recommended] == ([""] if len(pools) == 1 else [f"{p}: " for p in pools])


def test_a_daemon_that_stops_is_not_ready_and_answers_to_the_end(daemon):
    with Wire(daemon.socket) as w:
        lease = w.lease(begin=True)
        daemon.signal(signal.SIGTERM)
        wait_until("it stops", lambda: "STOPPING=1" in daemon.notify.lines())
        status, _, body = get(http(daemon), "/health/ready")
        assert status == 503 and b"stopping" in body and get(http(daemon), "/health/live")[0] == 200
        assert metrics(http(daemon))["sidepool_draining",] == 1
        w.release(lease)
    assert daemon.wait() == 0 and not http(daemon).exists()


# ---- metrics ----


def test_metrics_count_what_happened(daemon):
    with Wire(daemon.socket) as w:
        for _ in range(3):
            w.values("SELECT 1")
        for sql in ("SELECT 1/0", "SELECT nothing"):
            with pytest.raises(Failed):
                w.query(sql)
        with pytest.raises(Failed):
            w.query("SET work_mem = 100000")
        leases = [w.lease() for _ in range(5)]
        with pytest.raises(Failed):
            w.query("SELECT 1", deadline_ms=50)
        m = metrics(http(daemon))
        me = next(k[2] for k in m if k[0] == "sidepool_sql_errors_total")
        main = ("pool=main", me)
        assert m["db_client_connection_count", "pool=main", "state=used"] == 5 == m["sidepool_leases", "pool=main"]
        assert m["sidepool_sql_errors_total", *main, "class=22"] == 1 == m["sidepool_sql_errors_total", *main, "class=42"]
        assert m["sidepool_errors_total", *main, "code=SQL_ERROR"] == 2
        assert m["sidepool_errors_total", *main, "code=SESSION_REQUIRED"] == 1
        assert m["sidepool_leases_total", *main] == 5 and m["sidepool_acquired_total", *main] == 10
        assert m["db_client_connection_wait_time_seconds_count", *main] == 10
        assert m["db_client_connection_use_time_seconds_count", *main] == 5, "leases are still in use"
        assert m["db_client_operation_duration_seconds_count", *main] == 5
        assert sum(v for k, v in m.items() if k[:3] == ("sidepool_refused_total", *main)) == 1
        assert m["sidepool_budget",] == 5 == m["sidepool_connection_limit", "pool=main"]
        assert m["sidepool_application_connections", me.replace("pool", "")] == 5
        assert m["sidepool_received_bytes_total",] > 100 and m["sidepool_sent_bytes_total",] > 100
        for lease in leases:
            w.release(lease)
    wait_until("they are back", lambda: metrics(http(daemon))["db_client_connection_count", "pool=main", "state=used"] == 0)


@pytest.mark.settings({"sidepool": {"lease_timeout": "50ms"}})
def test_revocations_are_counted_by_their_reason(daemon):
    with Wire(daemon.socket) as w:
        w.lease()
        wait_until(
            "it is revoked",
            lambda: [v for k, v in metrics(http(daemon)).items() if k[0] == "sidepool_revocations_total" and v == 1],
        )


def test_histograms_are_cumulative_and_end_with_all(daemon):
    with Wire(daemon.socket) as w:
        for _ in range(20):
            w.values("SELECT 1")
    m = metrics(http(daemon))
    buckets = {}
    for key, value in m.items():
        if key[0].endswith("_bucket"):
            buckets.setdefault(key[:-1], []).append((float(key[-1].removeprefix("le=").replace("+Inf", "inf")), value))
    assert len(buckets) >= 4
    for key, values in buckets.items():
        assert values == sorted(values) and [v for _, v in values] == sorted(v for _, v in values), key
        assert values[-1] == (float("inf"), m[(key[0].removesuffix("_bucket") + "_count", *key[1:])])


def test_promtool_accepts_the_metrics(daemon):
    with Wire(daemon.socket) as w:
        w.values("SELECT 1")
        with pytest.raises(Failed):
            w.query("SELECT 1/0")
        w.release(w.lease())
    text = get(http(daemon), "/metrics")[2]
    p = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, timeout=60)
    # The name is OpenTelemetry's; promtool would have _count for histograms alone.
    known = "db_client_connection_count non-histogram and non-summary metrics should not have \"_count\" suffix"
    assert p.stderr.decode().splitlines() == [known], "and 3 is how it says that it had only remarks"
    assert p.returncode == 3 and p.stdout == b""


def test_applications_beyond_the_limit_share_one_meter(daemon):
    def ask(i):
        with Wire(daemon.socket) as w:
            hello = w.request()
            hello.hello.application_name = f"app-{i} \"\\\n\x7fé"
            w.call(hello)
            w.values("SELECT 1")

    for i in range(70):
        ask(i)
    before = metrics(http(daemon))
    for i in range(70, 90):
        ask(i)
    after = metrics(http(daemon))
    name = "sidepool_acquired_total"
    assert len(before) == len(after), "no line is added"
    assert len([k for k in after if k[0] == name]) == 64
    other = (name, "pool=main", "application=(other)")
    assert after[other] - before[other] == 20
    assert sum(v for k, v in after.items() if k[0] == name) == 90


# ---- who may ask, and how much of the daemon he can hold ----


@pytest.mark.settings({"sidepool": LISTENS})
def test_a_loopback_address_answers_those_who_ask_by_a_name_of_this_machine(daemon):
    where = ("127.0.0.1", port_of(daemon))
    for host in ("localhost", "127.0.0.1", "[::1]", f"LOCALHOST:{where[1]}", "127.0.0.1:1"):
        assert get(where, "/health/live", headers={"Host": host})[0] == 200
    for host in ("evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "", "[::1].evil.example"):
        assert get(where, "/health/live", headers={"Host": host})[0] == 403, host


def test_nothing_is_changed_and_nothing_else_is_there(daemon):
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
        status, headers, _ = get(http(daemon), "/health", method=method)
        assert (status, headers["Allow"]) == (405, "GET, HEAD")
    for path in ("/nothing", "/../etc/passwd", "/health/", "/page.css/.."):
        assert get(http(daemon), path)[0] == 404
    status, headers, body = get(http(daemon), "/metrics", method="HEAD")
    assert status == 200 and body == b"" and int(headers["Content-Length"]) > 1000
    for path in ("/", "/metrics", "/health", "/nothing"):
        headers = get(http(daemon), path)[1]
        assert headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self';")
        assert headers["X-Content-Type-Options"] == "nosniff" and headers["Cache-Control"] == "no-store"


@pytest.mark.settings({"sidepool": {"socket_mode": "0600"}})
def test_the_socket_has_the_mode_of_the_other(daemon):
    assert os.stat(http(daemon)).st_mode & 0o777 == 0o600


@pytest.mark.settings({"sidepool": {"http_socket": "off"}})
def test_off_is_off(daemon):
    assert not http(daemon).exists()


def test_a_crowd_that_says_nothing_is_bounded_and_sent_away(daemon):
    """The first ones hold all connections that there are; they are closed, and who came behind them is served."""
    before = daemon.fds()
    crowd = []
    for i in range(50):
        s = socket.socket(socket.AF_UNIX)
        s.connect(str(http(daemon)))
        s.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n" if i % 2 else b"")
        crowd.append(s)
    wait_until("they are accepted, and not all", lambda: daemon.fds() >= before + 32)
    assert daemon.fds() <= before + 36
    with Wire(daemon.socket) as w:
        assert w.values("SELECT 1") == [("1",)], "nobody else is kept waiting"
    assert get(http(daemon), "/health/live")[0] == 200
    for s in crowd:
        s.close()
    wait_until("they are gone", lambda: daemon.fds() <= before + 4)


@pytest.mark.long
def test_who_sends_a_byte_now_and_then_is_sent_away_too(daemon):
    """Silence is never long enough for a timeout; the age limit of a connection ends it."""
    s = socket.socket(socket.AF_UNIX)
    s.connect(str(http(daemon)))
    s.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\nX: ")
    s.setblocking(False)

    def is_closed():
        try:
            s.send(b"x", socket.MSG_NOSIGNAL)
            return s.recv(1) == b""
        except BlockingIOError:
            return False
        except (BrokenPipeError, ConnectionResetError):
            return True

    wait_until("it is closed", is_closed, timeout=40)
    s.close()


def test_rubbish_harms_nobody(daemon):
    for rubbish in (b"\0" * 100, b"GET\r\n\r\n", b"\xff" * 40000, b"GET / HTTP/9.9\r\n\r\n", b"GET /" + b"a" * 30000 + b" HTTP/1.1\r\n\r\n"):
        s = socket.socket(socket.AF_UNIX)
        s.connect(str(http(daemon)))
        try:
            s.sendall(rubbish)
            s.shutdown(socket.SHUT_WR)
            answer = s.recv(100)
            assert answer == b"" or answer.startswith(b"HTTP/1.") and b" 200 " not in answer
        except (BrokenPipeError, ConnectionResetError):
            pass
        s.close()
    assert get(http(daemon), "/health/live")[0] == 200


# ---- where ----


@pytest.mark.parametrize("address", ["0.0.0.0:80", "localhost:80", "127.0.0.1", "127.0.0.1:65536", "[::]:80", "::1:80", "127.0.0.1:x"])
def test_only_a_loopback_address_is_taken(pg, make_daemon, address):
    daemon = make_daemon(pg.url(), config={"sidepool": {"http_listen": address}}, start=False).launch()
    assert daemon.wait() != 0 and "is no loopback address with a port" in daemon.log()


def test_what_was_asked_for_and_cannot_be_had_is_an_error(pg, make_daemon):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        daemon = make_daemon(pg.url(), config={"sidepool": {"http_listen": address}}, start=False).launch()
        assert daemon.wait() != 0 and f"the HTTP socket {address} cannot be used" in daemon.log()
    daemon = make_daemon(pg.url(), config={"sidepool": {"http_socket": "/nowhere/at/all"}}, start=False).launch()
    assert daemon.wait() != 0 and "the HTTP socket /nowhere/at/all cannot be used" in daemon.log()


def test_without_the_one_it_makes_by_default_it_goes_on(pg, make_daemon):
    daemon = make_daemon(pg.url(), start=False)
    (daemon.dir / "http.sock").write_text("not a socket")
    daemon.start()
    assert "there is no HTTP on it. Set http_socket" in daemon.log()
    with Wire(daemon.socket) as w:
        assert w.values("SELECT 1") == [("1",)]


@pytest.mark.parametrize("names", ["rpc:http", "http:rpc", "unknown:http", "http:sidepool.socket", "events:http:rpc", "http:http:rpc"])
def test_it_takes_sockets_from_systemd_by_their_names(pg, names):
    daemon = Daemon(pg.url())
    path, kinds = daemon.dir / "given.sock", names.split(":")
    paths = [daemon.dir / f"{i}.sock" if k == "events" else path if k == "http" else daemon.socket for i, k in enumerate(kinds)]
    if kinds.count("http") == 2:
        paths[0] = daemon.dir / "second.sock"
    command = daemon.activated_command(*paths, names=names)
    environment = {k: v for k, v in daemon.environment().items() if k != "NOTIFY_SOCKET"}
    with daemon.log_file.open("ab") as log:
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/")
    try:
        wait_until("it listens", lambda: all(map(listening, paths)))
        for given in {p for p, k in zip(paths, kinds, strict=True) if k == "http"}:
            assert get_json(given, "/health/live") == (200, {"status": "Healthy"})
        with Wire(daemon.socket) as w:
            assert w.values("SELECT 1") == [("1",)]
        assert not http(daemon).exists()
        assert ("named 'events' is not used" in daemon.log()) == ("events" in kinds)
        process.terminate()
        assert process.wait(60) == 0
        assert path.exists(), "the socket is systemd's"
    finally:
        process.kill()
        process.wait()
        daemon.remove()


def test_http_alone_may_come_from_systemd(pg):
    """The socket that programs connect to is the daemon's to make then."""
    daemon = Daemon(pg.url())
    path = daemon.dir / "given.sock"
    command = daemon.activated_command(path, names="http")
    environment = {k: v for k, v in daemon.environment().items() if k != "NOTIFY_SOCKET"}
    with daemon.log_file.open("ab") as log:
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/")
    try:
        wait_until("it listens", lambda: listening(path))
        assert get_json(path, "/health/live") == (200, {"status": "Healthy"})
        with Wire(daemon.socket) as w:
            assert w.values("SELECT 1") == [("1",)]
        process.terminate()
        assert process.wait(60) == 0 and path.exists() and not daemon.socket.exists()
    finally:
        process.kill()
        process.wait()
        daemon.remove()
        process.wait()
        daemon.remove()
