"""Every gallery script starts from the same state, whatever the one before it did.

All scripts run in one process. A script that sets an environment variable,
switches the garbage collector off or makes NumPy raise on overflow would change
what the next one measures, and nothing on either page would show it.
"""

from __future__ import annotations

import gc
import os
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import matplotlib
import numpy as np

from accel.figures import look


@contextmanager
def environment_restored() -> Iterator[None]:
    """Put the environment variables back on leaving."""
    before = dict(os.environ)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def collector_restored() -> Iterator[None]:
    """Switch the garbage collector back on leaving, on or off."""
    enabled = gc.isenabled()
    try:
        yield
    finally:
        (gc.enable if enabled else gc.disable)()


_script = ExitStack()


def reset(gallery_conf: dict, fname: str | None, when: str) -> None:
    """Surround a script, as sphinx-gallery asks: called with "before" and "after"."""
    _script.close()
    look.take()  # pictures that a failed script left behind
    if when == "before":
        _script.enter_context(environment_restored())
        _script.enter_context(collector_restored())
        _script.enter_context(warnings.catch_warnings())
        _script.enter_context(np.errstate())
        _script.enter_context(matplotlib.rc_context())
