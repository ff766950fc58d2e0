# SPDX-License-Identifier: MIT
"""Where the daemon sends what systemd would hear (sd_notify)."""
import socket
import threading

from .wait import wait_until


class Notify:
    """Records every message. A thread reads: nobody may keep the daemon waiting for room in the socket."""

    def __init__(self, path):
        self.path = path
        self.messages = []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.over = False
        self.thread = threading.Thread(target=self._listen, daemon=True)
        self.thread.start()

    def _listen(self):
        while True:
            message = self.socket.recv(4096).decode()
            if self.over:
                return
            self.messages.append(message)

    def lines(self):
        return [line for m in list(self.messages) for line in m.splitlines()]

    def count(self, line):
        return self.lines().count(line)

    def wait(self, line, times=1, timeout=20):
        """Wait until a line was told so many times since the start."""
        wait_until(f"{line} was told {times} times, of {self.lines()}", lambda: self.count(line) >= times, timeout)

    def close(self):
        if self.over:
            return
        self.over = True
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.sendto(b"", str(self.path))
        self.thread.join()
        self.socket.close()
