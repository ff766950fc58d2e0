# SPDX-License-Identifier: MIT
"""What became of a COMMIT whose answer was lost: found out on another connection where the transaction's id is known."""
import signal

import pytest
from lib.cut import Cut
from lib.postgres import Postgres
from lib.wait import wait_until
from lib.wire import CODES, COMMIT, OUTCOMES, Wire

pytestmark = pytest.mark.fast

INSERT = "INSERT INTO effect VALUES (1)"
COMMITTED = b"COMMIT\0"  # the tag of CommandComplete
READY = b"Z\0\0\0\5I"  # ReadyForQuery, in no transaction


@pytest.fixture(autouse=True)
def table(pg):
    pg.sql("DROP TABLE IF EXISTS effect; CREATE TABLE effect (a int)")


@pytest.fixture
def cut(pg):
    with Cut(pg) as c:
        yield c


@pytest.fixture
def wire(cut, make_daemon):
    with Wire(make_daemon(cut.url, config={"sidepool": {"budget": 3}}).socket) as w:
        yield w


def count(pg):
    return pg.sql("SELECT count(*) FROM effect")[0][0]


def open_transaction(wire):
    grant = wire.query(INSERT, acquire=True, begin=True).lease
    return {"lease": grant}


def commit_by_release(wire, cut, *arm, **options):
    lease = open_transaction(wire)["lease"]
    cut.arm(*arm, **options)
    request = wire.request(lease=lease, finish=COMMIT)
    request.release.SetInParent()
    return wire.receive(wire.send(request))


def commit_by_text(wire, cut, *arm, **options):
    lease = open_transaction(wire)["lease"]
    cut.arm(*arm, **options)
    return wire.receive(wire.send(wire.query_request("COMMIT", lease=lease)))


def commit_with_a_read(wire, cut, *arm, **options):
    lease = open_transaction(wire)["lease"]
    cut.arm(*arm, **options)
    return wire.receive(wire.send(wire.query_request("SELECT 7", lease=lease, finish=COMMIT)))


def all_in_one(wire, cut, *arm, **options):
    wire.query("SELECT 1")  # the connection is there, and told whose it is
    cut.arm(*arm, **options)
    return wire.receive(wire.send(wire.query_request(INSERT + " RETURNING a", acquire=True, begin=True, finish=COMMIT)))


WAYS = [commit_by_release, commit_by_text, commit_with_a_read]


@pytest.mark.parametrize("word", [COMMITTED, READY], ids=["all-of-it", "its-end"])
@pytest.mark.parametrize("way", [*WAYS, all_in_one])
def test_a_commit_whose_answer_is_lost_is_found_committed(wire, cut, pg, way, word):
    answer = way(wire, cut, "server", word)
    assert not answer.HasField("error"), answer.error
    assert count(pg) == 1
    if way in (commit_by_text, commit_by_release):
        assert [r.command_tag for r in answer.results] == ["COMMIT"]
    if way in (commit_with_a_read, all_in_one):
        assert answer.results[0].row_count == 1


@pytest.mark.parametrize("explicit", [False, True])
def test_a_batch_whose_end_is_lost_is_found_committed(wire, cut, pg, explicit):
    request = wire.batch_request([INSERT, INSERT])
    if explicit:
        request.batch.transaction.SetInParent()
    wire.query("SELECT 1")  # the connection is there
    cut.arm("server", COMMITTED if explicit else READY)
    answer = wire.receive(wire.send(request))
    assert not answer.HasField("error"), answer.error
    assert count(pg) == 2 and [r.command_tag for r in answer.results] == ["INSERT 0 1"] * 2


@pytest.mark.parametrize("keep_server", [False, True], ids=["session-gone", "session-still-there"])
@pytest.mark.parametrize("way", WAYS)
def test_a_commit_that_never_came_is_found_rolled_back(wire, cut, pg, way, keep_server):
    answer = way(wire, cut, "client", b"COMMIT\0", keep_server=keep_server)
    assert CODES[answer.error.code] == "CONNECTION_LOST" and OUTCOMES[answer.error.outcome] == "failed"
    assert "rolled back" in answer.error.message and answer.error.retryable
    assert count(pg) == 0
    assert pg.sql("SELECT count(*) FROM pg_stat_activity WHERE backend_xid IS NOT NULL") == [(0,)]


