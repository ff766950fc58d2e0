# SPDX-License-Identifier: MIT
"""Runs the groups of tests in tests/groups.d and adds up what they count: see tests/run.

A group is a file tests/groups.d/NAME.py: its docstring says what it does, run(group) does it (group.py has what it can use).
ORDER, a number, is its place in the run; FAST = True takes it into --fast; NEEDS names a file without which there is nothing to
run yet.
"""

import argparse
import importlib.util
import sys
import time
import traceback

import group as grouping

FOLDER = grouping.TOP / "tests" / "groups.d"


def load(path):
    spec = importlib.util.spec_from_file_location(f"groups_d_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_one(name, module, mode):
    """The counts of one group, printed as soon as it is over."""
    group, started = grouping.Group(name, mode), time.monotonic()
    if sys.stdout.isatty():
        print(f"{name:12} ...", end="\r", flush=True)
    try:
        module.run(group)
    except Exception:
        group.counts.add(f"{name}: the group itself", "failed", traceback.format_exc())
    print(f"{name:12} {group.counts}  ({time.monotonic() - started:.0f} s)", flush=True)
    for failed, detail in group.counts.failures:
        print(f"--- FAILED {failed}\n{detail.rstrip()}\n", flush=True)
    return group.counts


def parse(modules):
    listed = "\n".join(f"  {name:12} {module.__doc__.strip().splitlines()[0]}" for name, module in modules.items())
    parser = argparse.ArgumentParser(
        prog="tests/run", description="Builds and runs the tests.", epilog=f"groups:\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--fast", action="store_const", const="fast", dest="mode", default="default", help="under a minute")
    parser.add_argument("--all", action="store_const", const="all", dest="mode", help="also what is marked long")
    parser.add_argument("groups", nargs="*", metavar="GROUP", help="only these; else all")
    arguments = parser.parse_args()
    unknown = [g for g in arguments.groups if g not in modules]
    if unknown:
        parser.error(f"no group {' '.join(unknown)}; there are {' '.join(modules)}")
    return arguments


def main():
    modules = {path.stem: load(path) for path in FOLDER.glob("*.py")}
    modules = dict(sorted(modules.items(), key=lambda item: (item[1].ORDER, item[0])))
    arguments = parse(modules)
    chosen = arguments.groups or [n for n, m in modules.items() if arguments.mode != "fast" or getattr(m, "FAST", False)]
    total = grouping.counting.Counts()
    for name in chosen:
        needed = getattr(modules[name], "NEEDS", "")
        if (grouping.TOP / needed).exists():
            total.add_all(run_one(name, modules[name], arguments.mode))
        elif name in arguments.groups:
            print(f"{name:12} nothing to run yet: there is no {needed}")
    print(f"logs: {grouping.LOGS}")
    print(total)
    return 0 if total.failed == 0 and total.passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
