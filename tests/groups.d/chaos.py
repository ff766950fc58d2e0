# SPDX-License-Identifier: MIT
"""money moves while everything breaks (2 minutes, with --all 10), how soon answers are back, and a mixed load (2, 30)"""

import sys

ORDER = 110
# Minutes of the ledger, and how many faults have to strike in that time; how often PostgreSQL comes back; minutes of the soak, which a
# runner must not last longer than tests/tools/group.py allows.
SHORT, LONG = ("2", "40", "20", "2"), ("10", "200", "100", "30")


def run(group):
    if group.build():
        minutes, faults, rounds, soak = LONG if group.mode == "all" else SHORT
        ledger = [sys.executable, "-B", "tests/chaos/ledger", "--minutes", minutes, "--faults", faults]
        group.check("ledger", *ledger, env=group.programs())
        back = [sys.executable, "-B", "tests/chaos/coming-back", "--rounds", rounds]
        group.check("coming back", *back, env=group.programs())
        group.check("soak", sys.executable, "-B", "tests/chaos/soak", "--minutes", soak, env=group.programs())
