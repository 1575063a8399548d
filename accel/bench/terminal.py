"""A run of `accel bench` at a terminal: a bar while it runs, tables when it is done."""

from __future__ import annotations

import time
from collections.abc import Callable

from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table as RichTable

from accel.bench import progress, report, running
from accel.bench.goals import goals
from accel.bench.measuring import Request
from accel.bench.results import Bench
from accel.timing.report import Table


class Bar:
    """What runs now, how far everything has come, and how long it will take.

    Without a terminal, a line for each step that begins.
    """

    def __init__(self, console: Console, steps: int, clock: Callable[[], float] = time.monotonic):
        self._console, self._clock, self._begun = console, clock, clock()
        self._bar = Progress(
            SpinnerColumn(), TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=30), TimeElapsedColumn(), TextColumn("{task.fields[left]}"), console=console, transient=True,
        )  # fmt: skip
        self._task = self._bar.add_task("", total=steps, left="")
        self._what, self._done, self._steps = "", 0.0, steps

    def __enter__(self) -> Bar:
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(self, *error) -> None:
        if self._console.is_terminal:
            self._bar.stop()

    def step(self, what: str, done: int) -> None:
        """Say what begins, after `done` steps."""
        self._what, self._done = what, done
        if not self._console.is_terminal:
            self._console.print(f"measuring {what}", markup=False)
        self.share(0.0)

    def share(self, share: float) -> None:
        """Say how much of the present step is done."""
        done = self._done + share
        self._bar.update(self._task, description=self._what, completed=done, left=self.left(done))

    def left(self, done: float) -> str:
        """Return the time left in words, as the steps so far suggest."""
        if done < 2:  # the first are loading, and tell nothing about the rest
            return ""
        left = int((self._clock() - self._begun) / done * (self._steps - done))
        return f"about {left // 60}:{left % 60:02d} left"


def run(request: Request, console: Console) -> Bench:
    """Run a request, and show on this console how far it has come."""
    with Bar(console, running.steps(request)) as bar, progress.watched(bar.share):
        return running.run(request, bar.step)


def show(bench: Bench, console: Console) -> None:
    """Print the tables and sentences of a run."""
    for table in report.tables(bench):
        console.print(drawn(table))
        console.print()
    for line in report.goal_lines(goals(bench)) if bench.entries else ():
        console.print(line, markup=False)
    console.print()
    for sentence in report.sentences(bench):
        console.print(sentence.replace("`", ""), markup=False)


def drawn(table: Table) -> RichTable:
    """Return a table as the terminal draws it, to its width."""
    drawing = RichTable(
        title=table.caption, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False
    )
    for column, header in enumerate(table.headers):
        right = table._numeric(column)
        drawing.add_column(header, justify="right" if right else "left", overflow="fold")
    for row in table.rows:
        drawing.add_row(*(cell.replace("`", "").replace("[", r"\[") for cell in row))
    return drawing
