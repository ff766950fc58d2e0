# SPDX-License-Identifier: MIT
"""Waiting for something to become true, never for time to pass."""
import time


def wait_until(message, predicate, timeout=20):
    """Return what `predicate` returns as soon as that is true; fail with `message` after `timeout` seconds."""
    end = time.monotonic() + timeout
    while True:
        result = predicate()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f"waited {timeout} s in vain until {message}")
        time.sleep(0.01)
