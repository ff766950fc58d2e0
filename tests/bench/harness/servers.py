# SPDX-License-Identifier: MIT
"""PostgreSQL, PgBouncer and sidepoold, as the bench has them: each in a temporary folder, and away at the end."""

import os
import pathlib
import re
import resource
import shutil
import subprocess
import tempfile

from lib import daemon, processes
from lib.postgres import Postgres, programs
from lib.wait import wait_until

CONNECTIONS = 8  # that PgBouncer has to PostgreSQL
OWN_CONNECTIONS = 4  # that sidepool has: queries of many clients share one, and more than twice as many as processors gain little
SESSION_CONNECTIONS = 16  # where each client keeps one
CLIENTS_MOST = 12000

# fsync is off in the tests' server: what a disk does is not the subject. bench_stream has what a table has: a key, money, a
# name, a flag that may be missing, a time.
STREAM = """
CREATE UNLOGGED TABLE bench_stream AS
SELECT g::int AS id, (g * 1.25)::numeric(12, 2) AS price, 'name of item ' || g AS name,
       CASE WHEN g % 10 > 0 THEN g % 3 = 0 END AS flag, timestamptz '2024-01-01 00:00:00Z' + g * interval '1 second' AS at
FROM generate_series(1, 1000000) g;
VACUUM ANALYZE bench_stream;
"""


def use(build):
    """The daemon of this build is meant."""
    daemon.BINARY = str(build / "src" / "sidepoold")


def allow_descriptors():
    """For us and all that we start: ten thousand clients are as many descriptors."""
    wanted = 2 * CLIENTS_MOST
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(hard, wanted)))
    except ValueError:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def cpu_seconds(pid):
    """Processor time of a process and all its threads so far."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Database(Postgres):
    """PostgreSQL with pgbench's tables."""

    def __init__(self, scale):
        super().__init__(shared_buffers="256MB", max_connections=300, max_wal_size="4GB", checkpoint_timeout="1h", autovacuum="off")
        self.scale = scale

    def initialize(self):
        """pgbench's tables."""
        command = [programs() / "pgbench", "-i", "-q", "-s", str(self.scale), self.url()]
        subprocess.run(command, check=True, capture_output=True)

    def load(self):
        """Those, and a long one to stream."""
        self.initialize()
        self.psql(STREAM)

    def version(self):
        return self.sql("SHOW server_version")[0][0].split()[0]

    def target(self):
        """How a client of libpq's finds it."""
        return {"host": str(self.data), "port": self.port, "user": "postgres", "dbname": "test"}


class Between:
    """A program between libpq's clients and the database, with a folder for its socket and its log."""

    PORT = 6432  # names the socket alone

    def __init__(self, name):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix=f"sp-{name}-", dir="/tmp"))
        self.process = None

    def socket(self):
        return self.dir / f".s.PGSQL.{self.PORT}"

    def launch(self, command):
        with (self.dir / "log").open("wb") as log:
            self.process = processes.launch(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.dir)
        wait_until(f"{command[0]} listens", lambda: self.socket().exists() or self.process.poll() is not None)
        if self.process.poll() is not None:
            raise RuntimeError(f"{command[0]} does not start:\n{(self.dir / 'log').read_text()}")
        return self

    def pid(self):
        return self.process.pid

    def target(self):
        return {"host": str(self.dir), "port": self.PORT, "user": "postgres", "dbname": "test"}

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(20)
        shutil.rmtree(self.dir, ignore_errors=True)


class Bouncer(Between):
    """PgBouncer in front of the database, in one of its modes."""

    def __init__(self, database, program, mode):
        super().__init__("bouncer")
        self.program, self.mode = program, mode
        self.version = self.version_of(program)
        self._write(database)

    @staticmethod
    def version_of(program):
        text = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout
        return tuple(map(int, re.search(r"PgBouncer (\d+)\.(\d+)", text).groups()))

    def keeps_statements(self):
        """Whether prepared statements work in transaction mode."""
        return self.version >= (1, 21)

    def _write(self, database):
        size = SESSION_CONNECTIONS if self.mode == "session" else CONNECTIONS
        lines = [
            "[databases]",
            f"test = host={database.data} port={database.port} dbname=test user=postgres",
            "[pgbouncer]",
            "listen_addr =",
            f"listen_port = {self.PORT}",
            f"unix_socket_dir = {self.dir}",
            "auth_type = any",
            f"pool_mode = {self.mode}",
            f"default_pool_size = {size}",
            f"max_client_conn = {CLIENTS_MOST}",
            "log_connections = 0",
            "log_disconnections = 0",
            "stats_period = 3600",
            "ignore_startup_parameters = extra_float_digits",
        ]
        if self.keeps_statements() and self.mode == "transaction":
            lines.append("max_prepared_statements = 200")
        if database.user:  # it refuses to be root
            lines.append(f"user = {database.user}")
            shutil.chown(self.dir, database.user)
            self.dir.chmod(0o755)
        (self.dir / "pgbouncer.ini").write_text("\n".join(lines) + "\n")

    def start(self):
        return self.launch([self.program, self.dir / "pgbouncer.ini"])


class Relay(Between):
    """Nothing but copying, between each client and a connection of its own (relay.c)."""

    def __init__(self, database, build):
        super().__init__("relay")
        self.command = [build / "tests" / "bench" / "bench-relay", self.socket(), database.data / f".s.PGSQL.{database.port}"]

    def start(self):
        return self.launch(self.command)


class Sidepool(daemon.Daemon):
    """sidepoold, with fewer connections than PgBouncer has."""

    def __init__(self, database, connections=OWN_CONNECTIONS, pool=None, **general):
        general = {"budget": connections, "max_clients": CLIENTS_MOST, **general}
        super().__init__(config={"sidepool": general, "pool main": {"url": database.url(), **(pool or {})}})

    def target(self):
        return {"socket": str(self.socket)}

    def close(self, expected=0):
        try:
            super().close(expected)
        finally:
            self.remove()
