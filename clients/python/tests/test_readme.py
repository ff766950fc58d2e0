# SPDX-License-Identifier: MIT
"""The README's examples run, in order, as one program each; its table of settings is the program's."""
import os
import pathlib
import re
import subprocess
import sys
from dataclasses import fields

from sidepool._settings import Settings

TEXT = (pathlib.Path(__file__).resolve().parent.parent / "README.md").read_text()


def test_examples(socket_path):
    blocks = re.findall(r"^```python\n(.*?)^```$", TEXT, re.M | re.S)
    assert len(blocks) >= 5
    program = "\n".join(blocks)
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "SIDEPOOL_SOCKET": socket_path}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_settings_are_those_of_the_table():
    table = TEXT[TEXT.index("## Settings") : TEXT.index("## Errors")]
    named = [n for row in re.findall(r"^\| ([a-z_, ]+) \|", table, re.M) for n in row.split(", ")][1:]
    assert named == [f.name for f in fields(Settings)]
    for row in re.findall(r"^\| ([a-z_]+) \| (\d+)\b", table, re.M):
        assert getattr(Settings(), row[0]) == float(row[1])
