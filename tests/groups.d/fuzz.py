# SPDX-License-Identifier: MIT
"""each fuzz target for a minute (ten with --all), as many at a time as there are cores; more: tests/fuzz/run --help"""

ORDER = 100


def run(group):
    group.meson("fuzz", kind="fuzz")
