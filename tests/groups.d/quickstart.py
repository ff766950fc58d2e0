# SPDX-License-Identifier: MIT
"""deploy/quickstart --once"""

ORDER = 60
NEEDS = "deploy/quickstart"


def run(group):
    group.check("deploy/quickstart --once", "deploy/quickstart", "--once")
