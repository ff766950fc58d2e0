# SPDX-License-Identifier: MIT
"""What a plain query changes in its session without saying so: nobody after it may see that."""
import pytest
from lib.wire import COMMIT, Wire

pytestmark = [pytest.mark.fast, pytest.mark.settings({"sidepool": {"budget": 1}})]

LOOK = "SELECT coalesce(current_setting('my.hidden', true), '')"


CLEAN = """
        DROP TABLE IF EXISTS bait, made, keyed CASCADE;
        DROP VIEW IF EXISTS glimpse;
        DROP FUNCTION IF EXISTS leaks, "Leaks", on_bait, touched, deeper, compares CASCADE;
        """


@pytest.fixture(autouse=True)
def objects(pg):
    pg.psql(
        CLEAN
        + """
        CREATE TABLE bait (a int);
        INSERT INTO bait VALUES (1);
        CREATE OR REPLACE FUNCTION "Leaks"() RETURNS int LANGUAGE plpgsql AS
            $$ BEGIN PERFORM set_config('my.hidden', 'x', false); RETURN 1; END $$;
        CREATE OR REPLACE FUNCTION leaks() RETURNS int LANGUAGE plpgsql AS
            $$ BEGIN PERFORM set_config('my.hidden', 'x', false); RETURN 1; END $$;
        CREATE OR REPLACE FUNCTION on_bait() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN PERFORM leaks(); RETURN NEW; END $$;
        """
    )
    yield
    pg.psql(CLEAN)


def leaves_nothing(daemon, wire, *statements):
    for sql in statements:
        wire.query(sql)
    with Wire(daemon.socket) as other:
        return other.values(LOOK) == [("",)]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT leaks()",
        "SELECT leaks /* a comment */ ()",
        "SELECT leaks -- a comment\n()",
        "SELECT leaks/* /* nested */ */()",
        'SELECT "Leaks"()',
        "SELECT public.leaks()",
        'SELECT public . "leaks" ()',
        "SELECT U&\"l\\0065aks\"()",
        "SELECT * FROM leaks()",
        "SELECT 1 WHERE leaks() = 1",
        "SELECT 1 AS x, (SELECT leaks()) AS y",
        "WITH x AS (SELECT leaks()) SELECT * FROM x",
        "VALUES (leaks())",
        "INSERT INTO bait VALUES (leaks())",
        "INSERT INTO bait SELECT leaks()",
        "UPDATE bait SET a = leaks()",
        "DELETE FROM bait WHERE a = leaks() RETURNING a",
        "CREATE TABLE made AS SELECT leaks() AS a",
        "SELECT leaks() AS a INTO made",
        "EXPLAIN ANALYZE SELECT leaks()",
        "DO $$ BEGIN PERFORM leaks(); END $$",
        "ALTER TABLE bait ADD b int DEFAULT leaks()",
    ],
)
def test_a_function_that_is_called_in_plain_sight(daemon, wire, sql):
    assert leaves_nothing(daemon, wire, sql)


def test_a_statement_that_runs_prepared(daemon, wire):
    assert leaves_nothing(daemon, wire, *["SELECT leaks()"] * 5)


@pytest.mark.parametrize(
    "sql", ["SELECT set_config/**/('my.hidden', 'x', false)", "SELECT pg_catalog.set_config('my.hidden', 'x', false)"]
)
def test_what_is_refused_is_refused_in_any_spelling(wire, sql):
    answer = wire.receive(wire.send(wire.query_request(sql)))
    assert answer.error.code == 10


QUIET = (
    "SELECT set_config('my.hidden', 'x', true)",
    "SET LOCAL my.hidden = 'x'",
    "UPDATE bait SET a = 1 WHERE false",
    "INSERT INTO keyed VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 1",
)
LOUD = (
    "PERFORM set_config('my.hidden', 'x', false)",
    "SET my.hidden = 'x'",
    "SET SESSION my.hidden TO 'x'",
    "EXECUTE 'SET my.hidden = 1'",
    "PERFORM deeper()",
)


def hides(wire):
    """What the daemon warns of, once it has looked."""
    return [w for w in wire.status().warnings if "may change the session" in w]


def test_a_view(daemon, wire):
    wire.query("CREATE VIEW glimpse AS SELECT leaks() AS a")
    assert leaves_nothing(daemon, wire, "SELECT * FROM glimpse")
    assert "function leaks, which is called by rule _RETURN on view" in hides(wire)[0]


