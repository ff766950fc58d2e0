# SPDX-License-Identifier: MIT
"""The password that every daemon under test is given, and where nobody may find it."""
import os
import pathlib
import re

from . import processes

SECRET = "sup3rs3cret"
# What the daemon's executable is under valgrind.
VALGRIND = r".*/memcheck-[^/]*"


def with_secret(url):
    """The same URL with a password, which the tests' servers do not ask for."""
    return url.replace("//postgres@", f"//postgres:{SECRET}@", 1) if url else url


def places(daemons):
    """Where it is found: in the logs, and in what any process but a daemon shows of itself."""
    found = [f"the log of {d.socket}" for d in daemons if d.log_file.exists() and SECRET in d.log()]
    keepers = VALGRIND if os.environ.get("MEMCHECKED") else re.escape(os.path.realpath(os.environ["SIDEPOOLD"]))
    for pid in processes.children(os.getpid()):
        folder = pathlib.Path(f"/proc/{pid}")
        try:
            if re.fullmatch(keepers, os.path.realpath(folder / "exe")):
                continue
            found += [f"{name} of {processes.describe(pid)}" for name in ("cmdline", "environ") if SECRET.encode() in (folder / name).read_bytes()]
        except OSError:
            continue  # it has ended
    return found
