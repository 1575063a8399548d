"""A run of `accel bench` at a terminal: a bar while it runs, tables when it is done."""

from __future__ import annotations

import time
from collections.abc import Callable

from rich import box
from rich.console import Console
from rich.table import Table as RichTable

from accel.bars import Bar
from accel.bench import progress, report, running
from accel.bench.goals import goals
from accel.bench.measuring import Request
from accel.bench.results import Bench
from accel.timing.report import Table


class RunBar(Bar):
    """What a run measures now, and how long the rest will take, as the steps so far suggest."""

    def __init__(self, console: Console, steps: int, clock: Callable[[], float] = time.monotonic):
        super().__init__(console)
        self._clock, self._begun = clock, clock()
        self._what, self._done, self._steps = "", 0.0, steps

    def step(self, what: str, done: int) -> None:
        """Say what begins, after `done` steps."""
        self._what, self._done = f"measuring {what}", done
        self.share(0.0)

    def share(self, share: float) -> None:
        """Say how much of the present step is done."""
        done = self._done + share
        self.show(self._what, done, self._steps, self.left_s(done))

    def left_s(self, done: float) -> float | None:
        """Return the time left, in s; None after the first steps, which load, and tell nothing."""
        if done < 2:
            return None
        return (self._clock() - self._begun) / done * (self._steps - done)


def run(request: Request, console: Console) -> Bench:
    """Run a request, and show on this console how far it has come."""
    with RunBar(console, running.steps(request)) as bar, progress.watched(bar.share):
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
