# SPDX-License-Identifier: MIT
"""Nothing that a session can keep reaches the next client. One connection, so that the next client gets the same."""
import pytest
from lib.wait import wait_until
from lib.wire import COMMIT, Wire, rows

pytestmark = [pytest.mark.fast, pytest.mark.settings({"sidepool": {"budget": 1}})]

# What leaves it behind, what to look with, and what the next client must see.
LEFT_ON_A_LEASE = [
    ("SET work_mem = '77MB'", "SHOW work_mem", "4MB"),
    ("SET search_path = pg_catalog", "SHOW search_path", '"$user", public'),
    ("SET TimeZone = 'Asia/Tokyo'", "SELECT current_setting('TimeZone') = 'Asia/Tokyo'", "f"),
    ("SET DateStyle = 'German'", "SHOW DateStyle", "ISO, MDY"),
    ("SELECT set_config('my.secret', 'x', false)", "SELECT coalesce(current_setting('my.secret', true), '')", ""),
    ("SELECT left_behind()", "SELECT coalesce(current_setting('my.hidden', true), '')", ""),
    ("DO $$ BEGIN PERFORM set_config('work_mem', '88MB', false); END $$", "SHOW work_mem", "4MB"),
    ("SET ROLE pg_monitor", "SELECT current_user", "postgres"),
    ("SET SESSION AUTHORIZATION pg_monitor", "SELECT session_user", "postgres"),
    ("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", "SHOW default_transaction_read_only", "off"),
    ("CREATE TEMP TABLE mine (a int)", "SELECT count(*) FROM pg_class WHERE relname = 'mine'", "0"),
    ("LISTEN gossip", "SELECT count(*) FROM pg_listening_channels()", "0"),
    ("SELECT pg_advisory_lock(12345)", "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'", "0"),
    ("DECLARE c CURSOR WITH HOLD FOR SELECT 1", "SELECT count(*) FROM pg_cursors WHERE name = 'c'", "0"),
    ("PREPARE mine AS SELECT 1", "SELECT count(*) FROM pg_prepared_statements WHERE name = 'mine'", "0"),
    ("DO $$ BEGIN EXECUTE 'PREPARE mine AS SELECT 1'; END $$", "SELECT count(*) FROM pg_prepared_statements WHERE name = 'mine'", "0"),
    ("SET application_name = 'spy'", "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'spy'", "0"),
    ("INSERT INTO victim VALUES (1)", "SELECT count(*) FROM victim", "0"),  # an open transaction
]  # fmt: skip


@pytest.fixture(autouse=True)
def objects(pg):
    pg.sql("CREATE SEQUENCE IF NOT EXISTS numbers")
    pg.sql("DROP TABLE IF EXISTS victim; CREATE TABLE victim (a int)")
    pg.sql(
        "CREATE OR REPLACE FUNCTION left_behind() RETURNS int LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM set_config('my.hidden', 'x', false); RETURN 1; END $$"
    )


def backend(wire):
    return wire.values("SELECT pg_backend_pid()")[0][0]


@pytest.mark.parametrize("leave, look, expected", LEFT_ON_A_LEASE)
def test_a_released_lease_leaves_nothing(daemon, wire, leave, look, expected):
    before = backend(wire)
    lease = wire.lease(begin="INSERT" in leave)
    wire.query(leave, lease=lease)
    wire.release(lease)
    with Wire(daemon.socket) as other:
        assert other.values(look) == [(expected,)]
        assert backend(other) == before, "the connection was kept, not replaced"


@pytest.mark.parametrize("leave, look, expected", LEFT_ON_A_LEASE)
def test_a_client_that_is_gone_leaves_nothing(daemon, leave, look, expected):
    gone = Wire(daemon.socket)
    lease = gone.lease(begin=True)
    gone.query(leave, lease=lease)
    gone.close()
    with Wire(daemon.socket) as other:
        assert other.values(look) == [(expected,)]


@pytest.mark.parametrize("leave, look, expected", LEFT_ON_A_LEASE[5:7] + [LEFT_ON_A_LEASE[15]])
def test_a_function_in_a_plain_query_leaves_nothing(daemon, wire, leave, look, expected):
    wire.query(leave)
    with Wire(daemon.socket) as other:
        assert other.values(look) == [(expected,)]


