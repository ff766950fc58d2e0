# SPDX-License-Identifier: MIT
"""The file that tells libfailing.so, in the daemon, which call has to fail: see failing.h for its layout."""
import mmap
import pathlib
import struct
import subprocess

KINDS = ["allocation", "descriptor", "connect", "write", "read"]
# What does not bear it, for good reasons or not: libuv aborts where its loop or its table of watchers finds no memory, glibc asserts,
# libnng 1.5.2 frees what it has not allocated when there is no memory for a connection that it accepts. A thread that is not to be had
# ends libnng, too, and the sanitizer does not find its own stack. A READY that is lost is for systemd to time out on.
SPARED = (
    " sd_pid_notify_with_fds uv_loop_init uv_poll_start getpwuid_r __interceptor_getpwuid_r pthread_create"
    " __interceptor_pthread_create pthread_getattr_np /libnng "
)
OFF, NEW, COUNTDOWN = range(3)
HEAD = struct.Struct("=IIQQIIII")  # mode kinds countdown calls hits kind n_seen frames
WHERE_BYTES, SEEN_MAX = 8192, 1 << 16


class Failing:
    def __init__(self, folder, library, kinds=KINDS, frames=40):
        self.path, self.library, self.frames = pathlib.Path(folder) / "failing", library, frames
        self.kinds = sum(1 << KINDS.index(k) for k in kinds)
        self.path.write_bytes(bytes(HEAD.size + WHERE_BYTES + 8 * SEEN_MAX))
        with self.path.open("r+b") as f:
            self.map = mmap.mmap(f.fileno(), 0)
        self.disarm()

    def environment(self):
        return {"LD_PRELOAD": str(self.library), "FAILING_PLAN": str(self.path), "FAILING_SPARES": SPARED}

    def _head(self):
        return HEAD.unpack_from(self.map)

    def _arm(self, mode, countdown):
        struct.pack_into("=Q", self.map, 8, countdown)
        struct.pack_into("=I", self.map, 4, self.kinds)
        struct.pack_into("=I", self.map, 36, self.frames)
        struct.pack_into("=I", self.map, 0, mode)  # last: now it counts

    def arm_new(self):
        """The next call that comes by a new way fails."""
        self._arm(NEW, 0)

    def arm_countdown(self, n):
        """The n-th call from now on fails."""
        self._arm(COUNTDOWN, n)

    def disarm(self):
        self._arm(OFF, 0)

    @property
    def hits(self):
        return self._head()[4]

    @property
    def calls(self):
        return self._head()[3]

    @property
    def ways(self):
        return self._head()[6]

    def kind(self):
        return KINDS[self._head()[5]]

    def where(self):
        """The stack of the last hit, as addr2line tells it."""
        raw = self.map[HEAD.size : HEAD.size + WHERE_BYTES].split(b"\0", 1)[0].decode()
        return [describe(*line.rsplit("+", 1)) for line in raw.splitlines()]

    def close(self):
        self.map.close()
        self.path.unlink()


def describe(module, offset, program=None):
    """A frame by its names, with what is inlined; the call itself is a byte before the address of return."""
    address = hex(int(offset, 16) - 1)
    done = subprocess.run(["addr2line", "-Cfipse", module, address], capture_output=True, text=True, check=False)
    found = " / ".join(done.stdout.split("\n")).strip(" /") if done.returncode == 0 else ""
    return f"{pathlib.Path(module).name}: {found or offset}"
