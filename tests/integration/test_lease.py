# SPDX-License-Identifier: MIT
"""Leases: transactions in few messages, fencing, time limits, and what becomes of them when their client is gone."""
import os
import re
import subprocess

import pytest
from lib.wait import wait_until
from lib.wire import COMMIT, ROLLBACK, Failed, Request, Wire, rows

ACTIVE, FAILED, IDLE = 2, 3, 1
COMMAND = os.environ.get("SIDEPOOL", "sidepool")


@pytest.fixture
def table(pg):
    pg.sql("DROP TABLE IF EXISTS item")
    pg.sql("CREATE TABLE item (a int PRIMARY KEY)")
    return "item"


def count(pg):
    return pg.sql("SELECT count(*) FROM item")[0][0]


@pytest.mark.fast
def test_a_transaction_of_n_statements_is_n_messages(wire, pg, table):
    first = wire.query("INSERT INTO item VALUES (1)", begin=True)
    assert first.lease.lease_id and first.transaction_status == ACTIVE and first.lease.backend_pid
    assert count(pg) == 0
    last = wire.query("INSERT INTO item VALUES (2)", lease=first.lease, finish=COMMIT)
    assert count(pg) == 2 and not last.HasField("lease")
    with pytest.raises(Failed) as e:
        wire.query("SELECT 1", lease=first.lease)
    assert (e.value.code, e.value.outcome) == ("UNKNOWN_LEASE", "not sent")


@pytest.mark.fast
def test_a_whole_transaction_fits_into_one_message(wire, pg, table):
    response = wire.query("INSERT INTO item VALUES (1)", begin=True, finish=COMMIT)
    assert response.results[0].command_tag == "INSERT 0 1" and count(pg) == 1
    wire.query("INSERT INTO item VALUES (2)", begin=True, finish=ROLLBACK)
    assert count(pg) == 1


@pytest.mark.fast
def test_a_failed_statement_with_finish_rolls_back_and_releases(wire, pg, table):
    lease = wire.query("INSERT INTO item VALUES (1)", begin=True).lease
    with pytest.raises(Failed) as e:
        wire.query("INSERT INTO item VALUES (1)", lease=lease, finish=COMMIT)
    assert e.value.error.sql.sqlstate == "23505"
    assert count(pg) == 0
    wait_until("the lease is gone", lambda: not wire.status().leases)


@pytest.mark.fast
def test_a_failed_transaction_keeps_its_lease_and_answers_commit_with_rollback(wire, pg, table):
    lease = wire.lease(begin=True)
    with pytest.raises(Failed):
        wire.query("SELECT 1/0", lease=lease)
    request = wire.query_request("SELECT 1", lease=lease)
    answer = wire.receive(wire.send(request))
    assert answer.error.sql.sqlstate == "25P02" and answer.transaction_status == FAILED
    assert wire.release(lease, COMMIT).results[0].command_tag == "ROLLBACK"


@pytest.mark.fast
def test_release_tells_what_became_of_the_transaction(wire, pg, table):
    lease = wire.query("INSERT INTO item VALUES (1)", begin=True).lease
    assert wire.release(lease, COMMIT).results[0].command_tag == "COMMIT"
    lease = wire.query("INSERT INTO item VALUES (2)", begin=True).lease
    assert wire.release(lease).results[0].command_tag == "ROLLBACK"
    assert count(pg) == 1
    assert not wire.release(wire.lease()).results


@pytest.mark.fast
def test_a_stale_token_and_a_foreign_lease_are_refused(wire, daemon):
    lease = wire.lease(begin=True)
    wrong = type(lease)(lease_id=lease.lease_id, token=lease.token - 1)
    with pytest.raises(Failed) as e:
        wire.query("SELECT 1", lease=wrong)
    assert (e.value.code, e.value.outcome) == ("STALE_TOKEN", "not sent")
    with Wire(daemon.socket) as other:
        with pytest.raises(Failed) as e:
            other.query("SELECT 1", lease=lease)
        assert e.value.code == "UNKNOWN_LEASE"
        with pytest.raises(Failed) as e:
            other.release(lease)
    later = wire.lease()
    assert later.token > lease.token
    assert wire.values("SELECT 1", lease=lease) == [("1",)]


