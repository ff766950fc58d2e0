# SPDX-License-Identifier: MIT
"""Writes in the background: accepted or refused at once, run in order per key, tried again where that is safe."""
import contextlib
import json
import os
import random
import re
import resource
import signal
import subprocess

import pytest
from lib.cut import Cut
from lib.events import Subscriber
from lib.http import get_json, metrics
from lib.wait import wait_until
from lib.wire import CODES, Failed, Request, Wire, fill, pack

pytestmark = pytest.mark.fast


@pytest.fixture(autouse=True)
def table(pg):
    pg.sql("DROP TABLE IF EXISTS note, sidepool_submitted; CREATE TABLE note (n serial, a int, UNIQUE (a))")


def submit_request(wire, *statements, key=b"", try_ms=0, **where):
    r = wire.request(key=where.pop("idempotency_key", b""), **where)
    r.submit.key, r.submit.try_ms = key, try_ms
    for s in statements:
        sql, values = (s, ()) if isinstance(s, str) else s
        fill(r.submit.statements.add(), sql, values)
    return r


def submit(wire, *statements, **options):
    return wire.call(submit_request(wire, *statements, **options)).submit


def insert(a):
    return ("INSERT INTO note (a) VALUES ($1)", [str(a)])


def notes(pg):
    return [a for (a,) in pg.sql("SELECT a FROM note ORDER BY n")]


def queue(wire):
    r = Request()
    r.status.parts.extend([6, 7])
    return wire.call(r).status


@contextlib.contextmanager
def transaction(pg):
    with pg.connect() as c:
        c.autocommit = False
        yield c


def again(daemon):
    ready = daemon.notify.count("READY=1")
    daemon.launch()
    daemon.notify.wait("READY=1", ready + 1)


def unfinished(wire):
    """Of one moment: between two of them a write that runs may go back to those that wait."""
    state = queue(wire).submit
    return state.waiting + state.running


def drained(wire):
    wait_until("the submit queue is empty", lambda: unfinished(wire) == 0)


def test_it_is_accepted_and_run(wire, pg):
    reply = submit(wire, insert(1))
    assert reply.submission_id > 0 and not reply.journaled
    wait_until("it is run", lambda: notes(pg) == [1])
    drained(wire)
    assert queue(wire).submit.done_total == 1


def test_several_statements_are_one_transaction(wire, pg):
    submit(wire, insert(1), insert(2), key=b"k")
    submit(wire, insert(3), insert(3), key=b"k")
    submit(wire, insert(4), key=b"k")
    wait_until("the last is run", lambda: 4 in notes(pg))
    assert notes(pg) == [1, 2, 4]


def test_it_is_run_when_its_client_has_gone(daemon, pg):
    with transaction(pg) as c:
        c.execute("LOCK TABLE note IN ACCESS EXCLUSIVE MODE")
        with Wire(daemon.socket) as w:
            submit(w, insert(1))
    wait_until("it is run", lambda: notes(pg) == [1])


def test_a_key_keeps_its_order(wire, pg):
    for i in range(50):
        submit(wire, insert(i), key=b"k")
    wait_until("all are run", lambda: len(notes(pg)) == 50)
    assert notes(pg) == list(range(50))


def test_others_pass_a_key_that_is_held_up(wire, pg):
    with transaction(pg) as c:
        c.execute("INSERT INTO note (a) VALUES (1)")
        submit(wire, insert(1), key=b"slow")
        submit(wire, insert(2), key=b"slow")
        submit(wire, insert(3), key=b"quick")
        wait_until("the other key is run", lambda: notes(pg) == [3])
        c.rollback()
    wait_until("all are run", lambda: sorted(notes(pg)) == [1, 2, 3])


