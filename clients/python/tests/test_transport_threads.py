# SPDX-License-Identifier: MIT
"""A message that the socket takes in part only, while another thread waits for the answer of a long statement."""
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from drivers import GUARD, query
from fake_daemon import hello_reply
from lib.wait import wait_until
from test_express import SQL, rows

import sidepool
from sidepool import errors

LARGE = b"x" * (4 << 20)


class Scene:
    """One thread waits for an answer, in recv() ("short way") or in poll(), of a daemon that reads no further."""

    def __init__(self, fake, way):
        fake.hello = hello_reply(max_message_bytes=16 << 20)
        self.fake, self.way = fake, way
        self.threads = ThreadPoolExecutor(8)
        self.connection = sidepool.connect(fake.path, autocommit=True, grace=0.0)
        self.transport = self.connection._transport
        self._learn()
        self.link = self.transport._link
        fake.gate.clear()
        self.first = self.threads.submit(self._ask)
        self.held = fake.next()
        wait_until("somebody reads", lambda: self.link.receiving if way == "recv" else self.link.reading)

    def _ask(self):
        if self.way == "recv":
            return self.connection.execute(SQL, (5,)).fetchall()
        return self.transport.request(query()).response.results[0].row_count

    def _learn(self):
        player = threading.Thread(target=lambda: self.fake.next().reply(rows(b"a", columns=True)))
        player.start()
        self.connection.execute(SQL, (5,))
        player.join(GUARD)

    def send(self, sql=LARGE, **options):
        """A second thread's message, of which the socket has not taken all."""
        future = self.threads.submit(self.transport.request, query(sql), **options)
        wait_until("it waits", lambda: self.link._waiting and self.link.channel.pending)
        return future

    def answer_first(self):
        self.held.reply(rows(b"b", columns=self.way == "poll"))
        assert self.first.result(GUARD) == ([("b",)] if self.way == "recv" else 1)

    def close(self):
        self.fake.stop()
        self.threads.shutdown()
        self.connection.close()


@pytest.fixture(params=["recv", "poll"])
def scene(fake, request):
    made = Scene(fake, request.param)
    yield made
    made.close()


def test_the_rest_follows_at_once(scene):
    large = scene.send()
    scene.fake.gate.set()
    received = scene.fake.next()
    assert received.request.query.statement.sql == LARGE
    received.reply(rows(b"c", columns=True))
    assert large.result(GUARD).response.results[0].row_count == 1
    assert not scene.first.done() and not scene.link.writing
    scene.answer_first()


def test_several_messages_in_their_order(scene):
    futures = [scene.send(b"%d" % n + LARGE[: 1 << 20]) for n in range(3)]
    wait_until("all wait", lambda: len(scene.link._waiting) == 3)
    scene.fake.gate.set()
    asked = [scene.fake.next() for _ in futures]
    assert len({r.request.query.statement.sql[:1] for r in asked}) == 3
    for received in asked:
        received.reply(rows(b"c", columns=True))
    assert all(f.result(GUARD).response.results for f in futures)
    scene.answer_first()


def test_who_writes_reads_when_the_reader_has_left(scene):
    """Even if the daemon goes on reading only after its answers were taken."""
    large = scene.send()
    wait_until("it writes", lambda: scene.link.writing)
    scene.answer_first()
    wait_until("it reads", lambda: scene.link.reading and not scene.link.writing)
    scene.fake.gate.set()
    scene.fake.next().reply(rows(b"c", columns=True))
    assert large.result(GUARD).response.results[0].row_count == 1


def test_a_cancel_behind_it_goes_too(scene):
    """Nobody waits for its answer, but it has to leave."""
    channel = scene.link.channel
    large = scene.send()
    wait_until("it writes", lambda: scene.link.writing)
    cancelled = scene.threads.submit(scene.transport.cancel, channel, request_id=7)
    wait_until("both wait", lambda: len(scene.link._waiting) == 2)
    scene.fake.gate.set()
    asked = [scene.fake.next(), scene.fake.next()]
    assert asked[1].request.cancel.request_id == 7
    cancelled.result(GUARD)
    asked[0].reply(rows(b"c", columns=True))
    assert large.result(GUARD).response.results
    scene.answer_first()


def test_no_descriptor_to_spare(scene, monkeypatch):
    """Then the rest goes when the reader has its answer."""

    def none(*_):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("os.eventfd", none)
    large = scene.send()
    scene.fake.gate.set()
    scene.answer_first()
    scene.fake.next().reply(rows(b"c", columns=True))
    assert large.result(GUARD).response.results[0].row_count == 1


def test_refused_half_way_is_unknown_and_never_sent_again(fake):
    """The other side takes nothing more (EPIPE), but what it says is still heard, and nobody spins meanwhile."""
    scene = Scene(fake, "recv")
    try:
        large = scene.send()
        wait_until("it writes", lambda: scene.link.writing)
        scene.held.peer.sock.shutdown(socket.SHUT_RD)
        fake.gate.set()  # what the socket has is read, and then it could take more
        wait_until("it was refused", lambda: scene.link.refused and not scene.link.writing)
        assert not large.done() and scene.link._waiting
        scene.answer_first()
        with pytest.raises(errors.DaemonError) as raised:
            large.result(GUARD)
        assert (raised.value.code, raised.value.outcome) == ("DAEMON_LOST", errors.UNKNOWN)
        assert fake.requests.empty()
    finally:
        scene.close()


def test_refused_at_once_goes_to_the_next(fake):
    scene = Scene(fake, "recv")
    try:
        scene.held.peer.sock.shutdown(socket.SHUT_RD)
        large = scene.send()
        assert scene.link.refused and not scene.link.writing
        scene.answer_first()
        fake.gate.set()
        received = fake.next()
        assert received.peer is not scene.held.peer and received.request.query.statement.sql == LARGE
        received.reply(rows(b"c", columns=True))
        assert large.result(GUARD).response.results[0].row_count == 1
    finally:
        scene.close()


def test_hang_up_ends_all(scene):
    large = scene.send()
    scene.held.peer.hang_up()
    for future in (scene.first, large):
        with pytest.raises(errors.DaemonError) as raised:
            future.result(GUARD)
        assert (raised.value.code, raised.value.outcome) == ("DAEMON_LOST", errors.UNKNOWN)


def test_deadline_of_what_waits_to_be_written(scene):
    """The message stays half written, and what is asked next is written behind it."""
    large = scene.send(deadline=time.monotonic() + 1)
    with pytest.raises(errors.DaemonError) as raised:
        large.result(GUARD)
    assert (raised.value.code, raised.value.outcome) == ("NO_ANSWER", errors.UNKNOWN)
    next_one = scene.send(b"next")
    scene.fake.gate.set()
    assert scene.fake.next().request.query.statement.sql == LARGE
    received = scene.fake.next()
    assert received.request.query.statement.sql == b"next"
    received.reply(rows(b"c", columns=True))
    assert next_one.result(GUARD).response.results
    scene.answer_first()
