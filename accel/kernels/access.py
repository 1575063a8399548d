"""The same additions over memory that is reached in different ways.

Three operations that do next to no arithmetic, so that what they cost is the way to
their numbers. `strided_sum` uses one element in every few of a large array: memory
delivers whole cache lines, however little of each is used. `column_sums` walks down the
columns of a table whose rows lie a power of two apart: a cache is divided into sets by
address, and such a column crowds into a few of them. `page_walk` visits one record in
each page: an address must be translated before it can be used, and the processor
remembers the translations of only so many pages.

Where two layouts are compared, the operation's arguments hold the numbers, and
registration lays them out in memory before a clock starts.

Source
------
J. Hennessy and D. Patterson, *Computer Architecture: A Quantitative Approach*, 6th ed.
(2017), chapter 2 and appendix B, on lines, sets and translation. U. Drepper, "What every
programmer should know about memory" (2007), sections 3 and 4.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from accel.kernels.inputs import blank, normal
from accel.kernels.registry import Operation, register, register_operation
from accel.simd import jit

#: Bytes of a cache line and of a small page on most machines; the layouts assume them,
#: right answers do not.
LINE_BYTES, PAGE_BYTES = 64, 4096

#: A prime, so that no stride but its multiples meets the same numbers again soon.
PERIOD = 10_007

#: Accumulators of `eight_sums`.
SUMS = 8


def allowed_error(values: np.ndarray, axis: int | None = None) -> np.ndarray:
    """Return ``n eps sum(|x|)``: the bound of a sum of n numbers in any order.

    Source
    ------
    N. Higham, *Accuracy and Stability of Numerical Algorithms*, 2nd ed. (2002), section 4.2.
    """
    terms = values.size if axis is None else values.shape[axis]
    magnitude = np.abs(values).sum(axis=axis, dtype=np.float64)
    return terms * np.finfo(values.dtype).eps * magnitude


# ---------------------------------------------------------------------------
# strided_sum: out = sum of x[0], x[stride], x[2 stride], ...
# ---------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _numbers(n: int, dtype: str) -> np.ndarray:
    """Numbers that repeat after `PERIOD`: to draw them all takes longer than to sum them."""
    values = np.resize(normal((min(n, PERIOD),), dtype, seed=5), n)
    values.flags.writeable = False
    return values


def strided_inputs(n: int, stride: int, dtype: str = "float32") -> tuple:
    """Return ``(x, stride, out)``: `x` of length `n` to read, `out` of length 1."""
    if stride < 1:
        raise ValueError(f"stride is {stride}, expected 1 or more")
    return _numbers(n, dtype), stride, blank((1,), dtype)


def strided_oracle(x: np.ndarray, stride: int, out: np.ndarray) -> tuple:
    """Return the sum in float64, and the error any order of summation may make."""
    used = x[::stride]
    return used.sum(dtype=np.float64, keepdims=True), allowed_error(used)


def strided_flops(n: int, stride: int, **_) -> int:
    """One addition for each element used."""
    return used(n, stride)


def strided_bytes(n: int, stride: int, dtype: str = "float32") -> int:
    """The elements used, and nothing between them: what an ideal memory would deliver."""
    return used(n, stride) * np.dtype(dtype).itemsize


def used(n: int, stride: int) -> int:
    """Return how many of `n` elements a stride uses."""
    return -(-n // stride)


register_operation(
    Operation(
        "strided_sum",
        strided_inputs,
        strided_oracle,
        strided_flops,
        strided_bytes,
        edges=tuple(
            {"n": n, "stride": stride}
            for n in (0, 1, 7, 8, 9, 127, 128, 129, 1000)
            for stride in (1, 2, 3, 64, 1001)
        ),
    )
)


@register(
    "strided_sum",
    name="one_sum",
    instrument="compiled",
    story="one sum: each addition waits for the one before",
    tags=("ladder",),
)
@jit
def strided_sum_one(x, stride, out):
    """Add up every `stride`-th element.

    The starting point. While memory is fast, it waits for its own additions: a sum of
    floating-point numbers must be taken in order, and each takes three or four cycles.

    Parameters
    ----------
    x : ndarray, shape (n,), float32 or float64
    stride : int, at least 1
    out : ndarray, shape (1,)
        Overwritten.

    Raises
    ------
    ValueError
        If `stride` is below 1, or `out` has not one element.

    Cost
    ----
    ``ceil(n / stride)`` additions, and a cache line for each, unless lines are shared.
    """
    if stride < 1 or out.size != 1:
        raise ValueError("strided_sum: stride must be at least 1, and out have one element")
    total = x.dtype.type(0)
    for i in range(0, x.size, stride):
        total += x[i]
    out[0] = total


@register(
    "strided_sum",
    name="eight_sums",
    instrument="compiled",
    story="eight sums side by side: no addition waits for another, only for memory",
    tags=("ladder",),
)
@jit
def strided_sum_eight(x, stride, out):
    """Add up every `stride`-th element in eight separate sums.

    Removes the wait of one addition for the one before, so that what is left is the
    time of the memory.

    Parameters
    ----------
    x : ndarray, shape (n,), float32 or float64
    stride : int, at least 1
    out : ndarray, shape (1,)
        Overwritten.

    Raises
    ------
    ValueError
        If `stride` is below 1, or `out` has not one element.

    Cost
    ----
    As `strided_sum_one`.
    """
    if stride < 1 or out.size != 1:
        raise ValueError("strided_sum: stride must be at least 1, and out have one element")
    a = b = c = d = e = f = g = h = x.dtype.type(0)
    count = (x.size + stride - 1) // stride
    whole = count // SUMS * SUMS * stride
    for i in range(0, whole, SUMS * stride):
        a += x[i]
        b += x[i + stride]
        c += x[i + 2 * stride]
        d += x[i + 3 * stride]
        e += x[i + 4 * stride]
        f += x[i + 5 * stride]
        g += x[i + 6 * stride]
        h += x[i + 7 * stride]
    for i in range(whole, x.size, stride):
        a += x[i]
    out[0] = ((a + b) + (c + d)) + ((e + f) + (g + h))


# ---------------------------------------------------------------------------
# column_sums: out[j] = sum of x[:, j]
# ---------------------------------------------------------------------------


def columns_inputs(rows: int, columns: int = 16, dtype: str = "float32") -> tuple:
    """Return ``(x, out)``: a table of that shape, and a place for each column's sum."""
    return normal((rows, columns), dtype, seed=6), blank((columns,), dtype)


