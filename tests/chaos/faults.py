# SPDX-License-Identifier: MIT
"""What strikes. Each fault is a generator function of the world and a source of choices: it strikes,
yields for how long what it has done shall last, and mends what World.heal() does not."""
import signal
import time

import psycopg
from lib import processes
from proxy import TO_CLIENT, TO_SERVER

NOT_NOW = (psycopg.Error, ProcessLookupError)  # what a light fault runs into when the server is down
FAULTS = []


def fault(weight, name, light=False):
    """`light`: it can strike while another one lasts."""

    def keep(function):
        FAULTS.append((weight, name, function, light))
        return function

    return keep


def choose(random, light=False, only=""):
    """A fault, by weight; the choice depends on nothing but `random`."""
    candidates = [f for f in FAULTS if (f[3] or not light) and only in f[1]] or FAULTS
    (chosen,) = random.choices(candidates, [f[0] for f in candidates])
    return chosen[1:3]


def short(random):
    return random.uniform(0, 0.6)


def some_backends(world, random, at_least=1):
    pids = world.backends()
    return random.sample(pids, random.randint(min(at_least, len(pids)), len(pids)))


@fault(4, "backends terminated", light=True)
def terminate(world, random):
    for pid in some_backends(world, random):
        world.primary.sql("SELECT pg_terminate_backend(%s)", pid)
    yield 0


@fault(3, "statements cancelled by another", light=True)
def cancel(world, random):
    for _ in range(random.randint(1, 20)):
        world.primary.sql("SELECT pg_cancel_backend(pid) FROM unnest(%s::int[]) pid", some_backends(world, random))
    yield 0


@fault(2, "a backend killed, and all with it")
def kill_backend(world, random):
    for pid in some_backends(world, random)[:1]:
        processes.signal_if_alive(pid, signal.SIGKILL)
    yield short(random)


@fault(2, "a backend stands still")
def stop_backend(world, random):
    pids = some_backends(world, random)[:2]
    for pid in pids:
        world.stopped.append(pid)
        processes.signal_if_alive(pid, signal.SIGSTOP)
    yield random.uniform(0.2, 2.5)


@fault(2, "PostgreSQL stopped, fast")
def stop_fast(world, random):
    world.primary.stop("fast")
    yield short(random)


@fault(2, "PostgreSQL stopped, immediate")
def stop_immediate(world, random):
    world.primary.stop("immediate")
    yield short(random)


@fault(2, "PostgreSQL killed, all of it")
def kill_server(world, random):
    world.primary.kill9()
    yield short(random)


@fault(1, "failover to a promoted standby")
def failover(world, random):
    world.fail_over(random.choice(["SIGKILL", "immediate", "fast"]))
    yield 0


@fault(2, "PostgreSQL's slots taken")
def take_slots(world, random):
    """As many as there are; then some of the daemon's are gone, and it cannot have new ones."""
    options = {"host": "127.0.0.1", "port": world.primary.port, "user": "other", "dbname": "test"}
    with world.primary.connect() as c:
        c.execute("DO $$ BEGIN CREATE ROLE other LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    pids = some_backends(world, random)
    for victims in ([], pids):
        for pid in victims:
            world.primary.sql("SELECT pg_terminate_backend(%s)", pid)
        try:
            while True:
                world.holders.append(psycopg.connect(**options, application_name="taker", connect_timeout=2))
        except psycopg.OperationalError:
            pass  # it is full
    yield random.uniform(0.3, 2)


@fault(1, "the disk full")
def fill_disk(world, random):
    if not world.primary.mounted:
        yield None
        return
    world.primary.fill_disk()
    yield random.uniform(0.3, 1.5)


@fault(2, "a table locked")
def lock_table(world, random):
    with world.primary.connect() as c:
        try:
            with c.transaction():
                c.execute("SET LOCAL lock_timeout = '2s'")
                c.execute(f"LOCK {random.choice(['account', 'entry'])} IN ACCESS EXCLUSIVE MODE")
                yield random.uniform(0.1, 1.5)
        except psycopg.Error:
            yield 0  # too busy to be locked


# -- the daemon and its clients


@fault(2, "the daemon restarted")
def restart_daemon(world, random):
    world.daemon.stop()
    yield short(random)
    world.daemon.start()


@fault(3, "the daemon killed")
def kill_daemon(world, random):
    world.daemon.kill()
    yield short(random)
    world.daemon.start()


@fault(2, "the daemon stands still")
def stop_daemon(world, random):
    world.stopped.append(world.daemon.process.pid)
    world.daemon.process.send_signal(signal.SIGSTOP)
    yield random.uniform(0.1, 2)


@fault(1, "the daemon reloads")
def reload_daemon(world, random):
    text = world.daemon.file.read_text()
    lines = [f"budget = {random.randint(3, 12)}" if line.startswith("budget") else line for line in text.splitlines()]
    world.daemon.file.write_text("\n".join(lines) + "\n")
    world.daemon.process.send_signal(signal.SIGHUP)
    yield 0


@fault(4, "clients killed", light=True)
def kill_clients(world, random):
    for client in random.sample(world.clients, random.randint(1, 2)):
        client.kill()
        client.start(world.daemon.socket)
    yield 0


@fault(2, "the clock moved")
def move_clock(world, random):
    if not world.daemon.faketime:
        yield None
        return
    world.daemon.set_clock(random.choice(["+86400", "-86400", "+3600", "-3600", "+400d", "-1"]))
    yield short(random)
    world.daemon.set_clock("+0")


# -- the network


@fault(3, "the network stalls", light=True)
def stall(world, random):
    world.proxy.stall()
    yield random.choice([0.1, 0.5, 1, 3])


@fault(2, "the network stalls, and breaks")
def stall_and_break(world, random):
    world.proxy.stall()
    yield random.choice([0.1, 0.5, 2])
    world.proxy.break_all(reset=random.random() < 0.5)


@fault(2, "the network crawls", light=True)
def crawl(world, random):
    world.proxy.crawl(random.choice([0.002, 0.01, 0.05]), random.choice([1, 7, 100, 1000]))
    yield random.uniform(0.5, 2)


@fault(6, "a connection cut in mid-message", light=True)
def cut(world, random):
    direction = random.choice([TO_SERVER, TO_CLIENT])
    size, reset, every = random.randint(1, 3000), random.random() < 0.5, random.random() < 0.3
    before, end = world.proxy.cuts, time.monotonic() + 3
    world.proxy.cut_after(direction, size, reset, every)
    while world.proxy.cuts == before and time.monotonic() < end:
        yield 0.02


@fault(3, "the answers lost, then a reset", light=True)
def lose_answers(world, random):
    world.proxy.swallow(TO_CLIENT)
    yield random.uniform(0.02, 1)


@fault(2, "the questions lost, then a reset")
def lose_questions(world, random):
    world.proxy.swallow(TO_SERVER)
    yield random.uniform(0.02, 1)


@fault(3, "all connections reset", light=True)
def reset(world, random):
    world.proxy.break_all(reset=random.random() < 0.7)
    yield 0


@fault(2, "connections refused", light=True)
def refuse(world, random):
    world.proxy.refuse()
    world.proxy.break_all(reset=True)
    yield random.uniform(0.1, 1.5)


def strike(world, function, random, meanwhile=None):
    """Runs one fault to its end, with meanwhile() in the middle of it; False: it cannot be had here."""
    for seconds in function(world, random):
        if seconds is None:
            return False
        end = time.monotonic() + seconds
        if meanwhile:
            meanwhile()
            meanwhile = None
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.1))
    return True