@pytest.mark.fast
def test_requests_ahead_run_in_order(wire, table):
    lease = wire.lease(begin=True)
    ids = [wire.send(wire.query_request(f"INSERT INTO item VALUES ({i})", lease=lease)) for i in range(50)]
    ids.append(wire.send(wire.query_request("SELECT count(*) FROM item", lease=lease, finish=ROLLBACK)))
    answers = [wire.receive(i) for i in ids]
    assert not any(a.HasField("error") for a in answers)
    assert rows(answers[-1].results[0]) == [(b"50",)]


def test_isolation_read_only_and_deferrable_are_as_asked(wire):
    request = wire.query_request(
        "SELECT current_setting('transaction_isolation'), current_setting('transaction_read_only'),"
        " current_setting('transaction_deferrable')",
        begin=True, finish=ROLLBACK,
    )  # fmt: skip
    options = request.acquire.transaction
    options.isolation, options.read_only, options.deferrable = 4, True, True
    assert rows(wire.call(request).results[0]) == [(b"serializable", b"on", b"on")]


def test_a_lease_without_a_transaction_is_a_session(wire):
    lease = wire.lease()
    wire.query("SET work_mem = '123kB'", lease=lease)
    assert wire.values("SHOW work_mem", lease=lease) == [("123kB",)]
    assert wire.query("SELECT 1", lease=lease).transaction_status == IDLE
    wire.release(lease)


def test_changed_settings_and_notifications_are_told(wire, pg):
    lease = wire.lease()
    answer = wire.query("SET TimeZone = 'Asia/Tokyo'", lease=lease)
    assert {p.name: p.value for p in answer.parameters} == {"TimeZone": "Asia/Tokyo"}
    assert not wire.query("SELECT 1", lease=lease).parameters
    wire.query("LISTEN news", lease=lease)
    pg.sql("SELECT pg_notify('news', 'hello')")
    seen = []

    def heard():
        seen.extend(wire.query("SELECT 1", lease=lease).notifications)
        return seen

    wait_until("the notification is told", heard)
    assert [(n.channel, n.payload) for n in seen] == [("news", "hello")]


def test_simple_scripts_run_on_a_lease(wire, pg, table):
    request = wire.query_request("INSERT INTO item VALUES (1); SELECT 'a;b' AS x; SELECT 2", begin=True, finish=COMMIT)
    request.query.statement.simple = True
    results = wire.call(request).results
    assert [r.command_tag for r in results] == ["INSERT 0 1", "SELECT 1", "SELECT 1"]
    assert rows(results[1]) == [(b"a;b",)] and count(pg) == 1
    request.query.statement.sql = b"INSERT INTO item VALUES (2); SELECT 1/0"
    with pytest.raises(Failed):
        wire.call(request)
    assert count(pg) == 1


def test_a_session_whose_prepared_statements_are_dropped_goes_on(wire):
    lease = wire.lease()
    for command in ("DEALLOCATE ALL", "DISCARD ALL", "SELECT 1"):
        for _ in range(3):
            assert wire.values("SELECT 'again'", lease=lease) == [("again",)]
        wire.query(command, lease=lease)


@pytest.mark.parametrize(
    "setting, code",
    [
        ("lease_timeout", "LEASE_EXPIRED"),
        ("lease_idle_timeout", "LEASE_IDLE"),
        ("idle_transaction_timeout", "IDLE_IN_TRANSACTION"),
        ("transaction_timeout", "TRANSACTION_TIMEOUT"),
    ],
)
def test_a_lease_past_its_time_is_revoked_and_its_owner_told(pg, make_daemon, table, setting, code):
    daemon = make_daemon(pg.url(), config={"sidepool": {"budget": 2, setting: "300ms"}})
    with Wire(daemon.socket) as wire, Wire(daemon.socket) as watcher:
        begin = setting != "lease_idle_timeout"  # in a transaction idle_transaction_timeout counts
        lease = wire.query("SELECT 1" if not begin else "INSERT INTO item VALUES (1)", begin=begin, acquire=True, call_site="seed.py:88").lease
        wait_until("the lease is revoked", lambda: not watcher.status().leases)
        with pytest.raises(Failed) as e:
            wire.query("INSERT INTO item VALUES (2)", lease=lease)
        assert (e.value.code, e.value.outcome) == (code, "not sent")
        assert count(pg) == 0 and "seed.py:88" in daemon.log() and "revoked" in daemon.log()
        assert wire.values("SELECT 1") == [("1",)]


