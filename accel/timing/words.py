"""Measured numbers in words: units, digits and intervals, the same on every page.

Three significant digits at most: no experiment here resolves a fourth, and a
digit that is printed is believed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from accel.timing.stats import Interval

_DURATIONS = ((1.0, "ns"), (1e3, "µs"), (1e6, "ms"), (1e9, "s"))

#: Between a number and its unit: they belong on one line.
NO_BREAK = "\N{NO-BREAK SPACE}"


def number(value: float) -> str:
    """Return `value` to three significant digits, never with an exponent.

    >>> [number(x) for x in (0.01234, 1.0, 41.27, 812.6, 123456)]
    ['0.0123', '1.00', '41.3', '813', '123,000']
    """
    if value == 0:
        return "0"
    rounded = _rounded(value)
    magnitude = int(f"{abs(rounded):e}".rpartition("e")[2])
    return f"{rounded:,.{max(0, 2 - magnitude)}f}"


def _rounded(value: float) -> float:
    return float(f"{value:.2e}")


def factor(value: float) -> str:
    """Return a ratio: ``1.32×``."""
    return f"{number(value)}×"


def duration(time_ns: float) -> str:
    """Return a time in the unit that keeps it between 1 and 1000."""
    fitting = [entry for entry in _DURATIONS if abs(_rounded(time_ns)) >= entry[0]]
    scale, unit = fitting[-1] if fitting else _DURATIONS[0]
    return f"{number(time_ns / scale)}{NO_BREAK}{unit}"


def gflops(value: float) -> str:
    """Return a rate of arithmetic."""
    return f"{number(value)}{NO_BREAK}GFLOP/s"


def gigabytes_per_second(value: float) -> str:
    """Return a rate of memory traffic."""
    return f"{number(value)}{NO_BREAK}GB/s"


def count(value: float) -> str:
    """Return a whole number with its thousands apart: ``1,048,576``."""
    return f"{value:,.0f}"


def span(low: float, high: float, words: Callable[[float], str]) -> str:
    """Return two ends with the unit once if they share it: ``1.30–1.35×``."""
    first, last = words(low), words(high)
    if NO_BREAK in last:
        amount, _, unit = last.rpartition(NO_BREAK)
        first = first.removesuffix(NO_BREAK + unit)
        return f"{first}–{amount}{NO_BREAK}{unit}"
    return f"{first.removesuffix('×')}–{last}"


def with_interval(interval: Interval, words: Callable[[float], str]) -> str:
    """Return a value and its interval: ``1.32× (1.30–1.35×)``."""
    return f"{words(interval.value)} ({span(interval.low, interval.high, words)})"


def unbroken(text: str) -> str:
    """Return text that stays on one line: ``n = 512``."""
    return text.replace(" ", NO_BREAK)


def claimed_range(low: float, high: float) -> str:
    """Return a range as somebody claimed it, with no digits added: ``2–5×``, ``above 2×``."""
    if math.isinf(high):
        return f"above {low:g}×"
    return f"{low:g}–{high:g}×"


def listed(items: Iterable[str]) -> str:
    """Return items as a sentence has them: ``a, b and c``."""
    *rest, last = items
    return f"{', '.join(rest)} and {last}" if rest else last


def printable(words: str) -> str:
    """Return text that cannot move the cursor or change the colours of a terminal."""
    return "".join(
        each if each.isprintable() or each == NO_BREAK else "\N{REPLACEMENT CHARACTER}"
        for each in words
    )
