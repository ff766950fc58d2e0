# SPDX-License-Identifier: MIT
"""What is measured, and what it is held against: the table of bars.

A row is a figure of ours divided by the best of its rivals' figures. Variants may serve several rows; each is run once in a round.
"""

import dataclasses
import functools
import typing

import loads
import servers
from stage import Variant, conninfo, idle_clients, name_of, url, with_cpu

IDLE_CLIENTS = 10000
NODE_CONCURRENT = 50
MIB = 1 << 20


def rate(sample):
    return sample.rate


def cpu_us(sample):
    return sample.cpu_us


def p99(sample):
    return sample.latency["p99"]


def rss_mib(sample):
    return sample.rss / MIB


@dataclasses.dataclass
class Row:
    """`bar` is what its value must be at least, or (`most`) at most."""

    name: str
    what: str
    bar: float
    ours: Variant
    rivals: list = dataclasses.field(default_factory=list)  # of Variant; none: the figure itself is the value
    shown: list = dataclasses.field(default_factory=list)  # beside them, for the reader
    most: bool = False
    figure: typing.Callable = rate

    def variants(self):
        return [*self.rivals, *self.shown, self.ours]


def few_clients(stage):
    rows = []
    for clients in (1, 8):
        name = f"select_c{clients}"
        what = f"{clients} client{'s' if clients > 1 else ''}, one-row SELECT by key, against PgBouncer"
        ours = stage.ours(name, "select", clients=clients)
        shown = [stage.direct(name, clients=clients), stage.relayed(name, clients=clients)]
        rows.append(Row(name, what, 1.25, ours, stage.bounced(name, clients=clients), shown))
    return rows


def many_clients(stage):
    """What 64 clients do is the measure of four rows."""
    name = "select_c64"
    ours, direct = stage.ours(name, "select", clients=64), stage.direct(name, clients=64)
    bounced = stage.bounced(name, clients=64)
    idle = beside_idle(stage)
    return [
        Row(name, "64 clients, one-row SELECT, against PgBouncer with 8 server connections", 2.2, ours, bounced, [direct]),
        Row("select_c64_direct", "64 clients on fewer than 8 connections, against 64 direct connections", 1.1, ours, [direct]),
        Row("idle_10k", "select_c64 beside 10,000 idle clients, against without", 0.9, idle, [ours]),
        Row("idle_10k_mib", "memory of the daemon with those, in MiB", 48, idle, most=True, figure=rss_mib),
        Row("cpu", "daemon CPU per request, 64 clients, against PgBouncer's", 0.8, ours, bounced, most=True, figure=cpu_us),
    ]


def beside_idle(stage):
    """A daemon of its own, so that what others did to its memory is not in the figure."""

    def load(seconds):
        with stage.new_daemon() as daemon, idle_clients(stage.build, daemon, IDLE_CLIENTS):
            sample = with_cpu(daemon, stage.bench("select", daemon, clients=64))(seconds)
            sample.rss = daemon.rss()
        return sample

    return Variant("idle_10k/sidepool", f"sidepool beside {IDLE_CLIENTS:,} idle clients", "sidepool", load)


def half_of(load):
    """A rate that both sides can keep up with: half of what this load does when it is not held back. Tried once."""

    @functools.cache
    def rate():
        return int(load(1).rate / 2)

    return rate


def beside_long(stage):
    """What a short statement waits for behind a long one: the price of pipelining. Both sides are offered the same: without a rate
    the one that does more would have more long ones to wait for."""
    rows = []
    for workload, what in (("mixed", "has another text"), ("hidden", "has the same text")):
        name = f"blocking_{workload}"
        offered = half_of(stage.bench(workload, stage.unpipelined, clients=64))
        ours = Variant(f"{name}/sidepool", "sidepool", "sidepool", stage.offered(workload, stage.daemon, offered))
        alone = stage.offered(workload, stage.unpipelined, offered)
        rival = Variant(f"{name}/unpipelined", "sidepool, pipeline = off", "sidepool", alone)
        what = f"p99 of short statements where one in 100 takes 5 ms and {what}, against pipeline = off"
        rows.append(Row(name, what, 1.5, ours, [rival], most=True, figure=p99))
    return rows


