# SPDX-License-Identifier: MIT
"""The contestants, all up at once, and the loads that can be put on each. An idle server costs the others nothing."""

import contextlib
import dataclasses
import os
import pathlib
import subprocess
import sys
import typing

import loads
import servers
from lib import processes

TOP = pathlib.Path(__file__).resolve().parent.parent.parent.parent
LOOPS = TOP / "tests" / "bench" / "loops"
ACCOUNTS = 100000  # for each unit of scale


@dataclasses.dataclass(frozen=True)
class Variant:
    """One load on one of the contestants: `key` is unique, and says which family it is of before the "/"."""

    key: str
    label: str
    contestant: str  # direct, relay, pgbouncer, sidepool
    run: typing.Callable  # (seconds) -> Sample


def with_cpu(server, load):
    """The load, and what it cost the pooler."""

    def run(seconds):
        before = servers.cpu_seconds(server.pid())
        sample = load(seconds)
        sample.cpu_us = (servers.cpu_seconds(server.pid()) - before) * 1e6 / sample.done
        return sample

    return run


def name_of(bouncer, how):
    """Its part of a key, and how it is called in tables."""
    version = ".".join(map(str, bouncer.version))
    return f"pgbouncer-{version}-{bouncer.mode}-{how}", f"PgBouncer {version}, {bouncer.mode}, {how}"


class Stage:
    def __init__(self, build, bouncers, scale, connections=servers.OWN_CONNECTIONS):
        self.build, self.scale, self.programs, self.connections = build, scale, bouncers, connections
        self.stack = contextlib.ExitStack()
        self.bouncers = []

    def __enter__(self):
        try:
            self.database = self.stack.enter_context(servers.Database(self.scale))
            self.database.load()
            for path in self.programs:
                for mode in ("session", "transaction"):
                    bouncer = servers.Bouncer(self.database, path, mode)
                    self.stack.callback(bouncer.close)
                    self.bouncers.append(bouncer.start())
            self.relay = servers.Relay(self.database, self.build)
            self.stack.callback(self.relay.close)
            self.relay.start()
            self.daemon = self.stack.enter_context(self.new_daemon())
            self.unpipelined = self.stack.enter_context(self.new_daemon(pool={"pipeline": "off"}))
        except BaseException:
            self.stack.close()
            raise
        return self

    def __exit__(self, *exception):
        return self.stack.__exit__(*exception)

    @contextlib.contextmanager
    def new_daemon(self, **options):
        daemon = servers.Sidepool(self.database, self.connections, **options)
        try:
            yield daemon.start()
        except BaseException:
            daemon.end_is_known = True  # whoever stopped us may have stopped it as well
            raise
        finally:
            daemon.close()

    def bench(self, workload, daemon=None, **options):
        """sidepool-bench on a daemon: the one that is always there, unless another is given."""
        target = (daemon or self.daemon).target()
        options.setdefault("scale", self.scale)
        return lambda seconds: loads.sidepool_bench(self.build, workload, seconds, target=target, **options)

    def offered(self, workload, daemon, rate):
        """So many a second for the daemon, whether it answers in time or not (64 clients); `rate` is a function."""
        return with_cpu(daemon, lambda seconds: self.bench(workload, daemon, clients=64, rate=rate())(seconds))

    # ---- loads of C: sidepool-bench and pgbench ----

    def ours(self, family, workload, **options):
        return Variant(f"{family}/sidepool", "sidepool", "sidepool", with_cpu(self.daemon, self.bench(workload, **options)))

    def direct(self, family, **options):
        target = self.database.target()
        return Variant(f"{family}/direct", "PostgreSQL direct", "direct", lambda seconds: loads.pgbench(target, seconds, **options))

    def relayed(self, family, **options):
        load = with_cpu(self.relay, lambda seconds: loads.pgbench(self.relay.target(), seconds, **options))
        return Variant(f"{family}/relay", "a bare relay, which only copies", "relay", load)

    def through(self, family, bouncer, protocol, **options):
        name, label = name_of(bouncer, protocol)
        if bouncer.mode == "transaction" and protocol == "prepared" and options.get("script") == "tpcb":
            # pgbench prepares with a call that blocks: in a transaction, for connections that other clients of its thread hold.
            options["threads"] = options["clients"]

        def load(seconds):
            return loads.pgbench(bouncer.target(), seconds, protocol=protocol, **options)

        return Variant(f"{family}/{name}", label, "pgbouncer", with_cpu(bouncer, load))

    def bounced(self, family, session="prepared", transaction=("simple", "extended", "prepared"), **options):
        """pgbench through PgBouncer in every way that works, with these protocols. In session mode a client keeps its connection,
        so that more clients than connections wait for others to leave: there session mode is no contestant. Prepared statements
        need session mode or a PgBouncer that knows them."""
        found = []
        for bouncer in self.bouncers:
            if bouncer.mode == "session":
                protocols = [session] if options["clients"] <= servers.SESSION_CONNECTIONS else []
            else:
                protocols = [p for p in transaction if p != "prepared" or bouncer.keeps_statements()]
            found += [self.through(family, bouncer, p, **options) for p in protocols]
        return found

    # ---- loops in other languages ----

    def looped(self, key, label, contestant, command, server=None):
        """A program of ../loops; what stands for {seconds} is filled in."""
        environment = {"PYTHONPATH": str(TOP / "clients" / "python" / "src")}

        def load(seconds):
            return loads.program([str(c).replace("{seconds}", str(seconds)) for c in command], environment)

        return Variant(key, label, contestant, with_cpu(server, load) if server else load)

    def python(self, kind, target):
        return [sys.executable, "-B", LOOPS / "select.py", kind, target, "{seconds}", ACCOUNTS * self.scale]

    def node(self, kind, target, concurrent, connections):
        return ["node", LOOPS / "select.js", kind, target, "{seconds}", ACCOUNTS * self.scale, concurrent, connections]


@contextlib.contextmanager
def idle_clients(build, daemon, n):
    """So many clients of the daemon's that ask nothing."""
    command = [build / "tests" / "bench" / "sidepool-bench", "idle", "--clients", str(n), "--seconds", str(loads.LONGEST_S)]
    command += ["--socket", daemon.target()["socket"]]
    process = processes.launch(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        if process.stdout.readline() != "ready\n":
            raise loads.LoadFailed(f"{n} idle clients were not let in: {process.stdout.read()}\n{daemon.log()}")
        yield
        if process.poll() is not None:
            raise loads.LoadFailed("the idle clients have left")
    finally:
        process.kill()
        process.stdout.close()
        process.wait()


def conninfo(target):
    return " ".join(f"{k}={v}" for k, v in target.items())


def url(target):
    """As node-postgres reads it: a host that is a folder is a parameter."""
    return f"postgresql://{target['user']}@/{target['dbname']}?host={os.fspath(target['host'])}&port={target['port']}"
