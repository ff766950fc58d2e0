# SPDX-License-Identifier: MIT
"""add_listener(): notifications over the daemon's events."""
import asyncio

import pytest
from sidepool import asyncpg, errors
from sidepool._events import Counter, Event, EventsError, length_of, path_of


class Ear:
    """What came, and a wait for it."""

    def __init__(self):
        self.heard, self.gaps = [], []
        self._came = asyncio.Event()

    def __call__(self, connection, pid, channel, payload):
        self.heard.append((channel, payload))
        self._came.set()

    def gap(self, connection, channel, lost, reason):
        self.gaps.append((channel, lost, reason))
        self._came.set()

    async def until(self, test):
        await asyncio.wait_for(self._until(test), 60)

    async def _until(self, test):
        while not test():
            self._came.clear()
            await self._came.wait()


@pytest.fixture
async def db(socket_path):
    connection = await asyncpg.connect(socket_path)
    yield connection
    await connection.close()


async def test_hears(db, leases, pg):
    ear = Ear()
    await db.add_listener("Jobs", ear)
    assert db.get_server_pid() == 0
    await db.execute("SELECT pg_notify('Jobs', n::text) FROM generate_series(1, 500) n")
    pg.sql("NOTIFY \"Jobs\", 'from elsewhere'")
    pg.sql("NOTIFY jobs, 'folded'")
    pg.sql("NOTIFY \"Jobs\", 'last'")
    await ear.until(lambda: len(ear.heard) >= 502)
    assert ear.heard == [("Jobs", str(n)) for n in range(1, 501)] + [("Jobs", "from elsewhere"), ("Jobs", "last")]


async def test_coroutine_functions_and_several_listeners(db, socket_path, pg):
    first, second, third = Ear(), Ear(), Ear()
    other = await asyncpg.connect(socket_path)

    async def slow(*args):
        await asyncio.sleep(0)
        second(*args)

    await asyncio.gather(db.add_listener("c", first), db.add_listener("c", slow), other.add_listener("c", third), other.add_listener("d", third))
    pg.sql("NOTIFY c, '1'")
    for ear in (first, second, third):
        await ear.until(lambda ear=ear: ear.heard == [("c", "1")])
    await db.remove_listener("c", first)
    await other.close()
    pg.sql("NOTIFY c, '2'")
    pg.sql("NOTIFY d, '2'")
    await second.until(lambda: second.heard == [("c", "1"), ("c", "2")])
    assert len(first.heard) == len(third.heard) == 1


async def test_removed_and_added_again(db, pg):
    ear = Ear()
    for n in range(5):
        await db.add_listener("again", ear)
        pg.sql(f"NOTIFY again, '{n}'")
        await ear.until(lambda n=n: len(ear.heard) == n + 1)
        await db.remove_listener("again", ear)
    assert not db._raw._transport.listening._channels


async def test_callback_that_fails_is_told_to_the_loop(db, pg):
    told, ear = [], Ear()
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context["exception"]))

    def bad(*args):
        raise ValueError("mine")

    await db.add_listener("c", bad)
    await db.add_listener("c", ear)
    pg.sql("NOTIFY c, 'x'")
    await ear.until(lambda: ear.heard)
    assert [str(e) for e in told] == ["mine"]


async def test_daemon_restarts(make_daemon, pg):
    daemon = make_daemon(budget=3)
    db, ear = await asyncpg.connect(str(daemon.socket)), Ear()
    db.add_gap_listener(ear.gap)
    await db.add_listener("c", ear)
    daemon.kill()
    daemon.start()
    await ear.until(lambda: ear.gaps)
    assert ear.gaps[0][:2] == ("c", None)
    pg.sql("NOTIFY c, 'after'")
    await ear.until(lambda: ear.heard == [("c", "after")])
    await db.close()


async def test_no_events_is_said(make_daemon):
    daemon = make_daemon(events_socket="off")
    db = await asyncpg.connect(str(daemon.socket))
    with pytest.raises(errors.Error):
        await db.add_listener("c", print)
    for bad in ("", "x" * 64):
        with pytest.raises(asyncpg.InterfaceError):
            await db.add_listener(bad, print)
    assert await db.fetchval("SELECT 1") == 1
    await db.close()


async def test_notices(db):
    told = []
    db.add_log_listener(callback := lambda connection, message: told.append(message.message_primary))
    await db.execute("DO $$ BEGIN RAISE NOTICE 'hear'; END $$")
    db.remove_log_listener(callback)
    await db.execute("DO $$ BEGIN RAISE NOTICE 'deaf'; END $$")
    assert told == ["hear"]


def test_numbers_tell_what_was_lost():
    def event(sequence, instance=1, mark=False):
        made = Event(instance_id=instance, sequence=sequence)
        (made.mark if mark else made.notification).SetInParent()
        return made

    counter = Counter()
    steps = [
        (event(7, mark=True), 0), (event(8), 0), (event(9), 0), (event(9, mark=True), 0), (event(12), 2), (event(12), -1),
        (event(15, mark=True), 3), (event(16), 0), (event(3, instance=2), 0), (event(4, instance=2), 0),
    ]  # fmt: skip
    assert [counter.missed(e) for e, _ in steps] == [wanted for _, wanted in steps]


@pytest.mark.parametrize("header", [b"\2" + bytes(8), b"\1" + b"\xff" * 8])
def test_what_is_no_message_of_sp_is_refused(header):
    with pytest.raises(EventsError):
        length_of(header)


@pytest.mark.parametrize("url", ["", "tcp://127.0.0.1:1"])
def test_events_that_are_elsewhere_are_refused(url):
    with pytest.raises(EventsError):
        path_of(url)
