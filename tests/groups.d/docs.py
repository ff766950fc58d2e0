# SPDX-License-Identifier: MIT
"""the examples of README.md, the commands of all pages, and their links"""

ORDER = 56
NEEDS = "tests/docs"


def run(group):
    if group.build():
        group.pytest("tests/docs", env=group.programs())