def test_what_postgresql_refuses_is_told_and_kept(wire, pg, daemon):
    with Subscriber(wire) as events:
        events.listen("")
        submit(wire, insert(1), key=b"k")
        failed = submit(wire, insert(1), key=b"k")
        event = events.receive("event/main/submit", "submit").submit
    assert event.submission_id == failed.submission_id and event.error.sql.sqlstate == "23505" and event.key == b"k"
    (kept,) = queue(wire).failed_submissions
    assert kept.error.sql.sqlstate == "23505" and kept.error.outcome == 2 and kept.tries == 1
    assert kept.statement == "INSERT INTO note (a) VALUES ($1)" and kept.state == "failed"
    assert (kept.outcome, kept.sqlstate) == ("failed", "23505")
    assert queue(wire).submit.failed_total == 1 and notes(pg) == [1]
    assert f"submitted write {failed.submission_id} " in daemon.log() and "23505" in daemon.log()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda r: r.submit.ClearField("statements"), "INVALID_ARGUMENT"),
        (lambda r: setattr(r.submit, "key", b"x" * 256), "INVALID_ARGUMENT"),
        (lambda r: setattr(r.acquire, "begin", True), "INVALID_ARGUMENT"),
        (lambda r: setattr(r, "pool", "other"), "UNKNOWN_POOL"),
        (lambda r: setattr(r.submit.statements[0], "sql", b"SET x.y = 1"), "SESSION_REQUIRED"),
        (lambda r: setattr(r.submit.statements[0], "parameters", b"\1"), "INVALID_ARGUMENT"),
    ],
    ids=["none", "key", "lease", "pool", "session", "parameters"],
)
def test_what_cannot_be_run_is_refused_at_once(wire, change, code):
    request = submit_request(wire, insert(1))
    change(request)
    with pytest.raises(Failed) as e:
        wire.call(request)
    assert (e.value.code, e.value.outcome) == (code, "not sent")


@pytest.mark.settings({"application *": {"read_only": "on"}})
def test_who_may_only_read_is_refused(wire):
    with pytest.raises(Failed) as e:
        submit(wire, insert(1))
    assert e.value.code == "READ_ONLY"


@pytest.mark.settings({"sidepool": {"submit_queue_size": "0"}})
def test_it_can_be_forbidden(wire):
    with pytest.raises(Failed) as e:
        submit(wire, insert(1))
    r = Request()
    r.hello.max_version = 1
    assert e.value.code == "UNSUPPORTED" and "submit" not in wire.call(r).hello.features


