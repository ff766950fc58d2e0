# SPDX-License-Identifier: MIT
"""A daemon whose calls fail, one at a time, and what has to be true whatever fails: it goes on serving, nobody but the one
concerned is told of it, and it leaves with 0 and without a leak."""
import contextlib
import itertools
import subprocess

from lib.daemon import COMPLAINT, Daemon
from lib.http import get
from lib.wait import wait_until
from lib.wire import Failed, Wire
from scenario import CONFIG

REFUSALS = (Failed, ConnectionError)
SPARE_DESCRIPTORS = 8  # what a pool of connections and HTTP may have more than at the start


class Violation(Exception):
    pass


class Stage:
    journal = None  # of submitted writes

    def __init__(self, pg, failing, patience=10):
        self.pg, self.failing, self.patience = pg, failing, patience
        self.numbers = itertools.count(1)
        self.daemon = self.bystander = None

    # -- what the scenario's steps use

    def number(self):
        return next(self.numbers)

    def wire(self, **options):
        return Wire(self.daemon.socket, timeout=self.patience, **options)

    @property
    def http(self):
        return self.daemon.dir / "http.sock"

    def answers(self):
        try:
            with self.wire() as w:
                return w.values("SELECT 1") == [("1",)]
        except REFUSALS:
            return False

    def status(self):
        with self.wire() as w:
            return w.status()

    def until_idle(self):
        wait_until("nothing is in use", lambda: self.status().pools[0].in_use == 0, self.patience)

    # -- the daemon

    def config(self):
        return CONFIG

    def prepare(self):
        """Before one is launched whose start fails."""

    def check_left(self):
        """It is ready: what the one before has left is done."""

    def check_next(self):
        """It has left."""

    @contextlib.contextmanager
    def work(self):
        """What is under way when it is told to leave."""
        with self.wire() as w:
            w.send(w.query_request("SELECT pg_sleep(0.05)"))
            w.lease(begin=True)
            yield

    def launch(self):
        self.daemon = Daemon(self.pg.url(), config=self.config(), env=self.failing.environment())
        return self.daemon.launch()

    def await_start(self):
        """Whether it is ready; False: it has left."""
        daemon = self.daemon
        wait_until("it is ready, or gone", lambda: "READY=1" in daemon.notify.lines() or daemon.process.poll() is not None, 60)
        return daemon.process.poll() is None

    def start(self):
        self.launch()
        if not self.await_start():
            raise Violation(f"it did not start: {self.daemon.process.returncode}")
        self.settle()

    def settle(self):
        """Let it have what it keeps: connections, HTTP's, and the bystander, whom nothing concerns."""
        self.bystander = self.wire()
        assert self.bystander.values("SELECT 1") == [("1",)]
        if self.http.exists():  # it does not keep the daemon from starting
            get(self.http, "/health/live")
        self.descriptors = self.daemon.fds()

    def alive(self):
        return self.daemon.process.poll() is None

    def check_alive(self):
        """A crash takes a moment: a connection that is closed may be the first that is seen of it."""
        try:
            self.daemon.process.wait(0.05 if self._dying() else 0)
        except subprocess.TimeoutExpired:
            pass
        if not self.alive():
            raise Violation(f"the daemon has left, with {self.daemon.process.returncode}")

    def _dying(self):
        return COMPLAINT.search(self.daemon.log()) is not None

    def check_bystander(self):
        try:
            got = self.bystander.values("SELECT 'bystander'")
        except (*REFUSALS, TimeoutError) as e:
            self.check_alive()
            raise Violation(f"the bystander was told {type(e).__name__}: {e}") from e
        if got != [("bystander",)]:
            raise Violation(f"the bystander was told {got}")

    def check_descriptors(self):
        """After a while there are no more than at the start."""
        limit = self.descriptors + SPARE_DESCRIPTORS
        try:
            wait_until("descriptors are given back", lambda: self.daemon.fds() <= limit, self.patience)
        except AssertionError as e:
            raise Violation(f"{self.daemon.fds()} descriptors, {self.descriptors} at the start") from e

    def leave(self):
        """SIGTERM, and it has to leave with 0 and no complaint."""
        self.bystander.close()
        self.check_alive()
        self.daemon.signal(15)
        self.judge_end((0,))

    def judge_end(self, statuses):
        try:
            status = self.daemon.wait(self.patience * 2)
        except subprocess.TimeoutExpired as e:
            raise Violation("it does not leave") from e
        if COMPLAINT.search(self.daemon.log()):
            raise Violation("the sanitizer complains")
        if status not in statuses:
            raise Violation(f"it left with {status}")

    def log(self):
        return self.daemon.log() if self.daemon else ""

    def clear(self):
        """Whatever state it is in."""
        if self.bystander:
            self.bystander.close()
        if self.daemon:
            if self.alive():
                self.daemon.kill()
            self.daemon.notify.close()
            self.daemon.remove()
        self.daemon = self.bystander = None
