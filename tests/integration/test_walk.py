# SPDX-License-Identifier: MIT
"""A random walk over everything that changes a session, through every way in which a connection comes back: the next client sees
none of it. The seed is printed; SIDEPOOL_WALK_SEED repeats a walk."""
import os
import random

import pytest
from lib.wire import CODES, COMMIT, ROLLBACK, Failed, Request, Wire

pytestmark = pytest.mark.settings({"sidepool": {"budget": 1, "fetch_timeout": "30s"}, "pool main": {"max_lifetime": "off"}})

CHANGES = [
    "SET work_mem = '{n}MB'",
    "SET search_path = pg_catalog, walk{n}",
    "SET TimeZone = 'Asia/Tokyo'",
    "SET DateStyle = 'German'",
    "SET extra_float_digits = -{s}",
    "SET bytea_output = escape",
    "SET IntervalStyle = 'iso_8601'",
    "SET statement_timeout = '{n}min'",
    "SET lock_timeout = '{n}min'",
    "SET idle_in_transaction_session_timeout = '{n}min'",
    "SET default_transaction_isolation = 'serializable'",
    "SET default_transaction_read_only = on",
    "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "SET ROLE pg_monitor",
    "SET SESSION AUTHORIZATION pg_monitor",
    "SET standard_conforming_strings = off",
    "SET client_min_messages = error",
    "SET application_name = 'spy'",
    "SET plan_cache_mode = force_generic_plan",
    "SET enable_seqscan = off",
    "SET LOCAL work_mem = '{n}MB'",
    "SELECT set_config('walk.a', 'x{n}', false)",
    "SELECT set_config('walk.b', 'x{n}', true)",
    "SELECT walk_hidden()",
    "DO $$ BEGIN PERFORM set_config('walk.a', 'y', false); END $$",
    "DO $$ BEGIN SET work_mem = '99MB'; END $$",
    "DO $$ BEGIN EXECUTE 'PREPARE hidden{n} AS SELECT 1'; END $$",
    "CREATE TEMP TABLE IF NOT EXISTS mine{s} (a int)",
    "CREATE TEMP TABLE IF NOT EXISTS late{s} (a int) ON COMMIT DROP",
    "CREATE TEMP SEQUENCE IF NOT EXISTS count{s}",
    "CREATE TEMP VIEW seen{n} AS SELECT 1",
    "SELECT 1 AS a INTO TEMP into{n}",
    "LISTEN gossip",
    "LISTEN walk{s}",
    "NOTIFY gossip, 'own'",
    "SELECT pg_advisory_lock({n})",
    "SELECT pg_advisory_lock_shared({n})",
    "SELECT pg_try_advisory_lock({n})",
    "SELECT pg_advisory_xact_lock({n})",
    "DECLARE held{n} CURSOR WITH HOLD FOR SELECT 1",
    "DECLARE bound{n} CURSOR FOR SELECT 1",
    "PREPARE mine{n} AS SELECT 1",
    "DEALLOCATE ALL",
    "DISCARD PLANS",
    "SELECT nextval('walk_numbers')",
    "SAVEPOINT here",
    "INSERT INTO walked VALUES ({n})",
    "LOCK walked IN SHARE ROW EXCLUSIVE MODE",
    "SELECT 1/0",
    "SELECT 'a' || $${n}$$",
    "RESET ALL",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "BEGIN; SET work_mem = '55MB'; SELECT 1",
]  # fmt: skip
# Outside of a lease: what is let through may leave nothing either.
PLAIN = [sql for sql in CHANGES if not sql.startswith("BEGIN;")]

