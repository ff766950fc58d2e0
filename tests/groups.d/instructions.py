# SPDX-License-Identifier: MIT
"""what a request costs, counted in instructions, which no noise touches"""

ORDER = 90


def run(group):
    group.check("at most 5 % above the recorded figures", "tests/bench/instructions")
