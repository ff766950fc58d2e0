# SPDX-License-Identifier: MIT
"""Connections: what they hold of the pool and when, sync and async alike."""
import gc
import os
import threading

import pytest
import sidepool
from sidepool import IsolationLevel, TransactionStatus


def test_connect_takes_nothing(connect, leases):
    connections = [connect() for _ in range(50)]
    assert leases() == 0
    for connection in connections:
        connection.execute("SELECT 1")
        connection.commit()
    assert leases() == 0


def test_first_statement_begins_and_commit_gives_back(conn, table, leases, pg):
    conn.execute("INSERT INTO t VALUES (1, 'a')")
    assert leases() == 1 and conn.info.transaction_status == TransactionStatus.INTRANS and conn.info.backend_pid > 0
    assert pg.sql("SELECT count(*) FROM t") == [(0,)]
    conn.commit()
    assert leases() == 0 and conn.info.transaction_status == TransactionStatus.IDLE and conn.info.backend_pid == 0
    assert pg.sql("SELECT count(*) FROM t") == [(1,)]


def test_rollback_gives_back(conn, table, leases, pg):
    conn.execute("INSERT INTO t VALUES (1, 'a')")
    conn.rollback()
    assert leases() == 0 and pg.sql("SELECT count(*) FROM t") == [(0,)]


def test_a_failed_transaction(conn, table, leases):
    with pytest.raises(sidepool.errors.DivisionByZero):
        conn.execute("SELECT 1/0")
    assert conn.info.transaction_status == TransactionStatus.INERROR
    with pytest.raises(sidepool.errors.InFailedSqlTransaction):
        conn.execute("SELECT 1")
    conn.rollback()
    assert conn.execute("SELECT 1").fetchone() == (1,)


def test_autocommit(auto, table, leases, pg):
    auto.execute("INSERT INTO t VALUES (1, 'a')")
    assert leases() == 0 and pg.sql("SELECT count(*) FROM t") == [(1,)]
    auto.commit()
    auto.rollback()


def test_autocommit_with_begin(auto, table, leases, pg):
    auto.execute("BEGIN")
    auto.execute("INSERT INTO t VALUES (1, 'a')")
    assert leases() == 1 and pg.sql("SELECT count(*) FROM t") == [(0,)]
    auto.execute("COMMIT")
    assert leases() == 0 and pg.sql("SELECT count(*) FROM t") == [(1,)]
    auto.execute("/* x */ start transaction")
    auto.execute("INSERT INTO t VALUES (2, 'a')")
    auto.rollback()
    assert leases() == 0 and pg.sql("SELECT count(*) FROM t") == [(1,)]


def test_commit_as_a_statement(conn, table, leases, pg):
    conn.execute("INSERT INTO t VALUES (1, 'a')")
    conn.execute("COMMIT")
    assert conn.info.transaction_status == TransactionStatus.IDLE
    assert pg.sql("SELECT count(*) FROM t") == [(1,)]
    conn.execute("INSERT INTO t VALUES (2, 'a')")
    conn.rollback()
    assert pg.sql("SELECT count(*) FROM t") == [(1,)]


def test_what_needs_a_session_is_refused(auto):
    for sql in ("LISTEN foo", "CREATE TEMP TABLE x (a int)", "SET work_mem TO '1MB'", "SELECT pg_advisory_lock(1)"):
        with pytest.raises(sidepool.SessionRequired, match='lease="session"') as caught:
            auto.execute(sql)
        assert caught.value.outcome == "not sent"


def test_a_session_of_ones_own(connect, pg):
    session = connect(lease="session", autocommit=True)
    heard = []
    session.add_notify_handler(heard.append)
    session.execute("CREATE TEMP TABLE mine (a int)")
    session.execute("INSERT INTO mine VALUES (1)")
    session.execute("SET work_mem TO '3MB'")
    session.execute("LISTEN foo")
    pid = session.info.backend_pid
    assert session.execute("SELECT pg_backend_pid(), a, current_setting('work_mem') FROM mine").fetchone() == (pid, 1, "3MB")
    pg.sql("SELECT pg_notify('foo', 'bar')")
    session.execute("SELECT 1")
    session.execute("SELECT 1")
    assert [(n.channel, n.payload) for n in heard] == [("foo", "bar")]
    session.close()
    other = connect(lease="session", autocommit=True)
    assert other.execute("SELECT to_regclass('mine')").fetchone() == (None,)


