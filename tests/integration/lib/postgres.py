# SPDX-License-Identifier: MIT
"""A PostgreSQL cluster of one's own in a temporary folder."""
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile

import psycopg


def programs():
    """The folder of the newest PostgreSQL's programs."""
    folders = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name))
    if not folders:
        raise RuntimeError("PostgreSQL is not installed: deploy/deps test")
    return folders[-1]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Postgres:
    """Started by `start()` or by a `with`; superuser "postgres", trusted; database "test"."""

    def __init__(self, **settings):
        self.settings = {
            "fsync": "off", "shared_buffers": "16MB", "max_connections": 100, "listen_addresses": "127.0.0.1",
            "log_min_messages": "fatal", "max_prepared_transactions": 10, **settings,
        }  # fmt: skip
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="sp-pg-", dir="/tmp"))
        self.data = self.dir / "data"
        self.port = free_port()
        self.data.mkdir()
        # initdb refuses to run as root.
        self.user = next(u for u in ("postgres", "nobody") if u in {p.pw_name for p in pwd.getpwall()}) if os.geteuid() == 0 else None
        if self.user:
            self.dir.chmod(0o755)
            shutil.chown(self.data, self.user)
        self._run("initdb", "-D", self.data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "-N")

    def _run(self, program, *arguments, check=True):
        command = [str(programs() / program), *map(str, arguments)]
        if self.user:
            command = ["setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--init-groups", "--", *command]
        done = subprocess.run(command, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if check and done.returncode != 0:
            raise RuntimeError(f"{program}: {done.stdout}{done.stderr}{self.log()}")
        return done

    def log(self):
        file = self.data / "log"
        return file.read_text(errors="replace") if file.exists() else ""

    def start(self):
        options = " ".join(f"-c {k}={v}" for k, v in {**self.settings, "port": self.port, "unix_socket_directories": self.data}.items())
        self._run("pg_ctl", "-D", self.data, "-l", self.data / "log", "-w", "-t", "60", "-o", options, "start")
        with self.connect("postgres") as c:
            if not c.execute("SELECT 1 FROM pg_database WHERE datname = 'test'").fetchone():
                c.execute("CREATE DATABASE test")
        return self

    def stop(self, mode="fast"):
        self._run("pg_ctl", "-D", self.data, "-w", "-m", mode, "stop")

    def restart(self, mode="fast"):
        self.stop(mode)
        self.start()

    def kill9(self):
        """SIGKILL to the postmaster; its children notice and leave."""
        pid = int((self.data / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)

    def url(self, user="postgres", database="test", **parameters):
        extra = "".join(f"&{k}={v}" for k, v in parameters.items())
        return f"postgresql://{user}@/{database}?host={self.data}&port={self.port}{extra}"

    def tcp_url(self, user="postgres", database="test", password=None):
        secret = f":{password}" if password else ""
        return f"postgresql://{user}{secret}@127.0.0.1:{self.port}/{database}"

    def connect(self, database="test", **options):
        return psycopg.connect(
            host=str(self.data), port=self.port, user="postgres", dbname=database, autocommit=True, application_name="tester", **options
        )

    def sql(self, text, *values, database="test"):
        """Run one statement beside everything else and return its rows."""
        with self.connect(database) as c:
            cursor = c.execute(text, values or None)
            return cursor.fetchall() if cursor.description else None

    def backends(self):
        """What the daemon's connections are doing."""
        return self.sql(
            "SELECT pid, state, query, application_name FROM pg_stat_activity"
            " WHERE backend_type = 'client backend' AND application_name LIKE 'sidepool%'"
        )

    def destroy(self):
        self._run("pg_ctl", "-D", self.data, "-m", "immediate", "stop", check=False)
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.destroy()
