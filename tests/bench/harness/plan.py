# SPDX-License-Identifier: MIT
"""What is measured, and what it is held against.

A variant is one load on one of the contestants. A row is a figure of ours divided by the best of its rivals' figures. Variants
may serve several rows; each is run once in a round.
"""

import contextlib
import dataclasses
import pathlib
import typing

import loads
import servers

HERE = pathlib.Path(__file__).resolve().parent
IDLE_CLIENTS = 10000
MIB = 1 << 20


@dataclasses.dataclass(frozen=True)
class Variant:
    key: str
    label: str
    contestant: str  # direct, pgbouncer, sidepool
    run: typing.Callable  # (seconds) -> Sample


def rate(sample):
    return sample.rate


def cpu_us(sample):
    return sample.cpu_us


def rss_mib(sample):
    return sample.rss / MIB


@dataclasses.dataclass
class Row:
    """`value` compares with `bar`: at least that much, or (`most`) at most."""

    name: str
    what: str
    bar: float
    ours: Variant
    rivals: list  # of Variant; none: the figure itself is the value
    shown: list = dataclasses.field(default_factory=list)  # beside them, for the reader
    most: bool = False
    figure: typing.Callable = rate

    def variants(self):
        return [*self.rivals, *self.shown, self.ours]


class Stage:
    """The servers, all up at once. An idle one costs the others nothing."""

    def __init__(self, build, bouncers, scale):
        self.build, self.scale, self.programs = build, scale, bouncers
        self.stack = contextlib.ExitStack()
        self.bouncers, self.environment = [], {}

    def __enter__(self):
        try:
            self.database = self.stack.enter_context(servers.Database(self.scale))
            self.database.load()
            for path in self.programs:
                for mode in ("session", "transaction"):
                    bouncer = servers.Bouncer(self.database, path, mode)
                    self.stack.callback(bouncer.close)
                    self.bouncers.append(bouncer.start())
            self.daemon = servers.Sidepool(self.database)
            self.stack.callback(self.daemon.close)
            self.daemon.start()
        except BaseException:
            self.stack.close()
            raise
        return self

    def __exit__(self, *_):
        self.stack.close()

    def with_cpu(self, server, load):
        """The load, and what it cost the pooler."""

        def run(seconds):
            before = servers.cpu_seconds(server.pid())
            sample = load(seconds)
            sample.cpu_us = (servers.cpu_seconds(server.pid()) - before) * 1e6 / sample.done
            return sample

        return run

    def bench(self, workload, **options):
        options.setdefault("scale", self.scale)
        return lambda seconds: loads.sidepool_bench(self.build, workload, seconds, target=self.daemon.target(), **options)

    # ---- families of variants ----

    def ours(self, row, workload, **options):
        return Variant(f"{row}/sidepool", "sidepool", "sidepool", self.with_cpu(self.daemon, self.bench(workload, **options)))

    def direct(self, row, **options):
        target = self.database.target()
        return Variant(f"{row}/direct", "PostgreSQL direct", "direct", lambda seconds: loads.pgbench(target, seconds, **options))

    def through(self, row, bouncer, protocol, **options):
        name = f"pgbouncer-{bouncer.version[0]}.{bouncer.version[1]}-{bouncer.mode}-{protocol}"
        label = f"PgBouncer {bouncer.version[0]}.{bouncer.version[1]}, {bouncer.mode}, {protocol}"

        def load(seconds):
            return loads.pgbench(bouncer.target(), seconds, protocol=protocol, **options)

        return Variant(f"{row}/{name}", label, "pgbouncer", self.with_cpu(bouncer, load))

    def bounced(self, row, most_in_session=servers.SESSION_CONNECTIONS, protocols=("simple", "extended", "prepared"), **options):
        """Every way that works. In session mode a client that finds no connection waits for another to leave, so there it goes
        without a row of more clients than connections; prepared statements need session mode or a PgBouncer that knows them."""
        found = []
        for bouncer in self.bouncers:
            if bouncer.mode == "session":
                if options["clients"] <= most_in_session:
                    found.append(self.through(row, bouncer, protocols[-1], **options))
                continue
            for protocol in protocols:
                if protocol != "prepared" or bouncer.keeps_statements():
                    found.append(self.through(row, bouncer, protocol, **options))
        return found


def select_rows(stage):
    rows = []
    for clients in (1, 8):
        name = f"select_c{clients}"
        what = f"{clients} client{'s' if clients > 1 else ''}, one-row SELECT, against PgBouncer"
        ours = stage.ours(name, "select", clients=clients)
        rows.append(Row(name, what, 1.25, ours, stage.bounced(name, clients=clients), [stage.direct(name, clients=clients)]))
    name = "select_c64"
    ours, direct = stage.ours(name, "select", clients=64), stage.direct(name, clients=64)
    bounced = stage.bounced(name, clients=64)
    rows.append(Row(name, "64 clients, against PgBouncer with 8 server connections", 2.2, ours, bounced, [direct]))
    rows.append(Row("select_c64_direct", "64 clients on 8 connections, against 64 direct connections", 1.1, ours, [direct]))
    rows.append(Row("cpu", "daemon CPU per request, 64 clients, against PgBouncer's", 0.8, ours, bounced, most=True, figure=cpu_us))
    return rows


def rows(stage):
    return select_rows(stage)

