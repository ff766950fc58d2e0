# SPDX-License-Identifier: MIT
"""the request socket against libnng, nngcat and pynng"""

ORDER = 40


def run(group):
    group.meson("interop")
