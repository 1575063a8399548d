"""How far the experiment that runs now has come, read from the file it writes to."""

from __future__ import annotations

import json
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

#: How often the file is looked at, in s.
POLL_S = 0.5


@contextmanager
def watched(show: Callable[[float], None]) -> Iterator[None]:
    """Call ``show(share)`` meanwhile, with the share of the experiment that is done.

    Experiments that run in this process announce themselves to a file instead of the
    terminal (see `accel.timing.experiment.announce`); a thread of this process reads it.
    """
    before = os.environ.get("ACCEL_PROGRESS")
    ended = threading.Event()
    with tempfile.TemporaryDirectory(prefix="accel-") as folder:
        path = Path(folder, "progress")
        path.touch()
        os.environ["ACCEL_PROGRESS"] = str(path)
        reader = threading.Thread(target=_follow, args=(path, show, ended), daemon=True)
        reader.start()
        try:
            yield
        finally:
            ended.set()
            reader.join()
            if before is None:
                del os.environ["ACCEL_PROGRESS"]
            else:
                os.environ["ACCEL_PROGRESS"] = before


def _follow(path: Path, show: Callable[[float], None], ended: threading.Event) -> None:
    with path.open(encoding="utf-8") as file:
        while not ended.wait(POLL_S):
            share = latest(file.readlines())
            if share is not None:
                show(share)


def latest(lines: list[str]) -> float | None:
    """Return the share that the last of several lines tells; None if none does."""
    for line in reversed(lines):
        event = json.loads(line)
        if event["event"] in ("begin", "progress"):
            return event.get("done", 0.0)
    return None
