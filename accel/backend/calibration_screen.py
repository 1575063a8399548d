"""A calibration at a terminal: a bar while it runs, and who is the fastest from where on."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from accel.backend import calibrate, profile
from accel.backend.calibrate import Outcome, Step
from accel.backend.profile import Profile
from accel.bars import Bar
from accel.kernels import registry, work
from accel.timing.machine import counted

#: Amounts of work that are bytes; others are FLOPs and bytes together.
_BYTES = (registry.bytes_of, work.rows)

_PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))


class Screen(Bar):
    """What is measured now, and how long the rest will take.

    Parameters
    ----------
    console : Console
    steps : int
        How many there will be.
    clock : callable, optional
        Time in s.
    """

    def __init__(self, console: Console, steps: int, clock: Callable[[], float] = time.monotonic):
        super().__init__(console)
        self._steps, self._clock, self._begun = steps, clock, clock()
        self.first_ns = self.elapsed_ns = 0

    def begins(self, step: Step, done: int) -> None:
        """Say what is measured now, after `done` steps."""
        self.show(f"measuring {step}", done, self._steps, self.left_s(done))

    def again(self, step: Step, done: int) -> None:
        """Say what is timed a second time, after `done` steps of as many."""
        self.show(f"once more {step}", done, self._steps)

    def ended(self, step: Step, outcome: Outcome) -> None:
        """Say what compiled or failed, and add up the time."""
        self.first_ns += outcome.first_ns
        self.elapsed_ns += outcome.elapsed_ns
        if outcome.first_ns > calibrate.NOTEWORTHY_NS:
            self.console.print(
                f"{step}: first calls took {outcome.first_ns / 1e9:.1f} s, to compile or load "
                "kernels; the curves are without them",
                markup=False,
                soft_wrap=True,
            )
        for name, error in outcome.failures.items():
            self.console.print(f"{step}: {name} failed and is left out: {error}", markup=False)

    def left_s(self, done: int) -> float:
        """Return the time left, in s, as the steps so far suggest."""
        each = (self._clock() - self._begun) / done if done else calibrate.STEP_S
        return each * (self._steps - done)


def run(
    operations: Sequence[str], dtypes: Sequence[str], anew: bool, err: Console, out: Console
) -> Profile:
    """Calibrate, with a bar on one console and the outcome on the other.

    Raises
    ------
    CalibrationError, ProfileError
        As those of `accel.backend.calibrate`.
    """
    wanted = calibrate.steps(operations, dtypes)
    with calibrate.alone(profile.folder()):
        found = calibrate.begun(wanted, anew)
        lacking = [step for step in wanted if calibrate.missing(step, found)]
        with Screen(err, len(lacking)) as screen:
            found = calibrate.calibrate(
                wanted, found, begins=screen.begins, ended=screen.ended, again=screen.again
            )
    out.print(table(found, wanted))
    for sentence in sentences(found, len(wanted), len(lacking), screen):
        out.print(sentence, markup=False, soft_wrap=True)
    return found


def sentences(found: Profile, wanted: int, measured: int, screen: Screen) -> list[str]:
    """Say what was measured, how long it took, and where it is."""
    here_already = wanted - measured
    said = [f"Measured {counted(measured, 'pair')} of operation and element type"]
    if here_already:
        said[0] += f"; {here_already} had been measured before, and --anew measures them again"
    if measured:
        seconds = (screen.elapsed_ns - screen.first_ns) / 1e9
        said[0] += (
            f", in {seconds:.0f} s and {screen.first_ns / 1e9:.0f} s of first calls, which "
            "compile or load kernels"
        )
    return [f"{said[0]}.", f"Kept in {found.origin}, for {found.machine}."]


def table(found: Profile, wanted: Sequence[Step]) -> Table:
    """Return who is the fastest from which amount of work on, a row for each step."""
    drawing = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for header in ("operation", "elements", "fastest, from which amount of work on"):
        drawing.add_column(header, overflow="fold")
    for step in wanted:
        drawing.add_row(step.operation, step.dtype, in_words(found, step))
    return drawing


def in_words(found: Profile, step: Step) -> str:
    """Return the crossovers of a step: ``numpy, numba from 2.0 kB, numba-threads from 1.2 MB``."""
    unit = "B" if registry.operation(step.operation).work in _BYTES else "FLOP+B"
    (_, first), *others = calibrate.crossovers(found.curves[step.key])
    return ", ".join([first, *(f"{name} from {_amount(at)}{unit}" for at, name in others)])


def _amount(value: float) -> str:
    scale, prefix = next(each for each in _PREFIXES if value >= each[0] or each[0] == 1.0)
    return f"{value / scale:.3g} {prefix}"
