# SPDX-License-Identifier: MIT
"""What becomes of a request between this process and the daemon, on both transports."""
import asyncio
import os
import signal
import threading
import time
from concurrent.futures import CancelledError
from contextlib import nullcontext

import pytest
from drivers import GUARD, AsyncDriver, SyncDriver, query
from fake_daemon import FakeDaemon, frame, hello_reply

from sidepool import errors
from sidepool._channel import IN_FLIGHT_MAX, Call
from sidepool._messages import Request, Response
from sidepool._settings import make_settings
from sidepool._transport_async import AsyncTransport

SHUTTING_DOWN, UNKNOWN_STATEMENT, NOT_SENT, STATUS_ACTIVE = 24, 9, 1, 2


def failure(code, outcome=NOT_SENT, **fields):
    response = Response()
    response.error.code, response.error.outcome = code, outcome
    for name, value in fields.items():
        setattr(response.error, name, value)
    return response


def tag(text):
    response = Response()
    response.results.add().command_tag = text
    return response


def test_greets_and_says_hello_first(fake, drive):
    d = drive(fake.path, application="shop")
    waits = d.start(query())
    fake.next().reply(tag("SELECT 1"))
    assert waits.result(GUARD).response.results[0].command_tag == "SELECT 1"
    peer = fake.peers[0]
    assert peer.greeting.hex() == "0053500000300000"
    assert peer.received[0].request.HasField("hello")
    hello = peer.hello
    assert (hello.min_version, hello.max_version) == (1, 1)
    assert (hello.application_name, hello.client_name) == ("shop", "sidepool-python")


def test_many_in_flight_and_answers_in_any_order(fake, drive):
    d = drive(fake.path)
    d.ready()
    waits = {b"select %d" % i: d.start(query(b"select %d" % i)) for i in range(20)}
    received = [fake.next() for _ in waits]
    assert len({r.id for r in received}) == len(waits) and all(r.id & 0x80000000 for r in received)
    for r in reversed(received):
        r.reply(tag(r.request.query.statement.sql.decode()))
    for sql, future in waits.items():
        assert future.result(GUARD).response.results[0].command_tag == sql.decode()
    assert len(fake.peers) == 1


def test_no_daemon_is_not_sent_and_says_where(fake, drive):
    fake.stop()
    with pytest.raises(errors.DaemonError) as raised:
        drive(fake.path).ask(query())
    assert (raised.value.code, raised.value.outcome) == ("DAEMON_UNREACHABLE", errors.NOT_SENT)
    assert fake.path in str(raised.value) and raised.value.remedy


def test_first_connect_waits_as_long_as_told(fake, drive):
    fake.stop()
    d = drive(fake.path, connect_wait=GUARD)
    waits = d.start(query())
    fake.start()
    fake.next().reply(tag("late"))
    assert waits.result(GUARD).response.results[0].command_tag == "late"


def test_lost_before_the_answer_is_unknown_and_never_sent_again(fake, drive):
    d = drive(fake.path)
    waits = d.start(query(b"insert"))
    fake.next().peer.hang_up()
    with pytest.raises(errors.DaemonError) as raised:
        waits.result(GUARD)
    assert (raised.value.code, raised.value.outcome) == ("DAEMON_LOST", errors.UNKNOWN)
    assert raised.value.outcome_unknown
    waits = d.start(query(b"another"))
    received = fake.next()
    assert received.request.query.statement.sql == b"another"
    received.reply(tag("ok"))
    waits.result(GUARD)


def test_not_sent_waits_while_the_daemon_restarts(fake, drive):
    d = drive(fake.path)
    d.ready()
    fake.stop()
    waits = d.start(query(b"after"))
    fake.start()
    received = fake.next()
    assert received.request.query.statement.sql == b"after"
    received.reply(tag("ok"))
    assert waits.result(GUARD).response.results[0].command_tag == "ok"


