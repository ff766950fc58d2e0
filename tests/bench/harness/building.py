# SPDX-License-Identifier: MIT
"""What is measured is what is shipped: an optimised build without debugging."""

import os
import pathlib
import subprocess

TOP = pathlib.Path(__file__).resolve().parent.parent.parent.parent
BUILD = pathlib.Path(os.environ.get("SIDEPOOL_BUILD", TOP / "build"))
TARGETS = ("src/sidepoold", "tests/bench/sidepool-bench", "tests/bench/bench-relay")


def release():
    """The folder of a release build, made or brought up to date."""
    folder = BUILD / "release"
    commands = [["ninja", "-C", folder, *TARGETS]]
    if not (folder / "build.ninja").exists():
        commands.insert(0, ["meson", "setup", "--buildtype=release", folder, TOP])
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(map(str, command))}:\n{done.stdout}{done.stderr}")
    return folder
