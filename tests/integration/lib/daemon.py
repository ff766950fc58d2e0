# SPDX-License-Identifier: MIT
"""The daemon under test."""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile

from . import processes
from .notify import Notify
from .secrets import with_secret
from .wait import wait_until

BINARY = os.environ.get("SIDEPOOLD", "")
SANITIZED = bool(os.environ.get("SIDEPOOL_SANITIZER"))
COMPLAINT = re.compile(r"(Address|Leak|Thread|UndefinedBehavior)Sanitizer|runtime error:|^==\d+== ", re.MULTILINE)


def listening(path):
    """Whether somebody listens there; the file is there a moment before that."""
    lines = pathlib.Path("/proc/net/unix").read_text().splitlines()
    return any(line.endswith(f" {path}") and line.split()[3] == "00010000" for line in lines)


class Daemon:
    """One sidepoold with a configuration of its own, in a short temporary folder. Its log must have no `complaint`.

    `config` is the text of an INI file, or a dict {section: {setting: value}}.
    """

    complaint = COMPLAINT

    def __init__(self, url=None, config=None, arguments=(), env=None, socket_path=None):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="sp-", dir="/tmp"))
        self.socket = pathlib.Path(socket_path or self.dir / "rpc.sock")
        self.file = self.dir / "sidepool.conf"
        self.write_config(config or {})
        self.url, self.arguments, self.env = with_secret(url), arguments, env or {}
        self.process = self.notify = None
        self.end_is_known = False  # whoever waits for its end judges it
        self.log_file = self.dir / "log"

    def write_config(self, config):
        if isinstance(config, dict):
            config = "".join(
                f"[{section}]\n" + "".join(f"{k} = {v}\n" for k, v in settings.items()) for section, settings in config.items()
            )
        self.file.write_text(config)

    def command(self):
        return [
            BINARY, "--config", str(self.file), "--socket", str(self.socket), *self.arguments, *([self.url] if self.url else []),
        ]  # fmt: skip

    def activated_command(self, *paths, names):
        """systemd's part at hand: it listens on the paths, and starts the daemon with them when somebody comes."""
        given = ["--setenv=MEMCHECKED"] if "MEMCHECKED" in os.environ else []  # of what else there is it passes little on
        return ["systemd-socket-activate", *(f"--listen={p}" for p in paths), f"--fdname={names}", *given, *self.command()]

    def environment(self):
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "SIDEPOOL", "DATABASE_URL", "DB_", "NOTIFY"))}
        return {**kept, "NOTIFY_SOCKET": str(self.dir / "notify"), **self.env}

    def launch(self, **options):
        """Start it and do not wait."""
        self.notify = self.notify or Notify(self.dir / "notify")
        log = self.log_file.open("ab")
        self.end_is_known = False
        self.process = processes.launch(
            self.command(), env=self.environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", **options
        )
        log.close()
        return self

    def start(self):
        self.launch()
        wait_until("the daemon is ready", lambda: "READY=1" in self.notify.lines() or self.process.poll() is not None)
        assert self.process.poll() is None, f"the daemon left:\n{self.log()}"
        return self

    def log(self):
        return self.log_file.read_text(errors="replace")

    def pid(self):
        return self.process.pid

    def fds(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def rss(self):
        """Resident bytes. A sanitizer keeps what was freed, so under one there is nothing to measure, and the plain build does."""
        if SANITIZED:
            return 0
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        return 0

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, timeout=60):
        status = self.process.wait(timeout)
        self.end_is_known = True
        return status

    def reload(self):
        """SIGHUP, and wait until it is ready again; what became of it is in the log."""
        ready = self.notify.count("READY=1")
        self.signal(signal.SIGHUP)
        self.notify.wait("READY=1", ready + 1)

    def stop(self):
        """SIGTERM, and the exit status."""
        if self.process and self.process.poll() is None:
            self.signal(signal.SIGTERM)
        return self.wait() if self.process else 0

    def kill(self):
        self.process.kill()
        self.wait()

    def close(self, expected=0):
        """Stop it and check how it left."""
        try:
            if self.process and not self.end_is_known:
                ended = self.process.poll()
                assert ended is None, f"it left by itself, with status {ended}:\n{self.log()}"
                status = self.stop()
                assert status == expected, f"exit status {status}:\n{self.log()}"
        finally:
            if self.process and self.process.poll() is None:
                self.kill()
            if self.notify:
                self.notify.close()
        log = self.log() if self.log_file.exists() else ""
        assert not self.complaint.search(log), f"the sanitizer, or valgrind, complains:\n{log}"

    def remove(self):
        shutil.rmtree(self.dir, ignore_errors=True)