def columns_oracle(x: np.ndarray, out: np.ndarray) -> tuple:
    """Return the sums in float64, and the error any order of summation may make."""
    return x.sum(axis=0, dtype=np.float64), allowed_error(x, axis=0)


def columns_flops(rows: int, columns: int = 16, **_) -> int:
    """One addition for each element."""
    return rows * columns


def columns_bytes(rows: int, columns: int = 16, dtype: str = "float32") -> int:
    """Read the table, write the sums."""
    return (rows + 1) * columns * np.dtype(dtype).itemsize


register_operation(
    Operation(
        "column_sums",
        columns_inputs,
        columns_oracle,
        columns_flops,
        columns_bytes,
        edges=tuple(
            {"rows": rows, "columns": columns}
            for rows in (0, 1, 7, 127, 128, 129)
            for columns in (0, 1, 16, 17)
        ),
    )
)


def _spaced(x: np.ndarray, row_bytes: int) -> np.ndarray:
    """Return a copy of a table whose rows begin `row_bytes` apart, the first on a line."""
    rows, columns = x.shape
    width = row_bytes // x.itemsize
    room = np.zeros(rows * width + LINE_BYTES // x.itemsize, dtype=x.dtype)
    start = -room.ctypes.data % LINE_BYTES // x.itemsize
    table = room[start : start + rows * width].reshape(rows, width)[:, :columns]
    table[...] = x
    return table


def power_of_two_apart(x, out):
    """Lay the rows of `x` a power of two apart: a page, or more if they are longer."""
    row_bytes = max(PAGE_BYTES, 1 << (x.shape[1] * x.itemsize - 1).bit_length())
    return _spaced(x, row_bytes), out


def one_line_further(x, out):
    """As `power_of_two_apart`, and one cache line of nothing after each row."""
    row_bytes = max(PAGE_BYTES, 1 << (x.shape[1] * x.itemsize - 1).bit_length())
    return _spaced(x, row_bytes + LINE_BYTES), out


# Sums may be taken in any order: additions that wait for each other would hide the cache.
_ANY_ORDER = {"reassoc", "contract", "nsz"}


def column_walk(x, out):
    """Add up each column, from the top down, one after the other.

    A line of memory holds a piece of several columns, so each line is needed again for
    the next column. Whether it is still in the cache then depends on where the others
    have gone.

    Parameters
    ----------
    x : ndarray, shape (rows, columns), float32 or float64
    out : ndarray, shape (columns,)
        Overwritten.

    Raises
    ------
    ValueError
        If `out` has not one element for each column.

    Cost
    ----
    ``rows columns`` additions; as many lines read where none survives, ``rows`` where
    all do and a row is no longer than a line.
    """
    if out.size != x.shape[1]:
        raise ValueError("column_sums: out must have one element for each column of x")
    for column in range(x.shape[1]):
        total = x.dtype.type(0)
        for row in range(x.shape[0]):
            total += x[row, column]
        out[column] = total


column_walk = jit(column_walk, fastmath=_ANY_ORDER)

for _name, _adapt, _story in (
    ("power_of_two", power_of_two_apart, "rows a power of two apart: a column falls into few sets"),
    ("padded", one_line_further, "rows one cache line further apart: removes the crowding"),
):
    register(
        "column_sums",
        name=_name,
        instrument="compiled",
        story=_story,
        adapt=_adapt,
        tags=("ladder",),
    )(column_walk)


@register(
    "column_sums",
    name="rows_first",
    instrument="compiled",
    story="loops turned round, rows a power of two apart: no line is needed twice",
    adapt=power_of_two_apart,
    tags=("ladder",),
)
@jit
def rows_first(x, out):
    """Add up all columns at once, row by row.

    Removes the second visit: whatever is in a line is used while it is there, and where
    lines go afterwards no longer matters.

    Parameters
    ----------
    x : ndarray, shape (rows, columns), float32 or float64
    out : ndarray, shape (columns,)
        Overwritten.

    Raises
    ------
    ValueError
        If `out` has not one element for each column.

    Cost
    ----
    ``rows columns`` additions; each line of `x` read once.
    """
    if out.size != x.shape[1]:
        raise ValueError("column_sums: out must have one element for each column of x")
    for column in range(x.shape[1]):
        out[column] = 0
    for row in range(x.shape[0]):
        for column in range(x.shape[1]):
            out[column] += x[row, column]


# ---------------------------------------------------------------------------
# page_walk: out = sum of all values, visited in a given order
# ---------------------------------------------------------------------------


def pages_inputs(n: int, rounds: int = 1, dtype: str = "int64") -> tuple:
    """Return ``(order, values, rounds, out)``: which record comes when, and what is in it."""
    order = np.random.default_rng([7, n]).permutation(n)
    return order, normal((n,), dtype, seed=8), rounds, blank((1,), dtype)


def pages_oracle(order: np.ndarray, values: np.ndarray, rounds: int, out: np.ndarray) -> tuple:
    """Return the exact sum of integers."""
    return rounds * values.sum(keepdims=True), 0


def pages_flops(n: int, rounds: int = 1, **_) -> int:
    """One addition for each visit of a record."""
    return n * rounds


def pages_bytes(n: int, dtype: str = "int64", **_) -> int:
    """The value of each record, and where the next one is."""
    return n * (np.dtype(dtype).itemsize + 8)


register_operation(
    Operation(
        "page_walk",
        pages_inputs,
        pages_oracle,
        pages_flops,
        pages_bytes,
        edges=tuple({"n": n, "rounds": rounds} for n in (0, 1, 2, 127, 129) for rounds in (1, 3)),
    )
)


def _linked(order, values, rounds, out, spacing_bytes: int) -> tuple:
    """Return ``(nodes, first, visits, out)``: records that far apart, each naming the next."""
    words = spacing_bytes // 8
    nodes = np.zeros(order.size * words, dtype=np.uint64)
    nodes[order * words] = np.roll(order, -1) * words
    nodes[1::words] = values.view(np.uint64)
    first = order[0] * words if order.size else 0
    return nodes, np.uint64(first), order.size * rounds, out


def one_in_a_line(order, values, rounds, out):
    """Lay the records line by line."""
    return _linked(order, values, rounds, out, LINE_BYTES)


def one_in_a_page(order, values, rounds, out):
    """Lay the records page by page, and a line further in each, or all would share a set."""
    return _linked(order, values, rounds, out, PAGE_BYTES + LINE_BYTES)


def page_walk(nodes, first, visits, out):
    """Add up the values of the next `visits` records, each found through the one before.

    Parameters
    ----------
    nodes : ndarray, shape (records words,), uint64
        In the first two words of each record: where the next one begins, and its value.
        Not checked: as the layouts above make it.
    first : uint64
        Where the first record begins.
    visits : int
    out : ndarray, shape (1,), int64
        Overwritten.

    Cost
    ----
    ``visits`` additions and as many loads that wait for each other; as many lines, and as
    many pages, as the records lie in.
    """
    place, total = first, np.int64(0)
    for _ in range(visits):
        total += np.int64(nodes[place + np.uint64(1)])
        place = nodes[place]
    out[0] = total


page_walk = jit(page_walk)

for _name, _adapt, _story in (
    ("paged", one_in_a_page, "one record in each page: translations do not fit"),
    ("packed", one_in_a_line, "one record in each line: the same records in few pages"),
):
    register(
        "page_walk",
        name=_name,
        instrument="compiled",
        story=_story,
        dtypes=("int64",),
        adapt=_adapt,
        tags=("ladder",),
    )(page_walk)
