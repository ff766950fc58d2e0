# SPDX-License-Identifier: MIT
"""slow_query_plan: slow statements are planned again on a connection that idles, and not run again; nobody is hurt by it."""
import json

import pytest
from lib.events import Subscriber
from lib.wait import wait_until
from lib.wire import Failed, Wire

pytestmark = [pytest.mark.fast, pytest.mark.no_memcheck("a plan is given up where no connection idles within 20 ms")]

SLOW = {"slow_query": "0s", "slow_query_plan": "on", "events_statements": "on", "log_format": "json"}


@pytest.fixture
def start(pg, make_daemon):
    def start(pool=None, **settings):
        return make_daemon(
            config={
                "sidepool": {"budget": 4, **SLOW, **settings},
                "pool main": {"url": pg.url(), "min_size": 2, "max_size": 4, "pipeline": "off", **(pool or {})},
            }
        )

    return start


def logged(daemon, field):
    return [line for line in map(json.loads, daemon.log().splitlines()) if field in line]


def plans(daemon):
    return logged(daemon, "plan")


def idle(w, n):
    wait_until(f"{n} connections idle", lambda: w.status().pools[0].idle >= n)


def test_the_plan_is_logged_and_has_no_parameters(start):
    daemon = start()
    with Wire(daemon.socket) as w:
        idle(w, 2)
        w.query("SELECT relname FROM pg_class WHERE relname = $1", ["a secret"], call_site="report.py:7")
        wait_until("it was explained", lambda: plans(daemon))
    (line,) = plans(daemon)
    assert line["message"] == "plan of the slow statement: SELECT relname FROM pg_class WHERE relname = $1"
    assert line["plan"].startswith("Index Only Scan using pg_class_relname_nsp_index on pg_class") and "relname = $1" in line["plan"]
    assert line["call_site"] == "report.py:7" and line["pool"] == "main" and line["run_us"] > 0
    assert "a secret" not in daemon.log()


def test_the_event_has_it_where_texts_may_be_told(start):
    daemon = start()
    with Wire(daemon.socket) as w, Subscriber(w) as sub:
        idle(w, 2)
        sub.watch()
        w.query("SELECT count(*) FROM pg_class")
        event = sub.receive("event/main/statement").statement
        assert event.sql == "SELECT count(*) FROM pg_class" and event.plan.startswith("Aggregate") and event.run_us > 0
        w.query("SELECT count(*) FROM pg_class")
        again = sub.receive("event/main/statement").statement
        assert again.sql == event.sql and again.plan == ""
    assert len(plans(daemon)) == 1


def test_the_event_has_none_where_texts_may_not_be_told(start):
    daemon = start(events_statements="off")
    with Wire(daemon.socket) as w, Subscriber(w) as sub:
        idle(w, 2)
        sub.watch()
        w.query("SELECT count(*) FROM pg_class")
        event = sub.receive("event/main/statement").statement
        assert event.sql == event.plan == ""
    assert len(plans(daemon)) == 1


def test_nothing_is_run_a_second_time(start, pg):
    for sql in ("DROP TABLE IF EXISTS planned", "CREATE TABLE planned (n int)", "DROP SEQUENCE IF EXISTS planned_runs"):
        pg.sql(sql)
    pg.sql("CREATE SEQUENCE planned_runs")
    daemon = start()
    with Wire(daemon.socket) as w:
        for sql in (
            "INSERT INTO planned SELECT nextval('planned_runs')::int",
            "UPDATE planned SET n = nextval('planned_runs')::int RETURNING n",
            "WITH gone AS (DELETE FROM planned WHERE nextval('planned_runs') > 0 RETURNING n) SELECT count(*) FROM gone",
        ):
            seen = len(plans(daemon))
            idle(w, 2)
            w.query(sql)
            wait_until("it was explained", lambda seen=seen: len(plans(daemon)) > seen)
        assert w.values("SELECT last_value FROM planned_runs") == [("3",)]
    assert [line["plan"].split()[0] for line in plans(daemon)][:2] == ["Insert", "Update"]


