# SPDX-License-Identifier: MIT
"""unit, interop and integration once more under ASan and UBSan"""

from group import BUILD, SANITIZERS, run as run_command

ORDER = 90
LEAK = "#include <stdlib.h>\nint main(void) { void *volatile p = malloc(40); p = NULL; return p != NULL; }\n"


def leak_checker_is_on(group):
    """A program that leaks must fail here: the checker turns itself off where it is not allowed to trace."""
    folder = BUILD / "leak-check"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "leak.c").write_text(LEAK)
    status, output = run_command(["gcc", "-fsanitize=address", "-g", "-o", folder / "leak", folder / "leak.c"], group.log("asan-leak"))
    if status == 0:
        status, output = run_command([folder / "leak"], group.log("asan-leak"), SANITIZERS)
        status = 0 if status != 0 and "LeakSanitizer: detected memory leaks" in output else 1
    group.counts.add_exit("asan: the leak checker is on", status, output)


def run(group):
    leak_checker_is_on(group)
    group.meson("unit", "interop", kind="asan")
    if group.build("asan"):
        group.pytest("-n", "2", "tests/integration", env=group.programs("asan"), name="asan-integration")
