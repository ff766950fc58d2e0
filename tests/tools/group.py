# SPDX-License-Identifier: MIT
"""What a file of tests/groups.d is given to run and count its tests with."""

import os
import pathlib
import shutil
import signal
import subprocess
import sys

import counts as counting

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("SIDEPOOL_BUILD", TOP / "build"))
LOGS = BUILD / "logs"
CI = os.environ.get("CI") == "true"
# A runner that hangs is a failure, not a run without an end.
TIMEOUT_S = int(os.environ.get("SIDEPOOL_TEST_TIMEOUT", "2400"))

# gcc's leak checker is on by default; that it works where the tests run is itself a test: see groups.d/asan.py.
SANITIZERS = {
    # What was freed is kept for a while, and would count as growth of the daemon.
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=1:detect_stack_use_after_return=1:quarantine_size_mb=8",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    "LSAN_OPTIONS": f"suppressions={TOP}/tests/tools/lsan.supp:print_suppressions=0",
}
KINDS = {
    "plain": ("gcc", []),
    "asan": ("gcc", ["-Db_sanitize=address,undefined", "-Dbuildtype=debug"]),
    # Several threads of the daemon count the same lines.
    "coverage": ("gcc", ["-Db_coverage=true", "-Dbuildtype=debug", "-Dc_args=-fprofile-update=atomic"]),
    "fuzz": ("clang-14", ["-Dfuzz=true", "-Db_sanitize=address,undefined", "-Db_lundef=false", "-Dbuildtype=debugoptimized"]),
}
built = {}  # kind: its folder, or None where the build failed


def end(process):
    """Kill a runner with all that it started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(20)
        except subprocess.TimeoutExpired:
            continue
        except ProcessLookupError:
            return


def run(command, log, env=None, cwd=TOP, limit=TIMEOUT_S):
    """Run it with its output in a log file; return its exit status and output."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as f:
        process = subprocess.Popen(
            [str(c) for c in command], cwd=cwd, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL, stdout=f, stderr=f,
            start_new_session=True,
        )  # fmt: skip
        try:
            status, note = process.wait(limit), ""
        except subprocess.TimeoutExpired:
            end(process)
            status, note = -1, f"\nstopped after {limit} s ($SIDEPOOL_TEST_TIMEOUT)"
        except BaseException:
            end(process)
            raise
    return status, log.read_text(errors="replace") + note


class Group:
    """One group at work. `mode` is fast, default or all."""

    def __init__(self, name, mode):
        self.name, self.mode, self.counts = name, mode, counting.Counts()

    def log(self, name):
        return LOGS / f"{name}.log"

    def build(self, kind="plain"):
        """The folder of a build (plain, asan, fuzz), made or brought up to date; None, and a failure, if that fails."""
        if kind not in built:
            built[kind] = self._build(kind)
        elif not built[kind]:
            self.counts.add(f"build {kind}", "failed", "as above")
        return built[kind]

    def _build(self, kind):
        compiler, options = KINDS[kind]
        options = [*options, f"-Dwerror={'true' if CI else 'false'}"]
        folder, commands = BUILD / kind, []
        stamp, wanted = folder / ".options", " ".join([compiler, *options])
        if not (folder / "build.ninja").exists() or not stamp.exists() or stamp.read_text() != wanted:
            shutil.rmtree(folder, ignore_errors=True)
            commands.append(["meson", "setup", folder, TOP, *options])
        commands.append(["ninja", "-C", folder])
        for command in commands:
            status, output = run(command, self.log(f"build-{kind}-{command[0]}"), {"CC": compiler})
            if status != 0:
                self.counts.add(f"build {kind}", "failed", output)
                return None
            stamp.write_text(wanted)
        return folder

    def programs(self, kind="plain"):
        """The environment that tells tests in other languages where the programs of a build are."""
        folder = BUILD / kind
        return {
            "SIDEPOOLD": str(folder / "src" / "sidepoold"),
            "SIDEPOOL": str(folder / "src" / "ctl" / "sidepool"),
            "SIDEPOOL_BUILD_DIR": str(folder),
            "SIDEPOOL_SANITIZER": "address,undefined" if kind == "asan" else "",
            **SANITIZERS,
        }

    def meson(self, *suites, kind="plain", env=None):
        """meson's tests of these suites; those of the suite "long" only with --all."""
        folder = self.build(kind)
        if not folder:
            return
        name = f"{self.name}-meson"
        reports = LOGS / f"{name}.junit"
        shutil.rmtree(reports, ignore_errors=True)
        reports.mkdir(parents=True)
        record = folder / "meson-logs" / "testlog.json"
        record.unlink(missing_ok=True)
        command = ["meson", "test", "-C", folder, "--no-rebuild", "--print-errorlogs"]
        command += [word for suite in suites for word in ("--suite", suite)]
        command += [] if self.mode == "all" else ["--no-suite", "long"]
        told = {"CMOCKA_MESSAGE_OUTPUT": "TAP", "PYTHON": sys.executable, "SIDEPOOL_JUNIT": str(reports)}
        status, output = run(command, self.log(name), {**told, **SANITIZERS, **(env or {})})
        if record.exists():
            counting.meson_log(record, reports, self.counts)
        if self.counts.failed == 0 and (status != 0 or not record.exists()):
            self.counts.add(f"{name} (exit status {status})", "failed", output)

    def pytest(self, *arguments, env=None, cwd=TOP, name=None, python=sys.executable, limit=TIMEOUT_S):
        """Tests of pytest; those marked `long` only with --all, only those marked `fast` with --fast."""
        name = name or self.name
        report = LOGS / f"{name}.xml"
        report.parent.mkdir(parents=True, exist_ok=True)
        report.unlink(missing_ok=True)
        selection = {"fast": ["-m", "fast"], "default": ["-m", "not long"], "all": []}[self.mode]
        command = [python, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "junit_logging=all"]
        status, output = run([*command, f"--junitxml={report}", *selection, *arguments], self.log(name), env, cwd, limit)
        before = self.counts.failed
        if report.exists():
            counting.junit(report, self.counts)
        if self.counts.failed == before and (status not in (0, 5) or not report.exists()):
            self.counts.add(f"{name} (exit status {status})", "failed", output)

    def node(self, *files, env=None, cwd=TOP, name=None):
        """Tests of node's own runner, which are told by file: what it takes a folder for differs between its versions."""
        name = name or self.name
        status, output = run(["node", "--test", "--test-reporter=tap", *files], self.log(name), env, cwd)
        counting.node_tap(output, status, self.counts)

    def check(self, name, *command, env=None, limit=TIMEOUT_S):
        """One test: it passes if the command leaves with 0, and is skipped if with 77."""
        status, output = run(command, self.log(f"{self.name}-{name.replace('/', '-').replace(' ', '')}"), env, limit=limit)
        self.counts.add_exit(f"{self.name}: {name}", status, output)
