# SPDX-License-Identifier: MIT
"""PostgreSQL as the ledger has it: on a file system that can be filled, with standbys, and the
daemon behind a socket that outlives it, as under systemd."""
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

from lib import processes
from lib.daemon import BINARY, COMPLAINT, SANITIZED
from lib.postgres import Postgres
from lib.wait import wait_until

DISK = "700m"
SETTINGS = {
    "max_connections": 40, "superuser_reserved_connections": 5, "deadlock_timeout": "100ms",
    "wal_level": "replica", "max_wal_senders": 4, "hot_standby": "on", "wal_sender_timeout": "5s",
    "max_wal_size": "128MB", "min_wal_size": "32MB", "checkpoint_timeout": "60s",
    "listen_addresses": "127.0.0.1", "autovacuum_naptime": "5s", "log_min_messages": "panic",
    "max_prepared_transactions": 0, "tcp_user_timeout": "0",
}  # fmt: skip


class Server(Postgres):
    """A PostgreSQL on a small disk of its own, where that can be mounted."""

    def __init__(self, primary=None):
        self.primary, self.mounted = primary, False
        super().__init__(**SETTINGS)

    def _fill(self):
        self._mount()
        try:
            if self.primary:
                conninfo = ["-h", str(self.primary.data), "-p", self.primary.port, "-U", "postgres"]
                self._run("pg_basebackup", "-D", self.data, "-R", "-X", "stream", "-c", "fast", *conninfo)
            else:
                super()._fill()
        except BaseException:
            self._unmount()
            raise

    def _mount(self):
        owner = f",uid={self._identity()['user']},gid={self._identity()['group']}" if self.user else ""
        command = ["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=0700{owner}", "ledger", str(self.data)]
        self.mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0

    def _unmount(self):
        if self.mounted:
            subprocess.run(["umount", "-l", str(self.data)], check=True)
            self.mounted = False

    def fill_disk(self):
        """Leave no room."""
        with (self.data / "filler").open("wb") as f:
            try:
                while True:
                    os.write(f.fileno(), bytes(1 << 20))
            except OSError:
                pass  # that is what it is for
        with (self.data / "filler").open("ab") as f:
            try:
                while True:
                    os.write(f.fileno(), bytes(512))
            except OSError:
                pass

    def free_disk(self):
        (self.data / "filler").unlink(missing_ok=True)

    def is_up(self):
        return self.process is not None and self.process.poll() is None

    def promote(self):
        with self.connect("postgres") as c:
            assert c.execute("SELECT pg_promote(true, 30)").fetchone() == (True,), "it is not promoted"

    def destroy(self):
        if self.is_up():
            self.kill9()
        self._unmount()
        shutil.rmtree(self.dir, ignore_errors=True)


class ActivatedDaemon:
    """sidepoold with its socket inherited: the socket stays when the daemon goes."""

    def __init__(self, folder, config):
        self.folder = pathlib.Path(folder)
        self.socket = self.folder / "rpc.sock"
        self.file = self.folder / "sidepool.conf"
        self.log_file = self.folder / "log"
        self.clock = self.folder / "clock"
        self.file.write_text(config)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.socket))
        self.listener.listen(1024)
        self.process, self.started = None, 0
        self.blame = []
        # A sanitizer wants to be the first library of all.
        faketime = None if SANITIZED else pathlib.Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
        self.faketime = next(faketime, None) if faketime else None

    def environment(self):
        dropped = ("PG", "SIDEPOOL", "DATABASE_URL", "DB_", "NOTIFY")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(dropped)}
        kept |= {"LISTEN_FDS": "1", "LISTEN_FDNAMES": "rpc"}
        if self.faketime:
            self.set_clock("+0")
            kept |= {
                "LD_PRELOAD": str(self.faketime), "FAKETIME_TIMESTAMP_FILE": str(self.clock),
                "FAKETIME_NO_CACHE": "1", "DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            }  # fmt: skip
        return kept

    def set_clock(self, offset):
        """What the daemon takes for the time of day: "+3600" is an hour ahead. Replaced in one go."""
        new = self.clock.with_suffix(".new")
        new.write_text(offset + "\n")
        new.replace(self.clock)

    def start(self):
        listener = self.listener.fileno()

        def inherit():
            processes._die_with_parent()
            os.dup2(listener, 3)

        shell = ["sh", "-c", 'LISTEN_PID=$$ exec "$@"', "sh", BINARY, "--config", str(self.file)]
        self.started = time.monotonic()
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                shell, env=self.environment(), preexec_fn=inherit, pass_fds=(3,), cwd="/",
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def stop(self):
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        status = self.process.wait(60)
        if status == -signal.SIGTERM and time.monotonic() - self.started < 2:
            return  # it had not come to its own handlers yet
        if status != 0:
            self.blame.append(f"the daemon left with status {status}")

    def kill(self):
        self.process.kill()
        self.process.wait(60)

    def check(self):
        """A daemon that left without being told to is to be blamed."""
        if self.process.poll() is not None:
            self.blame.append(f"the daemon left by itself, with status {self.process.returncode}")
            self.start()

    def complaints(self):
        """What there is to be blamed for."""
        complaint = COMPLAINT.search(self.log_file.read_text(errors="replace"))
        return [*self.blame, *([f"the daemon's log has {complaint[0]}"] if complaint else [])]

    def close(self):
        if self.process and self.process.poll() is None:
            self.kill()
        self.listener.close()


def wait_for_replay(primary, standby):
    """Until the standby streams, synchronously."""
    ask = "SELECT 1 FROM pg_stat_replication WHERE state = 'streaming' AND sync_state = 'sync'"
    wait_until("the standby keeps step", lambda: primary.sql(ask, database="postgres"), 30)
    assert standby.is_up()
