# SPDX-License-Identifier: MIT
"""Notifications for any number of processes over one connection, and what happens to a pool, on the events socket."""
import os
import stat
import subprocess

import pynng
import pytest
from lib.events import Event, Subscriber, events_url, listen_request, unlisten_request
from lib.wait import wait_until
from lib.wire import COMMIT, Failed, Request, Wire

COMMAND = os.environ.get("SIDEPOOL", "sidepool")


@pytest.fixture
def sub(wire):
    with Subscriber(wire) as s:
        yield s


def notify(pg, channel, *payloads):
    with pg.connect() as c:
        for payload in payloads:
            c.execute("SELECT pg_notify(%s, %s)", (channel, payload))
            c.commit()


def listeners(pg):
    """The server processes of connections that listen, as far as their last statement tells."""
    return [pid for (pid,) in pg.sql("SELECT pid FROM pg_stat_activity WHERE application_name = 'sidepool:listener'")]


def payloads(sub, n, topic="notify/main/jobs"):
    return [sub.receive(topic, "notification").notification.payload for _ in range(n)]


# ---- notifications ----


@pytest.mark.fast
def test_a_notification_is_heard(wire, sub, pg):
    reply = sub.listen("jobs")
    assert reply.topic == b"notify/main/jobs\0" and reply.events_url == events_url(wire)
    notify(pg, "jobs", "one", "")
    first, second = sub.receive("notify/", "notification"), sub.receive("notify/", "notification")
    assert (first.notification.channel, first.notification.payload) == ("jobs", "one")
    assert second.notification.payload == "" and first.notification.backend_pid > 0
    assert [first.sequence, second.sequence] == [reply.sequence + 1, reply.sequence + 2]
    assert first.pool == "main" and first.instance_id != 0 and first.time_ms > 0


@pytest.mark.fast
def test_what_a_query_of_ours_notifies_is_heard_too(wire, sub):
    sub.listen("jobs")
    wire.query("SELECT pg_notify('jobs', 'mine')")
    assert payloads(sub, 1) == ["mine"]


@pytest.mark.fast
def test_a_hundred_listeners_use_one_connection(daemon, wire, sub, pg):
    wires = [Wire(daemon.socket) for _ in range(100)]
    try:
        numbers = [w.send(listen_request("jobs")) for w in wires]
        assert all(w.receive(n).listen.topic for w, n in zip(wires, numbers))
        sub.listen("jobs")
        assert len(listeners(pg)) == 1
        assert wire.status().connections <= 5
        notify(pg, "jobs", "x")
        assert payloads(sub, 1) == ["x"]
        # All but one go: it is still listened to.
        for w in wires:
            w.close()
        notify(pg, "jobs", "y")
        assert payloads(sub, 1) == ["y"]
    finally:
        for w in wires:
            w.close()
