# SPDX-License-Identifier: MIT
"""What makes the load, and what came of it. Each function runs one load to its end and returns a Sample."""

import dataclasses
import json
import os
import pathlib
import re
import subprocess
import tempfile

from lib.postgres import programs

THREADS = 2
SAMPLED = 0.05  # of pgbench's transactions are written down, for the quantiles
LONGEST_S = 600


class LoadFailed(Exception):
    """A load did not run to its end, or ran into errors."""


class Starved(LoadFailed):
    """The time was over before anything was done: pgbench's runs while it connects."""


@dataclasses.dataclass
class Sample:
    """One load, once. Latencies are in microseconds, by name of the quantile."""

    rate: float
    done: int
    latency: dict
    cpu_us: float = None  # of the pooler's processor time, for each unit of work
    rss: int = None  # of the pooler, in bytes
    others: float = 0  # the part of the processors that others had meanwhile


def run(command, **options):
    done = subprocess.run(
        [str(c) for c in command], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=LONGEST_S, **options
    )
    if done.returncode != 0:
        raise LoadFailed(f"{' '.join(map(str, command))}:\n{done.stdout}{done.stderr}")
    return done.stdout


def quantiles(times):
    """Of a list of microseconds."""
    times = sorted(times)
    found = {name: times[min(len(times) - 1, int(q * len(times)))] for name, q in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99))}
    return {"mean": sum(times) / len(times), **found, "max": times[-1]}


def find(pattern, text):
    found = re.search(pattern, text, re.MULTILINE)
    if not found:
        raise LoadFailed(f"there is no {pattern!r} in:\n{text}")
    return float(found.group(1))


def pgbench(target, seconds, clients, protocol="prepared", script="select", reconnect=False, threads=THREADS):
    """pgbench's own scripts; `target` is a server's or a pooler's."""
    built_in = {"select": "select-only", "tpcb": "tpcb-like"}[script]
    command = [programs() / "pgbench", "-n", "-b", built_in, "-M", protocol, "-c", clients, "-j", min(threads, clients), "-T", seconds]
    with tempfile.TemporaryDirectory(prefix="sp-bench-", dir="/tmp") as folder:
        command += ["-l", "--sampling-rate", SAMPLED, "--log-prefix", f"{folder}/log"]
        command += ["-C"] if reconnect else []
        command += ["-h", target["host"], "-p", target["port"], "-U", target["user"], target["dbname"]]
        output = run(command)
        times = [int(line.split()[2]) for log in pathlib.Path(folder).iterdir() for line in log.read_text().splitlines()]
    done = int(find(r"^number of transactions actually processed: (\d+)", output))
    if done == 0:
        raise Starved(output)
    if "failed transactions: 0 " not in output:
        raise LoadFailed(output)
    known = times and not reconnect  # its log leaves the time for connecting out
    latency = {**(quantiles(times) if known else {}), "mean": 1000 * find(r"^latency average = ([\d.]+) ms", output)}
    return Sample(find(r"^tps = ([\d.]+)", output), done, latency)


def sidepool_bench(build, workload, seconds, clients, target=None, **options):
    """sidepool-bench; `options` as its command line has them."""
    command = [build / "tests" / "bench" / "sidepool-bench", workload, "--json", "--clients", clients, "--threads", THREADS]
    command += ["--socket", target["socket"]] if target else []
    command += [] if "requests" in options else ["--seconds", seconds]
    for name, value in options.items():
        command += [f"--{name}", value]
    told = json.loads(run(command))
    return Sample(told["rate"], told["done"], {k: told["latency_us"][k] for k in ("mean", "p50", "p90", "p99", "max")})


def program(command, environment):
    """A loop in another language, which prints what sidepool-bench prints."""
    told = json.loads(run(command, env={**os.environ, **environment}).splitlines()[-1])
    return Sample(told["rate"], told["done"], quantiles(told["times_us"]))
