# SPDX-License-Identifier: MIT
"""gcc's and clang's strictest warnings; with --all gcc's analyzer, clang-tidy, cppcheck, valgrind, coverage of lines"""

import sys

from group import BUILD, TIMEOUT_S, TOP, run as run_command

ORDER = 95
# What memcheck has to find, for what it does not say to mean something.
LEAK = "#include <stdlib.h>\nint main(void) { void *volatile p = malloc(40); p = NULL; return p != NULL; }\n"
STATIC = TOP / "tests" / "static"
SLOW = ("analyzer", "cppcheck", "tidy")
# Limits of waiting are this many times as long under valgrind.
FACTOR = "10"


def memcheck(program):
    """What makes tests start the daemon under valgrind; `program` is what it runs."""
    return {
        "SIDEPOOLD": str(STATIC / "memcheck"), "MEMCHECKED": str(program), "SIDEPOOL_SANITIZER": "memcheck",
        "SIDEPOOL_TIMEOUT_FACTOR": FACTOR,
    }  # fmt: skip


def memcheck_finds(group):
    """A program that leaks must fail under it."""
    folder = BUILD / "memcheck"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "leak.c").write_text(LEAK)
    status, output = run_command(["gcc", "-g", "-o", folder / "leak", folder / "leak.c"], group.log("static-leak"))
    if status == 0:
        status, output = run_command([STATIC / "memcheck"], group.log("static-leak"), memcheck(folder / "leak"))
        status = 0 if status == 99 and "definitely lost" in output else 1
    group.counts.add_exit("static: memcheck finds a leak", status, output)


def coverage(group):
    """Unit tests, simulations and integration in a build that counts lines, and what they left out."""
    folder = group.build("coverage")
    if not folder:
        return
    tool = [sys.executable, "-B", "tests/static/coverage", "--build", folder]
    group.check("coverage begins anew", *tool, "--forget")
    group.meson("unit", "sim", "interop", kind="coverage")
    group.pytest("-n", "2", "tests/integration", "-m", "not long", env=group.programs("coverage"), name="static-coverage")
    group.check("coverage of lines", *tool)


def run(group):
    folder = group.build()
    if not folder:
        return
    for tool in ("gcc", "clang", *(SLOW if group.mode == "all" else ())):
        group.check(tool, sys.executable, "-B", "tests/static/check", "--build", folder, tool)
    if group.mode == "all":
        coverage(group)
        memcheck_finds(group)
        env = {**group.programs(), **memcheck(folder / "src" / "sidepoold")}
        group.pytest("-n", "2", "tests/integration", "-m", "not long", env=env, name="static-memcheck", limit=3 * TIMEOUT_S)