def test_daemon_that_does_not_come_back(fake, drive):
    d = drive(fake.path, reconnect_wait=0.05)
    d.ready()
    fake.stop()
    with pytest.raises(errors.DaemonError) as raised:
        d.ask(query())
    assert raised.value.outcome == errors.NOT_SENT


def test_daemon_that_shuts_down_passes_the_request_on(fake, drive):
    d = drive(fake.path)
    waits = d.start(query())
    first = fake.next()
    first.reply(failure(SHUTTING_DOWN, retry_after_ms=1))
    second = fake.next()
    assert second.peer is not first.peer
    second.reply(tag("ok"))
    assert waits.result(GUARD).response.results[0].command_tag == "ok"


def test_what_is_bound_to_a_connection_is_not_sent_to_another(fake, drive):
    d = drive(fake.path)
    channel = d.ready()
    fake.accepted.get(timeout=GUARD).hang_up()
    d.start(query(b"free"))
    fake.next().reply(tag("ok"))
    with pytest.raises(errors.LeaseLost) as raised:
        d.ask(query(b"bound"), channel=channel)
    assert raised.value.outcome == errors.NOT_SENT
    assert fake.requests.empty()


def test_deadline_travels_and_silence_is_unknown(fake, drive):
    d = drive(fake.path, grace=0.0)
    d.ready()
    waits = d.start(query(), deadline=time.monotonic() + 0.2)
    received = fake.next()
    assert 0 < received.request.deadline_ms <= 200
    with pytest.raises(errors.DaemonError) as raised:
        waits.result(GUARD)
    assert (raised.value.code, raised.value.outcome) == ("NO_ANSWER", errors.UNKNOWN)


def test_deadline_in_the_past_sends_nothing(fake, drive):
    d = drive(fake.path)
    d.ready()
    with pytest.raises(errors.DaemonError) as raised:
        d.ask(query(), deadline=time.monotonic() - 1)
    assert raised.value.outcome == errors.NOT_SENT and fake.requests.empty()


def test_answer_that_nobody_waits_for_gives_back_lease_and_stream(fake, drive):
    d = drive(fake.path, grace=0.0)
    d.ready()
    waits = d.start(query(), deadline=time.monotonic() + 0.05)
    received = fake.next()
    with pytest.raises(errors.DaemonError):
        waits.result(GUARD)
    late = Response(stream_id=9)
    late.lease.lease_id, late.lease.token = 5, 6
    received.reply(late)
    d.start(query(b"next"))
    asked = [fake.next().request for _ in range(3)]
    closed = next(r for r in asked if r.HasField("fetch"))
    assert (closed.fetch.stream_id, closed.fetch.close) == (9, True)
    released = next(r for r in asked if r.HasField("release"))
    assert (released.lease.lease_id, released.lease.token, released.finish) == (5, 6, 2)


def known(statement_id=3, columns_id=4, columns=True):
    response = Response()
    result = response.results.add(statement_id=statement_id, columns_id=columns_id)
    if columns:
        result.columns.add(name="a", type_oid=23)
    return response


def test_statement_goes_by_its_id_until_the_daemon_forgets_it(fake, drive):
    d = drive(fake.path)
    d.start(query(b"q"), text=b"q")
    fake.next().reply(known())
    waits = d.start(query(b"q"), text=b"q")
    second = fake.next()
    statement = second.request.query.statement
    while statement.sql:  # the first answer was not read yet
        second.reply(known())
        waits.result(GUARD)
        waits = d.start(query(b"q"), text=b"q")
        second = fake.next()
        statement = second.request.query.statement
    assert (statement.sql, statement.statement_id, statement.known_columns_id) == (b"", 3, 4)
    second.reply(failure(UNKNOWN_STATEMENT))
    third = fake.next()
    statement = third.request.query.statement
    assert (statement.sql, statement.statement_id, statement.known_columns_id) == (b"q", 0, 0)
    third.reply(known(7))
    assert waits.result(GUARD).response.results[0].columns[0].name == "a"


