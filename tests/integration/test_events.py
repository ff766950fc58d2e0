# SPDX-License-Identifier: MIT
"""Notifications for any number of processes over one connection, and what happens to a pool, on the events socket."""
import contextlib
import os
import select
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


def test_the_connection_is_there_only_while_somebody_listens(daemon, wire, sub, pg):
    assert listeners(pg) == []
    sub.listen("jobs")
    with Wire(daemon.socket) as other:
        sub.listen("other", wire=other)
        pid = listeners(pg)
        assert len(pid) == 1
        wire.call(unlisten_request("jobs"))
        sub.listen("other", wire=other)
        assert listeners(pg) == pid
        # What nobody wants is not published, although somebody notifies.
        notify(pg, "jobs", "unheard")
        notify(pg, "other", "heard")
        assert sub.receive("notify/", "notification").notification.channel == "other"
    wait_until("the connection is lent on", lambda: wire.status().pools[0].in_use == 0)
    assert wire.values("SELECT count(*) FROM pg_listening_channels()", begin=True, finish=COMMIT) == [("0",)]


def test_numbers_never_fall(wire, sub, pg):
    first = sub.listen("jobs").sequence
    notify(pg, "jobs", *map(str, range(5)))
    assert payloads(sub, 5) == list("01234")
    assert sub.listen("jobs").sequence == first + 5
    wire.call(unlisten_request("jobs"))
    wait_until("the connection is given back", lambda: wire.status().pools[0].in_use == 0)
    assert sub.listen("jobs").sequence >= first + 5


@pytest.mark.parametrize("channel", ["Jobs", 'a "quoted" one', "ümläut/slash", "x" * 63, "select", "a'b;--\\"])
def test_any_name_is_a_channel(wire, sub, pg, channel):
    reply = sub.listen(channel)
    assert reply.topic == f"notify/main/{channel}\0".encode()
    notify(pg, channel.lower() if channel != channel.lower() else "another", "not this")
    notify(pg, channel, "this")
    event = sub.receive("notify/", "notification")
    assert (event.notification.channel, event.notification.payload) == (channel, "this")


@pytest.mark.fast
def test_what_is_no_channel_is_refused(wire):
    for channel, what in [("x" * 64, "at most 63 bytes")]:
        with pytest.raises(Failed, match=what) as e:
            wire.call(listen_request(channel))
        assert (e.value.code, e.value.outcome) == ("INVALID_ARGUMENT", "not sent")
    with pytest.raises(Failed) as e:
        wire.call(listen_request("jobs", pool="nowhere"))
    assert e.value.code == "UNKNOWN_POOL"
    r = listen_request("jobs")
    r.acquire.begin = False
    with pytest.raises(Failed, match="for no lease"):
        wire.call(r)
    wire.call(unlisten_request("never listened"))


def test_listening_takes_a_place_of_the_budget(daemon, wire, sub, pg):
    sub.listen("jobs")
    leases = [wire.lease() for _ in range(4)]
    request = wire.request(acquire=True, deadline_ms=300)
    request.take_lease.SetInParent()
    with pytest.raises(Failed) as e:
        wire.call(request)
    assert e.value.code == "ACQUIRE_TIMEOUT"
    assert wire.status().connections == 5
    for lease in leases:
        wire.release(lease)


def test_a_listen_waits_for_its_turn_and_no_longer_than_it_may(daemon, wire, pg):
    leases = [wire.lease() for _ in range(5)]
    with pytest.raises(Failed) as e:
        wire.call(listen_request("jobs", deadline_ms=200))
    assert (e.value.code, e.value.outcome) == ("ACQUIRE_TIMEOUT", "not sent")
    number = wire.send(listen_request("jobs"))
    with Wire(daemon.socket) as other:
        other.send(listen_request("jobs"))
        other.send(listen_request("elsewhere"))
        cancelled = wire.send(listen_request("cancelled"))
        r = Request()
        r.cancel.request_id = cancelled
        assert wire.call(r).cancel.found
        assert wire.receive(cancelled).error.message
    # The other's client is gone while it waits.
    wire.release(leases.pop())
    assert wire.receive(number).listen.topic == b"notify/main/jobs\0"
    assert len(listeners(pg)) == 1
    # Unlisten ends one that waits.
    wire.call(unlisten_request("jobs"))
    wait_until("it is given back", lambda: wire.status().pools[0].in_use == 4)
    leases.append(wire.lease())
    number = wire.send(listen_request("jobs"))
    wire.call(unlisten_request("jobs"))
    assert wire.receive(number).HasField("error")


