# SPDX-License-Identifier: MIT
"""every allocation, descriptor, connect, write and read of the daemon fails once (with --all, each that comes by a way of its own)"""

import sys

ORDER = 105
# How much of a stack tells a way from others: what is called from two places by the same six functions fails once.
SHORT, LONG = "6", "40"


def run(group):
    if group.build("asan"):
        frames = LONG if group.mode == "all" else SHORT
        command = [sys.executable, "-B", "tests/chaos/countdown", "--build", "build/asan", "--frames", frames]
        group.check("countdown", *command, env=group.programs("asan"))
