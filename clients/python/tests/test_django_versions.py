# SPDX-License-Identifier: MIT
"""The oldest Django that pyproject.toml allows, and the newest that this Python takes (5.2 is in tests/requirements.txt)."""
import pathlib
import re
import sys

import pytest
from other_versions import run_with

PROJECT = (pathlib.Path(__file__).resolve().parent.parent / "pyproject.toml").read_text()
(OLDEST,) = re.findall(r'"django>=(\d+\.\d+)"', PROJECT)
TESTS = ("test_django.py", "test_examples.py", "-k", "django")


@pytest.mark.long
@pytest.mark.skipif(sys.version_info > (3, 13), reason="Django 4.2 does not know Python 3.13")
def test_oldest(tmp_path):
    run_with(f"Django=={OLDEST}.*", tmp_path, *TESTS)


@pytest.mark.long
def test_newest(tmp_path):
    run_with("Django", tmp_path, *TESTS)