def test_renewing_keeps_a_lease(pg, make_daemon):
    daemon = make_daemon(pg.url(), config={"sidepool": {"lease_timeout": "10s"}})
    with Wire(daemon.socket) as wire:
        lease = wire.lease()
        request = Request()
        request.renew.hold_ms = 5000
        request.lease.lease_id, request.lease.token = lease.lease_id, lease.token
        assert 4000 < wire.call(request).lease.expires_ms <= 5000


def test_the_lease_of_a_client_that_is_gone_is_rolled_back_and_lent_on(pg, make_daemon, table):
    daemon = make_daemon(pg.url(), config={"sidepool": {"budget": 1}})
    with Wire(daemon.socket) as other:
        gone = Wire(daemon.socket)
        gone.query("INSERT INTO item VALUES (1)", begin=True)
        waiting = other.send(other.query_request("SELECT count(*) FROM item"))
        gone.close()
        assert rows(other.receive(waiting).results[0]) == [(b"0",)]


def test_a_client_that_is_gone_while_its_statement_runs_frees_the_connection(pg, make_daemon):
    daemon = make_daemon(pg.url(), config={"sidepool": {"budget": 1}})
    with Wire(daemon.socket) as other:
        gone = Wire(daemon.socket)
        gone.send(gone.query_request("SELECT pg_sleep(600)", begin=True))
        wait_until("it runs", lambda: any("pg_sleep" in b[2] and b[1] == "active" for b in pg.backends()))
        gone.close()
        assert other.values("SELECT 'free'") == [("free",)]


def test_a_lost_connection_ends_its_lease(wire, pg):
    lease = wire.lease(begin=True)
    pid = int(wire.values("SELECT pg_backend_pid()", lease=lease)[0][0])
    pg.sql("SELECT pg_terminate_backend(%s)", pid)

    def lost():
        try:
            wire.query("SELECT 1", lease=lease)
        except Failed as e:
            return e

    failure = wait_until("the lease is lost", lost)
    assert failure.code in ("LEASE_LOST", "SQL_ERROR", "CONNECTION_LOST")
    assert wire.values("SELECT 1") == [("1",)]


def test_what_the_daemon_adds_is_no_part_of_the_transaction(wire, pg, table):
    """SET TRANSACTION must come before any query, and a ROLLBACK must not take the application's name away."""
    hello = wire.request()
    hello.hello.application_name = "modes"
    wire.call(hello)
    wire.query("INSERT INTO item VALUES (10)")  # whose sequences, had it used any, are to be forgotten
    lease = wire.query("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", begin=True).lease
    assert wire.values("SHOW transaction_isolation", lease=lease) == [("serializable",)]
    wire.release(lease, ROLLBACK)
    assert any(b[3] == "sidepool:modes" for b in pg.backends())


def named(wire, name):
    request = Request()
    request.hello.application_name = name
    wire.call(request)
    return wire


