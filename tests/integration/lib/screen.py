# SPDX-License-Identifier: MIT
"""A program on a terminal of its own, and what its user sees."""
import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time

import pyte

from .wait import FACTOR


class Screen:
    """Runs `command` in a pseudo terminal of that size. pyte reads what linux's console would."""

    def __init__(self, command, env, columns=80, lines=24, term="linux"):
        self.screen, self.raw = pyte.Screen(columns, lines), b""
        self.stream = pyte.ByteStream(self.screen)
        self.terminal, self.program = pty.openpty()
        self.set_size(columns, lines)
        self.before = termios.tcgetattr(self.program)
        env = {k: v for k, v in env.items() if k not in ("LINES", "COLUMNS")}
        told, tell = os.pipe()
        self.shell = os.fork()
        if self.shell == 0:
            self.be_shell(tell, command, {**env, "TERM": term})
        os.close(tell)
        self.pid, self.status = int(os.read(told, 20)), None
        os.close(told)

    def be_shell(self, tell, command, env):
        """As a shell does it, in a process group of its own: whose group has no parent in its session cannot be stopped."""
        os.setsid()
        fcntl.ioctl(self.program, termios.TIOCSCTTY, 0)
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        pid = os.fork()
        if pid == 0:
            os.setpgid(0, 0)
            os.tcsetpgrp(self.program, os.getpid())
            signal.signal(signal.SIGTTOU, signal.SIG_DFL)
            signal.signal(signal.SIGHUP, signal.SIG_DFL)
            for fd in range(3):
                os.dup2(self.program, fd)
            os.closerange(3, 256)
            os.execvpe(command[0], command, env)
        os.write(tell, str(pid).encode())
        os._exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) & 0xFF)

    def set_size(self, columns, lines):
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def resize(self, columns, lines):
        self.screen.resize(lines, columns)
        self.set_size(columns, lines)

    def press(self, keys):
        os.write(self.terminal, keys.encode())

    def signal(self, number):
        os.kill(self.pid, number)

    def read(self, seconds):
        if select.select([self.terminal], [], [], seconds)[0]:
            data = os.read(self.terminal, 65536)
            self.raw += data
            self.stream.feed(data)

    def lines(self):
        return [line.rstrip() for line in self.screen.display]

    def text(self):
        return "\n".join(self.lines())

    def styles(self, line):
        """(foreground, reverse) of the characters of that line that are none."""
        return {(c.fg, c.reverse) for c in self.screen.buffer[line].values() if c.data.strip()}

    def until(self, message, predicate, timeout=20):
        """Read until `predicate` of the screen's text is true, and return what it returns."""
        end = time.monotonic() + timeout * FACTOR
        while not (result := predicate(self.text())):
            assert time.monotonic() < end, f"in vain until {message}:\n{self.text()}"
            self.read(0.05)
        return result

    def wait(self, timeout=20):
        """How it ended, as subprocess says it, and what it wrote until then."""
        end = time.monotonic() + timeout * FACTOR
        while self.status is None:
            assert time.monotonic() < end, f"it does not leave:\n{self.text()}"
            self.read(0.05)
            pid, status = os.waitpid(self.shell, os.WNOHANG)
            if pid:
                code = os.waitstatus_to_exitcode(status)
                self.status = code if code < 128 else code - 256
        while select.select([self.terminal], [], [], 0)[0]:
            self.read(0)
        return self.status

    def stopped(self):
        """Whether it has stopped by now."""
        self.read(0.01)
        with open(f"/proc/{self.pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] == "T"

    def is_restored(self):
        return termios.tcgetattr(self.program) == self.before

    def close(self):
        if self.status is None:
            self.signal(signal.SIGKILL)
            os.waitpid(self.shell, 0)
        os.close(self.terminal)
        os.close(self.program)
