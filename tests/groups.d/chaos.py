# SPDX-License-Identifier: MIT
"""money moves while everything breaks (2 minutes, with --all 10), and how soon answers are back"""

import sys

ORDER = 110
# Minutes of the ledger, and how many faults have to strike in that time; how often PostgreSQL comes back.
SHORT, LONG = ("2", "40", "20"), ("10", "200", "100")


def run(group):
    if group.build():
        minutes, faults, rounds = LONG if group.mode == "all" else SHORT
        ledger = [sys.executable, "-B", "tests/chaos/ledger", "--minutes", minutes, "--faults", faults]
        group.check("ledger", *ledger, env=group.programs())
        back = [sys.executable, "-B", "tests/chaos/coming-back", "--rounds", rounds]
        group.check("coming back", *back, env=group.programs())