@pytest.mark.parametrize(
    "sql", ["SHOW work_mem", "EXPLAIN SELECT 1", "VACUUM pg_class", "-- only\nSHOW work_mem", "COPY (SELECT 1) TO STDOUT"]
)
def test_what_has_no_plan_is_left_out(start, sql):
    daemon = start()
    with Wire(daemon.socket) as w:
        idle(w, 2)
        try:
            w.query(sql)
        except Failed as e:
            assert sql.startswith("COPY"), e
        explained(daemon, w)
    assert [line["message"].rpartition(": ")[2] for line in plans(daemon)] == ["SELECT 'mark'"]


def explained(daemon, w):
    """What could be explained before has been by now."""
    idle(w, 2)
    w.query("SELECT 'mark'")
    wait_until("this one was explained", lambda: any("'mark'" in line["message"] for line in plans(daemon)))


def test_what_cannot_be_explained_troubles_nobody(start):
    daemon = start()
    with Wire(daemon.socket) as w, Subscriber(w) as sub:
        idle(w, 2)
        sub.watch()
        lease = w.lease(begin=True)
        w.query("CREATE TABLE hidden_from_others (n int)", lease=lease)
        w.query("SELECT n FROM hidden_from_others", lease=lease)
        event = sub.receive("event/main/statement").statement
        while "SELECT" not in event.sql:
            event = sub.receive("event/main/statement").statement
        assert event.plan == ""
        w.release(lease)
        explained(daemon, w)
    assert logged(daemon, "sqlstate") == []


def test_on_a_lease_only_while_its_session_is_as_the_others(start):
    daemon = start()
    with Wire(daemon.socket) as w:
        idle(w, 2)
        lease = w.lease()
        w.query("SELECT 'before'", lease=lease)
        wait_until("it was explained", lambda: plans(daemon))
        w.query("SET search_path = pg_catalog", lease=lease)
        w.query("SELECT 'behind'", lease=lease)
        w.release(lease)
        explained(daemon, w)
    assert not any("'behind'" in line["message"] for line in plans(daemon))


def test_never_where_somebody_waits_or_nothing_idles(start):
    daemon = start(pool={"min_size": 1, "max_size": 1})
    with Wire(daemon.socket) as w:
        idle(w, 1)
        lease = w.lease()
        w.query("SELECT 'alone'", lease=lease)
        waiting = w.send(w.query_request("SELECT 'waited'"))
        wait_until("it waits", lambda: w.status().pools[0].waiting == 1)
        w.release(lease)
        w.receive(waiting)
        idle(w, 1)
    assert not any("'alone'" in line["message"] for line in plans(daemon))


def test_the_connection_is_as_before(start):
    daemon = start(pool={"min_size": 2, "max_size": 2})
    with Wire(daemon.socket) as w:
        for n in range(5):
            idle(w, 2)
            w.query(f"SELECT {n} AS n")
        wait_until("they were explained", lambda: len(plans(daemon)) == 5)
        idle(w, 2)
        leases = [w.lease() for _ in range(2)]
        for lease in leases:
            rows = w.values(
                "SELECT current_setting('statement_timeout'), current_setting('lock_timeout'), current_setting('plan_cache_mode'), "
                "(SELECT count(*) FROM pg_prepared_statements WHERE name = 'sidepool_explain')",
                lease=lease,
            )
            assert rows == [("0", "0", "auto", "0")]
            w.release(lease)


def test_off_is_the_default(start):
    daemon = start(slow_query_plan="off")
    with Wire(daemon.socket) as w:
        idle(w, 2)
        w.query("SELECT 1")
        idle(w, 2)
        w.query("SELECT 2")
    assert plans(daemon) == [] and len(logged(daemon, "run_us")) >= 2
