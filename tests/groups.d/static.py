# SPDX-License-Identifier: MIT
"""gcc's and clang's strictest warnings; with --all gcc's analyzer, clang-tidy, cppcheck, valgrind, coverage of lines"""

import sys

ORDER = 15


def run(group):
    folder = group.build()
    if not folder:
        return
    for tool in ("gcc", "clang"):
        group.check(tool, sys.executable, "-B", "tests/static/check", "--build", folder, tool)
