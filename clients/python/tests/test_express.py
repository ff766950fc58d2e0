# SPDX-License-Identifier: MIT
"""The short way of a statement that was run before (sidepool/_express.py): the same answers as by the long way."""
import asyncio
import os
import signal
import struct
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from fake_daemon import GUARD, frame

import sidepool
import sidepool.aio
from sidepool import _express
from sidepool._messages import Response

SQL = "SELECT x FROM t WHERE id = %s"


def packed(*values):
    return b"".join(struct.pack("<i", len(v)) + v for v in values)


def rows(*values, columns=False):
    """An answer with rows of one text column."""
    response = Response(wait_us=300, run_us=7)
    result = response.results.add(
        rows=packed(*values), row_count=len(values), command_tag=f"SELECT {len(values)}", affected_rows=len(values),
        statement_id=1 << 40, columns_id=9,
    )  # fmt: skip
    if columns:
        result.columns.add(name="x", type_oid=25, type_modifier=-1, type_bytes=-1)
    return response


def failure(code, outcome, sqlstate=""):
    response = Response()
    response.error.code, response.error.outcome = code, outcome
    if sqlstate:
        response.error.sql.sqlstate = sqlstate
    return response


class Asked:
    """A program that asks the same again and again, and a daemon that answers in turn."""

    def __init__(self, fake, kind):
        self.fake, self.kind, self.seen = fake, kind, []

    def play(self, answers):
        for answer in answers:
            received = self.fake.next()
            self.seen.append(received.request)
            answer(received) if callable(answer) else received.reply(answer)

    def run(self, *answers, sql=SQL, params=(5,), times=None, fetch="fetchall"):
        """What each run brings: rows or the exception."""
        player = threading.Thread(target=self.play, args=(answers,))
        player.start()
        got = (self._sync if self.kind == "sync" else self._async)(sql, params, times or len(answers), fetch)
        player.join(GUARD)
        assert not player.is_alive()
        return got

    def _sync(self, sql, params, times, fetch):
        got = []
        with sidepool.connect(self.fake.path, autocommit=True) as connection:
            for _ in range(times):
                try:
                    got.append(getattr(connection.execute(sql, params), fetch)())
                except sidepool.Error as e:
                    got.append(e)
        return got

    def _async(self, sql, params, times, fetch):
        async def ask():
            got = []
            async with await sidepool.aio.connect(self.fake.path, autocommit=True) as connection:
                for _ in range(times):
                    try:
                        got.append(await getattr(await connection.execute(sql, params), fetch)())
                    except sidepool.Error as e:
                        got.append(e)
            return got

        with ThreadPoolExecutor(1) as thread:  # asyncio.run() forgets the loop that pytest-asyncio has in this one
            return thread.submit(asyncio.run, ask()).result(GUARD)


@pytest.fixture(params=["sync", "async"])
def asked(fake, request):
    return Asked(fake, request.param)


def test_the_second_time_only_values_travel(asked, monkeypatch):
    taken, take = [], _express.Plan.take
    monkeypatch.setattr(_express.Plan, "take", lambda self, *a: taken.append(take(self, *a)) or taken[-1])
    got = asked.run(rows(b"a", columns=True), rows(b"b"), rows(b"c"), rows(b"longer"))
    assert got == [[("a",)], [("b",)], [("c",)], [("longer",)]]
    first, *others = (r.query.statement for r in asked.seen)
    assert first.sql == b"SELECT x FROM t WHERE id = $1" and list(first.parameter_types) == [21]
    for other in others:
        expected = {"statement_id": 1 << 40, "known_columns_id": 9, "parameter_count": 1, "parameters": packed(b"5")}
        assert {f.name: v for f, v in other.ListFields()} == expected
    assert all(r.call_site.startswith("test_express.py:") for r in asked.seen)
    assert taken[-2:] == [packed(b"c"), packed(b"longer")]  # the first by a plan is parsed, those like it are not


@pytest.mark.parametrize("values", [(), (b"a", b"b"), (b"x" * 300,), (b"x" * 70_000,)], ids=["none", "two", "long", "longer"])
def test_answers_of_another_length(asked, values):
    got = asked.run(rows(b"a", columns=True), rows(b"b"), rows(*values), rows(*values), rows(b"c"))
    many = [(v.decode(),) for v in values]
    assert got == [[("a",)], [("b",)], many, many, [("c",)]]


def test_null_is_none(asked):
    null = rows(b"")
    null.results[0].rows = struct.pack("<i", -1)
    assert asked.run(rows(b"a", columns=True), null, null, fetch="fetchone") == [("a",), (None,), (None,)]


def test_error_of_postgresql(asked):
    got = asked.run(rows(b"a", columns=True), rows(b"b"), failure(40, 2, "22012"), rows(b"c"))
    assert isinstance(got[2], sidepool.errors.DivisionByZero) and got[3] == [("c",)]


def test_forgotten_statement_goes_again_with_its_text(asked):
    got = asked.run(rows(b"a", columns=True), rows(b"b"), failure(9, 1), rows(b"c", columns=True), rows(b"d"), times=4)
    assert got == [[("a",)], [("b",)], [("c",)], [("d",)]]
    assert [bool(r.query.statement.sql) for r in asked.seen] == [True, False, False, True, False]