def test_sequences_of_others_are_not_remembered(daemon, wire):
    lease = wire.lease()
    wire.query("SELECT nextval('numbers')", lease=lease)
    assert wire.values("SELECT currval('numbers') > 0", lease=lease) == [("t",)]
    wire.release(lease)
    wire.query("SELECT nextval('numbers')")
    with Wire(daemon.socket) as other:
        lease = other.lease()
        answer = other.receive(other.send(other.query_request("SELECT lastval()", lease=lease)))
        assert answer.error.sql.sqlstate == "55000", "lastval is not yet defined in this session"


def test_committed_work_stays_and_its_session_is_clean(daemon, wire, pg):
    lease = wire.lease(begin=True)
    wire.query("SET LOCAL work_mem = '66MB'", lease=lease)
    wire.query("INSERT INTO victim VALUES (1)", lease=lease, finish=COMMIT)
    assert wire.values("SHOW work_mem") == [("4MB",)] and pg.sql("SELECT count(*) FROM victim") == [(1,)]


def test_application_name_tells_who_is_behind(daemon, wire, pg):
    hello = wire.request()
    hello.hello.application_name = "billing"
    wire.call(hello)
    lease = wire.query("SELECT 1", acquire=True).lease
    assert [b[3] for b in pg.backends()] == ["sidepool:billing"]
    wire.release(lease)
    with Wire(daemon.socket) as other:
        hello.hello.application_name = "re'po\\rt"
        other.call(hello)
        other.values("SELECT 1")
        wait_until("the name has changed", lambda: [b[3] for b in pg.backends()] == ["sidepool:re?po?rt"])


# -- constants, which PostgreSQL reads when a statement is parsed

CONSTANTS = "SELECT (timestamptz '2026-07-01 12:00' AT TIME ZONE 'UTC')::text, to_char(date '01/02/2026', 'YYYY-MM-DD')"
HERE = [("2026-07-01 12:00:00", "2026-01-02")]
ELSEWHERE = [("2026-07-01 06:30:00", "2026-02-01")]
GO_THERE = "SELECT set_config('TimeZone', 'Asia/Kolkata', {local}), set_config('DateStyle', 'ISO, DMY', {local})"


@pytest.fixture
def here(wire):
    assert wire.values("SELECT current_setting('TimeZone') IN ('UTC', 'Etc/UTC', 'GMT'), current_setting('DateStyle')") == [("t", "ISO, MDY")]


@pytest.mark.parametrize("go", ["SET LOCAL TimeZone TO 'Asia/Kolkata'", GO_THERE.format(local=True), GO_THERE.format(local=False)])
def test_prepared_statements_keep_no_constants_of_anothers_settings(wire, here, go):
    """Prepared from the second time on: where a lease has set what dates are read by, and where none has."""
    for _ in range(2):
        for _ in range(3):
            lease = wire.lease(begin=True)
            wire.query(go, lease=lease)
            wire.query("SET LOCAL DateStyle TO 'ISO, DMY'", lease=lease)
            assert [wire.values(CONSTANTS, lease=lease) for _ in range(3)] == [ELSEWHERE] * 3
            wire.release(lease)
        assert [wire.values(CONSTANTS) for _ in range(3)] == [HERE] * 3


def test_constants_behind_settings_in_one_message(wire, here):
    """The answer that tells of the settings has not come when the constants are sent."""
    go = ["BEGIN", "SET LOCAL TimeZone TO 'Asia/Kolkata'", "SET LOCAL DateStyle TO 'ISO, DMY'"]
    lease = wire.lease()
    for _ in range(3):
        answer = wire.call(wire.batch_request([*go, CONSTANTS, CONSTANTS, "ROLLBACK", CONSTANTS], atomic=False, lease=lease))
        told = [[tuple(v.decode() for v in row) for row in rows(r)] for r in answer.results]
        assert told[3:5] == [ELSEWHERE] * 2 and told[6] == HERE
        assert wire.values(CONSTANTS, lease=lease) == HERE
    wire.release(lease)
    assert wire.values(CONSTANTS) == HERE


def test_statements_of_a_session_with_settings_are_prepared(wire, here):
    lease = wire.lease()
    wire.query("SET TimeZone TO 'Asia/Kolkata'", lease=lease)
    for _ in range(4):
        wire.query("SELECT count(*) FROM victim", lease=lease)
    names = "SELECT count(*) FROM pg_prepared_statements WHERE statement = 'SELECT count(*) FROM victim'"
    assert wire.values(names, lease=lease) == [("1",)]
    wire.release(lease)
