# SPDX-License-Identifier: MIT
"""What a plain query changes in its session without saying so: nobody after it may see that."""
import pytest
from lib.wire import Wire

pytestmark = [pytest.mark.fast, pytest.mark.settings({"sidepool": {"budget": 1}})]

LOOK = "SELECT coalesce(current_setting('my.hidden', true), '')"


@pytest.fixture(autouse=True)
def objects(pg):
    pg.psql(
        """
        DROP TABLE IF EXISTS bait, made CASCADE;
        CREATE TABLE bait (a int);
        INSERT INTO bait VALUES (1);
        CREATE OR REPLACE FUNCTION "Leaks"() RETURNS int LANGUAGE plpgsql AS
            $$ BEGIN PERFORM set_config('my.hidden', 'x', false); RETURN 1; END $$;
        CREATE OR REPLACE FUNCTION leaks() RETURNS int LANGUAGE plpgsql AS
            $$ BEGIN PERFORM set_config('my.hidden', 'x', false); RETURN 1; END $$;
        CREATE OR REPLACE FUNCTION on_bait() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN PERFORM leaks(); RETURN NEW; END $$;
        CREATE OR REPLACE VIEW glance AS SELECT leaks() AS a;
        """
    )


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


UNSEEN = "the text shows no call: what views, triggers and defaults run is not known to the daemon"


@pytest.mark.xfail(strict=True, reason=UNSEEN)
def test_a_view(daemon, wire):
    assert leaves_nothing(daemon, wire, "SELECT * FROM glance")


@pytest.mark.xfail(strict=True, reason=UNSEEN)
def test_a_trigger(daemon, wire, pg):
    pg.sql("CREATE TRIGGER t BEFORE INSERT ON bait FOR EACH ROW EXECUTE FUNCTION on_bait()")
    assert leaves_nothing(daemon, wire, "INSERT INTO bait VALUES (2)")


@pytest.mark.xfail(strict=True, reason=UNSEEN)
def test_a_default(daemon, wire, pg):
    pg.sql("ALTER TABLE bait ADD c int; ALTER TABLE bait ALTER c SET DEFAULT leaks()")
    assert leaves_nothing(daemon, wire, "INSERT INTO bait (a) VALUES (2)")
