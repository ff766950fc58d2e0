# SPDX-License-Identifier: MIT
"""the Node client"""

from group import TOP

ORDER = 80
NEEDS = "clients/node/test"


def tests(here, folder):
    return sorted(f.relative_to(here) for f in (here / folder).glob("*.test.*js"))


def run(group):
    here = TOP / "clients" / "node"
    if group.build():
        group.node(*tests(here, "test"), env=group.programs(), cwd=here)
        if group.mode == "all":
            group.node(*tests(here, "suites"), env=group.programs(), cwd=here, name="node-suites")
