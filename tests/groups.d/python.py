# SPDX-License-Identifier: MIT
"""the Python client"""

from group import TOP

ORDER = 70
NEEDS = "clients/python/tests"


def run(group):
    here = TOP / "clients" / "python"
    if group.build():
        group.pytest("tests", env={**group.programs(), "PYTHONPATH": str(here / "src")}, cwd=here)
