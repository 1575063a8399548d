"""The bar at a terminal: what goes on, how far it is, and how long it will take."""

from __future__ import annotations

from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


class Bar:
    """A line that changes while something goes on, and is gone when that is over.

    Where there is no terminal, a line for each thing that begins instead. Use it as a context.

    Parameters
    ----------
    console : Console
        That of standard error, so that results can be piped.
    """

    def __init__(self, console: Console):
        self.console = console
        self._bar = Progress(
            SpinnerColumn(), TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=30), TimeElapsedColumn(), TextColumn("{task.fields[left]}"),
            console=console, transient=True,
        )  # fmt: skip
        self._task = self._bar.add_task("", total=None, left="")
        self._told = ""

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self.console.is_terminal:
            self._bar.stop()

    def show(
        self, doing: str, done: float = 0, total: float | None = None, left_s: float | None = None
    ) -> None:
        """Say what goes on, that so much of so much is done, and the time left.

        Parameters
        ----------
        doing : str
            Shown as it is, without markup.
        done : float
        total : float, optional
            Of the unit of `done`. Without it, the bar only moves.
        left_s : float, optional
            In seconds; nothing is said where it is not known.
        """
        if doing != self._told and not self.console.is_terminal:
            self.console.print(doing, markup=False)
        self._told = doing
        self._bar.update(
            self._task, description=doing, completed=done, total=total, left=in_words(left_s)
        )


def in_words(left_s: float | None) -> str:
    """Return a time left such as ``about 1:30 left``; nothing where it is not known.

    >>> in_words(90.7)
    'about 1:30 left'
    """
    if left_s is None:
        return ""
    left = max(0, int(left_s))
    return f"about {left // 60}:{left % 60:02d} left"
