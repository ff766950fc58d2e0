# SPDX-License-Identifier: MIT
"""random schedules against the core, under a virtual clock"""

ORDER = 30
NEEDS = "tests/sim/meson.build"


def run(group):
    group.meson("sim")
