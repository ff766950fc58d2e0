# SPDX-License-Identifier: MIT
"""More clients than descriptors: who cannot be served yet waits, nobody is dropped, and the pool keeps its connections."""
import contextlib
import resource
import select

import pytest
from lib.wait import wait_until
from lib.wire import GREETING, Wire

pytestmark = [pytest.mark.fast, pytest.mark.no_memcheck("valgrind keeps the limit of descriptors by itself, with some of its own beyond it")]
BUDGET, FREE, WAITING = 3, 8, 4


@pytest.fixture
def full(pg, make_daemon):
    """A daemon whose pool is as large as it gets."""
    daemon = make_daemon(pg.url(), config={"sidepool": {"budget": BUDGET}}, env={"SIDEPOOL_DEBUG": "sp"})
    with Wire(daemon.socket) as wire:
        hold_the_pool(wire)
        with_client = daemon.fds()
    wait_until("the client is gone", lambda: daemon.fds() == with_client - 1)
    return daemon


def hold_the_pool(wire):
    """All its connections at once, and back again."""
    for lease in [wire.lease() for _ in range(BUDGET)]:
        wire.release(lease)


def limit(daemon, n):
    _, most = resource.prlimit(daemon.pid(), resource.RLIMIT_NOFILE)
    resource.prlimit(daemon.pid(), resource.RLIMIT_NOFILE, (n, most))


def backends(pg):
    return sorted(b[0] for b in pg.backends())


def is_greeted(wire):
    return bool(select.select([wire.socket], [], [], 0)[0])


def queue_up(stack, daemon, n):
    """Connected and greeting, one behind the other, when the daemon accepts no more."""
    late = [stack.enter_context(Wire(daemon.socket, greet=False)) for _ in range(n)]
    for wire in late:
        wire.socket.sendall(GREETING)
    wait_until("accepting pauses", lambda: "accepting pauses" in daemon.log())
    return late


def serve(wire):
    assert wire.read(8) == b"\0SP\0\0\x31\0\0"
    assert wire.values("SELECT 1") == [("1",)]


def test_at_the_limit_of_descriptors_new_clients_wait_their_turn(full, pg):
    before = backends(pg)
    limit(full, full.fds() + FREE)
    with contextlib.ExitStack() as stack:
        served = [stack.enter_context(Wire(full.socket)) for _ in range(FREE)]
        late = queue_up(stack, full, WAITING)
        assert "Too many open files" in full.log()
        assert all(w.values("SELECT 1") == [("1",)] for w in served) and not any(map(is_greeted, late))
        for i, wire in enumerate(late):
            served[i].close()
            serve(wire)
            assert not any(map(is_greeted, late[i + 1 :]))
        assert all(w.values("SELECT 1") == [("1",)] for w in [*served[WAITING:], *late])
    assert backends(pg) == before and len(before) == BUDGET


def test_clients_that_wait_do_not_take_the_pools_descriptors(full, pg):
    """What the pool loses it can make again, however many clients wait for a descriptor."""
    clients = full.fds() + FREE // 2
    limit(full, 2 * clients)
    full.reload()
    with contextlib.ExitStack() as stack:
        served = [stack.enter_context(Wire(full.socket)) for _ in range(clients)]
        late = queue_up(stack, full, FREE + WAITING)
        lost = backends(pg)
        pg.sql("SELECT pg_terminate_backend(pid) FROM unnest(%s::int[]) pid", lost)
        wait_until("they are gone", lambda: not set(lost) & set(backends(pg)))
        hold_the_pool(served[0])
        assert all(w.values("SELECT 1") == [("1",)] for w in served)
        assert len(backends(pg)) == BUDGET and not any(map(is_greeted, late))
        for leaves, comes in zip(served, late):
            leaves.close()
            serve(comes)
    assert "raise the limit" in full.log()