def test_other_columns_are_noticed(asked):
    changed = Response()
    result = changed.results.add(rows=packed(b"7", b"y"), row_count=1, command_tag="SELECT 1", statement_id=1 << 40, columns_id=10)
    result.columns.add(name="n", type_oid=23)
    result.columns.add(name="x", type_oid=25)
    again = Response.FromString(changed.SerializeToString())
    del again.results[0].columns[:]
    got = asked.run(rows(b"a", columns=True), rows(b"b"), rows(b"c"), changed, again, again)
    assert got[3:] == [[(7, "y")]] * 3


def test_answer_in_pieces(asked):
    def dribble(received):
        data = frame(received.id, rows(b"b").SerializeToString())
        for at in range(0, len(data), 5):
            received.peer.send(data[at : at + 5])

    assert asked.run(rows(b"a", columns=True), dribble, dribble, rows(b"c")) == [[("a",)], [("b",)], [("b",)], [("c",)]]


def test_lost_daemon_leaves_the_outcome_unknown(asked):
    _, error = asked.run(rows(b"a", columns=True), lambda received: received.peer.hang_up())
    assert (error.code, error.outcome) == ("DAEMON_LOST", "outcome unknown")


def test_what_is_no_answer_loses_the_connection(asked):
    _, error = asked.run(rows(b"a", columns=True), lambda received: received.peer.send(frame(received.id + 9, b"")))
    assert error.code == "PROTOCOL_VIOLATION"


def test_no_poll_once_a_statement_is_known(fake, monkeypatch):
    def silent(received):
        monkeypatch.setattr("select.poll", None)
        received.reply(rows(b"b"))

    assert Asked(fake, "sync").run(rows(b"a", columns=True), silent, rows(b"c"))[1:] == [[("b",)], [("c",)]]


@pytest.mark.parametrize("size", [1, 120, 127, 128, 250, 4000, 5000])
def test_length_of_values(asked, size):
    """Around where a length takes another byte, and where the way is the long one."""
    asked.run(rows(b"a", columns=True), rows(b"b"), params=("v" * size,))
    assert [r.query.statement.parameters for r in asked.seen] == [packed(b"v" * size)] * 2


def test_interrupt_cancels_the_statement(fake):
    def interrupt(*_):
        raise KeyboardInterrupt

    def play():
        fake.next().reply(rows(b"a", columns=True))
        received = fake.next()
        while not connection._transport._link.receiving:
            pass
        os.kill(os.getpid(), signal.SIGUSR1)
        asked = fake.next()
        cancelled.append(asked.request.cancel.request_id == received.id)
        asked.reply()
        received.reply(failure(42, 2))
        fake.next().reply(rows(b"c"))

    cancelled = []
    before = signal.signal(signal.SIGUSR1, interrupt)
    connection = sidepool.connect(fake.path, autocommit=True)
    player = threading.Thread(target=play)
    player.start()
    try:
        connection.execute(SQL, (5,))
        with pytest.raises(KeyboardInterrupt):
            connection.execute(SQL, (5,))
        assert connection.execute(SQL, (5,)).fetchone() == ("c",)
        player.join(GUARD)
        assert cancelled == [True]
    finally:
        signal.signal(signal.SIGUSR1, before)
        connection.close()


def test_registered_adapters_hold_from_then_on(auto):
    def ask():
        return auto.execute("SELECT %s::int4", (5,)).fetchone()

    assert [ask() for _ in range(3)] == [(5,)] * 3
    auto.adapters.register_loader("int4", lambda data: f"<{data.decode()}>")
    assert ask() == ("<5>",)
    auto.adapters.register_dumper(int, lambda value: str(value + 1))
    assert [ask() for _ in range(3)] == [("<6>",)] * 3
    cur = auto.cursor()
    cur.adapters.register_loader("int4", bytes)
    assert cur.execute("SELECT %s::int4", (5,)).fetchone() == (b"6",)
    assert ask() == ("<6>",)


def test_each_kind_of_value(auto):
    sql = "SELECT %s::text, %s::int8, %s::bytea, %s::bool"
    kinds = [("a", 1, b"\0\xff", True), (None,) * 4, ("", 1 << 40, b"", False), ("ä" * 200, -70000, b"x" * 9000, None)]
    for values in kinds * 3:
        assert auto.execute(sql, values).fetchone() == values
        assert auto.execute(sql, list(values)).fetchall() == [values]


def test_writes_in_and_out_of_transactions(auto, table):
    for n in range(4):
        assert auto.execute("INSERT INTO t VALUES (%s, 'a')", (n,)).rowcount == 1
    with pytest.raises(sidepool.errors.UniqueViolation):
        auto.execute("INSERT INTO t VALUES (%s, 'a')", (1,))
    with pytest.raises(ZeroDivisionError), auto.transaction():
        auto.execute("INSERT INTO t VALUES (%s, 'a')", (10,))
        raise ZeroDivisionError
    for _ in range(3):
        cur = auto.execute("UPDATE t SET x = %s", ("b",))
        assert (cur.rowcount, cur.statusmessage, cur.description) == (4, "UPDATE 4", None)
        with pytest.raises(sidepool.ProgrammingError, match="didn't produce records"):
            cur.fetchone()


def test_threads_share_the_link(socket_path):
    """Most find the link in use and go the long way; each gets its own answer."""
    wrong = []

    def ask(base):
        with sidepool.connect(socket_path, autocommit=True) as connection:
            for n in range(base, base + 200):
                if connection.execute("SELECT %s::int8", (n,)).fetchone() != (n,):
                    wrong.append(n)

    threads = [threading.Thread(target=ask, args=(base,)) for base in range(0, 6_000_000, 1_000_000)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(GUARD)
    assert not wrong and not any(t.is_alive() for t in threads)