def test_a_plain_write_whose_answer_is_lost_stays_unknown(wire, cut, pg):
    wire.query("SELECT 1")
    cut.arm("server", READY)
    answer = wire.receive(wire.send(wire.query_request(INSERT)))
    assert OUTCOMES[answer.error.outcome] == "unknown" and count(pg) == 1


def test_a_statement_before_the_commit_is_known_to_be_gone(wire, cut, pg):
    lease = open_transaction(wire)["lease"]
    cut.arm("server", b"INSERT")
    answer = wire.receive(wire.send(wire.query_request(INSERT, lease=lease)))
    assert OUTCOMES[answer.error.outcome] == "failed" and "the transaction with it" in answer.error.message
    assert count(pg) == 0


def test_without_a_connection_to_ask_on_it_stays_unknown(cut, pg, make_daemon):
    daemon = make_daemon(cut.url, config={"sidepool": {"acquire_timeout": "300ms"}})
    with Wire(daemon.socket) as wire:
        lease = open_transaction(wire)["lease"]
        cut.arm("server", COMMITTED)
        cut.server += ".gone"
        answer = wire.receive(wire.send(wire.query_request("COMMIT", lease=lease)))
    assert CODES[answer.error.code] == "CONNECTION_LOST" and OUTCOMES[answer.error.outcome] == "unknown"
    assert not answer.error.retryable and count(pg) == 1


def test_a_client_that_leaves_meanwhile_disturbs_nobody(cut, pg, make_daemon):
    daemon = make_daemon(cut.url)
    with Wire(daemon.socket) as other:
        with Wire(daemon.socket) as wire:
            lease = open_transaction(wire)["lease"]
            cut.arm("server", COMMITTED)
            wire.send(wire.query_request("COMMIT", lease=lease))
        assert other.values("SELECT 1") == [("1",)]


def test_a_commit_under_way_when_the_daemon_ends_leaves_nothing_behind(pg, make_daemon):
    """With a key it would be found out also for a client that left; at the end nobody can be asked any more."""
    pg.sql(
        "CREATE OR REPLACE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NULL; END';"
        "CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON effect DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait()"
    )
    daemon = make_daemon(pg.url())
    with pg.connect() as holder, Wire(daemon.socket) as wire:
        holder.execute("SELECT pg_advisory_lock(1)")
        wire.query("SELECT 1")
        wire.send(wire.query_request(INSERT, acquire=True, begin=True, finish=COMMIT, key=b"once"))
        wait_until("it waits", lambda: pg.sql("SELECT count(*) FROM pg_locks WHERE NOT granted") == [(1,)])
        daemon.signal(signal.SIGTERM)
        wait_until("it stops", lambda: "stopping: " in daemon.log())
        assert daemon.stop() == 0 and "a second signal" in daemon.log()


def test_an_id_that_was_given_again_after_a_crash_tells_nothing(make_daemon):
    """What was not flushed to the WAL is forgotten by a crash, ids too: the next transaction has the same one, and is committed."""
    with Postgres(wal_writer_delay="10s", autovacuum="off") as pg, Cut(pg) as cut:
        pg.sql("CREATE TABLE effect (a int)")
        daemon = make_daemon(cut.url, config={"pool main": {"breaker_threshold": 1000, "connect_backoff_max": "100ms"}})
        with Wire(daemon.socket) as wire:
            lease = open_transaction(wire)["lease"]
            xid = int(wire.values("SELECT pg_current_xact_id()", lease=lease)[0][0])
            cut.arm("client", b"COMMIT\0", keep_server=True)
            server, cut.server = cut.server, cut.server + ".gone"
            lost = wire.send(wire.query_request("COMMIT", lease=lease))
            wait_until("the COMMIT is lost", lambda: not cut.wanted)
            pg.kill9()
            pg.start()
            while int(pg.sql("WITH x AS (INSERT INTO effect VALUES (2)) SELECT pg_current_xact_id()::text")[0][0]) < xid:
                pass
            assert pg.sql("SELECT pg_xact_status(%s::text::xid8)", str(xid)) == [("committed",)]
            cut.server = server
            answer = wire.receive(lost)
        assert CODES[answer.error.code] == "CONNECTION_LOST" and OUTCOMES[answer.error.outcome] == "unknown"
        assert pg.sql("SELECT count(*) FROM effect WHERE a = 1") == [(0,)]
