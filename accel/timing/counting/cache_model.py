"""What a cache makes of a sequence of accesses: a small model, and the forms it obeys.

The model is the one of the textbooks: a few levels of set-associative caches with one size
of line, each replacing the line that was used longest ago. The hierarchy is inclusive (a
line that leaves an outer level leaves the inner ones too), a write fetches its line and
changes it in the first level, and a changed line is written back when it leaves. It
is driven by the trace of `accel.timing.counting`, not by what an algorithm is said to do.

It is deliberately small. Real caches fetch ahead, replace by cheaper rules than
least-recently-used, translate addresses and work on several misses at once.

Source
------
Hennessy and Patterson, *Computer Architecture: A Quantitative Approach*, appendix "Review of
Memory Hierarchy", for the terms. Mattson, Gecsei, Slutz and Traiger, "Evaluation techniques
for storage hierarchies", *IBM Systems Journal* 9 (1970), for why a larger cache of this
kind never misses more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from accel.timing.counting.log import Trace


@dataclass(frozen=True)
class Cache:
    """One level.

    Parameters
    ----------
    size_bytes : int
    ways : int
        Lines that share one set; ``size_bytes // line_bytes`` for a fully associative cache,
        1 for a direct-mapped one.
    line_bytes : int
        A power of two.

    Raises
    ------
    ValueError
        If these make no cache.
    """

    size_bytes: int
    ways: int
    line_bytes: int = 64

    def __post_init__(self):
        for name in ("size_bytes", "ways", "line_bytes"):
            value = getattr(self, name)
            if not isinstance(value, int | np.integer) or value < 1:
                raise ValueError(f"cache: expected a whole {name} of at least 1, got {value!r}")
        if self.line_bytes & (self.line_bytes - 1):
            raise ValueError(
                f"cache: expected line_bytes to be a power of two, got {self.line_bytes}"
            )
        if self.size_bytes % (self.ways * self.line_bytes):
            raise ValueError(
                f"cache: expected size_bytes to be a multiple of ways × line_bytes, "
                f"{self.ways} × {self.line_bytes}, got {self.size_bytes}"
            )

    @property
    def sets(self) -> int:
        return self.size_bytes // (self.ways * self.line_bytes)


@dataclass(frozen=True)
class LevelCounts:
    """What one level saw.

    Parameters
    ----------
    cache : Cache
    accesses, misses : dict of str to int
        Lines asked for, and not found, for each array of the trace. An element that lies
        across two lines asks for both.
    write_backs : int
        Changed lines that it had to hand on. Lines still changed at the end are not among
        them.
    """

    cache: Cache
    accesses: dict[str, int]
    misses: dict[str, int]
    write_backs: int

    @property
    def total_accesses(self) -> int:
        return sum(self.accesses.values())

    @property
    def total_misses(self) -> int:
        return sum(self.misses.values())

    @property
    def traffic_bytes(self) -> int:
        """Bytes that crossed the border to the next level, both ways."""
        return self.cache.line_bytes * (self.total_misses + self.write_backs)


def simulate(trace: Trace, caches: Sequence[Cache]) -> list[LevelCounts]:
    """Send a trace through empty caches.

    Parameters
    ----------
    trace : Trace
        As `accel.timing.counting.count` records it.
    caches : sequence of Cache
        Innermost first.

    Returns
    -------
    list of LevelCounts
        Temporaries are counted together.

    Raises
    ------
    ValueError
        If there is no cache, lines differ in size, or a level is smaller than the one inside
        it.

    Cost
    ----
    Some ten nanoseconds per access and way searched, and about a second once to compile.
    """
    from accel.timing.counting.cache_walk import walk  # Numba is loaded when it is needed

    _check(caches)
    lines, source = _lines(trace, caches[0].line_bytes)
    ways = np.array([cache.ways for cache in caches])
    sets = np.array([cache.sets for cache in caches])
    starts = np.concatenate([[0], np.cumsum(sets * ways)])
    names = list(dict.fromkeys(trace.names))
    owner = np.array([names.index(name) for name in trace.names], np.int64)
    accesses, misses = np.zeros((2, len(caches), max(1, len(names))), np.int64)
    write_backs = np.zeros(len(caches), np.int64)
    walk(
        lines,
        trace.writes[source],
        owner[trace.buffers[source]] if len(source) else source,
        (sets, ways, starts),
        (np.full(starts[-1], -1, np.int64), np.zeros(starts[-1], np.bool_)),
        (accesses, misses, write_backs),
    )
    return [
        LevelCounts(
            cache,
            dict(zip(names, accesses[level].tolist(), strict=False)),
            dict(zip(names, misses[level].tolist(), strict=False)),
            int(write_backs[level]),
        )
        for level, cache in enumerate(caches)
    ]


def _check(caches: Sequence[Cache]) -> None:
    if not caches:
        raise ValueError("simulate needs at least one cache, got none")
    for inner, outer in zip(caches, caches[1:], strict=False):
        if inner.line_bytes != outer.line_bytes:
            raise ValueError(
                f"expected one size of line at all levels, got {inner.line_bytes} and "
                f"{outer.line_bytes} bytes"
            )
        if outer.size_bytes < inner.size_bytes:
            raise ValueError(
                f"expected an outer level at least as large as the {inner.size_bytes} bytes "
                f"inside it, got {outer.size_bytes}"
            )


def _lines(trace: Trace, line_bytes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return each line touched, in order, and which access touched it."""
    first = trace.addresses // line_bytes
    number = (trace.addresses + trace.sizes - 1) // line_bytes - first + 1
    source = np.repeat(np.arange(len(trace)), number)
    begun = np.repeat(np.cumsum(number) - number, number)
    return first[source] + np.arange(len(source)) - begun, source


