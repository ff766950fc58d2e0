# SPDX-License-Identifier: MIT
"""Waiting for something to become true, never for time to pass."""
import os
import time

# Under valgrind everything takes longer: $SIDEPOOL_TIMEOUT_FACTOR. A limit that is not reached costs nothing.
FACTOR = float(os.environ.get("SIDEPOOL_TIMEOUT_FACTOR", "1"))


def wait_until(message, predicate, timeout=20):
    """Return what `predicate` returns as soon as that is true; fail with `message` after `timeout` seconds."""
    end = time.monotonic() + timeout * FACTOR
    while True:
        result = predicate()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f"waited {timeout * FACTOR:g} s in vain until {message}; last: {result!r}")
        time.sleep(0.01)
