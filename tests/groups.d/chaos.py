# SPDX-License-Identifier: MIT
"""the ledger: money moves while everything breaks, 2 minutes (--all: 10)"""

import sys

ORDER = 110
# How long, and how many faults have to strike in that time.
SHORT, LONG = ("2", "40"), ("10", "200")


def run(group):
    if group.build():
        minutes, faults = LONG if group.mode == "all" else SHORT
        ledger = [sys.executable, "-B", "tests/chaos/ledger", "--minutes", minutes, "--faults", faults]
        group.check("ledger", *ledger, env=group.programs())