@pytest.mark.settings({"sidepool": {"budget": 1}})
def test_the_only_connection_is_not_taken_away(wire):
    with pytest.raises(Failed, match="may have 1 connection") as e:
        wire.call(listen_request("jobs"))
    assert (e.value.code, e.value.outcome) == ("UNSUPPORTED", "not sent")
    assert wire.values("SELECT 1") == [("1",)]


@pytest.mark.settings({"sidepool": {"max_listens_per_uid": 3}})
def test_a_user_listens_to_so_many_channels(daemon, wire):
    with Wire(daemon.socket) as other:
        for w, channel in [(wire, "a"), (wire, "b"), (wire, "b"), (other, "b")]:
            w.call(listen_request(channel))
        with pytest.raises(Failed, match="max_listens_per_uid is 3") as e:
            wire.call(listen_request("c"))
        assert e.value.code == "TOO_MANY_REQUESTS"
    wait_until("the other's is free again", lambda: listens(wire, "c"))


def listens(wire, channel):
    try:
        return wire.call(listen_request(channel)).listen.topic
    except Failed:
        return None


def test_two_pools_are_two_topics(pg, make_daemon):
    pg.psql("CREATE DATABASE second")
    config = {"sidepool": {"budget": 4}, "pool main": {"url": pg.url()}, "pool second": {"url": pg.url(database="second"), "min_size": 0}}
    daemon = make_daemon(None, config=config)
    with Wire(daemon.socket) as wire, Subscriber(wire) as sub:
        sub.listen("jobs")
        assert sub.listen("jobs", pool="second").topic == b"notify/second/jobs\0"
        with pg.connect("second") as c:
            c.execute("NOTIFY jobs, 'second'")
        notify(pg, "jobs", "main")
        heard = {(e.pool, e.notification.payload) for e in (sub.receive("notify/", "notification") for _ in range(2))}
        assert heard == {("main", "main"), ("second", "second")}


def test_a_budget_of_two_listens_in_one_pool(pg, make_daemon):
    config = {"sidepool": {"budget": 2}, "pool a": {"url": pg.url(), "min_size": 0}, "pool b": {"url": pg.url(), "min_size": 0}}
    with Wire(make_daemon(None, config=config).socket) as wire:
        wire.call(listen_request("jobs", pool="a"))
        with pytest.raises(Failed, match="leave no connection to work with"):
            wire.call(listen_request("jobs", pool="b"))
        assert wire.values("SELECT 1", pool="b") == [("1",)]


def test_nobody_takes_the_listener_s_place_in_the_queue(wire, sub):
    """What listens goes before all others, so its name must be beyond what a client can be called."""
    sub.listen("jobs")
    (mine,) = [a for a in wire.status().applications if a.priority > 0]
    assert mine.in_use == 1 and len(mine.name) > 63 and "/" in mine.name
    r = Request()
    r.hello.min_version = r.hello.max_version = 1
    r.hello.application_name = mine.name
    with pytest.raises(Failed) as e:
        wire.call(r)
    assert e.value.code == "INVALID_ARGUMENT"


# ---- gaps and losses ----


def test_a_lost_connection_is_announced_as_a_gap(wire, sub, pg):
    sequence = sub.listen("jobs").sequence
    pg.sql("SELECT pg_terminate_backend(%s)", listeners(pg)[0])
    gap = sub.receive("notify/main/jobs", "gap")
    assert gap.sequence == sequence + 1 and not gap.gap.over and "terminat" in gap.gap.reason
    over = sub.receive("notify/main/jobs", "gap")
    assert over.sequence == sequence + 2 and over.gap.over
    notify(pg, "jobs", "after")
    event = sub.receive("notify/main/jobs", "notification")
    assert event.sequence == sequence + 3 and event.notification.payload == "after"


