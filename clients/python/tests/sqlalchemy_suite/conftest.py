# SPDX-License-Identifier: MIT
"""SQLAlchemy's own suite for dialects: pytest -c setup.cfg --dburi $SIDEPOOL_SUITE_URL (see test_sqlalchemy.py)."""
import os
import sys

import pytest
from sqlalchemy.dialects import registry

sys.path.insert(0, os.path.dirname(__file__))
registry.register("postgresql.sidepool", "sidepool.sqlalchemy", "SidepoolDialect")
registry.register("postgresql.sidepool_async", "sidepool.sqlalchemy", "SidepoolAsyncDialect")
pytest.register_assert_rewrite("sqlalchemy.testing.assertions")

from sqlalchemy.testing.plugin.pytestplugin import *  # noqa: E402, F403


def pytest_collection():
    from sqlalchemy.dialects.postgresql import provision  # noqa: F401 (how the suite makes temporary tables there)
