# SPDX-License-Identifier: MIT
"""Faults of the network that the kernel itself makes, by iptables and tc in a network namespace that the whole ledger runs in.

Where one of them cannot be had (no such rights, or a kernel without netem) it counts as absent, and the ledger says so.
"""
import os
import shutil
import subprocess
import sys

from faults import fault

INSIDE = "SIDEPOOL_LEDGER_NAMESPACE"


def done(*command):
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def move_in():
    """Run this program once more in a namespace of its own, with nothing in it but a loopback; go on here where that is not allowed."""
    if INSIDE in os.environ:
        return done("ip", "link", "set", "lo", "up")
    if all(map(shutil.which, ("unshare", "ip", "iptables"))) and done("unshare", "-n", "iptables", "-L"):
        os.environ[INSIDE] = "1"
        os.execvp("unshare", ["unshare", "-n", sys.executable, "-B", *sys.argv])
    return False


class Rules:
    """iptables rules for what comes to a port and what leaves it, until the end of a `with`."""

    def __init__(self, port, *target):
        self.port, self.target, self.made = str(port), target, []

    def add(self, *match):
        rule = ["-p", "tcp", *match, *self.target]
        if INSIDE in os.environ and done("iptables", "-A", "INPUT", *rule):
            self.made.append(rule)

    def __enter__(self):
        self.add("--dport", self.port)
        self.add("--sport", self.port)
        return len(self.made) == 2

    def __exit__(self, *_):
        for rule in self.made:
            subprocess.run(["iptables", "-D", "INPUT", *rule], check=True)


@fault(3, "kernel: all packets dropped")
def drop(world, random):
    with Rules(world.proxy.port, "-j", "DROP") as held:
        yield random.choice([0.1, 0.5, 1, 3]) if held else None


@fault(3, "kernel: packets lost at random")
def lose(world, random):
    share = str(random.choice([0.02, 0.1, 0.4]))
    with Rules(world.proxy.port, "-m", "statistic", "--mode", "random", "--probability", share, "-j", "DROP") as held:
        yield random.uniform(0.5, 3) if held else None


@fault(3, "kernel: connections reset by a firewall")
def reject(world, random):
    with Rules(world.proxy.port, "-j", "REJECT", "--reject-with", "tcp-reset") as held:
        yield random.uniform(0.05, 1) if held else None


@fault(2, "kernel: delayed and out of order")
def delay(world, random):
    shape = ["delay", f"{random.choice([2, 20, 80])}ms", "10ms", "reorder", "25%", "loss", "1%"]
    if INSIDE not in os.environ or not done("tc", "qdisc", "add", "dev", "lo", "root", "netem", *shape):
        yield None
        return
    try:
        yield random.uniform(0.5, 2)
    finally:
        done("tc", "qdisc", "del", "dev", "lo", "root")