def test_it_listens_again_when_the_server_is_back(wire, sub, pg):
    sub.listen("jobs")
    sub.listen("other")
    pg.restart("immediate")
    for _ in range(2):
        assert not sub.receive("notify/", "gap").gap.over
    while not sub.receive("notify/main/jobs", "gap").gap.over:
        pass
    notify(pg, "jobs", "back")
    assert payloads(sub, 1) == ["back"]


def admin(wire, action, pool=""):
    r = Request()
    r.admin.pool.pool, r.admin.pool.action = pool, {"pause": 1, "resume": 2, "reconnect": 3}[action]
    return wire.call(r)


def test_a_paused_pool_is_not_listened_to(wire, sub, pg):
    sub.listen("jobs")
    admin(wire, "pause")
    gap = sub.receive("notify/main/jobs", "gap").gap
    assert not gap.over and gap.reason == "the pool is paused"
    wait_until("nothing of it runs", lambda: wire.status().pools[0].in_use == 0)
    waiting = wire.send(listen_request("jobs"))
    admin(wire, "resume")
    assert sub.receive("notify/main/jobs", "gap").gap.over
    assert wire.receive(waiting).listen.topic


def test_reconnecting_takes_the_listening_connection_along(wire, sub, pg):
    sub.listen("jobs")
    (before,) = listeners(pg)
    admin(wire, "reconnect")
    assert not sub.receive("notify/main/jobs", "gap").gap.over
    assert sub.receive("notify/main/jobs", "gap").gap.over
    assert before not in listeners(pg)


def test_a_slow_subscriber_loses_only_its_own_and_knows_how_many(wire, sub, pg):
    with Subscriber(wire) as slow:
        sequence = slow.listen("jobs").sequence
        sub.listen("jobs")
        payload, n = "x" * 7000, 1500
        quick = []
        with pg.connect() as c:
            for i in range(n):
                c.execute("SELECT pg_notify('jobs', %s)", (f"{i} {payload}",))
                c.commit()
                quick.append(sub.receive("notify/main/jobs", "notification").sequence)
        assert quick == list(range(sequence + 1, sequence + n + 1))
        # 10 MB: more than 1024 messages and what the socket holds.
        heard = []
        while not heard or heard[-1] < sequence + n:
            heard.append(slow.receive("notify/main/jobs", "notification").sequence)
        lost = sum(b - a - 1 for a, b in zip([sequence, *heard], heard))
        assert lost == n - len(heard) and 0 < lost <= n - 1024


def test_another_daemon_is_another_instance(make_daemon, pg):
    instances = []
    for _ in range(2):
        daemon = make_daemon(pg.url(), config={"sidepool": {"budget": 5}})
        with Wire(daemon.socket) as wire, Subscriber(wire) as sub:
            sub.listen("jobs")
            notify(pg, "jobs", "x")
            instances.append(sub.receive("notify/", "notification").instance_id)
            assert daemon.stop() == 0
            with pytest.raises(ConnectionError):
                sub.receive()
        assert not daemon.socket.with_name("events.sock").exists()
    assert len(set(instances)) == 2


# ---- what happens to a pool ----


def admin_breaker(wire, trip):
    r = Request()
    r.admin.breaker.pool, r.admin.breaker.trip = "main", trip
    return wire.call(r)


@pytest.mark.fast
def test_events_of_a_pool_have_a_mark_too(wire, sub):
    reply = wire.call(listen_request("")).listen
    assert reply.topic == b"event/main/" and reply.events_url == events_url(wire)
    sub.watch()
    assert wire.status().connections <= 1  # nothing is held for it


