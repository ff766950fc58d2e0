# SPDX-License-Identifier: MIT
"""Sentences of README.md that no other test holds, in the README's order."""
import asyncio
import datetime
import os
import pathlib
import re
import subprocess
import sys
import time
from concurrent.futures import CancelledError
from contextlib import aclosing
from types import SimpleNamespace

import pytest
import sidepool
from drivers import AsyncDriver, query
from fake_daemon import GUARD
from lib.wait import wait_until
from relay import Relay
from sidepool import TransactionStatus, aio
from sidepool._messages import FINISH_COMMIT, FINISH_ROLLBACK
from sidepool._settings import make_settings
from sidepool._transport_async import AsyncTransport
from sidepool._transport_sync import Transport

TOP = pathlib.Path(__file__).resolve().parents[3]
INSERT = "INSERT INTO t VALUES (%s, 'x')"


@pytest.fixture
def relay(socket_path):
    made = Relay(socket_path)
    yield made
    made.close()


class Blocking:
    """A connection as asyncio has it, of threads."""

    def __init__(self, connection):
        self._connection = connection

    def __getattr__(self, name):
        async def call(*arguments, **options):
            return getattr(self._connection, name)(*arguments, **options)

        return call


@pytest.fixture(params=["sync", "async"])
def open_connection(request, relay):
    """await open_connection(...): a connection by the relay, of either kind, with methods to await."""

    async def make(**settings):
        if request.param == "sync":
            return Blocking(sidepool.connect(relay.path, **settings))
        return await aio.connect(relay.path, **settings)

    return make


def shape(request):
    """What a message asks for, in words."""
    words = [request.WhichOneof("kind")]
    if request.HasField("acquire"):
        words.append("begin" if request.acquire.begin else "acquire")
    words += {FINISH_COMMIT: ["commit"], FINISH_ROLLBACK: ["rollback"]}.get(request.finish, [])
    return " ".join(words)


def shapes(relay):
    return [shape(m) for m in relay.take()]


# -- messages


async def test_begin_goes_with_the_first_statement_and_commit_gives_back(open_connection, relay, table, pg):
    connection = await open_connection()
    assert shapes(relay) == []
    await connection.execute(INSERT, [1])
    await connection.execute(INSERT, [2])
    await connection.commit()
    assert shapes(relay) == ["query begin", "query", "release commit"]
    await connection.execute(INSERT, [3])
    await connection.rollback()
    assert shapes(relay) == ["query begin", "release rollback"]
    await connection.close()
    assert shapes(relay) == [] and pg.sql("SELECT id FROM t") == [(1,), (2,)]


async def test_commit_goes_with_the_last_statement(open_connection, relay, table, pg):
    connection = await open_connection()
    await connection.execute(INSERT, [1])
    await connection.execute(INSERT, [2], commit=True)
    assert shapes(relay) == ["query begin", "query commit"]
    await connection.execute(INSERT, [3], commit=True)
    await connection.commit()  # there is nothing to commit
    assert shapes(relay) == ["query begin commit"] and pg.sql("SELECT count(*) FROM t") == [(3,)]
    await connection.close()


async def test_batches_are_one_message(open_connection, relay, table, pg):
    connection = await open_connection()
    await connection.batch([(INSERT, (1,)), (INSERT, (2,)), "SELECT count(*) FROM t"])
    await connection.commit()
    assert shapes(relay) == ["batch begin", "release commit"]
    await connection.close()
    auto = await open_connection(autocommit=True)
    with pytest.raises(sidepool.errors.UniqueViolation):
        await auto.batch([(INSERT, (3,)), (INSERT, (1,))])
    assert shapes(relay) == ["batch"] and pg.sql("SELECT id FROM t") == [(1,), (2,)]
    first, second = await auto.batch([(INSERT, (3,)), (INSERT, (1,))], atomic=False)
    assert shapes(relay) == ["batch"] and pg.sql("SELECT count(*) FROM t") == [(3,)]
    assert first.rowcount == 1 and isinstance(second, sidepool.errors.UniqueViolation)
    await auto.execute(INSERT, [4])
    assert shapes(relay) == ["query"]
    await auto.close()


# -- submit


