# SPDX-License-Identifier: MIT
"""Bad input gets a clear answer or a closed connection, and harms nobody else."""
import os
import random
import struct

import pytest
from lib.nobody import as_nobody
from lib.wait import wait_until
from lib.wire import GREETING, Failed, Request, Response, Wire

pytestmark = pytest.mark.fast


def closed(w):
    try:
        while w.socket.recv(65536):
            pass
    except ConnectionResetError:
        pass
    return True


@pytest.mark.parametrize(
    "greeting", [b"GET / HTTP/1.1\r\n", b"\0SP\0\0\x31\0\0", b"\0SP\0\0\x30\0\1", b"\0SP\1\0\x30\0\0", os.urandom(64)], ids=range(5)
)
def test_a_wrong_greeting_closes(daemon, wire, greeting):
    bad = Wire(daemon.socket, greet=False)
    bad.socket.sendall(greeting)
    assert closed(bad)
    assert wire.values("SELECT 1") == [("1",)]


@pytest.mark.settings({"sidepool": {"greeting_timeout": "100ms"}})
def test_half_a_greeting_is_not_waited_for(daemon, wire):
    bad = Wire(daemon.socket, greet=False)
    bad.socket.sendall(GREETING[:5])
    assert closed(bad)
    assert wire.values("SELECT 1") == [("1",)]


@pytest.mark.parametrize(
    "frame",
    [
        b"\2" + struct.pack(">Q", 10) + b"x" * 10,  # type byte
        b"\1" + struct.pack(">Q", 1 << 60),  # announced length
        b"\1" + struct.pack(">Q", 17 << 20) + b"x" * 100,  # above max_message_bytes
        b"\1" + struct.pack(">Q", 3) + b"abc",  # no request id
        b"\1" + struct.pack(">Q", 80) + struct.pack(">I", 1) * 20,  # hops without end
    ],
    ids=["type", "huge", "oversized", "short", "hops"],
)
def test_broken_framing_closes_that_connection_alone(daemon, wire, frame):
    before = daemon.rss()
    bad = Wire(daemon.socket)
    bad.socket.sendall(frame)
    assert closed(bad)
    assert wire.values("SELECT 1") == [("1",)] and daemon.rss() - before < 4 << 20


@pytest.mark.parametrize("body", [b"\xff" * 20, b"\x42\xff\xff\xff\xff\x0f", b"\x08"], ids=range(3))
def test_a_message_that_is_none_is_answered(daemon, wire, body):
    wire.send_body(struct.pack(">I", 0x80000007) + body)
    answer = wire.receive(0x80000007)
    assert answer.error.code == 1 and answer.error.outcome == 1
    assert wire.values("SELECT 1") == [("1",)]


def test_no_kind_and_an_unknown_kind_are_answered(wire):
    for body in (b"", b"\xc2\x3e\x00"):  # field 1000, a message
        wire.send_body(struct.pack(">I", 0x80000008) + body)
        assert wire.receive(0x80000008).error.code == 2


def test_requests_through_devices_are_answered_with_their_hops(daemon):
    w = Wire(daemon.socket)
    hops = struct.pack(">III", 1, 2, 0x80000001)
    w.send_body(hops + w.query_request("SELECT 1").SerializeToString())
    head = w.read(9)
    body = w.read(struct.unpack(">Q", head[1:])[0])
    assert body[:12] == hops and Response.FromString(body[12:]).results[0].row_count == 1


def test_random_bytes_in_random_pieces_hurt_nobody(daemon, wire):
    seed = random.randrange(1 << 32)
    print("seed", seed)
    rng = random.Random(seed)
    template = struct.pack(">I", 0x80000001) + Request(query=wire.query_request("SELECT $1::text", ["x"]).query).SerializeToString()
    for _ in range(200):
        bad = Wire(daemon.socket)
        data = bytearray(template)
        for _ in range(rng.randrange(1, 6)):
            data[rng.randrange(4, len(data))] = rng.randrange(256)
        try:
            bad.send_body(bytes(data))
            bad.send_body(struct.pack(">I", 0x80000009) + b"\xd2\x01\x00")  # Ping
            bad.receive(0x80000009)
        except ConnectionError:
            pass
        bad.close()
    assert wire.values("SELECT 1") == [("1",)]


def test_answers_that_nobody_reads_are_bounded(daemon, wire):
    before = daemon.rss()
    bad = Wire(daemon.socket, timeout=2)
    request = bad.query_request("SELECT repeat('x', 200000)")
    try:
        for _ in range(2000):
            bad.send(request)
    except (TimeoutError, BrokenPipeError, ConnectionResetError):
        pass  # the daemon reads no more from us, or has had enough
    assert wire.values("SELECT 1", deadline_ms=30000) == [("1",)]
    assert daemon.rss() - before < 128 << 20
    bad.close()
    wait_until("all is let go", lambda: wire.status().pools[0].in_use == 0)


def test_leaving_in_the_middle_of_a_message_leaves_nothing(daemon, wire):
    for n in range(1, 40):
        bad = Wire(daemon.socket)
        bad.socket.sendall((b"\1" + struct.pack(">Q", 1000) + b"\x80\0\0\1" + b"x" * 50)[:n])
        bad.close()
    wait_until("they are gone", lambda: wire.status().clients == 1)


def test_a_thousand_clients(daemon):
    wires = [Wire(daemon.socket) for _ in range(1000)]
    ids = [(w, w.send(w.query_request("SELECT 1"))) for w in wires]
    assert all(w.receive(i).results[0].row_count == 1 for w, i in ids)
    for w in wires:
        w.close()


def test_only_administrators_administer(daemon, wire):
    request = Request()
    request.admin.pool.action = 1
    assert "paused" in wire.call(request).admin.message
    waiting = wire.send(wire.query_request("SELECT 1"))
    assert wire.status().pools[0].paused
    request.admin.pool.action = 2
    wire.call(request)
    assert wire.receive(waiting).results[0].row_count == 1
    request.admin.pool.pool = "absent"
    with pytest.raises(Failed) as e:
        wire.call(request)
    assert e.value.code == "UNKNOWN_POOL"


def test_a_lease_may_be_revoked_and_the_breaker_tripped_by_hand(wire, daemon):
    with Wire(daemon.socket) as other:
        lease = other.lease(begin=True)
        request = Request()
        request.admin.revoke_lease.lease_id = lease.lease_id
        wire.call(request)
        with pytest.raises(Failed) as e:
            other.query("SELECT 1", lease=lease)
        assert e.value.code == "LEASE_REVOKED"
        request = Request()
        request.admin.breaker.trip = True
        wire.call(request)
        with pytest.raises(Failed) as e:
            other.query("SELECT 1")
        assert (e.value.code, e.value.outcome) == ("BREAKER_OPEN", "not sent")
        request.admin.breaker.trip = False
        wire.call(request)
        assert other.values("SELECT 1") == [("1",)]


def test_another_uid_is_no_administrator(daemon):
    """It may ask but not command."""

    def drain(w):
        request = Request()
        request.admin.drain = True
        with pytest.raises(Failed) as e:
            w.call(request)
        return f"{e.value.code} {w.values('SELECT 1')[0][0]}"

    assert as_nobody(daemon, drain) == "PERMISSION_DENIED 1"