def test_pause_and_breaker_by_hand_are_told(wire, sub):
    sub.watch()
    admin(wire, "pause")
    admin(wire, "resume")
    paused, resumed = (sub.receive("event/main/pause") for _ in range(2))
    assert (paused.pause.paused, resumed.pause.paused) == (True, False) and resumed.sequence == paused.sequence + 1
    assert paused.pool == "main"
    admin_breaker(wire, True)
    admin_breaker(wire, False)
    opened, closed = (sub.receive("event/main/breaker") for _ in range(2))
    assert (opened.breaker.to, opened.breaker.by_hand) == (2, True)
    assert (closed.breaker.to, closed.breaker.by_hand) == (1, False)
    assert [opened.sequence, closed.sequence] == [1, 2]


@pytest.mark.settings({"pool main": {"breaker_threshold": 2, "connect_backoff_min": "10ms", "breaker_reset": "200ms"}})
def test_a_database_that_goes_and_comes_is_told(wire, sub, pg):
    sub.watch()
    wire.query("SELECT 1")
    pg.stop("immediate")
    try:
        event = sub.receive("event/main/breaker").breaker
        # Half-open at once where a turn of the daemon takes as long as the first pause.
        assert event.to in (2, 3) and event.reason and not event.by_hand
        health = sub.receive("event/main/health").health
        assert health.check.name == "database main" and health.check.level == 3 and health.level == 3 and health.check.advice
    finally:
        pg.start()
    while sub.receive("event/main/breaker").breaker.to != 1:
        pass
    while sub.receive("event/main/health").health.check.level != 1:
        pass


@pytest.mark.settings({"sidepool": {"idle_transaction_timeout": "2s"}})
def test_a_lease_that_is_taken_away_is_told(wire, sub):
    sub.watch()
    lease = wire.query("SELECT 1", begin=True, call_site="seed.ts:88").lease
    warned, revoked = (sub.receive("event/main/lease").lease for _ in range(2))
    assert (warned.change, revoked.change) == (1, 2)
    assert revoked.lease.lease_id == lease.lease_id and revoked.lease.call_site == "seed.ts:88" and revoked.lease.pid == os.getpid()
    assert revoked.lease.state == "idle in transaction" and "idle in transaction" in revoked.reason
    r = Request()
    lease = wire.lease()
    r.admin.revoke_lease.lease_id = lease.lease_id
    wire.call(r)
    by_hand = sub.receive("event/main/lease").lease
    assert by_hand.change == 2 and "administrator" in by_hand.reason


@pytest.mark.settings({"sidepool": {"slow_query": "1ms"}})
def test_slow_statements_are_told_without_their_text(daemon, wire, sub):
    sub.watch()
    secret = "SELECT pg_sleep(0.01), 'secret'"
    wire.query(secret, call_site="report.py:7")
    event = sub.receive("event/main/statement").statement
    assert event.run_us >= 10_000 and event.call_site == "report.py:7" and event.pid == os.getpid() and event.sql == ""
    with pytest.raises(Failed):
        wire.query("SELECT pg_sleep(0.01), 1/(random()*0)::int")
    assert sub.receive("event/main/statement").statement.sqlstate == "22012"
    daemon.write_config({"sidepool": {"budget": 5, "slow_query": "1ms", "events_statements": "on"}})
    daemon.reload()
    wire.query(secret + " " + "ü" * 1000)
    text = sub.receive("event/main/statement").statement.sql
    assert text.startswith(secret) and 990 <= len(text.encode()) <= 1000
    for before in range(3):  # where the limit cuts a character of three bytes, none of them stays
        wire.query(secret + " " + "a" * (before + 1) + "€" * 400)
        text = sub.receive("event/main/statement").statement.sql
        assert text.endswith("€") and 998 <= len(text.encode()) <= 1000


# ---- the socket ----