def test_transactions_of_a_session(connect, table, pg):
    session = connect(lease="session")
    session.execute("INSERT INTO t VALUES (1, 'a')")
    pid = session.info.backend_pid
    session.rollback()
    session.execute("INSERT INTO t VALUES (2, 'a')")
    session.commit()
    assert session.info.backend_pid == pid and session.info.transaction_status == TransactionStatus.IDLE
    assert pg.sql("SELECT id FROM t") == [(2,)]


@pytest.mark.parametrize("lease", ["transaction", "session"])
def test_characteristics_of_transactions(connect, lease):
    connection = connect(lease=lease)
    connection.isolation_level = IsolationLevel.SERIALIZABLE
    connection.read_only = True
    connection.deferrable = True
    show = "SELECT current_setting('transaction_isolation'), current_setting('transaction_read_only'), current_setting('transaction_deferrable')"
    assert connection.execute(show).fetchone() == ("serializable", "on", "on")
    with pytest.raises(sidepool.ProgrammingError):
        connection.isolation_level = None
    connection.rollback()
    connection.isolation_level = connection.read_only = connection.deferrable = None
    assert connection.execute(show).fetchone() == ("read committed", "off", "off")


def test_as_a_block(connect, table, pg):
    with connect() as connection:
        connection.execute("INSERT INTO t VALUES (1, 'a')")
    assert connection.closed and not connection.broken and pg.sql("SELECT count(*) FROM t") == [(1,)]
    with pytest.raises(ZeroDivisionError):
        with connect() as connection:
            connection.execute("INSERT INTO t VALUES (2, 'a')")
            raise ZeroDivisionError
    assert connection.closed and pg.sql("SELECT count(*) FROM t") == [(1,)]


def test_closed(connect, leases):
    connection = connect()
    cursor = connection.cursor()
    cursor.execute("SELECT 1")
    connection.close()
    connection.close()
    for what in (connection.commit, connection.rollback, connection.cursor, lambda: cursor.execute("SELECT 1"), lambda: connection.execute("SELECT 1")):
        with pytest.raises(sidepool.OperationalError, match="closed"):
            what()


def test_what_is_dropped_gives_back(socket_path, pg):
    from lib.wait import wait_until

    connection = sidepool.connect(socket_path)
    connection.execute("SELECT 1")
    pid = connection.info.backend_pid
    del connection
    gc.collect()
    state = "SELECT state FROM pg_stat_activity WHERE pid = %s"
    wait_until("the transaction is over", lambda: pg.sql(state, pid) in ([], [("idle",)]))


def test_child_of_a_fork(conn, table, pg):
    conn.execute("INSERT INTO t VALUES (1, 'parent')")
    child = os.fork()
    if child == 0:
        status = 1
        try:
            try:
                conn.execute("INSERT INTO t VALUES (2, 'child')")
            except sidepool.LeaseLost:
                conn.rollback()
                conn.execute("INSERT INTO t VALUES (3, 'child')")
                conn.commit()
                status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    conn.commit()
    assert pg.sql("SELECT id FROM t ORDER BY id") == [(1,), (3,)]


def test_threads_share_one_socket(socket_path, table, pg):
    transport = sidepool.connect(socket_path)._transport
    failures = []

    def work(n):
        try:
            for i in range(20):
                with sidepool.connect(socket_path) as connection:
                    assert connection._transport is transport
                    connection.execute("INSERT INTO t VALUES (%s, 'x')", [n * 100 + i])
        except Exception as e:
            failures.append(e)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures and pg.sql("SELECT count(*) FROM t") == [(240,)]


def test_one_connection_of_several_threads(auto):
    got = []

    def work(n):
        for i in range(20):
            got.append(auto.execute("SELECT %s::int", [n * 100 + i]).fetchone() == (n * 100 + i,))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 120 and all(got)


def test_cancel(conn, pg):
    from lib.wait import wait_until

    conn.execute("SELECT 1")
    pid = conn.info.backend_pid

    def cancel():
        wait_until("it sleeps", lambda: pg.sql("SELECT query LIKE '%%pg_sleep%%' AND state = 'active' FROM pg_stat_activity WHERE pid = %s", pid) == [(True,)])
        conn.cancel()

    thread = threading.Thread(target=cancel)
    thread.start()
    with pytest.raises(sidepool.OperationalError) as caught:
        conn.execute("SELECT pg_sleep(60)")
    thread.join()
    assert isinstance(caught.value, sidepool.errors.QueryCanceled) and caught.value.code == "CANCELLED"
    conn.rollback()
    assert conn.execute("SELECT 1").fetchone() == (1,)