@pytest.mark.settings({"sidepool": {"submit_queue_size": "10"}})
def test_the_number_is_bounded(wire, pg):
    with transaction(pg) as c:
        c.execute("LOCK TABLE note IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(Failed) as e:
            for i in range(11):
                submit(wire, insert(i), key=b"k")
    assert e.value.code == "QUEUE_FULL" and e.value.outcome == "not sent" and e.value.error.retry_after_ms > 0
    drained(wire)
    assert notes(pg) == list(range(queue(wire).submit.accepted_total)) and len(notes(pg)) == 6


@pytest.mark.settings({"sidepool": {"submit_queue_bytes": "64KiB"}})
def test_the_bytes_are_bounded(wire):
    with pytest.raises(Failed) as e:
        submit(wire, ("SELECT $1", ["x" * 70000]))
    assert e.value.code == "QUEUE_FULL"
    assert queue(wire).submit.refused_total == 1


def test_an_idempotency_key_makes_a_repetition_harmless(wire, pg):
    request = submit_request(wire, "INSERT INTO note (a) VALUES (1)", idempotency_key=b"once")
    assert wire.call(request).submit == wire.call(request).submit
    drained(wire)
    assert notes(pg) == [1] and queue(wire).submit.accepted_total == 1


def test_it_is_tried_again_when_postgresql_is_back(wire, pg):
    submit(wire, insert(0))
    drained(wire)
    pg.stop()
    try:
        for i in range(1, 6):
            submit(wire, insert(i), key=b"k")
        state = queue(wire).submit
        assert state.waiting + state.running == 5 and state.failed_total == 0
    finally:
        pg.start()
    wait_until("all are run", lambda: notes(pg) == list(range(6)))


def test_it_is_given_up_when_its_time_is_over(wire, pg):
    pg.stop()
    try:
        submit(wire, insert(1), try_ms=300)
        (kept,) = wait_until("it is given up", lambda: queue(wire).failed_submissions)
    finally:
        pg.start()
    assert kept.error.outcome == 1
    drained(wire)
    assert notes(pg) == []


def test_the_daemon_finishes_it_before_it_leaves(wire, pg, daemon):
    with transaction(pg) as c:
        c.execute("LOCK TABLE note IN ACCESS EXCLUSIVE MODE")
        for i in range(20):
            submit(wire, insert(i), key=b"k")
        daemon.signal(signal.SIGTERM)
        wait_until("it is stopping", lambda: "stopping" in daemon.log())
        with pytest.raises(Failed) as e:
            submit(wire, insert(99))
        assert e.value.code == "SHUTTING_DOWN"
    assert daemon.wait() == 0
    assert notes(pg) == list(range(20))


@pytest.mark.settings({"sidepool": {"shutdown_timeout": "200ms"}})
def test_what_is_lost_at_the_end_is_told(wire, pg, daemon):
    with transaction(pg) as c:
        c.execute("LOCK TABLE note IN ACCESS EXCLUSIVE MODE")
        for i in range(5):
            submit(wire, insert(i), key=b"k")
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 0
    assert "5 submitted writes that were not done in time are lost" in daemon.log()
    assert notes(pg) == []


def test_the_command_shows_what_waits_and_what_failed(wire, pg, daemon):
    def command(*arguments):
        return subprocess.run(
            [os.environ["SIDEPOOL"], "--socket", str(daemon.socket), *arguments], capture_output=True, text=True, check=True
        ).stdout

    with transaction(pg) as c:
        c.execute("LOCK TABLE note IN ACCESS EXCLUSIVE MODE")
        submit(wire, insert(1), key=b"k")
        submit(wire, insert(1), key=b"k")
        wait_until("both are shown", lambda: command("queue").count("INSERT INTO") == 2)
    drained(wire)
    assert "23505" in command("queue", "--failed") and "failed" in command("queue", "--failed")
    assert re.search(r"^submitted \d+: duplicate key value violates unique constraint", command("queue", "--failed"), re.M), "the whole reason"
    (kept,) = json.loads(command("status", "--json"))["failed_submissions"]
    assert kept["sqlstate"] == "23505" and kept["outcome"] == "failed"


def told(daemon, pool="main"):
    """What /metrics say of submitted writes: {name less sidepool_submit, and its own label: number}."""
    found = {}
    for (name, *labels), value in metrics(daemon.dir / "http.sock").items():
        if name.startswith("sidepool_submit") and (not labels or labels[0] == f"pool={pool}"):
            found[" ".join((name.removeprefix("sidepool_submit"), *labels[1:]))] = value
    return found


def test_metrics_tell_what_waits_and_what_came_of_it(wire, pg, daemon):
    with transaction(pg) as c:
        c.execute("LOCK TABLE note IN ACCESS EXCLUSIVE MODE")
        submit(wire, insert(1), key=b"k")
        submit(wire, insert(1), key=b"k")
        submit(wire, insert(3), key=b"k")
        m = wait_until("the first runs", lambda: (n := told(daemon)).get("_queue state=running") == 1 and n)
        assert m["_queue state=waiting"] == 2 and m["s_accepted_total"] == 3 and m["s_done_total"] == 0
        assert m["_queue_bytes"] == queue(wire).submit.bytes > 0
        age = m["_queue_oldest_seconds"]
        wait_until("the oldest grows older", lambda: told(daemon)["_queue_oldest_seconds"] > age)
        assert told(daemon)["_queue_oldest_seconds"] <= (max(s.age_ms for s in queue(wire).submissions) + 1) / 1000
    drained(wire)
    m = told(daemon)
    assert m["_queue_oldest_seconds"] == 0
    assert m["s_done_total"] == 2 and m["s_failed_total outcome=not_done"] == 1 and m["s_failed_total outcome=unknown"] == 0
    assert m["_queue state=waiting"] == m["_queue state=running"] == m["_queue_bytes"] == m["s_retried_total"] == 0
    assert m["_queue_limit"] == queue(wire).submit.max_size and m["_queue_limit_bytes"] == queue(wire).submit.max_bytes
    assert m["_journal_bytes"] == m["_journal_failing"] == 0


@pytest.mark.settings({"sidepool": {"submit_queue_bytes": "64KiB"}})
def test_metrics_count_tries_and_refusals(wire, pg, daemon):
    submit(wire, "DO $$BEGIN IF NOT EXISTS (SELECT FROM note) THEN RAISE SQLSTATE '40001'; END IF; END$$")
    wait_until("it is tried again", lambda: told(daemon)["s_retried_total"] > 1)
    m = told(daemon)
    assert m["_queue state=waiting"] + m["_queue state=running"] == 1 and m["_queue_bytes"] > 0
    pg.sql("INSERT INTO note (a) VALUES (1)")
    drained(wire)
    with pytest.raises(Failed):
        submit(wire, ("SELECT $1", ["x" * 70000]))
    m, state = told(daemon), queue(wire).submit
    assert m["s_refused_total"] == 1 == m["s_done_total"] and m["s_retried_total"] == state.retries_total
    assert m["_queue state=waiting"] == m["_queue_bytes"] == 0


def test_metrics_tell_pools_apart_and_nothing_else(pg, make_daemon):
    daemon = make_daemon(pg.url(), config={"sidepool": {"budget": 4}, "pool main": {"url": pg.url()}, "pool second": {"url": pg.url()}})
    before = told(daemon)
    with Wire(daemon.socket) as w:
        for i in range(20):
            submit(w, insert(i), key=b"%d" % i, pool="second" if i % 4 == 0 else "")
        drained(w)
        assert queue(w).submit.done_total == 20
    main, second = told(daemon), told(daemon, "second")
    assert main["s_done_total"] == 15 and second["s_done_total"] == 5
    assert before.keys() == main.keys(), "no line is added"


# ---- with a journal ----


@pytest.fixture
def journal(tmp_path):
    return tmp_path / "journal"


@pytest.fixture
def kept(pg, make_daemon, journal):
    return make_daemon(pg.url(), config={"sidepool": {"budget": 5, "cancel_timeout": "2s", "submit_journal": journal}})


def test_cancel_requests_that_nobody_answers_do_not_hold_up_the_journal(pg, make_daemon, journal):
    """As where the network to PostgreSQL is down. Before libpq 17 each waits in a thread; libuv's pool has 16 for all that blocks."""
    n = 20
    with Cut(pg) as cut:
        daemon = make_daemon(cut.url, config={"sidepool": {"budget": n + 2, "cancel_timeout": "200ms", "submit_journal": journal}})
        with Wire(daemon.socket) as w, Wire(daemon.socket) as other:
            asleep = [w.send(w.query_request("SELECT pg_sleep(600)")) for _ in range(n)]
            wait_until("they sleep", lambda: sum("pg_sleep" in b[2] and b[1] == "active" for b in pg.backends()) == n)
            cut.keep_cancels = True
            for i in asleep:
                cancel = Request()
                cancel.cancel.request_id = i
                assert w.call(cancel).cancel.found
            wait_until("their cancel requests are under way", lambda: len(cut.kept) == 2 * n)
            assert submit(other, insert(1)).journaled
            wait_until("it is run", lambda: notes(pg) == [1])
            assert {CODES[w.receive(i).error.code] for i in asleep} == {"CONNECTION_LOST"}
        pg.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)'")


