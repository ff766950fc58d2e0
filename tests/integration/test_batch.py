# SPDX-License-Identifier: MIT
"""Batches: one round trip, all or nothing, or each for itself."""
import pytest
from lib.wire import CODES, COMMIT, Failed, pack, rows

pytestmark = pytest.mark.fast


@pytest.fixture
def table(pg):
    pg.sql("DROP TABLE IF EXISTS line")
    pg.sql("CREATE TABLE line (a int PRIMARY KEY, b text)")


def lines(pg):
    return [r[0] for r in pg.sql("SELECT a FROM line ORDER BY a")]


def test_results_come_in_order(wire, pg, table):
    answer = wire.call(wire.batch_request(["INSERT INTO line VALUES (1, 'x')", "SELECT a, b FROM line", "DELETE FROM line"]))
    assert [r.command_tag for r in answer.results] == ["INSERT 0 1", "SELECT 1", "DELETE 1"]
    assert [r.statement_index for r in answer.results] == [0, 1, 2]
    assert rows(answer.results[1]) == [(b"1", b"x")]


def test_an_atomic_batch_leaves_nothing_when_it_fails_and_names_the_statement(wire, pg, table):
    with pytest.raises(Failed) as e:
        wire.call(wire.batch_request(["INSERT INTO line VALUES (1)", "INSERT INTO line VALUES (1)", "INSERT INTO line VALUES (2)"]))
    assert (e.value.error.statement_index, e.value.error.sql.sqlstate, e.value.outcome) == (1, "23505", "failed")
    assert lines(pg) == []


def test_each_for_itself_reports_and_goes_on(wire, pg, table):
    answer = wire.call(
        wire.batch_request(["INSERT INTO line VALUES (1)", "INSERT INTO line VALUES (1)", "INSERT INTO line VALUES (2)"], atomic=False)
    )
    assert [CODES[r.error.code] if r.HasField("error") else r.command_tag for r in answer.results] == [
        "INSERT 0 1", "SQL_ERROR", "INSERT 0 1",
    ]  # fmt: skip
    assert lines(pg) == [1, 2]


def many(n, **options):
    packed = b"".join(pack([str(i), f"row {i}"]) for i in range(n))
    return "INSERT INTO line VALUES ($1, $2) RETURNING a", packed, {"parameter_count": 2, "parameter_sets": n, **options}


def batch_of_sets(wire, n, **options):
    sql, packed, fields = many(n, **options)
    request = wire.batch_request([sql])
    statement = request.batch.statements[0]
    statement.parameters = packed
    for k, v in fields.items():
        setattr(statement, k, v)
    return request


def test_many_parameter_sets_are_one_statement(wire, pg, table):
    answer = wire.call(batch_of_sets(wire, 1000))
    assert len(answer.results) == 1 and answer.results[0].affected_rows == 1000 and answer.results[0].row_count == 1000
    assert len(lines(pg)) == 1000


def test_results_may_come_for_each_set(wire, pg, table):
    answer = wire.call(batch_of_sets(wire, 10, result_per_set=True))
    assert [r.parameter_set_index for r in answer.results] == list(range(10))
    assert [rows(r, 1) for r in answer.results] == [[(str(i).encode(),)] for i in range(10)]


def test_the_failing_set_is_named(wire, pg, table):
    pg.sql("INSERT INTO line VALUES (7)")
    with pytest.raises(Failed) as e:
        wire.call(batch_of_sets(wire, 10))
    assert e.value.error.parameter_set_index == 7 and lines(pg) == [7]


def test_a_deferred_constraint_fails_the_whole_batch(wire, pg, table):
    pg.sql("DROP TABLE IF EXISTS late; CREATE TABLE late (a int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
    with pytest.raises(Failed) as e:
        wire.call(wire.batch_request(["INSERT INTO late VALUES (1)", "INSERT INTO late VALUES (1)"]))
    assert e.value.error.sql.sqlstate == "23505" and pg.sql("SELECT count(*) FROM late") == [(0,)]


def test_what_commits_by_itself_is_refused_in_an_atomic_batch(wire, pg, table):
    with pytest.raises(Failed) as e:
        wire.call(wire.batch_request(["INSERT INTO line VALUES (1)", "VACUUM line"]))
    assert e.value.error.sql.sqlstate == "25001" and lines(pg) == []
    answer = wire.call(wire.batch_request(["INSERT INTO line VALUES (1)", "VACUUM line"], atomic=False))
    assert [r.command_tag for r in answer.results] == ["INSERT 0 1", "VACUUM"]


def test_options_of_the_transaction_hold(wire, pg, table):
    request = wire.batch_request(["SELECT current_setting('transaction_isolation')", "SHOW transaction_read_only"])
    request.batch.transaction.isolation = 3
    request.batch.transaction.read_only = True
    answer = wire.call(request)
    assert [rows(r) for r in answer.results] == [[(b"repeatable read",)], [(b"on",)]]


def test_session_statements_are_refused_before_anything_runs(wire, pg, table):
    with pytest.raises(Failed) as e:
        wire.call(wire.batch_request(["INSERT INTO line VALUES (1)", "SET x.y = 1"]))
    assert (e.value.code, e.value.error.statement_index, e.value.outcome) == ("SESSION_REQUIRED", 1, "not sent")
    assert lines(pg) == []


def test_a_batch_on_a_lease_is_part_of_its_transaction(wire, pg, table):
    lease = wire.lease(begin=True)
    wire.call(wire.batch_request(["INSERT INTO line VALUES (1)", "INSERT INTO line VALUES (2)"], lease=lease))
    assert lines(pg) == []
    with pytest.raises(Failed) as e:
        wire.call(wire.batch_request(["SELECT 1"], atomic=False, lease=lease))
    assert "atomic" in e.value.error.message
    wire.call(wire.batch_request(["INSERT INTO line VALUES (3)"], lease=lease, finish=COMMIT))
    assert lines(pg) == [1, 2, 3]


def test_an_empty_batch_is_refused(wire):
    with pytest.raises(Failed) as e:
        wire.call(wire.batch_request([]))
    assert e.value.code == "INVALID_ARGUMENT"