@pytest.mark.settings({"sidepool": {"budget": 1, "idle_transaction_timeout": "3s"}})
def test_who_holds_the_pool_and_who_waits_is_told(daemon, pg, table):
    """In status, in `sidepool leases`, and in the log before the lease is revoked and then."""
    with Wire(daemon.socket) as holder, Wire(daemon.socket) as api:
        held = named(holder, "seeds").query("INSERT INTO item VALUES (1)", begin=True, call_site="seed.ts:88").lease
        ids = [named(api, "api").send(api.query_request("SELECT 1")) for _ in range(3)]
        wait_until("all wait", lambda: holder.status().pools[0].waiting == 3)
        (lease,) = holder.status().leases
        blame = r"pid \d+ \S+ seed.ts:88 idle in transaction \d s, 3 of api waiting"
        assert re.fullmatch(blame, lease.blame)
        listed = subprocess.run([COMMAND, "leases", "--socket", daemon.socket], capture_output=True, text=True, check=True)
        sentences = listed.stdout.replace("\n  ", " ")  # 80 columns wide
        assert re.search(rf"^lease {lease.lease_id}: {blame}$", sentences, re.M)
        assert not any(api.receive(i).HasField("error") for i in ids)
        with pytest.raises(Failed) as e:
            holder.query("SELECT 1", lease=held)
        assert e.value.code == "IDLE_IN_TRANSACTION"
    for what in ("will be revoked", "is revoked"):
        told = re.search(rf"lease {lease.lease_id} of seeds {what}: {blame}", daemon.log())
        assert told and "transaction 0 s" not in told[0]


@pytest.mark.settings({"pool main": {"max_prepared_statements": 1}})
def test_in_a_failed_transaction_each_statement_is_told_so(wire):
    """Also one that takes the place of another in the statement cache: what drops that one fails, and takes it along."""
    lease = wire.lease(begin=True)
    for _ in range(3):  # prepared by now
        wire.values("SELECT 1", lease=lease)
    with pytest.raises(Failed):
        wire.values("SELECT 1/0", lease=lease)
    for _ in range(3):
        with pytest.raises(Failed) as e:
            wire.query("SELECT 2", lease=lease)
        assert e.value.error.sql.sqlstate == "25P02"
    wire.release(lease)


ALTERATIONS = {
    "alter": ("SELECT * FROM plans", "ALTER TABLE plans ADD b int DEFAULT 7", [("1", "7")]),
    "drop": ("SELECT * FROM plans", "DROP TABLE plans; CREATE TABLE plans AS SELECT 'x' AS a", [("x",)]),
    "view": ("SELECT * FROM planned", "CREATE OR REPLACE VIEW planned AS SELECT a, 7 AS b FROM plans", [("1", "7")]),
}


@pytest.fixture
def plans(wire, pg):
    drop = "DROP VIEW IF EXISTS planned; DROP TABLE IF EXISTS plans"
    pg.psql(f"{drop}; CREATE TABLE plans AS SELECT 1 AS a; CREATE VIEW planned AS SELECT a FROM plans")
    yield
    pg.psql(drop)


@pytest.mark.parametrize("look, alter, after", ALTERATIONS.values(), ids=ALTERATIONS)
@pytest.mark.settings({"sidepool": {"budget": 2}})
def test_prepared_statements_follow_the_schema(wire, plans, look, alter, after):
    """Within the transaction that changes it, back at its ROLLBACK, and in other sessions after a COMMIT."""
    if "DROP" in alter:
        wire.query("DROP VIEW planned")
    leases = [wire.lease() for _ in range(2)]
    for lease in leases * 3:  # prepared from the second time on
        assert wire.values(look, lease=lease) == [("1",)]
    for end, seen in (("ROLLBACK", [("1",)]), ("COMMIT", after)):
        wire.query("BEGIN", lease=leases[0])
        assert wire.values(look, lease=leases[1]) == [("1",)]
        for sql in alter.split("; "):
            wire.query(sql, lease=leases[0])
        assert wire.values(look, lease=leases[0]) == after
        assert wire.values(look, lease=leases[0]) == after
        wire.query(end, lease=leases[0])
        assert wire.values(look, lease=leases[0]) == seen
    assert wire.values(look, lease=leases[1]) == after


@pytest.mark.fast
def test_notices_do_not_add_up_without_bound(wire):
    """PostgreSQL sends as many as a statement raises; an answer carries 64 KiB of them."""
    lease = wire.lease()
    wire.query("SET client_min_messages = notice", lease=lease)
    answer = wire.query("DO $$ BEGIN FOR i IN 1..3000 LOOP RAISE NOTICE '%', repeat('x', 100); END LOOP; END $$", lease=lease)
    notices = answer.results[0].notices
    assert len(notices) > 100 and all(n.fields.message == 100 * "x" for n in notices)
    assert sum(n.ByteSize() for n in notices) <= 65536
