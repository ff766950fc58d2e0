# SPDX-License-Identifier: MIT
"""The library for C while calls of its own fail: chaos-client-steps does the steps, with a daemon that nothing fails for."""
import os
import select
import subprocess

from lib import processes
from lib.daemon import COMPLAINT, Daemon
from stage import Stage, Violation


class Refused(ConnectionError):
    """The program was told so by the library."""


class ClientStage(Stage):
    def __init__(self, pg, failing, program):
        super().__init__(pg, failing)
        self.program, self.client, self.names = program, None, []

    def launch(self):
        self.daemon = Daemon(self.pg.url(), config=self.config())
        return self.daemon.launch()

    def settle(self):
        super().settle()
        self.errors = self.daemon.dir / "client"
        with self.errors.open("wb") as f:
            self.client = processes.launch(
                [self.program, self.daemon.socket], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=f,
                env={**os.environ, **self.failing.environment()},
            )  # fmt: skip
        self.rest, self.names = b"", []
        while (said := self.hear()) != ("ready", ""):
            self.names.append(said[1])
        self.client_descriptors = self.client_fds()

    def steps(self):
        """A function for each step that the program has."""
        if not self.names:
            self.start()
        return [self._step(name) for name in self.names]

    @staticmethod
    def _step(name):
        def step(stage):
            stage.client.stdin.write(f"{name}\n".encode())
            stage.client.stdin.flush()
            word, what = stage.hear()
            if word == "refused":
                raise Refused(what)
            if word != "well":
                raise Violation(f"{word}: {what}")

        step.__name__ = f"client: {name}"
        return step

    def hear(self):
        """A word of the program, and what follows it."""
        while b"\n" not in self.rest:
            ready, _, _ = select.select([self.client.stdout], [], [], self.patience * 2)
            data = os.read(self.client.stdout.fileno(), 4096) if ready else None
            if not data:
                self.check_alive()
                raise Violation("the program says nothing" if data is None else "the program has closed its output")
            self.rest += data
        line, self.rest = self.rest.split(b"\n", 1)
        return tuple(line.decode().split(" ", 1))

    def client_fds(self):
        return len(os.listdir(f"/proc/{self.client.pid}/fd"))

    def check_alive(self):
        super().check_alive()
        if self.client.stdin.closed:
            return  # it was told to end
        try:
            status = self.client.wait(0.5 if COMPLAINT.search(self.log()) else 0)
        except subprocess.TimeoutExpired:
            return
        raise Violation(f"the program has left, with {status}")

    def check_descriptors(self):
        super().check_descriptors()
        if (n := self.client_fds()) != self.client_descriptors:
            raise Violation(f"the program has {n} descriptors, {self.client_descriptors} at the start")

    def leave(self):
        """It ends by itself, without a leak; then the daemon."""
        self.client.stdin.close()
        try:
            status = self.client.wait(self.patience * 2)
        except subprocess.TimeoutExpired as e:
            raise Violation("the program does not end") from e
        if status or COMPLAINT.search(self.log()):
            raise Violation(f"the program left with {status}")
        super().leave()

    def log(self):
        said = self.errors.read_text(errors="replace") if self.client else ""
        return said + super().log()

    def clear(self):
        if self.client:
            self.client.kill()
            self.client.wait()
            self.client.stdin.close()
            self.client.stdout.close()
        self.client = None
        super().clear()
