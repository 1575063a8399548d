"""Trials of the method on machines that exist only in numbers, where the truth is known.

On a real machine nobody knows by how much one function is faster than another,
so nobody can say how often an interval misses it. Here the time of a call is
drawn from a seeded generator, around a ratio that was chosen. The clock is
injected and everything else is the real thing: `order.schedule` says who runs,
`sample.calibrate` and `sample.sample_ns` take the samples, `paired.speedup` and
`noise.verdict` judge them, exactly as in an experiment.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from accel.timing import noise, order, paired, sample
from accel.timing.stats import Interval
from accel.timing.trials.simulated import WEATHERS, SimulatedMachine, Weather
from accel.timing.trials.textbook import Share, welch_speedup

#: Time of a call that nothing disturbs, and shortest sample, in ns.
CALL_NS, MIN_SAMPLE_NS = 1_200_000, 1_000_000

#: As in the quick profile.
PROCESSES, ROUNDS = 6, 12

#: Speed-ups planted to see whether they are found: 2, 3 and 5 % longer.
PLANTED = (1 / 1.02, 1 / 1.03, 1 / 1.05)

#: Differences that whoever compares two minima would shrug off, as a share.
MARGIN = 0.01


# ---------------------------------------------------------------------------
# One experiment
# ---------------------------------------------------------------------------


class Trial(NamedTuple):
    """Per-call times in ns of one experiment: a list per process, in time order."""

    kernel: list[list[float]]
    base: list[list[float]]
    again: list[list[float]]


def trial(
    weather: Weather, generator: Generator, speedup: float = 1.0, how: str = "williams"
) -> Trial:
    """Run one experiment on a simulated machine.

    Parameters
    ----------
    weather : Weather
    generator : Generator
    speedup : float
        How many times faster the kernel truly is than the baseline.
    how : {"williams", "sequential"}
        Order of turns; see `accel.timing.order`.

    Cost
    ----
    About 230 samples of a call or two.
    """
    machine = SimulatedMachine(weather, generator, [CALL_NS, CALL_NS / speedup])
    entries = (0, 1, 0)  # the baseline enters twice, the second time last, as in a worker
    taken: tuple[list, list, list] = ([], [], [])
    for process in range(PROCESSES):
        machine.begin_process()
        found = [sample.calibrate(partial(machine.sample_ns, f), MIN_SAMPLE_NS) for f in (0, 1)]
        loops = sample.aligned(found)
        here: tuple[list, list, list] = ([], [], [])
        first = order.first_row(len(entries), ROUNDS, process)
        for turn in order.schedule(how, len(entries), ROUNDS, first):
            function = entries[turn]
            elapsed = machine.sample_ns(function, loops[function])
            here[turn].append(elapsed / loops[function])
        for kept, rounds in zip(taken, here, strict=True):
            kept.append(rounds)
    return Trial(kernel=taken[1], base=taken[0], again=taken[2])


# ---------------------------------------------------------------------------
# Ways to conclude from it
# ---------------------------------------------------------------------------


def _judged(taken: Trial) -> tuple[Interval, str]:
    """The book's own: paired, by process, against the baseline's second entry."""
    ratio, again = paired.speedup(taken.kernel, taken.base), paired.speedup(taken.again, taken.base)
    return ratio, noise.verdict(ratio, again, stable=not noise.complaints(again, None, None))


def _uncontrolled(interval: Interval) -> tuple[Interval, str]:
    """Believe an interval that excludes 1, as there is no control to ask."""
    word = "faster" if interval.value > 1 else "slower"
    return interval, word if interval.excludes(1) else "not resolved"


def _one_after_the_other(taken: Trial) -> tuple[Interval, str]:
    return _uncontrolled(paired.speedup(taken.kernel, taken.base))


def _pooled_mean(taken: Trial) -> tuple[Interval, str]:
    """Mean and t interval of all samples, as if each were a draw of its own."""
    kernel, base = (sum(side, []) for side in (taken.kernel, taken.base))
    stated = paired.speedup(taken.kernel, taken.base).coverage  # so that all state the same
    return _uncontrolled(welch_speedup(kernel, base, stated))


def _minimum(taken: Trial) -> tuple[Interval, str]:
    """Ratio of the smallest times, and a margin around it by rule of thumb."""
    kernel, base = (min(map(min, side)) for side in (taken.kernel, taken.base))
    ratio = base / kernel
    return _uncontrolled(Interval(ratio, ratio / (1 + MARGIN), ratio * (1 + MARGIN), math.nan))


@dataclass(frozen=True)
class Method:
    """A way to take samples and to conclude from them.

    Parameters
    ----------
    name : str
    how : {"williams", "sequential"}
        Order of turns.
    conclude : callable
        ``conclude(Trial) -> (Interval of the speed-up, word of noise.VERDICTS)``.
    """

    name: str
    how: str
    conclude: Callable[[Trial], tuple[Interval, str]]


#: The book's method first; each other differs from it in one thing.
METHODS = (
    Method("this book", "williams", _judged),
    Method("one after the other", "sequential", _one_after_the_other),
    Method("mean of all samples", "williams", _pooled_mean),
    Method("minimum ± 1 %", "williams", _minimum),
)


# ---------------------------------------------------------------------------
# Many experiments
# ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Score:
    """How a method did in many trials under one weather.

    Parameters
    ----------
    weather, method : str
    speedup : float
        The truth.
    stated : float
        Coverage that the intervals claim; NaN for a rule of thumb.
    covered : Share
        Intervals that held the truth.
    words : mapping of str to Share
        How often each verdict was given.
    """

    weather: str
    method: str
    speedup: float
    stated: float
    covered: Share
    words: dict[str, Share]

    @property
    def alarms(self) -> Share:
        """Trials in which a difference was claimed: false ones where the truth is 1."""
        faster, slower = self.words["faster"], self.words["slower"]
        return Share(faster.count + slower.count, faster.total)


def run(
    count: int,
    weathers: Sequence[Weather] = WEATHERS,
    methods: Sequence[Method] = METHODS,
    speedup: float = 1.0,
    seed: int = 2,
) -> list[Score]:
    """Try every method `count` times under every weather.

    Methods that take the same order of turns judge the same samples. The same
    arguments give the same scores, always.

    Parameters
    ----------
    count : int
        Experiments per weather and order.
    weathers, methods : sequence
    speedup : float
        How many times faster the kernel truly is.
    seed : int

    Raises
    ------
    ValueError
        If `count` is less than 1.

    Cost
    ----
    Somewhat under a millisecond for each experiment.
    """
    if count < 1:
        raise ValueError(f"trials need a count of at least 1, got {count}")
    scores = []
    for weather in weathers:
        place = [ord(letter) for letter in weather.name]  # its own stream, whatever else is run
        taken = {
            how: _repeated(count, weather, speedup, how, [seed, round(1e6 * speedup), *place])
            for how in {method.how for method in methods}
        }
        scores += [_score(weather, method, speedup, taken[method.how]) for method in methods]
    return scores


def _repeated(count: int, weather: Weather, speedup: float, how: str, seed: list[int]):
    generator = np.random.default_rng([order.ORDERS.index(how), *seed])
    return [trial(weather, generator, speedup, how) for _ in range(count)]


def _score(weather: Weather, method: Method, speedup: float, taken: list[Trial]) -> Score:
    concluded = [method.conclude(each) for each in taken]
    given = [word for _, word in concluded]
    covered = sum(not interval.excludes(speedup) for interval, _ in concluded)
    words = {word: Share(given.count(word), len(taken)) for word in noise.VERDICTS}
    stated = concluded[0][0].coverage
    return Score(
        weather.name, method.name, speedup, stated, Share(covered, len(taken)), words
    )


def select(scores: Sequence[Score], **wanted) -> list[Score]:
    """Return the scores whose attributes have these values.

    Raises
    ------
    KeyError
        If none has; the message lists weathers and methods.
    """
    found = [s for s in scores if all(getattr(s, key) == value for key, value in wanted.items())]
    if not found:
        known = {(score.weather, score.method) for score in scores}
        raise KeyError(f"no score with {wanted}; there are {sorted(known)}")
    return found
