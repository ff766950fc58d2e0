# SPDX-License-Identifier: MIT
"""Everything that the ledger has running: a PostgreSQL behind two proxies (one for each place that
the primary can be in), the daemon, and the clients, each with its log."""
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import psycopg
from lib import processes
from lib.wait import wait_until
from lib.wire import Failed, Request, Wire
from proxy import Proxy
from servers import ActivatedDaemon, Server, wait_for_replay

HERE = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(os.environ.get("SIDEPOOL_BUILD_DIR", ""))
ACCOUNTS = 40
APPLICATIONS = "sidepool%"
CONFIG = """[sidepool]
budget = 8
cancel_timeout = 1s
shutdown_timeout = 2s
acquire_timeout = 10s
idle_transaction_timeout = 5s
log_level = notice
slow_query = off
submit_journal = {2}

[pool main]
url = postgresql://postgres@127.0.0.1:{0},127.0.0.1:{1}/test?target_session_attrs=read-write
connect_timeout = 2s
keepalive = 2s
"""


class Client:
    """A program that moves money, again and again under new names: who is killed is followed by the next."""

    def __init__(self, language, command, folder, seed):
        self.language, self.command, self.folder, self.seed = language, command, folder, seed
        self.lives, self.process, self.ended = 0, None, []

    def start(self, socket_path):
        name = f"{self.language}{self.lives}"
        self.lives += 1
        self.log_file = self.folder / f"{name}.log"
        env = {**os.environ, "PYTHONPATH": str(HERE.parent.parent / "clients/python/src"), "PYTHONDONTWRITEBYTECODE": "1"}
        with self.log_file.open("ab") as log, (self.folder / f"{name}.err").open("ab") as errors:
            self.process = processes.launch(
                [*self.command, str(socket_path), name, f"{self.seed}"], env=env, cwd="/",
                stdin=subprocess.DEVNULL, stdout=log, stderr=errors,
            )  # fmt: skip

    def kill(self):
        self.process.kill()
        self.process.wait(60)

    def stop(self):
        """Told to end; what it has begun it ends first."""
        self.process.terminate()


