# SPDX-License-Identifier: MIT
"""the daemon on a real PostgreSQL (pytest)"""

ORDER = 50
FAST = True


def run(group):
    if group.build():
        group.pytest("-n", "2", "tests/integration", env=group.programs())
