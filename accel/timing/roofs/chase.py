"""Latency: how long one access takes when the next cannot begin before it.

A chase walks a cycle in which each line holds the address of the next. No
prefetcher can guess a random cycle, and no processor can load from an address
that has not arrived yet: the time of a step is the whole way to the data and back.
Several chases side by side tell how many such ways a core can travel at once.

The cycle of a large footprint is too long for one call, and to begin each call at
the same place would find its lines in the cache. So calls go on where the last one
stopped: the positions are kept in `state`, which `alone` and `together` add to the
arguments. What a call returns is how far it moved along the cycle, which does not
depend on where it began.

Source
------
L. McVoy and C. Staelin, "lmbench: portable tools for performance analysis", USENIX
Annual Technical Conference (1996), on the dependent chase. S. Sattolo, "An algorithm to
generate a random cyclic permutation", *Information Processing Letters* 22 (1986), on
why a random permutation is not enough: it falls into several cycles. Here the cycle is
a random *order* of all lines, walked round. G. Marsaglia, "Xorshift RNGs", *Journal of
Statistical Software* 8 (14), 2003, for `cycle_count`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from accel.simd import jit
from accel.timing import machine
from accel.timing.plan import Case

#: Bytes between two nodes, and words of 8 bytes in a node: the usual cache line.
LINE_BYTES = 64
WORDS = LINE_BYTES // 8

HUGE_PAGE_BYTES = 2 * 2**20

#: Steps of a call: where they are short, and where each may go to memory. Both give a
#: call of 0.05 ms or more, and are multiples of every number in `CHAINS`.
STEPS_NEAR, STEPS_FAR = 48_000, 9_600
NEAR_BYTES = 2**20

#: Footprints of the staircase, in bytes: from inside any first cache to clearly
#: beyond the last, but no further than a process can set up in half a second.
SMALLEST, LARGEST = 4 * 2**10, 128 * 2**20

#: Chains walked side by side.
CHAINS = (1, 2, 4, 8, 12, 16, 24, 32)


def walk(footprint: int, steps: int) -> tuple:
    """Return the arguments of a chase: ``(nodes, steps, out)``.

    Parameters
    ----------
    footprint : int
        Bytes that the cycle visits: a positive multiple of `LINE_BYTES`.
    steps : int
        Steps of a call, over all chains.

    Returns
    -------
    nodes : ndarray, shape (footprint / 8,), uint64
        Each line of 8 words holds: the index in `nodes` of the next line's first word;
        its own rank in the cycle; and the number of the line at the rank that is its own
        number, which is how a chain finds a place to begin.
    steps : int
    out : ndarray, shape (1,), int64

    Raises
    ------
    ValueError
        If `footprint` is no positive multiple of a line, or `steps` is negative.

    Cost
    ----
    About 3 ms per MiB of a large footprint.
    """
    lines, rest = divmod(footprint, LINE_BYTES)
    if lines < 1 or rest:
        raise ValueError(
            f"footprint is {footprint} bytes, expected a positive multiple of {LINE_BYTES}"
        )
    if steps < 0:
        raise ValueError(f"steps is {steps}, expected 0 or more")
    order = np.random.default_rng(lines).permutation(lines)
    nodes = _room(WORDS * lines)
    _link(order, nodes)
    return nodes, steps, np.zeros(1, dtype=np.int64)


def _room(count: int) -> np.ndarray:
    """Return `count` zeros, uint64, at the beginning of a huge page where there are such.

    NumPy asks Linux for huge pages (2 MiB) for arrays of 4 MiB and more. In small pages
    a footprint of a few hundred KiB already needs more address translations than the
    first TLB holds, and its lines crowd into some sets of a cache: both would show as
    steps that no level of memory makes. So also small footprints lie in a large array.
    """
    page = HUGE_PAGE_BYTES // 8
    room = np.zeros(max(count, page) + 2 * page, dtype=np.uint64)
    start = -room.ctypes.data % HUGE_PAGE_BYTES // 8
    return room[start : start + count]


@jit
def _link(order, nodes):
    """Fill in `nodes` for the cycle that visits the lines in this order."""
    lines = order.size
    for rank in range(lines):
        here = WORDS * order[rank]
        nodes[here] = WORDS * order[(rank + 1) % lines]
        nodes[here + 1] = rank
        nodes[WORDS * rank + 2] = order[rank]


def steps_forward(nodes: np.ndarray, steps: int, out: np.ndarray) -> tuple:
    """Return the right answer of every chase: the steps, less whole rounds."""
    return np.array([steps % (nodes.size // WORDS)]), 0


def starts(nodes: np.ndarray, chains: int) -> np.ndarray:
    """Return where `chains` chases begin, as far apart as the cycle allows.

    A chase that follows closely behind another would find its lines in the cache.

    Returns
    -------
    ndarray, shape (chains,), uint64
        Indices into `nodes`.
    """
    lines = nodes.size // WORDS
    ranks = np.arange(chains) * lines // chains
    return nodes[ranks * WORDS + 2] * np.uint64(WORDS)


def alone(nodes, steps, out):
    """Return the arguments of `chase` and `cycle_count`: with one position as state."""
    return nodes, starts(nodes, 1), steps, out


@jit
def chase(nodes, state, steps, out):
    """Walk `steps` lines along the cycle, each found through the one before.

    Parameters
    ----------
    nodes : ndarray, shape (8 n,), uint64
        As `walk` returns it; not checked.
    state : ndarray, shape (1,), uint64
        Where to begin; overwritten with where it stopped.
    steps : int
    out : ndarray, shape (1,), int64
        Overwritten with how far along the cycle it stopped: ``steps`` modulo n.

    Cost
    ----
    ``steps`` dependent loads, one from each line.
    """
    begin = place = state[0]
    for _ in range(steps):
        place = nodes[place]  # unsigned, so that Numba adds no test for a negative index
    state[0] = place
    lines = nodes.size // 8
    out[0] = (np.int64(nodes[place + 1]) - np.int64(nodes[begin + 1])) % lines


@jit
def cycle_count(nodes, state, steps, out):
    """Take `steps` times six clock cycles, and touch no memory: the ruler beside `chase`.

    Each step is a shift and an exclusive-or, three times over, all of which wait for the
    one before. On x86-64 each of the six takes one cycle, so this converts a time beside
    it into cycles whatever the clock does in a run.

    Parameters are those of `chase`; `out` gets the same answer, by arithmetic.

    Source
    ------
    A. Fog, *Instruction tables*, for the latency of SHL, SHR and XOR. Marsaglia (2003)
    for the three shifts.
    """
    number = state[0] | np.uint64(1)
    for _ in range(steps):
        number ^= number << np.uint64(13)
        number ^= number >> np.uint64(7)
        number ^= number << np.uint64(17)
    lines = nodes.size // 8
    # Numbers never become 0: the comparison only keeps the loop from being removed.
    out[0] = steps % lines if number != 0 else -1


@jit
def chase_together(nodes, state, steps, out):
    """Walk several chains in turns, `steps` lines in all.

    The steps of one chain wait for each other, those of different chains do not: as
    long as the core can keep more misses in flight, more chains cost no more time.

    Parameters
    ----------
    nodes : ndarray, shape (8 n,), uint64
        As `walk` returns it; not checked.
    state : ndarray, shape (d,), uint64
        Where each chain begins; overwritten with where it stopped.
    steps : int
        A multiple of d.
    out : ndarray, shape (1,), int64
        Overwritten with how far along the cycle all chains together moved, modulo n.

    Cost
    ----
    ``steps`` loads from `nodes`, d of them independent; as many from `state`.
    """
    begin = np.int64(0)
    for chain in range(state.size):
        begin += np.int64(nodes[state[chain] + np.uint64(1)])
    for _ in range(steps // state.size):
        for chain in range(state.size):
            state[chain] = nodes[state[chain]]
    end = np.int64(0)
    for chain in range(state.size):
        end += np.int64(nodes[state[chain] + np.uint64(1)])
    out[0] = (end - begin) % (nodes.size // 8)


def together(chains: int, nodes, steps, out):
    """Return the arguments of `chase_together`, with a position for each chain."""
    return nodes, starts(nodes, chains), steps, out


# A worker asks for what adapts arguments by name: together_1, together_2, ...
globals().update({f"together_{count}": partial(together, count) for count in CHAINS})


def far_footprint(facts: Mapping[str, Any]) -> int:
    """Return a footprint, in bytes, that is four times the last-level cache, or `LARGEST`.

    Parameters
    ----------
    facts : mapping
        Answer of `machine.describe`. Where it names no caches, `LARGEST`.
    """
    sizes = [cache["size_bytes"] for cache in facts["caches"] or [] if cache["size_bytes"]]
    return min(4 * max(sizes, default=LARGEST), LARGEST)


def footprints(largest: int, per_octave: int = 2) -> list[int]:
    """Return footprints from `SMALLEST` to `largest`, in bytes, each a whole number of lines.

    Raises
    ------
    ValueError
        If `largest` is below `SMALLEST`, or there is no point in an octave.
    """
    if largest < SMALLEST or per_octave < 1:
        raise ValueError(
            f"no footprints up to {largest} bytes, {per_octave} to an octave; expected at "
            f"least {SMALLEST} bytes and one to an octave"
        )
    count = math.floor(per_octave * math.log2(largest / SMALLEST) + 1e-9) + 1
    sizes = (SMALLEST * 2 ** (step / per_octave) for step in range(count))
    return [round(size / LINE_BYTES) * LINE_BYTES for size in sizes]


def latency_cases(per_octave: int = 2) -> list[Case]:
    """Return the cases of the latency staircase, smallest footprint first.

    Each has the parameters ``footprint``, in bytes, and ``steps``, and the kernels
    ``chase`` and ``cycle_count``: see `accel.findings.mountain`, which reads the record.
    """
    kernels = {
        "chase": _kernel("chase", "alone", "one chain: every load waits for the one before"),
        "cycle_count": _kernel("cycle_count", "alone", "six clock cycles a step, no memory"),
    }
    return [
        _case(footprint, kernels, "chase")
        for footprint in footprints(far_footprint(machine.describe()), per_octave)
    ]


def chain_cases() -> list[Case]:
    """Return the case of several chains at once, beyond the caches.

    Its parameters are ``footprint`` and ``steps``, its kernels ``chains_1``,
    ``chains_2``, ...: see `accel.timing.roofs.latency.overlap`.
    """
    kernels = {
        f"chains_{count}": _kernel(
            "chase_together", f"together_{count}", f"{count} chains: up to {count} misses at once"
        )
        for count in CHAINS
    }
    return [_case(far_footprint(machine.describe()), kernels, "chains_1")]


def _kernel(function: str, adapt: str, story: str) -> dict[str, str]:
    return {
        "target": f"{__name__}:{function}",
        "adapt": f"{__name__}:{adapt}",
        "instrument": "compiled",
        "story": story,
    }


def _case(footprint: int, kernels: Mapping[str, Any], baseline: str) -> Case:
    steps = STEPS_NEAR if footprint <= NEAR_BYTES else STEPS_FAR
    return Case(
        operation="chase",
        parameters={"footprint": footprint, "steps": steps},
        inputs=f"{__name__}:walk",
        oracle=f"{__name__}:steps_forward",
        kernels=kernels,
        baseline=baseline,
        compulsory_bytes=min(steps * LINE_BYTES, footprint),
    )

