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


def shaped(seconds, *shape):
    """The loopback has this queue for so long; nothing where the kernel does not know it."""
    if INSIDE not in os.environ or not done("tc", "qdisc", "add", "dev", "lo", "root", *shape):
        yield None
        return
    try:
        yield seconds
    finally:
        subprocess.run(["tc", "qdisc", "del", "dev", "lo", "root"], check=True)


@fault(2, "kernel: delayed and out of order")
def delay(world, random):
    shape = ["delay", f"{random.choice([2, 20, 80])}ms", "10ms", "reorder", "25%", "loss", "1%"]
    yield from shaped(random.uniform(0.5, 2), "netem", *shape)


@fault(3, "kernel: slowed by a bucket of tokens")
def slow(world, random):
    """What is over the rate waits, so it is late, and what would wait for too long is dropped. A packet of the loopback fits into the
    bucket as a whole, or it would never come through."""
    rate, late = random.choice(["400kbit", "2mbit", "20mbit"]), random.choice(["50ms", "400ms"])
    yield from shaped(random.uniform(0.5, 3), "tbf", "rate", rate, "burst", "70kb", "latency", late)


@fault(2, "kernel: no room for more than a packet")
def narrow(world, random):
    yield from shaped(random.uniform(0.5, 2), "tbf", "rate", "50mbit", "burst", "70kb", "limit", random.choice(["1500", "70000"]))