def test_submitted_is_run_whatever_becomes_of_the_program(socket_path, table, pg):
    program = "import os, sidepool\nsidepool.connect().submit(\"INSERT INTO t VALUES (1, 'x')\")\nos._exit(7)"
    path = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run([sys.executable, "-c", program], env={**os.environ, "SIDEPOOL_SOCKET": socket_path, "PYTHONPATH": path}, check=False)
    assert done.returncode == 7
    wait_until("it is run", lambda: pg.sql("SELECT count(*) FROM t") == [(1,)])


def test_the_answer_says_whether_it_is_journaled(make_daemon, conn, table, pg, tmp_path):
    pg.sql("DROP TABLE IF EXISTS sidepool_submitted")
    daemon = make_daemon(submit_journal=tmp_path / "journal")
    with sidepool.connect(str(daemon.socket)) as connection:
        assert connection.submit(INSERT, (1,)).journaled is True
    assert conn.submit(INSERT, (2,)).journaled is False
    wait_until("both are run", lambda: pg.sql("SELECT count(*) FROM t") == [(2,)])


# -- sessions


def test_a_session_is_held_from_the_first_statement_until_close(connect, pg):
    count = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711"
    session = connect(lease="session", autocommit=True)
    assert session.info.backend_pid == 0
    session.execute("SELECT pg_advisory_lock(4711)")
    pid = session.info.backend_pid
    assert pid > 0 and pg.sql(count) == [(1,)]
    session.execute("SELECT 1")
    assert session.info.backend_pid == pid
    session.close()
    wait_until("the lock is gone", lambda: pg.sql(count) == [(0,)])


# -- asyncio


async def test_connections_of_a_loop_share_one_socket(relay):
    async def work(n):
        async with await aio.connect(relay.path) as connection:
            return await (await connection.execute("SELECT %s::int", [n])).fetchone()

    assert await asyncio.gather(*(work(n) for n in range(20))) == [(n,) for n in range(20)]
    assert relay.sockets == 1


# -- settings


def cancelled(fake, **settings):
    """A driver, a task that is cancelled while its request runs, the request, and its Cancel."""
    driver = AsyncDriver(fake.path, **settings)
    task = driver.start(query())
    received = fake.next()
    task.cancel()
    return driver, task, received, fake.next()


def pending(driver):
    """How many tasks of its loop are not done."""
    return len([t for t in driver.call(asyncio.all_tasks) if t.get_coro().__name__ != "there"])


def test_cancel_wait_is_how_long_the_answer_is_awaited(fake):
    driver, _, received, asked = cancelled(fake, cancel_wait=GUARD)
    try:
        asked.reply()
        another = driver.start(query(b"another"))
        fake.next().reply()
        another.result(GUARD)
        assert pending(driver) == 1  # the request was not answered yet
        received.reply()
        wait_until("the answer was enough", lambda: pending(driver) == 0)
    finally:
        driver.close()


def test_cancel_wait_ends(fake):
    driver, task, _, asked = cancelled(fake, cancel_wait=0.01)
    try:
        with pytest.raises(CancelledError):
            task.result(GUARD)
        wait_until("nobody waits for an answer that does not come", lambda: pending(driver) == 0)
    finally:
        driver.close()


@pytest.mark.parametrize("make", [Transport, lambda settings: AsyncTransport(settings, None)], ids=["sync", "async"])
async def test_cancel_wait_limits_the_wait(make, monkeypatch):
    """On threads, where a signal interrupts, as in a task."""
    limits, abandoned = [], []

    class Link:
        channel = SimpleNamespace(abandon=abandoned.append)

        def drive(self, call, limit):
            limits.append(limit)
            return no_answer() if make is not Transport else False

    async def no_answer():
        return False

    transport, call = make(make_settings("/nowhere", cancel_wait=1234.5)), SimpleNamespace(done=False, request_id=1)
    monkeypatch.setattr(transport, "cancel", lambda channel, request_id: None)
    before = time.monotonic()
    waits = transport._interrupted(Link(), call)
    if waits is not None:
        await waits
    assert before + 1234.5 <= limits[0] <= time.monotonic() + 1234.5 and abandoned == [call]


# -- errors


def test_codes_are_names_of_errors_def(connect):
    names = re.findall(r"^SIDEPOOL_ERROR\(\d+, (\w+),", (TOP / "proto" / "errors.def").read_text(), re.M)
    assert len(names) > 20
    for attempt in (lambda: connect(lease="forever"), lambda: connect(autocommit=True).execute("LISTEN foo")):
        with pytest.raises(sidepool.Error) as caught:
            attempt()
        assert caught.value.code in names and caught.value.outcome in ("not sent", "failed", "outcome unknown")