def test_timeout(connect):
    connection = connect(timeout=0.2, autocommit=True)
    with pytest.raises(sidepool.OperationalError) as caught:
        connection.execute("SELECT pg_sleep(60)")
    assert caught.value.code in ("DEADLINE_EXCEEDED", "CANCELLED") and not caught.value.outcome_unknown


def test_notices(conn):
    heard = []
    conn.add_notice_handler(heard.append)
    conn.execute("DO $$ BEGIN RAISE NOTICE 'hello %', 1 USING HINT = 'h'; RAISE WARNING 'w'; END $$")
    assert [(d.severity, d.message_primary, d.message_hint) for d in heard] == [("NOTICE", "hello 1", "h"), ("WARNING", "w", None)]
    conn.remove_notice_handler(heard.append)
    conn.execute("DO $$ BEGIN RAISE NOTICE 'again'; END $$")
    assert len(heard) == 2


def test_what_an_error_says(conn, table):
    conn.execute("INSERT INTO t VALUES (1, 'a')")
    with pytest.raises(sidepool.errors.UniqueViolation) as caught:
        conn.execute("INSERT INTO t VALUES (1, 'b')")
    error = caught.value
    assert error.sqlstate == error.pgcode == "23505" and error.outcome == "failed" and error.code == "SQL_ERROR"
    assert (error.diag.constraint_name, error.diag.table_name, error.diag.schema_name) == ("t_pkey", "t", "public")
    assert error.diag.message_detail == "Key (id)=(1) already exists." and "already exists" in str(error)
    conn.rollback()
    with pytest.raises(sidepool.errors.SyntaxError) as caught:
        conn.execute("SELECT 1 FRM x y")
    assert caught.value.diag.statement_position == "14"


def test_parameters_are_known_with_the_first_rows(pg):
    """The daemon had no connection when it greeted."""
    from lib.daemon import Daemon

    pg.sql("DROP DATABASE IF EXISTS zoned")
    pg.sql("CREATE DATABASE zoned")
    pg.sql("ALTER DATABASE zoned SET timezone = 'Asia/Kolkata'")
    daemon = Daemon(pg.url(database="zoned")).start()
    try:
        connection = sidepool.connect(str(daemon.socket), autocommit=True)
        (at,) = connection.execute("SELECT '2026-01-01 00:00+00'::timestamptz").fetchone()
        assert at.isoformat() == "2026-01-01T05:30:00+05:30" and connection.info.server_version >= 150000
        connection.close()
    finally:
        daemon.close()
        daemon.remove()


def test_info(conn, pg):
    conn.execute("SELECT 1")
    assert conn.info.server_version == int(pg.sql("SHOW server_version_num")[0][0])
    assert conn.info.parameter_status("server_encoding") == "UTF8" and conn.info.parameter_status("nonsense") is None
    assert conn.info.encoding == "utf-8"


def test_pool_timeout_says_who_holds_what(make_daemon):
    daemon = make_daemon(budget=1)
    holder = sidepool.connect(str(daemon.socket), application="hoarder")
    holder.execute("SELECT 1")
    asker = sidepool.connect(str(daemon.socket), application="asker", timeout=0.2)
    with pytest.raises(sidepool.PoolTimeout, match=r"1/1 in use.*hoarder\[\d+\]") as caught:
        asker.execute("SELECT 1")
    state = caught.value.pool
    assert caught.value.outcome == "not sent" and caught.value.retryable
    assert state.in_use == state.limit == 1 and state.holders[0].pid == os.getpid()
    assert state.holders[0].call_site.startswith("test_connection.py:") and state.holders[0].state == "idle in transaction"
    holder.close()
    asker.rollback()
    assert asker.execute("SELECT 1").fetchone() == (1,)
    asker.close()


def test_lost_lease_lets_only_rollback_pass(make_daemon, pg, table):
    daemon = make_daemon(budget=2)
    connection = sidepool.connect(str(daemon.socket))
    connection.execute("INSERT INTO t VALUES (1, 'a')")
    pg.sql("SELECT pg_terminate_backend(%s)", connection.info.backend_pid)
    with pytest.raises(sidepool.OperationalError):
        connection.execute("INSERT INTO t VALUES (2, 'a')")
    for what in (lambda: connection.execute("INSERT INTO t VALUES (3, 'a')"), connection.commit):
        with pytest.raises(sidepool.LeaseLost):
            what()
    connection.rollback()
    connection.execute("INSERT INTO t VALUES (4, 'a')")
    connection.commit()
    assert pg.sql("SELECT id FROM t") == [(4,)]
    connection.close()


