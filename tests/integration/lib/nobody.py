# SPDX-License-Identifier: MIT
"""What somebody else sees of the daemon."""
import os

import pytest

from .wire import Wire


def as_nobody(daemon, act):
    """What `act`, given a connection, returns in a process of the user nobody, on a socket that lets it in; as text."""
    if os.geteuid() != 0:
        pytest.skip("needs root to become another user")
    os.chmod(daemon.dir, 0o755)
    os.chmod(daemon.socket, 0o666)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            with Wire(daemon.socket) as w:
                os.write(write, act(w).encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as f:
        said = f.read().decode()
    os.waitpid(child, 0)
    return said
