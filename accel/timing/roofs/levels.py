"""Levels of memory, found from a curve: latency rises in steps, and each step is a level.

A processor says how large its caches are, or does not, or says it of caches that a
virtual machine may not fill. The curve knows better: as long as a footprint fits into a
level, an access takes that level's time, whatever the footprint.

Steps are not sharp. Near its capacity a cache already loses lines to others, since it is
divided into sets and shared; and each page needs a translation, whose own caches (TLBs)
fill up at footprints of their own and add small steps in between. So a point may also
belong to no level: it lies on the way from one to the next.

Source
------
H. Yotov, K. Pingali and P. Stodghill, "Automatic measurement of memory hierarchy
parameters", SIGMETRICS (2005), on capacities from measured steps. B. Jackson and others,
"An algorithm for optimal partitioning of data on an interval", *IEEE Signal Processing
Letters* 12 (2), 2005, for the dynamic program.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from accel.timing import words
from accel.timing.report import Sentence
from accel.timing.stats import Interval, median

#: What a level costs the fit. Eight points, four high and four low, are worth two levels
#: from a step of 1.32x upwards, four points from 1.47x: less than the steps of caches, more
#: than most TLBs make.
LEVEL_PENALTY = 0.15

#: What a point costs that belongs to no level: as much as lying 1.33x off one. A level of
#: two points is so cheaper than leaving both out if they are within 1.15x of each other.
POINT_PENALTY = 0.08

#: A level is full where an access takes this many times what it takes on the plateau.
FULL = 2.0

#: A found capacity agrees with a stated one within this factor: points lie apart by up to
#: a factor of two, and caches fill unevenly.
AGREEMENT = 2.0

#: A level is a level only if it is this much slower than the one before.
SMALLEST_STEP = 1.3


class LevelError(ValueError):
    """No levels can be found in such a curve; the message says what is wrong with it."""


@dataclass(frozen=True)
class Level:
    """One plateau of a staircase.

    Parameters
    ----------
    capacity_bytes : Interval
        How much fits: `low` is the largest footprint on the plateau, `high` the smallest
        on the next one, `value` where the curve has risen to `FULL` times the plateau, or
        half the way up to the next one if that is less.
        `value` and `high` of the last level are infinite: nothing was seen beyond it.
    value : Interval
        Median of the plateau's points, the smallest and the largest of them.

    Notes
    -----
    The `coverage` of both is 0: these are ranges of what was seen, not intervals that
    hold the truth with a known probability.
    """

    capacity_bytes: Interval
    value: Interval


def find(footprints: Sequence[int], values: Sequence[float]) -> list[Level]:
    """Return the plateaus of a rising staircase, smallest footprint first.

    Every point is given to a plateau or to none so that the sum of squared distances
    from the plateaus, in the logarithm, plus `LEVEL_PENALTY` for each plateau and
    `POINT_PENALTY` for each point that has none, is least. Plateaus that are not
    `SMALLEST_STEP` above the one before are then joined to it.

    Parameters
    ----------
    footprints : sequence of int
        In bytes, rising.
    values : sequence of float
        What was measured there: a time, of any unit.

    Returns
    -------
    list of Level
        A plateau has at least two points: one point shows no plateau, and where no two
        agree the list is empty.

    Raises
    ------
    LevelError
        If there are fewer than two points, the lengths differ, footprints do not rise
        or are not positive, or a value is not a positive finite number.

    Cost
    ----
    ``O(n^2)`` for n points.
    """
    _check(footprints, values)
    heights = [math.log(value) for value in values]
    plateaus: list[range] = []
    for plateau in _partition(heights):
        if plateaus and not _is_step(values, plateaus[-1], plateau):
            plateaus[-1] = range(plateaus[-1].start, plateau.stop)
        else:
            plateaus.append(plateau)
    return [
        Level(_capacity(footprints, heights, here, after), _value(values, here))
        for here, after in zip_longest(plateaus, plateaus[1:])
    ]


def _check(footprints: Sequence[int], values: Sequence[float]) -> None:
    if len(footprints) != len(values):
        raise LevelError(f"{len(footprints)} footprints and {len(values)} values, expected pairs")
    if len(footprints) < 2:
        raise LevelError(f"a staircase needs at least two points, got {len(footprints)}")
    for footprint, value in zip(footprints, values, strict=True):
        if not (math.isfinite(value) and value > 0):
            raise LevelError(
                f"the value at {footprint} bytes is {value}, expected a positive finite number"
            )
    if not (math.isfinite(footprints[-1]) and footprints[0] > 0):
        raise LevelError(
            f"footprints run from {footprints[0]} to {footprints[-1]}, expected positive bytes"
        )
    for before, after in zip(footprints, footprints[1:], strict=False):
        if not before < after:
            raise LevelError(
                f"footprints must rise: {after} bytes come after {before}; sort them, and "
                "keep one value for each"
            )


def _partition(heights: Sequence[float]) -> list[range]:
    """The plateaus of the cheapest fit, as ranges of points: best[n] is that of n points."""
    best: list[tuple[float, list[range]]] = [(0.0, [])]
    for stop in range(1, len(heights) + 1):
        cost, plateaus = best[stop - 1]
        choices = [(cost + POINT_PENALTY, plateaus)]
        total = squares = 0.0
        for start in range(stop - 1, -1, -1):
            height = heights[start] - heights[stop - 1]  # near 0: nothing cancels
            total, squares, count = total + height, squares + height * height, stop - start
            if count > 1:
                cost, plateaus = best[start]
                distance = max(0.0, squares - total * total / count)
                choices.append(
                    (cost + LEVEL_PENALTY + distance, [*plateaus, range(start, stop)])
                )
        best.append(min(choices, key=lambda choice: choice[0]))
    return best[-1][1]


def _is_step(values: Sequence[float], below: range, above: range) -> bool:
    lower, upper = (median([values[i] for i in part]) for part in (below, above))
    return upper > SMALLEST_STEP * lower


def _value(values: Sequence[float], here: range) -> Interval:
    mine = [values[i] for i in here]
    return Interval(median(mine), min(mine), max(mine), 0.0)


def _capacity(
    footprints: Sequence[int], heights: Sequence[float], here: range, after: range | None
) -> Interval:
    low = float(footprints[here[-1]])
    if after is None:
        return Interval(math.inf, low, math.inf, 0.0)
    lower, upper = (median([heights[i] for i in part]) for part in (here, after))
    full = min(lower + math.log(FULL), (lower + upper) / 2)
    i = next(i for i in range(here[-1], after[0]) if heights[i + 1] > full)
    # The last point of a plateau may lie above `full` already, by noise.
    share = max(0.0, (full - heights[i]) / (heights[i + 1] - heights[i]))
    value = footprints[i] * (footprints[i + 1] / footprints[i]) ** share
    return Interval(value, low, float(footprints[after[0]]), 0.0)


def cache_sizes(facts: Mapping[str, Any]) -> dict[int, int]:
    """Return what the system states: bytes of each level of cache that holds data.

    Parameters
    ----------
    facts : mapping
        Answer of `machine.describe`. Where cores differ, the largest of a level counts.
    """
    sizes: dict[int, int] = {}
    for cache in facts["caches"] or []:
        level, size = cache["level"], cache["size_bytes"]
        if level and size and cache["type"] != "instruction":
            sizes[level] = max(size, sizes.get(level, 0))
    return dict(sorted(sizes.items()))


def match(found: Sequence[Level], stated: Mapping[int, int]) -> dict[int, Level]:
    """Return the found level for each stated cache that one agrees with.

    Parameters
    ----------
    found : sequence of Level
    stated : mapping of int to int
        Level number to bytes, as `cache_sizes` returns it.

    Returns
    -------
    dict of int to Level
        The nearest within a factor of `AGREEMENT`, smallest cache first; none twice.
    """
    matched, left = {}, [level for level in found if math.isfinite(level.capacity_bytes.value)]

    def distance(level: Level) -> float:
        return abs(math.log(level.capacity_bytes.value / size))

    for number, size in sorted(stated.items()):
        nearest = min(left, key=distance, default=None)
        if nearest is not None and distance(nearest) <= math.log(AGREEMENT):
            matched[number] = nearest
            left = left[left.index(nearest) + 1 :]  # larger caches are larger
    return matched


def compare(found: Sequence[Level], facts: Mapping[str, Any]) -> Sentence:
    """Say how the levels that were found agree with the caches that the system states.

    Parameters
    ----------
    found : sequence of Level
    facts : mapping
        Answer of `machine.describe`.
    """
    stated = cache_sizes(facts)
    matched = match(found, stated)
    said = []
    for number, size in stated.items():
        if number in matched:
            seen = size_words(matched[number].capacity_bytes.value)
            said.append(
                f"L{number}: {seen} by the curve, {size_words(size)} by the system, "
                "which is within a factor of two."
            )
        else:
            said.append(
                f"L{number}: {size_words(size)} by the system, but no step of the curve lies "
                "within a factor of two of it."
            )
    others = [
        size_words(level.capacity_bytes.value)
        for level in found
        if level not in matched.values() and math.isfinite(level.capacity_bytes.value)
    ]
    if not stated:
        said.append("The system states no cache sizes.")
    if others:
        steps = "a step" if len(others) == 1 else "steps"
        answer = ", where the system states no cache" if stated else ""
        said.append(f"The curve has {steps} at {words.listed(others)}{answer}.")
    elif not stated:
        said.append("The curve has no step either.")
    return Sentence(" ".join(said))


def size_words(size_bytes: float) -> str:
    """Return a size with three digits at most, in the unit that keeps it above 1."""
    power = min(3, max(0, int(math.log2(max(size_bytes, 1)) // 10)))
    amount = f"{float(f'{size_bytes / 1024**power:.3g}'):,g}"
    return f"{amount}{words.NO_BREAK}{('B', 'KiB', 'MiB', 'GiB')[power]}"