def test_a_journal_has_it_before_the_answer(kept, pg, journal):
    with transaction(pg) as c, Wire(kept.socket) as w:
        c.execute("LOCK TABLE note IN ACCESS EXCLUSIVE MODE")
        assert submit(w, insert(4711), key=b"k").journaled
        assert b"4711" in journal.read_bytes() and journal.stat().st_mode & 0o777 == 0o600
        kept.kill()
    assert notes(pg) == []
    again(kept)
    wait_until("it is run", lambda: notes(pg) == [4711])
    with Wire(kept.socket) as w:
        drained(w)
        assert queue(w).submit.recovered_total == 1 == told(kept)["s_recovered_total"]
        assert told(kept)["_journal_bytes"] > 0
        submit(w, insert(1))
        wait_until("its rows are gone", lambda: pg.sql("SELECT count(*) FROM sidepool_submitted")[0][0] == 0)


def test_it_is_run_once_after_kills_at_any_moment(kept, pg):
    dice = random.Random(11)
    accepted, asked = [], 0
    for _ in range(12):
        with Wire(kept.socket) as w:
            for _ in range(dice.randrange(1, 40)):
                asked += 1
                assert submit(w, insert(asked), key=bytes([asked % 3 + 1])).journaled
                accepted.append(asked)
            w.send(submit_request(w, insert(100000 + asked)))  # nobody knows of this one
            kept.kill()
        again(kept)
    with Wire(kept.socket) as w:
        drained(w)
        assert queue(w).submit.failed_total == 0, queue(w).failed_submissions
    done = [a for a in notes(pg) if a < 100000]
    assert sorted(done) == accepted
    for k in range(3):
        assert [a for a in done if a % 3 == k] == [a for a in accepted if a % 3 == k]


