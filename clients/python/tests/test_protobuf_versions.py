# SPDX-License-Identifier: MIT
"""The oldest and the newest protobuf runtime that install: framing, messages and transports run on each."""
import pytest
from other_versions import run_with


@pytest.mark.long
@pytest.mark.parametrize("wanted", ["protobuf==3.20.0", "protobuf"], ids=["oldest", "newest"])
def test_runs_on(wanted, tmp_path):
    run_with(wanted, tmp_path, "test_wire_vectors.py", "test_transport.py")