def tpcb(stage):
    name = "tpcb_c16"
    load = {"script": "tpcb", "clients": 16}
    ours = stage.ours(name, "tpcb", clients=16)
    what = "pgbench's TPC-B-like transaction as one atomic batch, against pgbench through PgBouncer"
    return [Row(name, what, 1.5, ours, stage.bounced(name, **load), [stage.direct(name, **load)])]


def connect(stage):
    name = "connect"
    load = {"reconnect": True, "clients": 8}
    ours = stage.ours(name, "connect", clients=8)
    rivals = stage.bounced(name, session="simple", transaction=("simple",), **load)
    what = "connect, one query, leave; 8 at once, against the same through PgBouncer"
    return [Row(name, what, 1.5, ours, rivals, [stage.direct(name, protocol="simple", **load)])]


def stream(stage):
    name = "stream"
    ours = stage.ours(name, "stream", clients=1)

    def load(seconds):
        return loads.sidepool_bench(stage.build, "stream", seconds, 1, libpq=stage.database.conninfo())

    libpq = Variant(f"{name}/libpq", "libpq direct, single rows", "direct", load)
    return [Row(name, "1,000,000 rows of 5 mixed columns, against libpq direct in single-row mode", 0.9, ours, [libpq])]


def python(stage):
    name = "python"
    target = stage.daemon.target()["socket"]
    ours = stage.looped(f"{name}/sidepool", "sidepool for Python", "sidepool", stage.python("sidepool", target), stage.daemon)
    direct = stage.python("psycopg-prepared", conninfo(stage.database.target()))
    rivals = []
    for bouncer in stage.bouncers:
        prepared = bouncer.mode == "session" or bouncer.keeps_statements()
        for kind in ["psycopg", *(["psycopg-prepared"] if prepared else [])]:
            key, label = name_of(bouncer, kind)
            rivals.append(stage.looped(f"{name}/{key}", label, "pgbouncer", stage.python(kind, conninfo(bouncer.target())), bouncer))
    what = "one-row SELECT in a loop, the Python package against psycopg 3 through PgBouncer"
    shown = [stage.looped(f"{name}/direct", "psycopg, PostgreSQL direct", "direct", direct)]
    return [Row(name, what, 1.2, ours, rivals, shown)]


def node(stage):
    name = "node"
    socket = stage.daemon.target()["socket"]

    def ours(kind, label):
        command = stage.node(kind, socket, NODE_CONCURRENT, NODE_CONCURRENT)
        return stage.looped(f"{name}/{kind}", label, "sidepool", command, stage.daemon)

    rivals = []
    for bouncer in stage.bouncers:
        # In session mode its pool must have no more clients than there are connections; what else is asked waits in it.
        connections = servers.CONNECTIONS if bouncer.mode == "session" else NODE_CONCURRENT
        kind = "pg-prepared" if bouncer.mode == "session" or bouncer.keeps_statements() else "pg"
        key, label = name_of(bouncer, kind)
        command = stage.node(kind, url(bouncer.target()), NODE_CONCURRENT, connections)
        rivals.append(stage.looped(f"{name}/{key}", label, "pgbouncer", command, bouncer))
    direct = stage.node("pg-prepared", url(stage.database.target()), NODE_CONCURRENT, NODE_CONCURRENT)
    shown = [
        stage.looped(f"{name}/direct", "pg-prepared, PostgreSQL direct", "direct", direct),
        ours("sidepool-pg", "sidepool/pg"),
    ]
    what = f"the same, the Node package against node-postgres through PgBouncer, {NODE_CONCURRENT} concurrent"
    return [Row(name, what, 1.2, ours("sidepool", "sidepool for Node"), rivals, shown)]


def rows(stage):
    made = [*few_clients(stage), *many_clients(stage), *tpcb(stage), *connect(stage), *stream(stage), *python(stage), *node(stage)]
    made += beside_long(stage)
    order = [
        "select_c1", "select_c8", "select_c64", "select_c64_direct", "tpcb_c16", "connect", "stream", "idle_10k", "idle_10k_mib",
        "python", "node", "cpu", "blocking_mixed", "blocking_hidden",
    ]  # fmt: skip
    return sorted(made, key=lambda row: order.index(row.name))
