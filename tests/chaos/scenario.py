# SPDX-License-Identifier: MIT
"""What the daemon is asked for while its calls fail: each step is a function of a Stage, by itself, on connections of its own.

A step may be refused (lib.wire.Failed, ConnectionError) where a call failed on its way. What it is told in good order has to be true.
"""
import contextlib
import json

from lib.events import Subscriber, listen_request, unlisten_request
from lib.http import get
from lib.wait import wait_until
from lib.wire import COMMIT, Failed, Request, Wire, pack, rows

TABLES = "DROP TABLE IF EXISTS count_one, count_key; CREATE TABLE count_one (a int); CREATE TABLE count_key (a int)"
CONFIG = {
    "sidepool": {
        "budget": 4, "cancel_timeout": "2s", "shutdown_timeout": "1s", "http_listen": "127.0.0.1:0", "acquire_timeout": "10s",
        "slow_query": "1ms",
    },
    "pool main": {"connect_backoff_min": "5ms", "connect_backoff_max": "20ms", "breaker_reset": "50ms"},
    "application seed-*": {"max": 3},
}  # fmt: skip
PAUSE, RESUME, RECONNECT = 1, 2, 3  # sidepool.v1.PoolAction
STEPS = []


def step(function):
    STEPS.append(function)
    return function


def same(got, wanted):
    assert got == wanted, f"got {got!r}, not {wanted!r}"


def hello(wire):
    r = Request()
    r.hello.min_version = r.hello.max_version = 1
    r.hello.application_name = "seed-one"
    return wire.call(r).hello


def drain_stream(wire, response):
    """All the rows, chunk for chunk."""
    got = rows(response.results[0])
    n = len(response.results[0].columns)
    while response.stream_id:
        response = wire.call(wire.fetch_request(response.stream_id))
        got += rows(response.results[0], n)
    return got


@step
def greeting(stage):
    with stage.wire() as w:
        assert hello(w).events_url


@step
def queries(stage):
    with stage.wire() as w:
        hello(w)
        same(w.values("SELECT $1::text, 7", ["x"]), [("x", "7")])
        same(w.values("SELECT repeat('y', 20000)"), [("y" * 20000,)])
        with contextlib.suppress(Failed):
            w.values("SELECT 1/0")
        with contextlib.suppress(Failed):
            w.values("SET a.b = 1")


@step
def many_at_once(stage):
    with stage.wire() as w:
        ids = [w.send(w.query_request("SELECT $1::text", [str(i)])) for i in range(30)]
        answers = [w.receive(i) for i in ids]
        for i, answer in enumerate(answers):
            if not answer.HasField("error"):
                same(rows(answer.results[0]), [(str(i).encode(),)])


@step
def a_new_statement(stage):
    with stage.wire() as w:
        number = stage.number()
        for _ in range(3):
            same(w.values(f"SELECT {number} + $1::int", ["1"]), [(str(number + 1),)])


@step
def a_large_parameter(stage):
    with stage.wire() as w:
        same(w.values("SELECT length($1::text)", ["z" * 300_000]), [("300000",)])


@step
def batches(stage):
    with stage.wire() as w:
        for atomic in (True, False):
            response = w.call(w.batch_request(["INSERT INTO count_one VALUES (1)", ("SELECT $1::int", ["2"])], atomic=atomic))
            same(len(response.results), 2)
        with contextlib.suppress(Failed):
            w.call(w.batch_request(["SELECT 1", "SELECT 1/0"]))


@step
def many_sets(stage):
    with stage.wire() as w:
        request = w.batch_request(["SELECT $1::int"])
        statement = request.batch.statements[0]
        statement.parameters, statement.parameter_count, statement.parameter_sets = pack(["1"]) * 600, 1, 600
        same(rows(w.call(request).results[0]), [(b"1",)] * 600)


@step
def a_lease(stage):
    with stage.wire() as w:
        lease = w.lease(begin=True)
        same(w.values("SELECT 3", lease=lease), [("3",)])
        w.query("CREATE TEMPORARY TABLE left_behind (a int)", lease=lease)
        r = w.request(lease=lease)
        r.renew.SetInParent()
        w.call(r)
        w.release(lease, COMMIT)


@step
def a_lease_that_waits(stage):
    with stage.wire() as w, stage.wire() as other:
        held = [w.lease() for _ in range(4)]
        number = other.send(other.query_request("SELECT 4", deadline_ms=8000))
        stage.status()
        for lease in held:
            w.release(lease)
        answer = other.receive(number)
        if not answer.HasField("error"):
            same(rows(answer.results[0]), [(b"4",)])


@step
def a_client_that_leaves(stage):
    with stage.wire() as w:
        w.lease(begin=True)
        w.send(w.query_request("SELECT pg_sleep(60)"))
    stage.until_idle()


@step
def a_transaction_in_one(stage):
    with stage.wire() as w:
        w.query("INSERT INTO count_one VALUES (2)", begin=True, finish=COMMIT)


