# SPDX-License-Identifier: MIT
"""the Node client"""

from group import TOP

ORDER = 80
NEEDS = "clients/node/test"


def run(group):
    here = TOP / "clients" / "node"
    if group.build():
        group.node(*sorted(f.relative_to(here) for f in (here / "test").glob("*.test.*js")), env=group.programs(), cwd=here)
