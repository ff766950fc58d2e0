# SPDX-License-Identifier: MIT
"""units, man pages, completions, packages: what is installed and how"""

ORDER = 55
FAST = True


def run(group):
    if group.build():
        group.pytest("tests/deploy", env=group.programs())
