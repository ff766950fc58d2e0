# SPDX-License-Identifier: MIT
"""the counting and the tools of the tests themselves"""

ORDER = 11
FAST = True


def run(group):
    mode, group.mode = group.mode, "default"  # none of them is slow
    group.pytest("tests/tools")
    group.mode = mode
