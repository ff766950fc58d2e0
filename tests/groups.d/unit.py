# SPDX-License-Identifier: MIT
"""each module by itself (cmocka)"""

ORDER = 20
FAST = True


def run(group):
    group.meson("unit")
