"""Who may work on something that two processes would spoil: a build, a calibration."""

from __future__ import annotations

from typing import IO


def taken(file: IO) -> bool:
    """Take the lock of an open file, and tell whether that succeeded.

    It is held until the file is closed or the process ends. Without fcntl (Windows) nobody is
    kept apart, and everybody succeeds.
    """
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
