# SPDX-License-Identifier: MIT
"""the examples and commands of README.md, and the links of all pages"""

ORDER = 56
NEEDS = "tests/docs"


def run(group):
    if group.build():
        group.pytest("tests/docs", env=group.programs())
