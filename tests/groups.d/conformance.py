# SPDX-License-Identifier: MIT
"""the conformance list on each client, and the examples of clients made of proto/ alone"""

ORDER = 55
NEEDS = "tests/conformance"


def run(group):
    if group.build():
        group.pytest("-n", "2", "tests/conformance", env=group.programs())
