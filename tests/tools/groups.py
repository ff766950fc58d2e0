# SPDX-License-Identifier: MIT
"""Runs the groups of tests and counts each single test: see tests/run."""

import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ["SIDEPOOL_BUILD"])
CI = os.environ.get("CI") == "true"
TAP = re.compile(r"^\s*(ok|not ok) \d+(?: - (.*?))?(?:\s*# (skip|todo)\b.*)?$", re.I | re.M)


class Counts:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.failures = []

    def add(self, name, state, detail=""):
        if state == "passed":
            self.passed += 1
        elif state == "skipped":
            self.skipped += 1
        else:
            self.failed += 1
            self.failures.append((name, detail))

    def add_exit(self, name, status, output):
        self.add(name, {0: "passed", 77: "skipped"}.get(status, "failed"), output)

    def add_all(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.failures += other.failures


def run(command, log, env=None, cwd=TOP):
    """Run it with its output in a log file; return its exit status and output."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as f:
        status = subprocess.run(
            command, cwd=cwd, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL, stdout=f, stderr=f, check=False
        ).returncode
    return status, log.read_text(errors="replace")


def build(kind, counts):
    """Configure and build one of the build folders; False, and a failure counted, if that fails."""
    options = {
        "plain": [],
        "asan": ["-Db_sanitize=address,undefined", "-Dbuildtype=debug"],
        "fuzz": ["-Dfuzz=true", "-Db_sanitize=address,undefined", "-Db_lundef=false", "-Dbuildtype=debugoptimized"],
    }[kind]
    folder = BUILD / kind
    env = {"CC": "clang-14"} if kind == "fuzz" else {"CC": "gcc"}
    commands = []
    if not (folder / "build.ninja").exists():
        shutil.rmtree(folder, ignore_errors=True)
        commands.append(["meson", "setup", str(folder), str(TOP), *options, *(["-Dwerror=true"] if CI else [])])
    commands.append(["ninja", "-C", str(folder)])
    for i, command in enumerate(commands):
        status, output = run(command, BUILD / "logs" / f"build-{kind}-{i}.log", env)
        if status != 0:
            counts.add(f"build {kind}", "failed", output[-6000:])
            return None
    return folder


def meson(folder, suites, counts, env=None):
    """Run meson tests and count what each of them reports on its own."""
    command = ["meson", "test", "-C", str(folder), "--no-rebuild", "--print-errorlogs"]
    for suite in suites:
        command += ["--suite", suite]
    log = folder / "meson-logs" / "testlog.json"
    log.unlink(missing_ok=True)
    env = {
        "CMOCKA_MESSAGE_OUTPUT": "TAP",
        "PYTHON": sys.executable,
        "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=1",
        "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
        **(env or {}),
    }
    name = f"meson-{folder.name}-{'-'.join(suites)}"
    status, output = run(command, BUILD / "logs" / f"{name}.log", env)
    if not log.exists():
        counts.add(name, "failed", output[-6000:])
        return
    for line in log.read_text(errors="replace").splitlines():
        count_meson_test(json.loads(line), counts)


def count_meson_test(test, counts):
    text = test.get("stdout", "") + "\n" + test.get("stderr", "")
    cases = TAP.findall(text)
    for verdict, name, directive in cases:
        state = "skipped" if directive.lower() == "skip" else "passed" if verdict == "ok" else "failed"
        counts.add(f"{test['name']}: {name}", state, text[-4000:])
    told = any(verdict == "not ok" for verdict, _, _ in cases)
    if test["result"] in ("OK", "EXPECTEDFAIL"):
        if not cases:
            counts.add(test["name"], "passed")
    elif test["result"] == "SKIP":
        if not cases:
            counts.add(test["name"], "skipped")
    elif not told:
        counts.add(f"{test['name']} ({test['result']})", "failed", text[-4000:])


def junit(path, counts):
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        name = f"{case.get('classname')}::{case.get('name')}"
        problem = case.find("failure") if case.find("failure") is not None else case.find("error")
        if problem is not None:
            counts.add(name, "failed", (problem.text or problem.get("message") or "")[-6000:])
        elif case.find("skipped") is not None:
            counts.add(name, "skipped")
        else:
            counts.add(name, "passed")


def pytest(name, arguments, counts, env=None, cwd=TOP):
    report = BUILD / "logs" / f"{name}.xml"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    command = [sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", *arguments]
    status, output = run(command, BUILD / "logs" / f"{name}.log", env, cwd)
    if not report.exists() or status not in (0, 1, 5):
        counts.add(name, "failed", output[-6000:])
        return
    junit(report, counts)


def binaries(folder):
    return {
        "SIDEPOOLD": str(folder / "src" / "sidepoold"),
        "SIDEPOOL": str(folder / "src" / "ctl" / "sidepool"),
        "SIDEPOOL_BUILD_DIR": str(folder),
        "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=1",
        "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    }


def integration(kind, mode, counts):
    folder = build(kind, counts)
    if not folder:
        return
    selection = {"fast": ["-m", "fast"], "default": ["-m", "not long"], "all": []}[mode]
    pytest(f"integration-{kind}", ["-n", "2", "tests/integration", *selection], counts, binaries(folder))


def group_unit(mode, counts):
    folder = build("plain", counts)
    if folder:
        meson(folder, ["unit"], counts)


def group_interop(mode, counts):
    folder = build("plain", counts)
    if folder:
        meson(folder, ["interop"], counts)


def group_sim(mode, counts):
    folder = build("plain", counts)
    if folder:
        meson(folder, ["sim"], counts)


def group_integration(mode, counts):
    integration("plain", mode, counts)


def group_asan(mode, counts):
    folder = build("asan", counts)
    if not folder:
        return
    meson(folder, ["unit", "interop"], counts)
    integration("asan", mode, counts)


def group_fuzz(mode, counts):
    folder = build("fuzz", counts)
    if folder:
        meson(folder, ["fuzz"], counts)


def group_python(mode, counts):
    folder = build("plain", counts)
    if folder:
        env = {**binaries(folder), "PYTHONPATH": str(TOP / "clients" / "python" / "src")}
        pytest("python", ["tests"], counts, env, TOP / "clients" / "python")


def group_node(mode, counts):
    folder = build("plain", counts)
    if not folder:
        return
    env = binaries(folder)
    status, output = run(
        ["node", "--test", "--test-reporter=tap", "test/"], BUILD / "logs" / "node.log", env, TOP / "clients" / "node"
    )
    totals = {k: int(v) for k, v in re.findall(r"^# (pass|fail|skipped|cancelled) (\d+)$", output, re.M)}
    counts.passed += totals.get("pass", 0)
    counts.skipped += totals.get("skipped", 0)
    broken = totals.get("fail", 0) + totals.get("cancelled", 0)
    for line in re.findall(r"^\s*(not ok .*)$", output, re.M)[:broken]:
        counts.add(f"node: {line}", "failed", "")
    if status != 0 and broken == 0:
        counts.add("node", "failed", output[-6000:])


def group_style(mode, counts):
    for name in ("proto/gen-errors --check", "tests/tools/sizes", "tests/tools/words"):
        status, output = run([str(TOP / name.split()[0]), *name.split()[1:]], BUILD / "logs" / "style.log")
        counts.add_exit(f"style: {name}", status, output[-4000:])


def group_quickstart(mode, counts):
    status, output = run([str(TOP / "deploy" / "quickstart"), "--once"], BUILD / "logs" / "quickstart.log")
    counts.add_exit("deploy/quickstart --once", status, output[-6000:])


GROUPS = {
    "style": group_style,
    "unit": group_unit,
    "sim": group_sim,
    "interop": group_interop,
    "integration": group_integration,
    "quickstart": group_quickstart,
    "python": group_python,
    "node": group_node,
    "asan": group_asan,
    "fuzz": group_fuzz,
}
FAST = ("style", "unit", "integration")
NEEDS = {
    "python": "clients/python/tests",
    "node": "clients/node/test",
    "integration": "tests/integration",
    "quickstart": "deploy/quickstart",
}


def main():
    parser = argparse.ArgumentParser(prog="tests/run", description="Builds and runs the tests.")
    parser.add_argument("--fast", action="store_const", const="fast", dest="mode", default="default", help="under a minute")
    parser.add_argument("--all", action="store_const", const="all", dest="mode", help="also the long ones")
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=" ".join(GROUPS))
    arguments = parser.parse_args()
    unknown = [g for g in arguments.groups if g not in GROUPS]
    if unknown:
        parser.error(f"no group {' '.join(unknown)}; there are {' '.join(GROUPS)}")
    names = arguments.groups or (FAST if arguments.mode == "fast" else list(GROUPS))
    total = Counts()
    for name in names:
        if name in NEEDS and not (TOP / NEEDS[name]).exists():
            continue
        if sys.stdout.isatty():
            print(f"{name:12} ...", end="\r", flush=True)
        counts, started = Counts(), time.monotonic()
        GROUPS[name](arguments.mode, counts)
        print(
            f"{name:12} {counts.passed} passed, {counts.failed} failed, {counts.skipped} skipped"
            f"  ({time.monotonic() - started:.0f} s)",
            flush=True,
        )
        for failed, detail in counts.failures:
            print(f"--- FAILED {failed}\n{detail.rstrip()}\n")
        total.add_all(counts)
    print(f"logs: {BUILD / 'logs'}")
    print(f"{total.passed} passed, {total.failed} failed, {total.skipped} skipped")
    return 0 if total.failed == 0 and total.passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