# ---------------------------------------------------------------------------
# Closed forms, to hold the model against
# ---------------------------------------------------------------------------


def loop_order_misses(order: str, line_elements: int) -> dict[str, float]:
    """Return the misses of each matrix per step of the innermost loop of a product.

    ``out[i, j] += a[i, k] * b[k, j]`` in row-major order, with rows so long that nothing
    but the current lines survives one run of the innermost loop: an array whose *column*
    index moves there misses once per line, one whose *row* index moves misses every time,
    and one that neither moves stays.

    Parameters
    ----------
    order : str
        The three loops from the outside, such as ``"ijk"``.
    line_elements : int
        Elements per cache line.

    Raises
    ------
    ValueError
        If the order is not one of the six.

    Source
    ------
    Bryant and O'Hallaron, *Computer Systems: A Programmer's Perspective*, section
    "Rearranging Loops to Increase Spatial Locality": 1.25, 2.00 and 0.50 misses per step for
    four elements per line.
    """
    if sorted(order) != ["i", "j", "k"]:
        raise ValueError(f"expected an order of the loops i, j and k, got {order!r}")
    if line_elements < 1:
        raise ValueError(f"expected at least one element per line, got {line_elements}")
    inner = order[-1]
    matrices = {"a": "ik", "b": "kj", "out": "ij"}
    return {
        name: 1.0 if row == inner else 1 / line_elements if column == inner else 0.0
        for name, (row, column) in matrices.items()
    }


def blocked_misses(n: int, rows: int, columns: int, line_elements: int) -> float:
    """Return the misses of a product of n by n matrices by blocks of `b`.

    A block of `rows` by `columns` stays while it meets all rows of `a`; `a` is fetched once
    for each column of blocks, `out` once for each row of them:
    ``(n² + n³ / columns + n³ / rows) / line_elements``. With square blocks that is
    ``2 n³ / (block × line) + n² / line``.

    Source
    ------
    Lam, Rothberg and Wolf, "The Cache Performance and Optimizations of Blocked Algorithms",
    ASPLOS (1991), for the square block.
    """
    if min(n, rows, columns, line_elements) < 1:
        raise ValueError(
            f"expected sizes of at least 1, got n={n}, block {rows} × {columns}, "
            f"{line_elements} elements per line"
        )
    rows, columns = min(rows, n), min(columns, n)
    return (n**2 + n**3 / columns + n**3 / rows) / line_elements
