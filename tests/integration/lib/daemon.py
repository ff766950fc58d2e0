# SPDX-License-Identifier: MIT
"""The daemon under test."""
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import threading

from .wait import wait_until

BINARY = os.environ.get("SIDEPOOLD", "")


class Notify:
    """Where the daemon sends what systemd would hear (sd_notify)."""

    def __init__(self, path):
        self.messages = []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.settimeout(0.05)
        self.over = False
        self.thread = threading.Thread(target=self._listen, daemon=True)
        self.thread.start()

    def _listen(self):
        while not self.over:
            try:
                self.messages.append(self.socket.recv(4096).decode())
            except TimeoutError:
                pass

    def lines(self):
        return [line for m in list(self.messages) for line in m.splitlines()]

    def close(self):
        self.over = True
        self.thread.join()
        self.socket.close()


class Daemon:
    """One sidepoold with a configuration of its own, in a short temporary folder.

    `config` is the text of an INI file, or a dict {section: {setting: value}}.
    """

    def __init__(self, url=None, config=None, arguments=(), env=None, socket_path=None):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="sp-", dir="/tmp"))
        self.socket = pathlib.Path(socket_path or self.dir / "rpc.sock")
        self.file = self.dir / "sidepool.conf"
        self.write_config(config or {})
        self.url, self.arguments, self.env = url, arguments, env or {}
        self.process = self.notify = None
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

    def environment(self):
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "SIDEPOOL", "DATABASE_URL", "DB_", "NOTIFY"))}
        return {**kept, "NOTIFY_SOCKET": str(self.dir / "notify"), **self.env}

    def launch(self, **options):
        """Start it and do not wait."""
        self.notify = self.notify or Notify(self.dir / "notify")
        log = self.log_file.open("ab")
        self.process = subprocess.Popen(
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

    def rss(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        return 0

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, timeout=60):
        return self.process.wait(timeout)

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
            if self.process and self.process.poll() is None:
                status = self.stop()
                assert status == expected, f"exit status {status}"
        finally:
            if self.process and self.process.poll() is None:
                self.kill()
            if self.notify:
                self.notify.close()
        log = self.log()
        for word in ("AddressSanitizer", "LeakSanitizer", "runtime error:"):
            assert word not in log, f"the sanitizer complains:\n{log}"

    def remove(self):
        shutil.rmtree(self.dir, ignore_errors=True)
