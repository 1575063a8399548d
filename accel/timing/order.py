"""In which order competitors take their turns.

If A runs to completion and then B, whatever changes in between (clock speed,
temperature, a neighbour on the same host) is read as a difference between A
and B. In a Williams design every competitor takes every position equally often
and follows every other equally often, so drift and the state that a predecessor
leaves in the caches fall on all of them alike.
"""

from __future__ import annotations

import math

ORDERS = ("williams", "sequential")


def williams(count: int) -> list[list[int]]:
    """Return a Williams design: rows of turns, balanced for position and predecessor.

    Parameters
    ----------
    count : int
        Number of competitors, at least 1.

    Returns
    -------
    rows : list of list of int
        `count` rows if `count` is even, twice as many if it is odd (no smaller
        design exists then). Each row is a permutation of ``range(count)``.

    Raises
    ------
    ValueError
        If `count` is less than 1.

    Source
    ------
    E. J. Williams, "Experimental designs balanced for the estimation of residual
    effects of treatments", *Australian Journal of Scientific Research* A 2 (1949).
    """
    if count < 1:
        raise ValueError(f"a design needs at least one competitor, got {count}")
    # 0, 1, n-1, 2, n-2, ...: neighbouring differences are all distinct modulo n.
    first = [(turn + 1) // 2 if turn % 2 else -(turn // 2) for turn in range(count)]
    rows = [[(start + step) % count for step in first] for start in range(count)]
    if count % 2:
        rows += [row[::-1] for row in rows]
    return rows


def first_row(count: int, rounds: int, process: int) -> int:
    """Return the row of the design at which a process starts.

    Each process goes on where the one before stopped, so that short ones complete
    the design together; and once a number of processes has completed it, the next
    starts one row later. Else, if `rounds` is a multiple of the design, all processes
    would give their first turn to the same competitor. The first sample of a race
    comes after the garbage collector has walked all memory, and is slower than others:
    always the same competitor would pay for that.

    Parameters
    ----------
    count : int
        Competitors.
    rounds : int
        Rows that each process runs.
    process : int
        Number of the process, from 0.
    """
    begun = process * rounds
    return begun + begun // math.lcm(rounds, len(williams(count)))


def schedule(order: str, count: int, rounds: int, offset: int = 0) -> list[int]:
    """Return who runs when: a flat list in which everyone appears `rounds` times.

    Parameters
    ----------
    order : {"williams", "sequential"}
        "sequential" runs each competitor to completion; it exists to show what
        goes wrong.
    count, rounds : int
        Competitors, and turns for each of them.
    offset : int
        First row of the design. Processes that start at different rows complete
        the design together when one of them is too short for it.

    Raises
    ------
    ValueError
        If the order is unknown.
    """
    if order == "sequential":
        return [competitor for competitor in range(count) for _ in range(rounds)]
    if order != "williams":
        raise ValueError(f"order must be one of {ORDERS}, not {order!r}")
    rows = williams(count)
    return [turn for r in range(rounds) for turn in rows[(offset + r) % len(rows)]]