def test_columns_that_were_left_out_are_filled_in(fake, drive):
    d = drive(fake.path)
    waits = d.start(query(b"q"), text=b"q")
    fake.next().reply(known())
    waits.result(GUARD)
    waits = d.start(query(b"q"), text=b"q")
    fake.next().reply(known(columns=False))
    assert [c.name for c in waits.result(GUARD).response.results[0].columns] == ["a"]


def test_on_a_lease_a_statement_goes_as_text(fake, drive):
    d = drive(fake.path)
    waits = d.start(query(b"q"), text=b"q")
    fake.next().reply(known())
    waits.result(GUARD)
    leased = query(b"q")
    leased.lease.lease_id = 5
    d.start(leased, text=b"q")
    received = fake.next()
    assert (received.request.query.statement.sql, received.request.query.statement.statement_id) == (b"q", 0)
    received.reply(known(columns=False))


def test_message_beyond_the_limit_is_refused_before_it_is_sent(fake, drive):
    fake.hello = hello_reply(max_message_bytes=1000)
    d = drive(fake.path)
    d.ready()
    with pytest.raises(errors.OperationalError) as raised:
        d.ask(query(b"x" * 1000))
    assert (raised.value.code, raised.value.outcome) == ("MESSAGE_TOO_LARGE", errors.NOT_SENT)
    waits = d.start(query(b"small"))
    fake.next().reply(tag("ok"))
    waits.result(GUARD)


