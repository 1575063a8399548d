"""Staircases of machines that do not exist, to try a function on that finds a cache.

What is right is known for them, so a function cannot pass by fitting one machine.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from accel.findings import mountain
from accel.timing.records import Record
from accel.timing.roofs import levels
from accel.timing.roofs.levels import size_words

#: Capacities of invented machines, in bytes.
MACHINES = tuple(
    (l1 * 2**10, l2 * 2**10, l3 * 2**20)
    for l1, l2, l3 in ((32, 256, 8), (48, 2048, 32), (128, 12288, 96), (64, 512, 4))
)


def made_up(l1: int, l2: int, l3: int) -> tuple[list[int], list[float]]:
    """Return footprints and times: sharp steps, a TLB's small one between, and some noise.

    Parameters
    ----------
    l1, l2, l3 : int
        Capacities in bytes.

    Returns
    -------
    footprints : list of int
        In bytes, half an octave apart.
    times : list of float
        Of an access, in ns.
    """
    footprints = [round(4096 * 2 ** (half / 2)) for half in range(31)]
    values = []
    for place, footprint in enumerate(footprints):
        time = 1.2 if footprint <= l1 else 4.0 if footprint <= l2 else 15.0
        time = 90.0 if footprint > l3 else time
        time *= 1.15 if footprint > l2 / 2 else 1.0
        values.append(time * (1 + 0.03 * math.sin(7.0 * place)))
    return footprints, values

Finder = Callable[[Sequence[int], Sequence[float]], float]


def check_l2(find: Finder, record: Record | None = None) -> list[str]:
    """Try a function that finds the second cache on curves whose second cache is known.

    Parameters
    ----------
    find : callable
        ``find(footprints, values) -> float``: footprints in bytes, rising; the time of an
        access in each; returns the capacity of the second level, in bytes.
    record : Record, optional
        A latency staircase, held against what its system states.

    Returns
    -------
    list of str
        One complaint for each curve where the answer is not within a factor of two;
        empty if all are.
    """
    trials = [
        (f"a made-up machine with an L2 of {size_words(l2)}", *made_up(l1, l2, l3), l2)
        for l1, l2, l3 in MACHINES
    ]
    if record is not None:
        stated = levels.cache_sizes(record.machine)
        if 2 in stated:
            footprints, times = mountain.staircase(record)
            values = [time.value for time in times]
            trials.append(("the machine of the record", footprints, values, stated[2]))
    complaints = []
    for name, footprints, values, size in trials:
        answer = find(footprints, values)
        if not size / levels.AGREEMENT <= answer <= size * levels.AGREEMENT:
            wanted = f"within a factor of two of {size_words(size)}"
            got = size_words(answer) if 0 < answer < math.inf else f"{answer} bytes"
            complaints.append(f"{name}: found {got}, expected {wanted}")
    return complaints
