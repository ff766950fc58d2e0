# SPDX-License-Identifier: MIT
"""A PostgreSQL cluster of one's own in a temporary folder."""
import grp
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile

import psycopg

from . import processes
from .wait import wait_until

STOP_SIGNALS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}
READY_LINE = 7  # of postmaster.pid: see src/include/utils/pidfile.h of PostgreSQL


def programs():
    """The folder of the newest PostgreSQL's programs."""
    folders = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name))
    if not folders:
        raise RuntimeError("PostgreSQL is not installed: deploy/deps --test")
    return folders[-1]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def server_user():
    """Whom the server runs as: initdb refuses root, so root becomes another."""
    if os.geteuid() != 0:
        return None
    known = {p.pw_name for p in pwd.getpwall()}
    return next(u for u in ("postgres", "nobody") if u in known)


class Postgres:
    """Started by `start()` or by a `with`; superuser "postgres", trusted; database "test".

    The arguments are settings of the server, max_connections=10 for one. They are read at each start.
    """

    def __init__(self, **settings):
        self.settings = {
            "fsync": "off", "shared_buffers": "16MB", "max_connections": 100, "listen_addresses": "127.0.0.1",
            "log_min_messages": "fatal", "max_prepared_transactions": 10, "temp_file_limit": "1GB", **settings,
        }  # fmt: skip
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="sp-pg-", dir="/tmp"))
        self.data = self.dir / "data"
        self.log_file = self.data / "log"
        self.port = free_port()
        self.process = None
        self.data.mkdir()
        self.user = server_user()
        if self.user:
            self.dir.chmod(0o755)
            shutil.chown(self.data, self.user)
        try:
            self._fill()
            with (self.data / "postgresql.conf").open("a") as f:
                f.write("include 'settings.conf'\n")
        except BaseException:
            shutil.rmtree(self.dir, ignore_errors=True)
            raise

    def _fill(self):
        """Make what is in the data folder."""
        self._run("initdb", "-D", self.data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "-N")

    def _identity(self):
        if not self.user:
            return {}
        user = pwd.getpwnam(self.user)
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": [g.gr_gid for g in grp.getgrall() if self.user in g.gr_mem]}

    def _run(self, program, *arguments, **options):
        command = [str(programs() / program), *map(str, arguments)]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
        done = subprocess.run(
            command, cwd="/", stdin=options.pop("stdin", subprocess.DEVNULL), capture_output=True, text=True, check=False,
            env=environment, **self._identity(), **options,
        )  # fmt: skip
        if done.returncode != 0:
            raise RuntimeError(f"{program}: {done.stdout}{done.stderr}")
        return done.stdout

    def log(self):
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def _write_settings(self):
        told = {**self.settings, "port": self.port, "unix_socket_directories": self.data}
        text = "".join("{} = '{}'\n".format(k, str(v).replace("'", "''")) for k, v in told.items())
        (self.data / "settings.conf").write_text(text)

    def _is_ready(self):
        """Ready, or gone: postmaster.pid is the server's own word, and may be an earlier one's."""
        if self.process.poll() is not None:
            return True
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) > READY_LINE and int(lines[0]) == self.process.pid and lines[READY_LINE].strip() == "ready"

    def _launch(self):
        self._write_settings()
        with self.log_file.open("ab") as log:
            self.process = processes.launch(
                [str(programs() / "postgres"), "-D", str(self.data)], cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={k: v for k, v in os.environ.items() if not k.startswith("PG")}, **self._identity(),
            )  # fmt: skip
        wait_until("PostgreSQL is ready", self._is_ready, 60)
        return self.process.poll() is None

    def start(self):
        # Nobody keeps the port for us between the time it was found free and the first start.
        first = not self.log_file.exists()
        started = self._launch()
        for _ in range(5):
            if started or not first or "could not bind" not in self.log():
                break
            self.port = free_port()
            started = self._launch()
        if not started:
            raise RuntimeError(f"PostgreSQL does not start:\n{self.log()}")
        with self.connect("postgres") as c:
            if not c.execute("SELECT 1 FROM pg_database WHERE datname = 'test'").fetchone():
                c.execute("CREATE DATABASE test")
        return self

    def stop(self, mode="fast"):
        """Stop it as pg_ctl -m smart, fast or immediate does, and wait until it has."""
        self.process.send_signal(STOP_SIGNALS[mode])
        self.process.wait(60)

    def restart(self, mode="fast"):
        self.stop(mode)
        self.start()

    def kill9(self):
        """SIGKILL to the server and all its processes, as if the machine had failed; start() recovers."""
        children = processes.children(self.process.pid)
        self.process.kill()
        self.process.wait(60)
        for pid in children:
            processes.signal_if_alive(pid, signal.SIGKILL)
        wait_until("the server's processes are gone", lambda: not any(processes.is_alive(p) for p in children))

    def url(self, user="postgres", database="test", **parameters):
        extra = "".join(f"&{k}={v}" for k, v in parameters.items())
        return f"postgresql://{user}@/{database}?host={self.data}&port={self.port}{extra}"

    def tcp_url(self, user="postgres", database="test", password=None):
        secret = f":{password}" if password else ""
        return f"postgresql://{user}{secret}@127.0.0.1:{self.port}/{database}"

    def conninfo(self, user="postgres", database="test"):
        """The same as libpq's keywords and values."""
        return f"host={self.data} port={self.port} user={user} dbname={database}"

    def connect(self, database="test", **options):
        return psycopg.connect(
            host=str(self.data), port=self.port, user="postgres", dbname=database, autocommit=True, application_name="tester", **options
        )

    def sql(self, text, *values, database="test"):
        """Run one statement beside everything else and return its rows."""
        with self.connect(database) as c:
            cursor = c.execute(text, values or None)
            return cursor.fetchall() if cursor.description else None

    def psql(self, script, database="test"):
        """Run a script, psql's own commands included, up to its first error; return what psql prints, unaligned."""
        return self._run("psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", self.url(database=database), stdin=None, input=script)

    def reload(self):
        """Have the configuration read again, and wait until it is in force for new connections."""
        (before,) = self.sql("SELECT pg_conf_load_time()")
        self.sql("SELECT pg_reload_conf()")
        wait_until("the configuration is read", lambda: self.sql("SELECT pg_conf_load_time()") != [before])

    def set(self, name, value):
        """Change a setting of the running server. One that needs a restart is refused: it belongs in `settings`."""
        with self.connect() as c:
            c.execute(psycopg.sql.SQL("ALTER SYSTEM SET {} = {}").format(psycopg.sql.Identifier(name), psycopg.sql.Literal(str(value))))
        self.reload()
        if self.sql("SELECT pending_restart FROM pg_settings WHERE name = %s", name) == [(True,)]:
            self.sql(f'ALTER SYSTEM RESET "{name}"')
            raise ValueError(f"{name} needs a restart")

    def backends(self):
        """What the daemon's connections are doing."""
        return self.sql(
            "SELECT pid, state, query, application_name FROM pg_stat_activity"
            " WHERE backend_type = 'client backend' AND application_name LIKE 'sidepool%'"
        )

    def wait_for_end(self):
        """Wait until nothing that a daemon asked for is running, and no transaction of a daemon's is open."""
        busy = []

        def ended():
            busy[:] = [b for b in self.backends() if b[1] != "idle"]
            return not busy

        try:
            wait_until("what the daemons began has ended", ended)
        except AssertionError as e:
            raise AssertionError(f"{e}; at work: {busy}") from None

    def destroy(self):
        if self.process and self.process.poll() is None:
            try:
                self.stop("immediate")
            except subprocess.TimeoutExpired:
                self.kill9()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.destroy()
            raise

    def __exit__(self, *_):
        self.destroy()
