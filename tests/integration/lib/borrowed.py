# SPDX-License-Identifier: MIT
"""The servers and daemons of tests/integration, for what runs against a real daemon beside it: a conftest.py imports all of this."""
import importlib.util
import pathlib
import sys

_spec = importlib.util.spec_from_file_location("integration_conftest", pathlib.Path(__file__).resolve().parents[1] / "conftest.py")
integration = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = integration
_spec.loader.exec_module(integration)

pytest_configure = integration.pytest_configure
pytest_runtest_setup = integration.pytest_runtest_setup
pytest_runtest_makereport = integration.pytest_runtest_makereport
nothing_is_left = integration.nothing_is_left
pg = integration.pg
make_daemon = integration.make_daemon
daemon = integration.daemon
wire = integration.wire
