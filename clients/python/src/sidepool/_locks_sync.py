# SPDX-License-Identifier: MIT
"""What the generated code takes for a lock, a pause and a helper: of threads."""
import threading
import time
from contextlib import contextmanager

Lock = threading.RLock
sleep = time.sleep
contextmanager = contextmanager
