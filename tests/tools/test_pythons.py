# SPDX-License-Identifier: MIT
"""tests/tools/pythons makes an interpreter's folder of what the module says, and knows the oldest Python that is promised."""
import gzip
import importlib.machinery
import importlib.util
import json
import pathlib

import pytest

HERE = pathlib.Path(__file__).resolve().parent
loader = importlib.machinery.SourceFileLoader("pythons", str(HERE / "pythons"))
pythons = importlib.util.module_from_spec(importlib.util.spec_from_loader("pythons", loader))
loader.exec_module(pythons)
FILES = [
    {"name": "bin", "perm": pythons.DIRECTORY | 0o755},
    {"name": "bin/python3.10", "perm": 0o755, "compressed": True},
    {"name": "bin/python", "perm": pythons.SYMLINK, "symlink": "python3.10"},
    {"name": "bin/pydoc", "perm": 0o644},
]


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A folder as go has it of a module; the names asked for."""
    source, asked = tmp_path / "module" / pythons.DATA, []
    (source / "bin").mkdir(parents=True)
    (source / "bin" / "python3.10.gz").write_bytes(gzip.compress(b"#!/bin/sh\necho here\n"))
    (source / "bin" / "pydoc").write_text("doc")
    (source / "files.json").write_text(json.dumps({"files": FILES}))
    monkeypatch.setattr(pythons, "module", lambda version: asked.append(version) or tmp_path / "module")
    return asked


def test_it_is_unpacked_once(module, tmp_path):
    for _ in range(2):
        path = pythons.unpack("3.10", tmp_path / "to")
        assert path.read_text().endswith("echo here\n") and path.stat().st_mode & 0o777 == 0o755
        assert (path.parent / "python").resolve() == path and (path.parent / "pydoc").read_text() == "doc"
    assert module == ["3.10"]


def test_another_version_is_unpacked_anew(module, tmp_path, monkeypatch):
    pythons.unpack("3.10", tmp_path / "to")
    monkeypatch.setitem(pythons.VERSIONS, "3.10", ("v0.0.0-other", ""))
    pythons.unpack("3.10", tmp_path / "to")
    assert module == ["3.10"] * 2


def test_a_sum_that_differs_is_refused(tmp_path, monkeypatch):
    fake = tmp_path / "go"
    fake.write_text('#!/bin/sh\necho \'{"Sum": "h1:other", "Dir": "/nowhere"}\'\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(SystemExit, match="h1:other"):
        pythons.module("3.10")


def test_what_cannot_be_had_is_said(tmp_path, monkeypatch):
    fake = tmp_path / "go"
    fake.write_text('#!/bin/sh\necho \'{"Error": "403 Forbidden"}\'\nexit 1\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(pythons.Unavailable, match="403"):
        pythons.module("3.10")


def test_the_oldest_is_among_them():
    project = (HERE.parent.parent / "clients" / "python" / "pyproject.toml").read_text()
    assert f'requires-python = ">={min(pythons.VERSIONS, key=lambda v: [*map(int, v.split("."))])}"' in project