BROKEN = {
    "a frame of another kind": b"\2" + bytes(16),
    "a frame without an id": b"\1" + (3).to_bytes(8, "big") + bytes(8),
    "a frame without an end": b"\1" + (1 << 40).to_bytes(8, "big") + b"\x80\0\0\1",
    "an answer to nothing": frame(0x80001234, b""),
    "hop ids": frame(1, b""),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_no_answer_ends_the_connection(fake, drive, what):
    d = drive(fake.path)
    waits = d.start(query())
    received = fake.next()
    received.peer.send(BROKEN[what])
    with pytest.raises(errors.DaemonError) as raised:
        waits.result(GUARD)
    assert (raised.value.code, raised.value.outcome) == ("PROTOCOL_VIOLATION", errors.UNKNOWN)
    assert fake.hangups.get(timeout=GUARD) is received.peer


def test_answer_that_is_no_message(fake, drive):
    d = drive(fake.path)
    waits = d.start(query())
    received = fake.next()
    received.peer.send(frame(received.id, b"\xff\xff\xff"))
    with pytest.raises(errors.DaemonError) as raised:
        waits.result(GUARD)
    assert raised.value.code == "PROTOCOL_VIOLATION"


def test_other_greeting(fake, drive):
    fake.greeting = b"HTTP/1.1"
    with pytest.raises(errors.DaemonError) as raised:
        drive(fake.path).ask(query())
    assert (raised.value.code, raised.value.outcome) == ("PROTOCOL_VIOLATION", errors.NOT_SENT)


def test_hello_that_is_refused(fake, drive):
    fake.hello = failure(6, message="uid 7 may not")
    with pytest.raises(errors.Error) as raised:
        drive(fake.path).ask(query())
    assert raised.value.code == "PERMISSION_DENIED" and "uid 7 may not" in str(raised.value)
    assert fake.requests.empty()


def test_more_requests_than_the_daemon_reads_wait_here(fake, drive):
    d = drive(fake.path)
    channel = d.ready()
    first = d.start(query(b"first"))
    received = fake.next()

    def crowd():
        with getattr(channel.owner, "lock", nullcontext()):
            for _ in range(IN_FLIGHT_MAX - 1):
                channel.enqueue(Call(query(b"crowd")))
            channel.owner.push()

    d.call(crowd)
    last = d.start(query(b"last"))
    crowded = [fake.next() for _ in range(IN_FLIGHT_MAX - 1)]
    assert {r.request.query.statement.sql for r in crowded} == {b"crowd"}
    received.reply(tag("ok"))
    first.result(GUARD)
    received = fake.next()
    assert received.request.query.statement.sql == b"last"
    received.reply(tag("ok"))
    last.result(GUARD)


def test_close_says_unknown_of_what_was_sent(fake, drive):
    d = drive(fake.path)
    waits = d.start(query())
    fake.next()
    d.call(d.transport.close)
    with pytest.raises(errors.Error) as raised:
        waits.result(GUARD)
    assert (raised.value.code, raised.value.outcome) == ("CLOSED", errors.UNKNOWN)


def test_child_connects_for_itself(fake):
    d = SyncDriver(fake.path)
    try:
        channel = d.ready()
        parents = fake.accepted.get(timeout=GUARD)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                try:
                    d.transport.request(query(b"bound"), channel=channel)
                except errors.Error as e:
                    status = 0 if e.outcome == errors.NOT_SENT else 2
                if d.transport.request(query(b"of the child")).response.results[0].command_tag != "ok":
                    status = 3
            finally:
                os._exit(status)
        received = fake.next()
        assert received.request.query.statement.sql == b"of the child" and received.peer is not parents
        received.reply(tag("ok"))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        waits = d.start(query(b"of the parent"))
        received = fake.next()
        assert received.peer is parents
        received.reply(tag("ok"))
        waits.result(GUARD)
    finally:
        d.close()


def test_cancelled_task_cancels_its_statement(fake):
    d = AsyncDriver(fake.path)
    try:
        waits = d.start(query())
        received = fake.next()
        waits.cancel()
        asked = fake.next()
        assert asked.request.cancel.request_id == received.id
        asked.reply()
        received.reply(failure(42, 2))
        with pytest.raises(CancelledError):
            waits.result(GUARD)
        waits = d.start(query(b"next"))
        fake.next().reply(tag("ok"))
        assert waits.result(GUARD).response.results[0].command_tag == "ok"
    finally:
        d.close()


def test_interrupted_thread_cancels_its_statement(fake):
    d = SyncDriver(fake.path)

    def play():
        received = fake.next()
        while not d.transport._link.reading:  # it waits for the answer
            pass
        os.kill(os.getpid(), signal.SIGUSR1)
        asked = fake.next()
        cancelled.append(asked.request.cancel.request_id == received.id)
        asked.reply()
        received.reply(failure(42, 2))

    def interrupt(*_):
        raise KeyboardInterrupt

    cancelled = []
    before = signal.signal(signal.SIGUSR1, interrupt)
    player = threading.Thread(target=play)
    player.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            d.transport.request(query())
        player.join(GUARD)
        assert cancelled == [True]
    finally:
        signal.signal(signal.SIGUSR1, before)
        d.close()


def test_interrupted_while_sending_sends_nothing_twice(fake):
    """The signal comes between send() and the note of what was sent."""
    d = SyncDriver(fake.path)
    try:
        channel = d.ready()

        def interrupted(n):
            raise KeyboardInterrupt

        channel.taken = interrupted
        with pytest.raises(KeyboardInterrupt):
            d.transport.request(query(b"once"))
        assert fake.next().request.query.statement.sql == b"once"
        waits = d.start(query(b"next"))
        received = fake.next()
        assert received.request.query.statement.sql == b"next" and len(fake.peers) == 2
        received.reply(tag("ok"))
        waits.result(GUARD)
    finally:
        d.close()


def test_two_event_loops_have_their_own_connections(fake):
    def talk():
        async def main():
            transport = AsyncTransport(make_settings(fake.path), asyncio.get_running_loop())
            call = await transport.request(query())
            transport.close()
            return call.response.results[0].command_tag

        return asyncio.run(main())

    for _ in range(2):
        answers = []
        thread = threading.Thread(target=lambda: answers.append(talk()))
        thread.start()
        fake.next().reply(tag("ok"))
        thread.join(GUARD)
        assert answers == ["ok"]
    assert fake.accepted.qsize() == 2


def test_abandoned_folder_is_not_waited_for(tmp_path, drive):
    daemon = FakeDaemon(str(tmp_path))
    with pytest.raises(errors.DaemonError):
        drive(daemon.path).ask(Request())