class World:
    def __init__(self, seed, say, journal=True):
        self.random = random.Random(seed)
        self.say, self.seed, self.journal = say, seed, journal
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sp-chaos-", dir="/tmp"))
        self.primary = self.standby = self.daemon = None
        self.proxies, self.clients, self.blame = [], [], []
        self.place = 0  # which of the proxies leads to the primary
        self.holders = []  # connections of ours that take slots
        self.stopped = []  # processes that we have stopped

    def start(self):
        self.primary = Server()
        self.primary.start()
        self._make_tables()
        self.proxies = [Proxy(self.primary.port), Proxy(None)]
        self.daemon = ActivatedDaemon(self.folder, CONFIG.format(*(p.port for p in self.proxies), self.folder / "journal" if self.journal else ""))
        self.daemon.start()
        commands = {
            "c": [str(BUILD / "tests/chaos/chaos-worker")],
            "py": [sys.executable, str(HERE / "worker.py")],
            "node": ["node", str(HERE / "worker.mjs")],
        }
        for language, command in commands.items():
            client = Client(language, command, self.folder, self.seed)
            self.clients.append(client)
            client.start(self.daemon.socket)
        self.wait_for_answer(60)

    def _make_tables(self):
        with self.primary.connect() as c:
            c.execute("CREATE TABLE account (id int PRIMARY KEY, balance bigint NOT NULL) WITH (fillfactor = 50)")
            c.execute("CREATE TABLE entry (key text NOT NULL, account int NOT NULL, amount bigint NOT NULL)")
            c.execute("INSERT INTO account SELECT g, 0 FROM generate_series(0, %s) g", (ACCOUNTS - 1,))

    @property
    def proxy(self):
        return self.proxies[self.place]

    # -- what the faults use

    def backends(self):
        """The processes of PostgreSQL that serve the daemon, in the order of their numbers."""
        rows = self.primary.sql(
            "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND application_name LIKE %s"
            " ORDER BY pid", APPLICATIONS,
        )  # fmt: skip
        return [pid for (pid,) in rows]

    def start_server(self):
        """Until it stays up: a crash of one of its processes may not be over yet."""
        for _ in range(5):
            try:
                self.primary.start()
                return
            except (RuntimeError, psycopg.Error) as e:
                problem = e
                if self.primary.is_up():
                    self.primary.kill9()
        raise problem

    def fail_over(self, how):
        """A standby keeps step; the primary goes; the standby is promoted, in the other place."""
        old, other = self.primary, self.proxies[1 - self.place]
        standby = Server(old)
        self.standby = standby
        standby.start()
        other.lead_to(standby.port)
        old.settings["synchronous_standby_names"] = "*"
        old._write_settings()
        old.process.send_signal(signal.SIGHUP)
        wait_for_replay(old, standby)
        old.kill9() if how == "SIGKILL" else old.stop(how)
        standby.promote()
        self.proxy.lead_to(None)
        self.primary, self.standby, self.place = standby, None, 1 - self.place
        old.destroy()

    def heal(self):
        """The end of every fault: what is down comes up, what is stopped goes on."""
        for pid in self.stopped:
            processes.signal_if_alive(pid, signal.SIGCONT)
        for holder in self.holders:
            holder.close()
        self.stopped, self.holders = [], []
        self.primary.free_disk()
        for proxy in self.proxies:
            proxy.heal()
        if not self.primary.is_up():
            self.start_server()
        wait_until("the server takes connections", self._can_connect, 60)

    def _can_connect(self):
        try:
            self.primary.sql("SELECT 1")
            return True
        except psycopg.Error:
            if not self.primary.is_up():
                self.start_server()
            return False

    def wait_for_answer(self, timeout):
        """How long until the daemon answers a query with success again, in seconds."""
        start = time.monotonic()

        def is_answered():
            self.daemon.check()
            try:
                with Wire(self.daemon.socket, timeout=3) as w:
                    return w.values("SELECT 1", deadline_ms=2000) == [("1",)]
            except (Failed, OSError, AssertionError):
                return False

        wait_until("the daemon answers again", is_answered, timeout)
        return time.monotonic() - start

    # -- the clients

    def check_clients(self):
        for client in self.clients:
            status = client.process.poll()
            if status is None:
                continue
            errors = client.log_file.with_suffix(".err").read_text()
            self.blame.append(f"{client.log_file.stem} left by itself, with status {status}: {errors[-2000:]}")
            client.start(self.daemon.socket)

    def events(self):
        """How much the logs have, in bytes: a measure of whether anything moves."""
        return sum(f.stat().st_size for f in self.folder.glob("*.log"))

    def end_clients(self):
        for client in self.clients:
            client.stop()
        for client in self.clients:
            try:
                status = client.process.wait(60)
            except subprocess.TimeoutExpired:
                client.kill()
                status = "SIGKILL: it was told to end, and did not within a minute"
            if status != 0:
                errors = client.log_file.with_suffix(".err").read_text()
                self.blame.append(f"{client.log_file.stem} ended with {status}: {errors[-2000:]}")

    def wait_for_submitted(self):
        """What was accepted is done, and nothing of it has failed."""
        request = Request()
        request.status.parts.append(7)
        with Wire(self.daemon.socket) as w:

            def finished():
                status = w.call(request).status
                return status if status.submit.waiting + status.submit.running == 0 else None

            status = wait_until("nothing that was submitted waits", finished, 60)
            if self.journal:
                self.blame += [f"submitted write {s.submission_id} came to nothing: {s.reason}" for s in status.failed_submissions]

    def end(self):
        """The clients, then the daemon; then nothing may write any more."""
        self.end_clients()
        self.wait_for_submitted()
        self.daemon.check()
        self.daemon.stop()
        for proxy in self.proxies:
            proxy.break_all(reset=False)  # a firewall's reset may have kept from it that the other end is gone
        try:
            wait_until("no connection of the daemon's is left", lambda: not self.backends(), 30)
        except AssertionError as e:
            self.blame.append(f"{e}: {self.primary.backends()}, {[len(p.links) for p in self.proxies]} links")
        self.blame += self.daemon.complaints()

    def close(self, keep):
        for client in self.clients:
            if client.process and client.process.poll() is None:
                client.kill()
        if self.daemon:
            self.daemon.close()
        for proxy in self.proxies:
            proxy.close()
        for server in (self.primary, self.standby):
            if server:
                server.destroy()
        if keep:
            self.say(f"the logs are in {self.folder}")
        else:
            shutil.rmtree(self.folder, ignore_errors=True)
