# SPDX-License-Identifier: MIT
"""How much of the processors went to what is none of ours: other programs, and what the machine's host took away."""

import os
import pathlib

from lib import processes

TICKS = os.sysconf("SC_CLK_TCK")
IDLE, IOWAIT, GUEST = 3, 4, 8  # of the numbers in /proc/stat; a guest's time is in the user's as well


def _all():
    """(busy, everything) of all processors so far, in seconds."""
    numbers = [int(n) / TICKS for n in pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    everything = sum(numbers[:GUEST])
    return everything - numbers[IDLE] - numbers[IOWAIT], everything


def _of(pid):
    """Of a process and those of its children that it has waited for."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return sum(map(int, fields[11:15])) / TICKS


def _ours():
    pid = os.getpid()
    return _of(pid) + sum(map(_of, processes.children(pid)))


class Watch:
    """From when it is made."""

    def __init__(self):
        self.ours, (self.busy, self.everything) = _ours(), _all()

    def share(self):
        """The part of the processors' time, 0 to 1, that others had since."""
        busy, everything = _all()
        passed = everything - self.everything
        return min(1, max(0, busy - self.busy - (_ours() - self.ours)) / passed) if passed > 0 else 0
