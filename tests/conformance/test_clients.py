# SPDX-License-Identifier: MIT
"""The conformance list (cases/) on each of our clients, and that the list notices what is wrong."""
import os
import pathlib
import shutil
import sys

import pytest
import runner
from admin import make_admin

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parents[1]
CASES = runner.load_cases()
RAW = {"wire"}  # the driver of the cases that need nothing but the wire
C_DRIVER = pathlib.Path(os.environ["SIDEPOOL_BUILD_DIR"]) / "tests" / "conformance" / "conformance-driver"
DRIVERS = {
    "c": [C_DRIVER],
    "python": [sys.executable, "-B", HERE / "drivers" / "driver.py"],
    "node": ["node", HERE / "drivers" / "driver.mjs"],
    "wire": [sys.executable, "-B", HERE / "drivers" / "wire.py"],
}
LACKS = {  # what each has not, and why
    "c": {"next_daemon"},  # the caller is told SHUTTING_DOWN, not sent: a handle is one connection, which may hold his leases
    "python": set(),
    "node": set(),
}
ENV = {**os.environ, "PYTHONPATH": str(TOP / "clients" / "python" / "src")}
pytestmark = pytest.mark.settings({"sidepool": {"budget": 2}})


def pairs():
    """Each case with each client; those of the bare wire with that alone."""
    for client in DRIVERS:
        for case in CASES:
            if (client in RAW) == ("raw" in case.get("needs", ())):
                yield pytest.param(client, case, id=f"{client}: {case['name']}".replace(" ", "-"))


@pytest.mark.parametrize("client, case", pairs())
def test_case(client, case, request):
    if not shutil.which(DRIVERS[client][0]):
        pytest.skip(f"there is no {DRIVERS[client][0]}")
    path = admin = None
    if "daemon" not in case:
        path = request.getfixturevalue("daemon").socket
        admin = make_admin(path)
    lacks = LACKS.get(client, set()) & set(case.get("needs", ()))
    try:
        runner.run_case(case, DRIVERS[client], path, admin, ENV)
    except runner.Skipped as e:
        assert lacks, e
        pytest.skip(str(e))