# All of a session that SQL can see.
LOOK = """
SELECT 'setting', name, setting FROM pg_settings WHERE source = 'session' AND name <> 'application_name'
UNION ALL SELECT 'setting', 'walk.a', current_setting('walk.a', true) WHERE coalesce(current_setting('walk.a', true), '') <> ''
UNION ALL SELECT 'setting', 'walk.b', current_setting('walk.b', true) WHERE coalesce(current_setting('walk.b', true), '') <> ''
UNION ALL SELECT 'role', current_user, session_user WHERE current_user <> 'postgres' OR session_user <> 'postgres'
UNION ALL SELECT 'temporary', relname, relkind::text FROM pg_class WHERE relnamespace = pg_my_temp_schema()
UNION ALL SELECT 'listens', c, '' FROM pg_listening_channels() c
UNION ALL SELECT 'lock', locktype, mode FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'
UNION ALL SELECT 'cursor', name, '' FROM pg_cursors WHERE name <> ''
UNION ALL SELECT 'prepared', name, statement FROM pg_prepared_statements WHERE from_sql
UNION ALL SELECT 'transaction', pg_current_xact_id_if_assigned()::text, '' WHERE pg_current_xact_id_if_assigned() IS NOT NULL
UNION ALL SELECT 'settings of transactions', current_setting('transaction_isolation'), current_setting('transaction_read_only')
"""  # fmt: skip


@pytest.fixture(autouse=True)
def objects(pg):
    pg.sql("CREATE SEQUENCE IF NOT EXISTS walk_numbers")
    pg.sql("DROP TABLE IF EXISTS walked; CREATE TABLE walked (a int)")
    pg.sql(
        "CREATE OR REPLACE FUNCTION walk_hidden() RETURNS int LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM set_config('walk.a', 'hidden', false); EXECUTE 'LISTEN gossip'; RETURN 1; END $$"
    )


class Walk:
    def __init__(self, daemon, seed):
        self.daemon, self.random, self.trail = daemon, random.Random(seed), []

    def statement(self, catalogue):
        sql = self.random.choice(catalogue).format(n=self.random.randint(1, 50), s=self.random.randint(1, 3))
        self.trail.append(sql)
        return sql

    def ask(self, wire, request):
        """A failure is as good as a success here: what counts is what is left."""
        return wire.receive(wire.send(request))

    def change(self, wire, lease):
        for _ in range(self.random.randint(1, 4)):
            sql = self.statement(CHANGES)
            self.ask(wire, wire.query_request(sql, lease=lease, statement={"simple": ";" in sql and not sql.startswith("DO")}))

    # -- the ways in which a connection comes back

    def released(self, wire, lease):
        self.end(wire, lease, self.random.choice([COMMIT, ROLLBACK]))

    def end(self, wire, lease, finish):
        request = wire.request(lease=lease, finish=finish)
        request.release.SetInParent()
        self.ask(wire, request)

    def finished_with_a_statement(self, wire, lease):
        finish = self.random.choice([COMMIT, ROLLBACK])
        answer = self.ask(wire, wire.query_request(self.statement(CHANGES[:-4]), lease=lease, finish=finish))
        if answer.HasField("lease"):
            self.end(wire, lease, ROLLBACK)

    def client_gone(self, wire, lease):
        wire.close()

    def client_gone_in_mid_statement(self, wire, lease):
        wire.send(wire.query_request("SELECT pg_sleep(100)", lease=lease))
        wire.close()

    def client_gone_in_mid_batch(self, wire, lease):
        wire.send(wire.batch_request([self.statement(PLAIN), "SELECT pg_sleep(100)"], atomic=True, lease=lease))
        wire.close()

    def cancelled(self, wire, lease):
        number = wire.send(wire.query_request("SELECT pg_sleep(100)", lease=lease))
        request = Request()
        request.cancel.request_id = number
        self.ask(wire, request)
        wire.receive(number)
        self.end(wire, lease, ROLLBACK)

    def out_of_time(self, wire, lease):
        self.ask(wire, wire.query_request("SELECT pg_sleep(100)", lease=lease, deadline_ms=5))
        self.end(wire, lease, COMMIT)

    def stream_left(self, wire, lease):
        self.ask(wire, wire.query_request("SELECT repeat('x', 1000) FROM generate_series(1, 2000)", lease=lease))
        wire.close()

    def copy_left(self, wire, lease):
        request = wire.request(lease=lease)
        request.copy_in.sql = b"COPY walked FROM STDIN"
        self.ask(wire, request)
        wire.close()

    def backend_terminated(self, wire, lease):
        self.ask(wire, wire.query_request("SELECT pg_terminate_backend(pg_backend_pid())", lease=lease))
        self.end(wire, lease, COMMIT)

    def on_a_lease(self, wire):
        request = wire.request(acquire=True, begin=self.random.random() < 0.5)
        request.take_lease.SetInParent()
        lease = wire.call(request).lease
        self.change(wire, lease)
        way = self.random.choices(
            [
                self.released, self.finished_with_a_statement, self.client_gone, self.client_gone_in_mid_statement,
                self.client_gone_in_mid_batch, self.cancelled, self.out_of_time, self.stream_left, self.copy_left, self.backend_terminated,
            ],
            [12, 8, 8, 3, 3, 3, 2, 3, 3, 1],
        )[0]  # fmt: skip
        self.trail.append(way.__name__)
        way(wire, lease)

    def plain(self, wire):
        self.ask(wire, wire.query_request(self.statement(PLAIN)))

    def batch(self, wire):
        self.ask(wire, wire.batch_request([self.statement(PLAIN) for _ in range(3)], atomic=self.random.random() < 0.5))

    def step(self):
        self.trail.clear()
        with Wire(self.daemon.socket) as wire:
            self.random.choices([self.on_a_lease, self.plain, self.batch], [6, 1, 1])[0](wire)

    def look(self):
        """What the next client sees of the one before."""
        with Wire(self.daemon.socket) as wire:
            if self.random.random() < 0.5:
                return wire.values(LOOK)
            response = wire.query("NOTIFY gossip, 'for nobody'", acquire=True)
            lease = response.lease
            seen = wire.values(LOOK, lease=lease)
            assert not response.notifications and response.transaction_status == 1
            with pytest.raises(Failed) as e:
                wire.query("SELECT lastval()", lease=lease)
            assert e.value.error.sql.sqlstate == "55000" and CODES[e.value.error.code] == "SQL_ERROR"
            wire.release(lease)
            return seen