def test_an_unknown_outcome_is_found_out_by_its_row(kept, pg):
    """The connection is cut while the COMMIT waits for a standby that does not exist: it is done and nobody was told."""
    with Wire(kept.socket) as w:
        submit(w, insert(0))
        drained(w)
        retries = queue(w).submit.retries_total
        pg.set("synchronous_commit", "on")
        pg.set("synchronous_standby_names", "nobody")
        try:
            submit(w, insert(1))
            pid = wait_until(
                "it waits for the standby", lambda: pg.sql("SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
            )[0][0]
            os.kill(pid, signal.SIGTERM)
            wait_until("it is tried again", lambda: queue(w).submit.retries_total > retries)
        finally:
            pg.set("synchronous_standby_names", "")
            pg.set("synchronous_commit", "off")
        drained(w)
        assert notes(pg) == [0, 1] and queue(w).submit.done_total == 2 and queue(w).submit.failed_total == 0


def test_a_stop_leaves_in_it_what_cannot_be_done(kept, pg):
    with Wire(kept.socket) as w:
        submit(w, insert(0))
        drained(w)
        retries = queue(w).submit.retries_total  # one already, where there was no table
        pg.stop()
        try:
            submit(w, insert(1))
            wait_until("it is tried", lambda: queue(w).submit.retries_total > retries)
            assert kept.stop() == 0
        finally:
            pg.start()
    assert "1 submitted writes are left in the journal" in kept.log()
    again(kept)
    wait_until("it is run", lambda: notes(pg) == [0, 1])


def test_two_daemons_do_not_share_a_journal(kept, pg, make_daemon, journal):
    other = make_daemon(pg.url(), config={"sidepool": {"submit_journal": journal}}, start=False).launch()
    assert other.wait() != 0
    assert "another daemon uses it" in other.log()


def test_a_torn_end_is_cut_off(kept, pg, journal):
    with Wire(kept.socket) as w:
        pg.stop()
        try:
            submit(w, insert(1))
            submit(w, insert(2))
            kept.kill()
        finally:
            pg.start()
    data = journal.read_bytes()
    journal.write_bytes(data[:-3])
    again(kept)
    wait_until("the first is run", lambda: notes(pg) == [1])
    with Wire(kept.socket) as w:
        drained(w)
    assert "were not finished, and cut off" in kept.log() and notes(pg) == [1]


def test_what_is_no_journal_is_left_alone(pg, make_daemon, journal):
    journal.write_text("dear diary, today somebody wrote my name into a configuration file")
    daemon = make_daemon(pg.url(), config={"sidepool": {"submit_journal": journal}}, start=False).launch()
    assert daemon.wait() != 0
    assert "it is no journal" in daemon.log() and "cannot start" not in daemon.log()
    assert journal.read_text().startswith("dear diary")


def submits_health(daemon, wire):
    """(its status in /health, its level on the wire, whether the journal fails)"""
    request = Request()
    request.health.SetInParent()
    (asked,) = [c for c in wire.call(request).health.checks if c.name == "submits"]
    health = get_json(daemon.dir / "http.sock", "/health")[1]
    (check,) = [c for c in health["checks"] if c["name"] == "submits"]
    assert asked.reason == check["description"] and (asked.advice in health["recommendations"] or not asked.advice)
    return check["status"], asked.level, check["data"]["journalFails"]


def test_a_full_disk_refuses_and_loses_nothing(kept, pg):
    """A limit on the length of files stands for the disk."""
    with Wire(kept.socket) as w:
        submit(w, insert(0))
        drained(w)
        resource.prlimit(kept.pid(), resource.RLIMIT_FSIZE, (40000, resource.RLIM_INFINITY))
        with pytest.raises(Failed) as e:
            submit(w, ("INSERT INTO note (a) SELECT length($1)", ["x" * 50000]))
        assert (e.value.code, e.value.outcome) == ("JOURNAL_FAILED", "not sent")
        assert queue(w).submit.journal_failure and told(kept)["_journal_failing"] == 1
        assert submits_health(kept, w) == ("Degraded", 2, True)
        resource.prlimit(kept.pid(), resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        submit(w, insert(2))
        drained(w)
        assert not queue(w).submit.journal_failure and told(kept)["_journal_failing"] == 0
        assert submits_health(kept, w) == ("Healthy", 1, False)
        kept.kill()
    again(kept)
    with Wire(kept.socket) as w:
        drained(w)
    assert notes(pg) == [0, 2]


@pytest.mark.parametrize("n", [1, 5000], ids=["one set", "so many that it is refused before all of them are out"])
def test_a_role_that_may_not_create_the_table_is_told_so(pg, make_daemon, journal, n):
    pg.sql("DROP ROLE IF EXISTS humble")
    pg.sql("CREATE ROLE humble LOGIN")
    pg.sql("REVOKE CREATE ON SCHEMA public FROM PUBLIC; GRANT INSERT ON note TO humble; GRANT USAGE ON note_n_seq TO humble")
    daemon = make_daemon(pg.url(user="humble"), config={"sidepool": {"submit_journal": journal}})
    try:
        with Wire(daemon.socket) as w:
            request = submit_request(w, "INSERT INTO note (a) VALUES ($1::text::int)")
            statement = request.submit.statements[0]
            statement.parameters = b"".join(pack([str(k)]) for k in range(n))
            statement.parameter_count, statement.parameter_sets = 1, n
            w.call(request)
            (entry,) = wait_until("it is refused", lambda: [s for s in queue(w).submissions if s.error.sql.sqlstate == "42501"])
            assert "sidepool_submitted" in entry.error.message and "CREATE TABLE" in daemon.log()
            pg.sql(
                "CREATE TABLE sidepool_submitted (journal uuid NOT NULL, entry bigint NOT NULL,"
                " done timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (journal, entry));"
                "GRANT SELECT, INSERT, DELETE ON sidepool_submitted TO humble"
            )
            drained(w)
            assert notes(pg) == list(range(n)) and queue(w).submit.done_total == 1
    finally:
        daemon.kill()
        pg.sql("DROP TABLE IF EXISTS note, sidepool_submitted; DROP ROLE humble")