def test_a_default(daemon, wire):
    wire.query("ALTER TABLE bait ADD c int")
    wire.query("ALTER TABLE bait ALTER c SET DEFAULT leaks()")
    assert leaves_nothing(daemon, wire, "INSERT INTO bait (a) VALUES (2)")


def test_a_constraint(daemon, wire):
    wire.query("ALTER TABLE bait ADD CHECK (leaks() = 1)")
    assert leaves_nothing(daemon, wire, "INSERT INTO bait (a) VALUES (2)")


def test_an_operator(daemon, wire):
    wire.query(
        "CREATE OR REPLACE FUNCTION compares(int, int) RETURNS bool LANGUAGE plpgsql AS"
        " $$ BEGIN RETURN leaks() = $1; END $$"
    )
    wire.query("CREATE OPERATOR ==== (LEFTARG = int, RIGHTARG = int, FUNCTION = compares)")
    assert leaves_nothing(daemon, wire, "SELECT 1 ==== 2")


@pytest.mark.parametrize("body", LOUD)
def test_a_trigger(daemon, wire, body):
    wire.query(
        "CREATE OR REPLACE FUNCTION deeper() RETURNS int LANGUAGE sql AS"
        " $$ SELECT set_config('my.hidden', 'x', /* is_local */ false); SELECT 1 $$"
    )
    wire.query(f"CREATE FUNCTION touched() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN {body}; RETURN NEW; END $f$")
    wire.query("CREATE TRIGGER t BEFORE INSERT ON bait FOR EACH ROW EXECUTE FUNCTION touched()")
    assert leaves_nothing(daemon, wire, "INSERT INTO bait VALUES (2)")


def test_a_trigger_that_is_there_when_the_daemon_starts(pg, make_daemon):
    pg.sql("CREATE TRIGGER t BEFORE INSERT ON bait FOR EACH ROW EXECUTE FUNCTION on_bait()")
    daemon = make_daemon(pg.url(), config={"sidepool": {"budget": 1}})
    with Wire(daemon.socket) as wire:
        assert leaves_nothing(daemon, wire, "INSERT INTO bait VALUES (2)")


def test_a_trigger_made_in_a_transaction_of_its_own_daemon(daemon, wire):
    lease = wire.lease(begin=True)
    wire.query("CREATE TRIGGER t BEFORE INSERT ON bait FOR EACH ROW EXECUTE FUNCTION on_bait()", lease=lease)
    wire.release(lease, finish=COMMIT)
    assert leaves_nothing(daemon, wire, "INSERT INTO bait VALUES (2)")


def test_what_is_local_is_no_reason_for_a_reset(daemon, wire, pg):
    """Nor is it any more when the last function that was one is gone."""
    pg.sql("DROP FUNCTION leaks() CASCADE; DROP FUNCTION \"Leaks\"() CASCADE")
    body = "; ".join(q.replace("SELECT", "PERFORM", 1) for q in QUIET)
    wire.query("CREATE TABLE keyed (a int PRIMARY KEY)")
    wire.query(f"CREATE FUNCTION touched() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN {body}; RETURN NEW; END $f$")
    wire.query("CREATE TRIGGER t BEFORE INSERT ON bait FOR EACH ROW EXECUTE FUNCTION touched()")
    assert leaves_nothing(daemon, wire, "INSERT INTO bait VALUES (2)") and hides(wire) == []


@pytest.mark.settings({"sidepool": {"budget": 1}, "pool main": {"trust_functions": "on"}})
def test_trust_is_a_setting(daemon, wire):
    wire.query("CREATE VIEW glimpse AS SELECT leaks() AS a")
    assert not leaves_nothing(daemon, wire, "SELECT * FROM glimpse") and hides(wire) == []


def test_a_notification_to_a_plain_query_is_nobodys(daemon, wire, pg):
    pg.psql(
        """
        CREATE OR REPLACE FUNCTION leaks() RETURNS int LANGUAGE plpgsql AS
            $$ BEGIN LISTEN gossip; PERFORM pg_notify('gossip', repeat('x', 100)); RETURN 1; END $$
        """
    )
    for _ in range(3):
        answer = wire.query("SELECT leaks()")
        assert not answer.notifications
        assert answer.results[0].command_tag == "SELECT 1"
    assert wire.values("SELECT count(*) FROM pg_listening_channels()") == [("0",)]