@pytest.mark.parametrize(
    "steps",
    [pytest.param(150, marks=pytest.mark.fast), 1000, pytest.param(10_000, marks=pytest.mark.long)],
)
def test_nothing_of_a_random_walk_is_seen_by_the_next_client(daemon, pg, steps):
    seed = int(os.environ.get("SIDEPOOL_WALK_SEED", random.SystemRandom().randrange(1 << 31)))
    print(f"SIDEPOOL_WALK_SEED={seed}")
    walk = Walk(daemon, seed)
    clean = walk.look()
    for step in range(steps):
        walk.step()
        try:
            seen = walk.look()
        except (AssertionError, Failed) as e:
            raise AssertionError(f"seed {seed}, step {step}: after {walk.trail}: {e}") from e
        assert seen == clean, f"seed {seed}, step {step}: after {walk.trail}"


@pytest.mark.fast
def test_the_look_sees_what_there_is_to_see(wire):
    clean = wire.values(LOOK)
    unseen = ("SET LOCAL", "SET application_name", "NOTIFY", "DEALLOCATE", "DISCARD", "RESET", "BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT")
    unseen += ("LOCK", "SELECT 1/0", "SELECT 'a'", "SELECT nextval", "INSERT")
    for sql in (s.format(n=7, s=1) for s in CHANGES if not s.startswith(unseen)):
        lease = wire.lease(begin=not sql.startswith("LISTEN"))  # in force from the COMMIT on
        if sql.startswith("CREATE TEMP TABLE IF NOT EXISTS late"):
            sql += "; SELECT 1"
        wire.query(sql, lease=lease, statement={"simple": True})
        assert wire.values(LOOK, lease=lease) != clean, f"{sql} is not seen"
        wire.release(lease)