def test_subscribers_of_libnng(daemon, wire, pg):
    """pynng and nngcat: libnng's own SUB, with its own filter."""
    url = events_url(wire)
    wire.call(listen_request("jobs"))
    with pynng.Sub0(topics=b"notify/main/jobs\0", recv_timeout=200) as sub:
        sub.dial(url, block=True)
        command = ["nngcat", "--sub0", "--dial", url, "--subscribe", "notify/main/other", "--count", "1", "--raw"]
        wire.call(listen_request("other"))
        with subprocess.Popen(command, stdout=subprocess.PIPE) as cat:
            heard = None
            while heard is None:
                notify(pg, "jobs", "for pynng")
                try:
                    heard = sub.recv()
                except pynng.Timeout:
                    pass
            topic, _, event = heard.partition(b"\0")
            while Event.FromString(event).WhichOneof("kind") == "mark":
                topic, _, event = sub.recv().partition(b"\0")
            assert topic == b"notify/main/jobs" and Event.FromString(event).notification.payload == "for pynng"
            wait_until("nngcat has heard one", lambda: notify(pg, "other", "for nngcat") or cat.poll() is not None)
            topic, _, event = cat.stdout.read().partition(b"\0")
            assert cat.returncode == 0 and topic == b"notify/main/other"
            assert Event.FromString(event).notification.payload == "for nngcat"


@pytest.mark.fast
def test_the_socket_is_beside_the_other_with_its_mode(make_daemon, pg):
    config = {"sidepool": {"socket_mode": "0640", **({"socket_group": "daemon"} if os.geteuid() == 0 else {})}}
    daemon = make_daemon(pg.url(), config=config)
    with Wire(daemon.socket) as wire:
        assert events_url(wire) == f"ipc://{daemon.dir}/events.sock"
    mine, other = os.stat(daemon.dir / "events.sock"), os.stat(daemon.socket)
    assert stat.S_ISSOCK(mine.st_mode) and stat.S_IMODE(mine.st_mode) == 0o640
    assert (mine.st_uid, mine.st_gid) == (other.st_uid, other.st_gid)
    twin = make_daemon(pg.url(), socket_path=daemon.dir / "second.sock")
    with Wire(twin.socket) as wire:
        assert events_url(wire) == f"ipc://{daemon.dir}/second-events.sock"


@pytest.mark.settings({"sidepool": {"events_socket": "off"}})
def test_without_the_socket_nothing_is_offered(daemon, wire):
    r = Request()
    r.hello.min_version = r.hello.max_version = 1
    hello = wire.call(r).hello
    assert hello.events_url == "" and "listen" not in hello.features
    with pytest.raises(Failed, match="publishes nothing") as e:
        wire.call(listen_request("jobs"))
    assert e.value.code == "UNSUPPORTED"
    assert not (daemon.dir / "events.sock").exists()


def test_a_socket_that_was_asked_for_must_be_had(make_daemon, pg, tmp_path):
    taken = tmp_path / "file"
    taken.write_text("precious")
    daemon = make_daemon(pg.url(), config={"sidepool": {"events_socket": str(taken)}}, start=False).launch()
    assert daemon.wait() == 1
    assert f"the events socket {taken} cannot be used: a file that is no socket has that name" in daemon.log()
    assert taken.read_text() == "precious"


def test_by_default_the_daemon_works_without_it(make_daemon, pg):
    daemon = make_daemon(pg.url(), start=False)
    (daemon.dir / "events.sock").write_text("precious")
    daemon.start()
    assert "nothing is published. Set events_socket" in daemon.log()
    with Wire(daemon.socket) as wire:
        assert events_url(wire) == "" and wire.values("SELECT 1") == [("1",)]


def test_peers_that_leave_at_once_do_not_deafen_the_socket(daemon, wire, pg):
    """libnng 1.5.2 would accept nobody any more after some of these, and never let go of who connects then."""
    import socket

    path = str(daemon.dir / "events.sock")
    greeting = bytes([0]) + b"SP" + bytes([0, 0, 0x21, 0, 0])

    def hears():
        try:
            with Subscriber(wire, timeout=0.5) as sub:
                wire.call(listen_request("jobs"))
                return sub.receive("notify/main/jobs", "mark")
        except OSError:
            return None

    wait_until("a subscriber is heard", hears)
    before = daemon.fds()
    for _ in range(10):
        with contextlib.ExitStack() as stay:
            for _ in range(20):
                with socket.socket(socket.AF_UNIX) as s:
                    s.connect(path)
                s = stay.enter_context(socket.socket(socket.AF_UNIX))
                s.connect(path)
                s.send(greeting)
    wait_until("a new subscriber is heard", hears)
    wait_until("all their descriptors are closed", lambda: daemon.fds() <= before)
    assert "made anew" not in daemon.log()


