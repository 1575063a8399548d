"""Whether a process has ended, for tests of whatever starts some."""

import os
import time
from pathlib import Path

#: Longest to wait for what must happen, in s; nothing takes so long unless it fails.
PATIENCE_S = 30


def has_ended(pid):
    """Wait until a process has ended; False if it does not."""
    return comes_true(lambda: not _is_running(pid))


def comes_true(condition):
    """Wait until a condition holds; False if it does not."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    # A zombie has ended; whether its parent has noticed is another matter.
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"