def test_lost_session_closes_the_connection(make_daemon, pg):
    daemon = make_daemon(budget=2)
    connection = sidepool.connect(str(daemon.socket), lease="session", autocommit=True)
    connection.execute("SELECT 1")
    pg.sql("SELECT pg_terminate_backend(%s)", connection.info.backend_pid)
    with pytest.raises(sidepool.OperationalError):
        connection.execute("SELECT 1")
    assert connection.closed and connection.broken


def test_daemon_restarts(make_daemon, pg, table):
    daemon = make_daemon(budget=2)
    connection = sidepool.connect(str(daemon.socket), autocommit=True)
    assert connection.execute("SELECT 1").fetchone() == (1,)
    for _ in range(3):
        daemon.stop()
        daemon.notify.messages.clear()
        daemon.start()
        assert connection.execute("SELECT 1").fetchone() == (1,)
    connection.autocommit = False
    connection.execute("INSERT INTO t VALUES (1, 'a')")
    daemon.kill()
    with pytest.raises(sidepool.OperationalError):
        connection.execute("INSERT INTO t VALUES (2, 'a')")
    with pytest.raises(sidepool.LeaseLost):
        connection.commit()
    connection.rollback()
    daemon.notify.messages.clear()
    daemon.start()
    connection.execute("INSERT INTO t VALUES (3, 'a')")
    connection.commit()
    assert pg.sql("SELECT id FROM t") == [(3,)]


def test_commit_that_is_not_answered_is_unknown(fake):
    from sidepool._messages import Response

    connection = sidepool.connect(fake.path)

    def play():
        answer = Response(transaction_status=2)
        answer.lease.lease_id, answer.lease.token = 1, 2
        answer.results.add(command_tag="INSERT 0 1", affected_rows=1)
        fake.next().reply(answer)
        fake.next().peer.hang_up()

    player = threading.Thread(target=play)
    player.start()
    connection.execute("INSERT INTO t VALUES (1, 'a')")
    with pytest.raises(sidepool.DaemonError) as caught:
        connection.commit()
    player.join()
    assert caught.value.outcome_unknown and connection.info.transaction_status == TransactionStatus.IDLE
    connection.close()


def test_call_site_and_traceparent_travel(fake, monkeypatch):
    import sys
    import types

    from sidepool._messages import Response

    context = types.SimpleNamespace(is_valid=True, trace_id=0xABC, span_id=0xDEF, trace_flags=1)
    span = types.SimpleNamespace(get_span_context=lambda: context)
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", types.SimpleNamespace(get_current_span=lambda: span))
    seen = []

    def play():
        for _ in range(2):
            received = fake.next()
            seen.append(received.request)
            answer = Response()
            answer.results.add(command_tag="SELECT 0")
            received.reply(answer)

    player = threading.Thread(target=play)
    player.start()
    for told in (True, False):
        with sidepool.connect(fake.path, autocommit=True, call_site=told, trace=told) as connection:
            connection.execute("SELECT 1")
    player.join()
    assert seen[0].call_site.startswith("test_connection.py:")
    assert seen[0].traceparent == f"00-{0xABC:032x}-{0xDEF:016x}-01"
    assert seen[1].call_site == "" and seen[1].traceparent == ""


def test_two_phase(connect, table, pg):
    connection = connect()
    xid = connection.xid(7, "sidepool", "one")
    connection.tpc_begin(xid)
    connection.execute("INSERT INTO t VALUES (1, 'a')")
    with pytest.raises(sidepool.ProgrammingError):
        connection.commit()
    connection.tpc_prepare()
    assert pg.sql("SELECT count(*) FROM t") == [(0,)]
    assert xid in connect(autocommit=True).tpc_recover()
    connection.tpc_commit()
    assert pg.sql("SELECT count(*) FROM t") == [(1,)]
    connection.tpc_begin("another")
    connection.execute("INSERT INTO t VALUES (2, 'a')")
    connection.tpc_prepare()
    connection.close()
    other = connect()
    (found,) = [x for x in other.tpc_recover() if x.gtrid == "another"]
    other.tpc_rollback(found)
    assert pg.sql("SELECT count(*) FROM t") == [(1,)] and not other.tpc_recover()


def test_two_phase_without_prepare(conn, table, pg):
    conn.tpc_begin("x")
    conn.execute("INSERT INTO t VALUES (1, 'a')")
    conn.tpc_commit()
    conn.tpc_begin("y")
    conn.execute("INSERT INTO t VALUES (2, 'a')")
    conn.tpc_rollback()
    assert pg.sql("SELECT id FROM t") == [(1,)]