# -- differences to psycopg


@pytest.mark.parametrize("told", [{"password": "x"}, {"conninfo": "host=x"}, {"host": "x"}, {"user": "me"}])
def test_what_psycopg_is_told_is_refused(socket_path, told):
    with pytest.raises(sidepool.InterfaceError, match=f"{[*told][0]} is unknown"):
        sidepool.connect(socket_path, **told)


@pytest.mark.parametrize("line", ["host=localhost dbname=app", "postgresql://app@localhost/app"])
def test_conninfo_is_refused_with_what_to_say_instead(line):
    with pytest.raises(sidepool.InterfaceError, match=r"sidepool:///POOL\?socket=PATH"):
        sidepool.connect(line)


@pytest.mark.parametrize("binary", [None, False, True])
async def test_binary_changes_nothing(conn, aconn, binary):
    query = "SELECT %s::int, %s::bytea, %s::timestamptz, 1.50::numeric"
    values = (1, b"\0x", datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc))
    wanted = conn.execute(query, values).fetchall()
    assert conn.execute(query, values, binary=binary).fetchall() == wanted and wanted[0][:2] == values[:2]
    assert list(conn.cursor().stream(query, values, binary=binary)) == wanted
    assert conn.cursor("named").execute(query, values, binary=binary).fetchall() == wanted
    assert await (await aconn.execute(query, values, binary=binary)).fetchall() == wanted
    assert [r async for r in aconn.cursor().stream(query, values, binary=binary)] == wanted


async def test_stream_that_is_left_early_fails_the_transaction(conn, aconn, auto):
    endless = "SELECT generate_series(1, 1000000000)"
    for _ in conn.cursor().stream(endless, size=1000):
        break
    assert conn.info.transaction_status == TransactionStatus.INERROR
    rows = aconn.cursor().stream(endless, size=1000)
    async with aclosing(rows):
        async for _ in rows:
            break
    assert aconn.info.transaction_status == TransactionStatus.INERROR
    for _ in auto.cursor().stream(endless, size=1000):
        break
    assert auto.execute("SELECT 1").fetchone() == (1,)  # in autocommit there is nothing to fail


@pytest.mark.parametrize("name, instead", [("pipeline", r"batch\(\)"), ("notifies", r"add_notify_handler\(\)")])
async def test_methods_of_psycopg_that_are_missing_say_so(conn, aconn, name, instead):
    for connection in (conn, aconn):
        assert not hasattr(connection, name)
        with pytest.raises(AttributeError, match=f"there is no {name}.*{instead}"):
            getattr(connection, name)
    with pytest.raises(AttributeError, match="'Connection' object has no attribute 'nonsense'"):
        conn.nonsense


@pytest.mark.parametrize("module, name, instead", [
    (sidepool, "ClientCursor", "bound by the server"), (aio, "AsyncClientCursor", "bound by the server"),
    (sidepool, "ConnectionPool", "takes nothing from the daemon's pool"), (sidepool, "AsyncConnection", "sidepool.aio"),
])  # fmt: skip
def test_names_of_psycopg_that_are_missing_say_so(module, name, instead):
    assert not hasattr(module, name)
    with pytest.raises(AttributeError, match=f"has no attribute '{name}': .*{instead}"):
        getattr(module, name)
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'$"):
        module.nonsense


def test_what_is_registered_on_a_connection_is_known_there_alone(connect):
    here, there = connect(autocommit=True), connect(autocommit=True)
    here.adapters.register_loader(23, lambda data: "mine")
    assert here.execute("SELECT 1").fetchone() == ("mine",) and there.execute("SELECT 1").fetchone() == (1,)


def test_binary_copy_goes_by_types_and_not_by_registered_adapters(connect, table, pg):
    connection = connect(autocommit=True)
    connection.adapters.register_dumper(int, lambda value: str(value + 100), 23)
    connection.adapters.register_loader(23, lambda data: "mine")
    with connection.cursor().copy("COPY t (id) FROM STDIN (FORMAT binary)") as copy:
        copy.set_types(["int4"])
        copy.write_row((1,))
    assert pg.sql("SELECT id FROM t") == [(1,)]
    with connection.cursor().copy("COPY t (id) TO STDOUT (FORMAT binary)") as copy:
        copy.set_types(["int4"])
        assert list(copy.rows()) == [(1,)]
    assert connection.execute("SELECT id FROM t").fetchone() == ("mine",)