@step
def once_by_its_key(stage):
    """A repetition after a failure is the same request: it may be in the table once, and if it was a success it has to be."""
    number = stage.number()
    for _ in range(2):
        with stage.wire() as w:
            try:
                w.query("INSERT INTO count_key VALUES ($1::int)", [str(number)], key=b"k%d" % number)
                told = True
            except (Failed, ConnectionError):
                told = False
    ((count,),) = stage.pg.sql("SELECT count(*) FROM count_key WHERE a = %s", number)
    assert count <= 1 and (count or not told), f"it is there {count} times"


@step
def copy(stage):
    with stage.wire() as w:
        r = w.request(begin=True)
        r.copy_in.sql = b"COPY count_one FROM STDIN"
        ready = w.call(r)
        for text, end in [(b"5\n" * 5000, False), (b"6\n", True)]:
            r = Request()
            r.copy_data.stream_id, r.copy_data.data, r.copy_data.end = ready.copy_ready.stream_id, text, end
            w.call(r)
        w.release(ready.lease, COMMIT)
        r = w.request()
        r.copy_out.sql = b"COPY (SELECT g, repeat('q', 100) FROM generate_series(1, 2000) g) TO STDOUT"
        response, size = w.call(r), 0
        stream = response.copy_ready.stream_id
        while stream:
            response = w.call(w.fetch_request(stream))
            size += len(response.copy_chunk.data)
            stream = response.stream_id
        same(size, sum(len(f"{g}\t") + 101 for g in range(1, 2001)))


@step
def streams(stage):
    with stage.wire() as w:
        sql = "SELECT g, repeat('r', 50) FROM generate_series(1, 600) g"
        got = drain_stream(w, w.query(sql, chunk_bytes=15_000))
        same([int(a) for a, _ in got], list(range(1, 601)))
        response = w.query(sql, chunk_bytes=5000)
        w.call(w.fetch_request(response.stream_id, close=True))
        w.query(sql, chunk_bytes=5000)  # and is never fetched


@step
def cancels(stage):
    with stage.wire() as w:
        number = w.send(w.query_request("SELECT pg_sleep(60)", deadline_ms=20_000))
        r = Request()
        r.cancel.request_id = number
        w.call(r)
        answer = w.receive(number)
        assert answer.HasField("error"), "it slept for a minute"


@step
def past_its_deadline(stage):
    with stage.wire() as w:
        answer = w.receive(w.send(w.query_request("SELECT pg_sleep(60)", deadline_ms=30)))
        assert answer.HasField("error"), "it slept for a minute"


@step
def notifications(stage):
    with stage.wire() as w, Subscriber(w, stage.patience) as heard:
        channel = f"c{stage.number()}"
        heard.listen(channel)
        w.query(f"NOTIFY {channel}, 'text'")
        w.call(unlisten_request(channel))


@step
def a_listener_that_leaves(stage):
    with stage.wire() as w:
        w.call(listen_request(f"c{stage.number()}"))


@step
def backends_lost(stage):
    """Connections are made anew."""
    stage.pg.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'sidepool%%'")
    wait_until("it has connections again", stage.answers, stage.patience)


def admin(wire, fill):
    r = Request()
    fill(r.admin)
    wire.call(r)


def undone(stage):
    """Whatever of it failed."""
    try:
        with stage.wire() as w:
            admin(w, _pool(RESUME))
            admin(w, lambda a: setattr(a.breaker, "trip", False))
        return True
    except (Failed, ConnectionError):
        return False


@step
def administration(stage):
    try:
        with stage.wire() as w:
            for fill in ADMIN:
                admin(w, fill)
    finally:
        wait_until("what was paused and tripped is as ever", lambda: undone(stage), stage.patience)
    with stage.wire() as w:
        w.status()
        r = Request()
        r.health.SetInParent()
        w.call(r)
        r = Request()
        r.ping.SetInParent()
        w.call(r)


def _pool(action):
    return lambda admin: setattr(admin.pool, "action", action)


ADMIN = [
    _pool(PAUSE), _pool(RESUME), _pool(RECONNECT),
    lambda a: setattr(a, "config", True),
    lambda a: setattr(a.kill, "pattern", "nobody-*"),
    lambda a: setattr(a.breaker, "trip", True),
    lambda a: setattr(a.breaker, "trip", False),
]  # fmt: skip


@step
def reload(stage):
    stage.daemon.write_config({**CONFIG, "sidepool": {**CONFIG["sidepool"], "slow_query": f"{stage.number()}ms"}})
    with stage.wire() as w:
        r = Request()
        r.admin.reload = True
        w.call(r)


@step
def web(stage):
    for path in ("/health/live", "/metrics", "/", "/nowhere", "/health", "/health/ready", "/status.json"):
        status, headers, body = get(stage.http, path)
        if status == 500:
            raise ConnectionError(body.decode())
        assert status in (200, 404, 503) and body, status
        if headers["Content-Type"].startswith("application/json"):
            assert json.loads(body)


@step
def broken_messages(stage):
    with stage.wire() as w:
        w.send_body(b"\x80\0\0\1\xff\xff\xff")
        w.receive_any()
    with stage.wire(greet=False) as w:
        w.socket.sendall(b"GET / HTTP/1.0\r\n\r\n")
        with contextlib.suppress(OSError):
            w.read(100)
