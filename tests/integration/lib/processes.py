# SPDX-License-Identifier: MIT
"""The processes that a test session starts: none outlives it, whatever becomes of their parents."""
import ctypes
import gc
import os
import pathlib
import signal
import subprocess
import threading

_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


def adopt_orphans():
    """From now on, what our children leave behind becomes a child of ours, and can be found."""
    if _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "PR_SET_CHILD_SUBREAPER")


def _die_with_parent():
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT, 0, 0, 0)


def launch(command, **options):
    """Popen; a child of the main thread ends when we are killed. (The kernel goes by the thread, and others end earlier.)"""
    if threading.current_thread() is threading.main_thread():
        options["preexec_fn"] = _die_with_parent
    return subprocess.Popen(command, **options)


def _stat(pid):
    """(name, state, parent) or None; the name is in brackets and may have anything in it."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    name, rest = text[text.index("(") + 1 : text.rindex(")")], text[text.rindex(")") + 2 :].split()
    return name, rest[0], int(rest[1])


def children(pid):
    """All descendants that are alive."""
    parents = {}
    for entry in os.listdir("/proc"):
        stat = _stat(entry) if entry.isdigit() else None
        if stat and stat[1] not in "ZX":
            parents.setdefault(stat[2], []).append(int(entry))
    found, left = [], [pid]
    while left:
        new = parents.get(left.pop(), [])
        found += new
        left += new
    return found


def is_alive(pid):
    stat = _stat(pid)
    return stat is not None and stat[1] not in "ZX"


def signal_if_alive(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def describe(pid):
    stat = _stat(pid)
    try:
        command = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        command = ""
    return f"{pid} {command or (stat[0] if stat else '(gone)')}"


def survivors():
    """What of ours is still there, but for Python's own helper of multiprocessing, which leaves with us."""
    return [d for d in map(describe, children(os.getpid())) if "multiprocessing.resource_tracker" not in d]


def descriptors():
    """Open sockets, pipes and files under /tmp, by number; what libraries keep for all time is none of these."""
    gc.collect()
    found = {}
    for entry in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{entry}")
        except OSError:
            continue
        if target.startswith(("socket:", "pipe:", "/tmp/")):
            found[int(entry)] = target
    return found
