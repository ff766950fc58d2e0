# SPDX-License-Identifier: MIT
"""A systemd of its own: the folder of a Debian, booted in namespaces, with the network of this machine."""
import pathlib
import subprocess

from lib import processes
from lib.wait import wait_until

# /proc/sys and /sys are not to be written to: they are those of this machine.
BOOT = r"""
set -e
root=$1 group=$2
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
for f in sys sysrq-trigger; do
	[ -e "$root/proc/$f" ] || continue
	mount --bind "$root/proc/$f" "$root/proc/$f"
	mount -o remount,bind,ro "$root/proc/$f"
done
mount -t sysfs -o ro sysfs "$root/sys" 2>/dev/null || { mount --bind /sys "$root/sys"; mount -o remount,bind,ro "$root/sys"; }
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
	mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
else
	mount -t tmpfs -o mode=755 tmpfs "$root/sys/fs/cgroup"
	mkdir "$root/sys/fs/cgroup/systemd"
	mount -t cgroup -o none,name=systemd cgroup "$root/sys/fs/cgroup/systemd"
fi
mount -t tmpfs -o mode=755 tmpfs "$root/run"
# Credentials are mounted by a child of systemd's and have to arrive in the other namespaces.
mount --make-rshared "$root"
exec chroot "$root" env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
	/lib/systemd/systemd --system --log-target=journal --show-status=0 --unit=basic.target
"""


class Booted:
    """`with Booted(folder) as machine: machine.run("systemctl", ...)`"""

    def __init__(self, folder):
        self.folder = folder
        hierarchy = "/sys/fs/cgroup" if pathlib.Path("/sys/fs/cgroup/cgroup.controllers").exists() else "/sys/fs/cgroup/systemd"
        self.group = pathlib.Path(hierarchy) / f"sidepool-test-{folder.parent.name}"

    def __enter__(self):
        self.group.mkdir()
        into = 'echo $$ >"$2/cgroup.procs"; exec unshare --mount --pid --ipc --uts --cgroup --fork --kill-child sh -c "$3" sh "$1" "$2"'
        command = ["sh", "-c", into, "sh", str(self.folder), str(self.group), BOOT]
        self.output = (self.folder.parent / "boot.log").open("wb")
        self.process = processes.launch(command, stdin=subprocess.DEVNULL, stdout=self.output, stderr=self.output)
        try:
            wait_until("systemd has booted", lambda: self.process.poll() is not None or self.is_running(), timeout=120)
            assert self.process.poll() is None, (self.folder.parent / "boot.log").read_text()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait(60)
        self.output.close()
        wait_until("its processes are gone", lambda: not self.members())
        for group in sorted(self.group.rglob("*"), reverse=True):
            if group.is_dir():
                group.rmdir()
        self.group.rmdir()

    def members(self):
        return [p for file in self.group.rglob("cgroup.procs") for p in file.read_text().split()]

    def first(self):
        """The process that is number 1 there."""
        return next(iter(processes.children(self.process.pid)), None)

    def path(self, name):
        """A file as it is there, where /run, among others, is not that of the folder."""
        return pathlib.Path(f"/proc/{self.first()}/root") / name

    def is_running(self):
        return self.first() and self.run("systemctl", "is-system-running")[1].strip() in ("running", "degraded")

    def run(self, *command):
        """(exit status, what it said)"""
        enter = ["nsenter", "-t", str(self.first()), "--mount", "--pid", "--ipc", "--uts", "--cgroup", "--root", "--wd=/"]
        environment = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8"]
        done = subprocess.run(
            [*enter, *environment, *map(str, command)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout

    def as_unit(self, name, command, user, group):
        """The command as a service of this name: (whether it succeeded, what it said)."""
        unit = f"[Service]\nType=oneshot\nUser={user}\nGroup={group}\nStandardOutput=file:/{name}.out\nStandardError=inherit\n"
        (self.folder / f"{name}.out").unlink(missing_ok=True)
        (self.folder / f"etc/systemd/system/{name}.service").write_text(f"{unit}ExecStart={command}\n")
        self.run("systemctl", "daemon-reload")
        status, _ = self.run("systemctl", "start", f"{name}.service")
        return status == 0, (self.folder / f"{name}.out").read_text()
