# SPDX-License-Identifier: MIT
"""money moves while everything breaks (2 minutes, with --all 10), how soon answers are back; beside it a mixed load (5, 60)"""

import concurrent.futures
import sys

ORDER = 110
# Minutes of the ledger, and how many faults have to strike in that time; how often PostgreSQL comes back; minutes of the soak.
SHORT, LONG = ("2", "40", "20", "5"), ("10", "200", "100", "60")
MOST_S = 90 * 60  # the soak's hour, and what the machine needs besides


def run(group):
    if not group.build():
        return
    minutes, faults, rounds, soak = LONG if group.mode == "all" else SHORT

    def check(name, program, *arguments):
        group.check(name, sys.executable, "-B", f"tests/chaos/{program}", *arguments, env=group.programs(), limit=MOST_S)

    # The soak goes by what the same server takes meanwhile without the daemon, so it bears others beside it.
    with concurrent.futures.ThreadPoolExecutor() as beside:
        soaking = beside.submit(check, "soak", "soak", "--minutes", soak)
        check("ledger", "ledger", "--minutes", minutes, "--faults", faults)
        check("coming back", "coming-back", "--rounds", rounds)
        soaking.result()
