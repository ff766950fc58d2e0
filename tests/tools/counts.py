# SPDX-License-Identifier: MIT
"""Counts single tests from what their runners report: TAP, JUnit, meson's log, an exit status.

A test is counted once, under what it says of itself. A runner that dies, stops short of its plan, or says that it failed without
naming a test that did, is one failure more: nothing that went wrong can look like fewer tests.
"""

import json
import re
import xml.etree.ElementTree as ElementTree

# Each line by itself: cmocka writes "not ok 3 # SKIP name", others "ok 3 - name # SKIP why".
TAP_LINE = re.compile(r"^[ \t]*(ok|not ok)\b[ \t]*\d*[ \t]*(?:- )?(.*?)[ \t]*(?:(?<!\\)#[ \t]*(skip|todo)\b[ \t]*(.*))?$", re.I | re.M)
TAP_PLAN = re.compile(r"^[ \t]*1\.\.(\d+)", re.M)
SKIPPED = 77  # the exit status by which meson and automake know a skipped test
TAIL = 6000


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
            self.failures.append((name, detail[-TAIL:]))

    def add_exit(self, name, status, output):
        self.add(name, {0: "passed", SKIPPED: "skipped"}.get(status, "failed"), output)

    def add_all(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.failures += other.failures

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def tap(text):
    """The (name, state) of each line of TAP, and how many lines were announced (None: it was not said)."""
    cases = []
    for verdict, name, directive, rest in TAP_LINE.findall(text):
        if directive.lower() == "skip":
            state = "skipped"
        else:
            state = "passed" if verdict.lower() == "ok" or directive.lower() == "todo" else "failed"
        cases.append((name or rest, state))
    plans = [int(n) for n in TAP_PLAN.findall(text)]
    return cases, sum(plans) if plans else None


def meson_test(test, counts):
    """One line of testlog.json: a binary, counted by its TAP where it wrote any."""
    text = (test.get("stdout") or "") + "\n" + (test.get("stderr") or "")
    cases, planned = tap(text)
    for name, state in cases:
        counts.add(f"{test['name']}: {name}", state, text)
    fine, told = test["result"] in ("OK", "EXPECTEDFAIL", "SKIP"), any(state == "failed" for _, state in cases)
    if not fine and not told:
        counts.add(f"{test['name']} ({test['result']})", "failed", text)
    elif planned is not None and len(cases) < planned and not told:
        counts.add(f"{test['name']} (stopped after {len(cases)} of {planned})", "failed", text)
    elif not cases and fine:
        counts.add(test["name"], "skipped" if test["result"] == "SKIP" else "passed")


def meson_log(path, junit_folder, counts):
    """All of testlog.json; what left a JUnit file under the test's name is counted by that."""
    for line in path.read_text(errors="replace").splitlines():
        test = json.loads(line)
        report = junit_folder / (test["name"].rpartition(" / ")[2] + ".xml")
        if report.exists():
            before = counts.failed
            junit(report, counts)
            if test["result"] not in ("OK", "SKIP") and counts.failed == before:
                counts.add(f"{test['name']} ({test['result']})", "failed", test.get("stdout") or "")
        else:
            meson_test(test, counts)


def junit(path, counts):
    """A JUnit file of pytest. A test that failed and whose teardown failed too is listed twice there: it is one test."""
    states = {}
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        name = f"{case.get('classname')}::{case.get('name')}"
        problems = [e for kind in ("failure", "error") for e in case.findall(kind)]
        told = [(p.text or p.get("message") or "") for p in problems]
        told += [e.text for kind in ("system-out", "system-err") for e in case.findall(kind) if problems and e.text]
        state = "failed" if problems else "skipped" if case.find("skipped") is not None else "passed"
        if states.get(name, ("passed",))[0] != "failed":
            states[name] = (state, "\n".join(told))
        elif state == "failed":
            states[name] = (state, states[name][1] + "\n" + "\n".join(told))
    for name, (state, detail) in states.items():
        counts.add(name, state, detail)


def node_tap(text, status, counts):
    """node --test: its totals count nested tests, which the lines at the margin do not."""
    totals = {k: int(v) for k, v in re.findall(r"^# (pass|fail|skipped|todo|cancelled) (\d+)$", text, re.M)}
    counts.passed += totals.get("pass", 0) + totals.get("todo", 0)
    counts.skipped += totals.get("skipped", 0)
    broken = totals.get("fail", 0) + totals.get("cancelled", 0)
    told = [m for m in re.finditer(r"^( *)not ok \d+ - (.*?)$(?:\n\1  ---\n(.*?)\n\1  \.\.\.$)?", text, re.M | re.S)]
    told = [m for m in told if not re.search(r"# (SKIP|TODO)\b", m[2])]
    for i in range(broken):
        name, detail = (told[i][2], told[i][3] or "") if i < len(told) else ("(unnamed)", text[-TAIL:])
        counts.add(f"node: {name}", "failed", detail)
    if broken == 0 and (status != 0 or "pass" not in totals):
        counts.add(f"node (exit status {status})", "failed", text)
