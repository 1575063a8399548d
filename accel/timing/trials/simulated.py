"""Machines that exist only in numbers: a clock, functions to call, and weather.

What disturbs a machine is called its weather. Each kind here exaggerates one
trouble that real machines have. A call moves the clock by a time drawn from a
seeded generator, and nothing else does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from accel.timing import sample

#: What two fresh processes differ by because of where code and data lie, as a share.
LAYOUT = 0.003


def _mild(generator: Generator, calls: int) -> np.ndarray:
    """Extra time of each call, as a share of the call: log-normal with a short tail."""
    return np.expm1(generator.normal(0, 0.003, calls)) + generator.exponential(0.003, calls)


def _skewed(generator: Generator, calls: int) -> np.ndarray:
    return np.expm1(generator.normal(0, 0.005, calls)) + generator.exponential(0.03, calls)


def _preempted(generator: Generator, calls: int) -> np.ndarray:
    """One call in twenty loses the core, for about three times as long as it runs."""
    taken = generator.random(calls) < 0.05
    return _mild(generator, calls) + taken * generator.exponential(3.0, calls)


def _laid_out(generator: Generator) -> float:
    """Factor on a function's time for the life of one process."""
    return math.exp(generator.normal(0, LAYOUT))


def _two_modes(generator: Generator) -> float:
    """Half of all processes are born with a function that takes 6 % longer."""
    return _laid_out(generator) * (1.06 if generator.random() < 0.5 else 1.0)


def _steady(generator: Generator) -> Callable[[float], float]:
    return lambda now_ns: 1.0


def _warming(generator: Generator) -> Callable[[float], float]:
    """Everything takes longer by its first time for each second that passes."""
    return lambda now_ns: 1 + now_ns * 1e-9


def _swinging(generator: Generator) -> Callable[[float], float]:
    """A tenth faster and slower, twenty times a second: about once in each process."""
    phase = generator.uniform(0, 2 * math.pi)
    return lambda now_ns: 1 + 0.1 * math.sin(2 * math.pi * 20e-9 * now_ns + phase)


def _by_millisecond(factors: np.ndarray) -> Callable[[float], float]:
    known = factors.tolist()
    return lambda now_ns: known[int(now_ns * 1e-6) % len(known)]


def _wandering(generator: Generator) -> Callable[[float], float]:
    """A random walk of half a per cent in each millisecond."""
    return _by_millisecond(np.exp(np.cumsum(generator.normal(0, 0.005, 1024))))


def _stepping(generator: Generator) -> Callable[[float], float]:
    """Two clock frequencies 12 % apart; a change about every 20 ms."""
    changes = np.cumsum(generator.random(1024) < 1 / 20)
    return _by_millisecond(np.where(changes % 2, 1.12, 1.0))


@dataclass(frozen=True)
class Weather:
    """What disturbs the calls on a simulated machine.

    Parameters
    ----------
    name, story : str
    jitter : callable
        ``jitter(generator, calls) -> ndarray``: extra time of each call, drawn
        independently, as a share of the call.
    birth : callable
        ``birth(generator) -> float``: factor on a function's time in one process.
    drift : callable
        ``drift(generator) -> (now_ns -> float)``: factor on all times by the clock,
        for one experiment.
    """

    name: str
    story: str
    jitter: Callable[[Generator, int], np.ndarray] = _mild
    birth: Callable[[Generator], float] = _laid_out
    drift: Callable[[Generator], Callable[[float], float]] = _steady


WEATHERS = (
    Weather("skewed", "long tail to the slow side", jitter=_skewed),
    Weather("pre-empted", "one call in twenty is interrupted", jitter=_preempted),
    Weather("two modes", "half of all processes are born 6 % slower", birth=_two_modes),
    Weather("warming up", "slower all the time", drift=_warming),
    Weather("swinging", "a tenth faster and slower, once per process", drift=_swinging),
    Weather("wandering", "a random walk", drift=_wandering),
    Weather("clock steps", "two frequencies, 12 % apart", drift=_stepping),
)


class SimulatedMachine:
    """A clock that moves only when a function is called, by what the weather makes of the call."""

    def __init__(self, weather: Weather, generator: Generator, call_ns: Sequence[float]):
        self._weather, self._generator, self._call_ns = weather, generator, call_ns
        self._drift = weather.drift(generator)
        self._jitter = self._stream()
        self._now_ns = 0.0
        self.begin_process()

    def _stream(self) -> Iterator[float]:
        while True:
            yield from self._weather.jitter(self._generator, 256).tolist()

    def begin_process(self) -> None:
        """Lay the functions out anew."""
        self._own_ns = [time * self._weather.birth(self._generator) for time in self._call_ns]

    def clock(self) -> int:
        """Return the time, in ns."""
        return int(self._now_ns)

    def call(self, function: int) -> None:
        """Call one of the functions."""
        # Each disturbance is a factor, so the true ratio is the planted one, exactly.
        share = 1 + next(self._jitter)
        self._now_ns += self._own_ns[function] * self._drift(self._now_ns) * share

    def sample_ns(self, function: int, loops: int) -> int:
        """Take one sample, as a worker does."""
        return sample.sample_ns(self.call, (function,), loops, self.clock)
