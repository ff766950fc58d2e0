# SPDX-License-Identifier: MIT
"""A process that may write to the socket and means no good: neighbour.py ATTACK SOCKET [NUMBER...]

It goes on until it is killed. The numbers are ids of leases and streams of others, and their tokens. What it is answered is looked
at where an answer could be another's; then it leaves with 3.
"""
import itertools
import os
import random
import socket
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from lib.wire import CODES, GREETING, Request, Wire  # noqa: E402

MIB = 1024 * 1024


def connect(path):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(10)
    s.connect(path)
    return s


def garbage(path):
    while True:
        try:
            with connect(path) as s:
                s.sendall(random.choice([b"", GREETING]) + os.urandom(random.randint(1, 4000)))
        except OSError:
            pass  # it was closed on us, as it should be


def half_messages(path):
    kept = []
    while True:
        try:
            s = connect(path)
            s.sendall(GREETING + b"\1" + struct.pack(">Q", random.randint(1000, MIB)) + bytes(random.randint(0, 900)))
            kept.append(s)
        except OSError:
            pass
        if len(kept) > 200:
            kept.pop(random.randrange(len(kept))).close()


def unread_answers(path):
    """A thousand requests, and not one answer read; then the next."""
    for _ in itertools.count():
        try:
            w = Wire(path, timeout=1)
            for _ in range(1000):
                w.send(w.query_request("SELECT repeat('x', 100000)"))
        except OSError:
            pass  # the daemon takes no more of it
        finally:
            w.close()


def giant_parameters(path):
    data = b"x" * (15 * MIB)
    while True:
        try:
            with Wire(path, timeout=5) as w:
                w.receive(w.send(w.query_request("SELECT length($1::text)", [data])))
                w.send_body(struct.pack(">I", 0x80000001) + bytes(17 * MIB))
        except OSError:
            pass


def executions(path):
    """Forty bytes that ask for many of them, then ten thousand statements, each for itself."""
    while True:
        try:
            with Wire(path) as w:
                request = w.batch_request(["SELECT 1 WHERE false"])
                request.batch.statements[0].parameter_sets = 200_000
                w.receive(w.send(request))
                w.receive(w.send(w.batch_request(["SELECT 1 WHERE false"] * 10_000, atomic=False)))
        except OSError:
            pass


def connects(path):
    while True:
        try:
            connect(path).close()
        except OSError:
            pass


def never_greeting(path):
    kept = []
    while True:
        try:
            kept.append(connect(path))
        except OSError:
            pass
        if len(kept) > 500:
            kept.pop(0).close()


def suspect(response, allowed):
    """An answer that is not the refusal that it should be."""
    if not response.HasField("error") or CODES[response.error.code] not in allowed:
        sys.exit(3)


def others_things(path, lease_id, token, stream_id):
    """Leases, tokens, streams and running statements that are another's, told and guessed."""
    lease_id, token, stream_id = int(lease_id), int(token), int(stream_id)
    with Wire(path) as w:
        for guess in itertools.cycle([0, 0, 1, -1]):
            request = Request()
            request.lease.lease_id, request.lease.token = (lease_id + guess) % 2**64, token + guess
            request.query.statement.sql = b"UPDATE precious SET a = 666"
            suspect(w.receive(w.send(request)), ("UNKNOWN_LEASE", "STALE_TOKEN", "INVALID_ARGUMENT"))
            request = Request(finish=1)
            request.lease.lease_id, request.lease.token = lease_id, token
            request.release.SetInParent()
            suspect(w.receive(w.send(request)), ("UNKNOWN_LEASE", "STALE_TOKEN", "INVALID_ARGUMENT"))
            suspect(w.receive(w.send(w.fetch_request((stream_id + guess) % 2**64))), ("UNKNOWN_STREAM", "INVALID_ARGUMENT"))
            suspect(w.receive(w.send(w.fetch_request(stream_id, close=True))), ("UNKNOWN_STREAM",))
            for number in range(1, 20):
                request = Request()
                if number % 2:
                    request.cancel.lease_id = lease_id
                else:
                    request.cancel.request_id = 0x80000000 | number + guess
                response = w.receive(w.send(request))
                if response.cancel.found:
                    sys.exit(3)


def step_back():
    """It is the daemon that is looked at: the processor is the others' first. Under `chrt --rr 2` it gets all that they leave."""
    policy = os.sched_getscheduler(0)
    if policy in (os.SCHED_RR, os.SCHED_FIFO):
        os.sched_setscheduler(0, policy, os.sched_param(1))
    else:
        os.nice(5)


if __name__ == "__main__":
    step_back()
    globals()[sys.argv[1]](*sys.argv[2:])
