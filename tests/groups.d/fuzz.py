# SPDX-License-Identifier: MIT
"""each fuzz target for a short time, from the kept inputs"""

ORDER = 100


def run(group):
    group.meson("fuzz", kind="fuzz")
