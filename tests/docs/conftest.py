# SPDX-License-Identifier: MIT
"""The servers and daemons of tests/integration, for the examples of the documents."""
import importlib.util
import pathlib
import sys

INTEGRATION = pathlib.Path(__file__).resolve().parent.parent / "integration"

spec = importlib.util.spec_from_file_location("integration_conftest", INTEGRATION / "conftest.py")
integration = importlib.util.module_from_spec(spec)
sys.modules[spec.name] = integration
spec.loader.exec_module(integration)

pytest_configure = integration.pytest_configure
pytest_runtest_makereport = integration.pytest_runtest_makereport
nothing_is_left = integration.nothing_is_left
pg = integration.pg
make_daemon = integration.make_daemon
daemon = integration.daemon
wire = integration.wire