def test_events_buffer_is_reloaded(daemon, wire):
    daemon.write_config({"sidepool": {"budget": 5, "events_buffer": 4}})
    daemon.reload()
    assert "events_buffer: 1024 -> 4" in daemon.log()


# ---- the command ----


@pytest.fixture
def command(daemon):
    """Starts `sidepool ...`, which ends by itself or with the daemon."""
    started = []

    def start(*arguments):
        p = subprocess.Popen([COMMAND, "--socket", str(daemon.socket), *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(p)
        return p

    yield start
    for p in started:
        p.kill()
        p.communicate()


def test_the_command_listens(command, pg):
    p = command("listen", "jobs", "Mails", "--count", "3", "--json")
    wait_until("it listens", lambda: len(listeners(pg)) == 1 and pg.sql("SELECT 1 FROM pg_stat_activity WHERE query = 'LISTEN \"Mails\"'"))
    for _ in wait_for_lines(p, lambda: notify(pg, "jobs", "first")):
        pass
    out = p.communicate(timeout=60)[0]
    assert p.returncode == 0 and len(out.splitlines()) == 3


def wait_for_lines(p, say):
    """Say it until the command has left."""
    while p.poll() is None:
        say()
        yield


def test_a_hundred_listening_processes_use_one_connection(daemon, command, wire, pg):
    processes = [command("listen", "jobs", "--count", "1") for _ in range(100)]
    with Subscriber(wire) as sub:
        sub.listen("jobs")
        # Each has sent its Listen; that each hears it is what it says itself.
        wait_until("all listen", lambda: wire.status().clients == 101 and sum(c.requests_total >= 2 for c in wire.status().client_list) == 101)
        assert len(listeners(pg)) == 1 and wire.status().connections <= 5
        wait_until("all have heard it", lambda: notify(pg, "jobs", "to all") or all(p.poll() is not None for p in processes))
    for p in processes:
        out, error = p.communicate()
        assert (p.returncode, error) == (0, "") and out.endswith("jobs  to all\n")


def test_the_command_shows_gaps_and_escapes_what_it_shows(command, pg):
    p = command("listen", "jobs")
    wait_until("it hears", lambda: notify_if_listening(pg) or select.select([p.stdout], [], [], 0)[0])
    pg.sql("SELECT pg_terminate_backend(%s)", listeners(pg)[0])
    lines = iter(p.stdout.readline, "")
    gap = next(line for line in lines if "gap" in line)
    assert 'jobs  gap over=no reason="' in gap
    over = next(line for line in lines if "gap" in line)
    assert "jobs  gap over=yes" in over
    notify(pg, "jobs", "bell \a")
    assert "jobs  bell \\x07\n" in next(line for line in lines if "bell" in line)


def notify_if_listening(pg):
    notify(pg, "jobs", "is anybody there")


def test_the_command_shows_events(daemon, command, wire):
    everything = command("events", "--json", "-n", "2")
    other = command("events", "main", "-n", "2")
    wait_until("both are connected", lambda: wire.status().clients == 3)

    def stir():
        admin(wire, "pause")
        admin(wire, "resume")
        return everything.poll() is not None and other.poll() is not None

    wait_until("both have heard enough", stir)
    assert '"kind": "pause"' in everything.communicate()[0]
    assert "main  pause paused=" in other.communicate()[0]


def test_the_command_ends_with_the_daemon(daemon, command, wire):
    p = command("listen", "jobs")
    wait_until("it listens", lambda: wire.status().pools[0].in_use == 1)
    assert daemon.stop() == 0
    out, error = p.communicate(timeout=60)
    assert p.returncode == 3 and error.startswith("sidepool: the ")


@pytest.mark.settings({"sidepool": {"events_socket": "off"}})
def test_the_command_says_that_nothing_is_published(command):
    p = command("listen", "jobs")
    assert "see its setting events_socket" in p.communicate(timeout=60)[1] and p.returncode == 6
    p = command("listen", "--csv", "jobs")
    assert p.communicate(timeout=60)[1] and p.returncode == 2
