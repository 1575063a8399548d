"""Sums of a sliding window: the same numbers with less arithmetic.

``out[i] = x[i] + ... + x[i + width - 1]`` for every window that lies inside `x`. The
definition adds `width` numbers per window, although two neighbours share all but two.
The ladder first makes the definition fast (a compiled loop, vector registers), and then
does less: prefix sums and running sums need a few additions per window however wide it
is, doubling needs some ``2 log2(width)``.

Less arithmetic is not the same arithmetic. A difference of two prefix sums is small, the
prefix sums are not, and their rounding errors stay; a running sum carries every rounding
error on to the end. `work` counts what each step does, `oracle` says what it may err.

`x` must be finite: one NaN or infinity reaches one window by the definition, and all that
follow through a prefix sum. `out` must not overlap `x`.

Source
------
Blelloch, "Prefix sums and their applications", CMU-CS-90-190 (1990), for prefix sums.
Higham, *Accuracy and Stability of Numerical Algorithms*, 2nd ed. (2002), chapter 4, for
the error of sums, section 1.7 for cancellation.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from accel.kernels.activation import register_for
from accel.kernels.inputs import blank, normal
from accel.kernels.registry import Operation, register, register_operation
from accel.simd import jit, load, load_first, store, store_first, zeros

EDGES = (
    {"n": 0, "width": 1},
    {"n": 1, "width": 1},
    {"n": 3, "width": 5},
    {"n": 7, "width": 7},
    {"n": 127, "width": 1},
    {"n": 128, "width": 2},
    {"n": 129, "width": 3},
    {"n": 129, "width": 127},
    {"n": 129, "width": 128},
    {"n": 1000, "width": 63},
    {"n": 1000, "width": 64, "offset": 100.0},
    {"n": 1021, "width": 255},
)


def inputs(n: int, width: int, dtype: str = "float32", offset: float = 0.0) -> tuple:
    """Return ``(x, width, out)``: `n` normal numbers with mean `offset`, and a blank `out`.

    `out` has ``n - width + 1`` elements, or none if the window is longer than `x`.
    """
    x = normal((n,), dtype, seed=1) + np.dtype(dtype).type(offset)
    return x, width, blank((windows_in(n, width),), dtype)


def windows_in(n: int, width: int) -> int:
    """Return how many windows lie inside `n` numbers."""
    return max(n - width + 1, 0)


def oracle(x: np.ndarray, width: int, out: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the sums in float64, and the error that each step of the ladder may make.

    Three sources of error are added up. The definition errs by ``u (8 + 2 sqrt(width))``
    times the sum of magnitudes, with u half the distance from 1 to the next number. A
    prefix sum has gathered one rounding for each element before it, each relative to the
    prefix sum of its day; a running sum one for each window before it. Roundings go up as
    often as down, so they gather like the root of the sum of squares; 4 times that leaves
    room.

    Source
    ------
    Higham (2002), section 2.8 for the rule of thumb, section 4.2 for the bound.
    """
    if out.size == 0:
        return np.empty(0), np.empty(0)
    wide, unit = x.astype(np.float64), np.finfo(x.dtype).eps / 2
    windows = sliding_window_view(wide, width)
    expected = windows.sum(axis=1)
    own = (8 + 2 * np.sqrt(width)) * sliding_window_view(np.abs(wide), width).sum(axis=1)
    prefix = np.sqrt(np.cumsum(np.cumsum(wide) ** 2))[width - 1 :]
    steps = np.diff(expected, prepend=expected[0])
    carried = np.sqrt(np.cumsum(expected**2 + steps**2))
    return expected, unit * (own + 4 * prefix + 4 * carried)


def flops(n: int, width: int, **_) -> int:
    """``width - 1`` additions per window: the definition, whoever does with fewer."""
    return windows_in(n, width) * (width - 1)


def compulsory_bytes(n: int, width: int, dtype: str = "float32", **_) -> int:
    """Read `x`, write `out`; nothing if there is no window."""
    count = windows_in(n, width)
    return (n + count) * np.dtype(dtype).itemsize if count else 0


def work(step: str, n: int, width: int, **_) -> int:
    """Return how many additions and subtractions a step of the ladder does.

    Parameters
    ----------
    step : str
        Name of a kernel of ``window_sum``.
    n, width : int
        Length of `x`, and of a window.

    Raises
    ------
    ValueError
        If the step is unknown.
    """
    count = windows_in(n, width)
    if step in ("sliding_view", "direct", "vector"):
        return count * (width - 1)
    if count == 0:
        return 0
    if step in ("cumulative", "cumulative_wide"):
        return n - 1 + count - 1
    if step == "running":
        return width - 1 + 2 * (count - 1)
    if step == "doubling":
        halvings = width.bit_length() - 1
        pairs = sum(n - 2**power + 1 for power in range(1, halvings + 1))
        return pairs + count * (width.bit_count() - 1)
    raise ValueError(f"window_sum has no step {step!r} whose additions are counted")


register_operation(Operation("window_sum", inputs, oracle, flops, compulsory_bytes, EDGES))


def _check(kernel: str, x, width, out) -> None:
    for name, array in (("x", x), ("out", out)):
        if not isinstance(array, np.ndarray) or array.ndim != 1:
            raise ValueError(
                f"window_sum.{kernel}: expected {name} to be an array of one dimension, got "
                f"{getattr(array, 'shape', type(array).__name__)}; pass np.ravel of it"
            )
    if width < 1 or out.size != windows_in(x.size, width):
        raise ValueError(
            f"window_sum.{kernel}: expected width >= 1 and out of {windows_in(x.size, width)} "
            f"elements for {x.size} and width {width}, got {out.size}"
        )


@register(
    "window_sum",
    instrument="NumPy",
    story="a view of all windows, summed: the definition without a Python loop",
    tags=("ladder",),
)
def sliding_view(x, width, out):
    """Sum each window of a view of all of them.

    The starting point: the definition in NumPy's words. The view costs nothing, it only
    counts indices differently; the sums read every number `width` times.

    Parameters
    ----------
    x : ndarray, shape (n,), float32 or float64
    width : int
        At least 1.
    out : ndarray, shape (n - width + 1,)
        Same dtype; overwritten.

    Raises
    ------
    ValueError
        If `width` or the length of `out` do not fit.

    Cost
    ----
    ``(n - width + 1) (width - 1)`` additions; nothing allocated.
    """
    _check("sliding_view", x, width, out)
    if out.size:
        np.sum(sliding_window_view(x, width), axis=1, out=out)


@register(
    "window_sum",
    instrument="compiled",
    story="two compiled loops: the definition, one addition after the other",
    tags=("ladder",),
)
@jit
def direct(x, width, out):
    """Sum each window by the definition.

    Removes NumPy's set-up of a short reduction for every window. What is left is a chain:
    no addition can begin before the last has ended.

    Parameters
    ----------
    x : ndarray, shape (n,), float32 or float64
    width : int
        At least 1.
    out : ndarray, shape (n - width + 1,)
        Same dtype; overwritten.

    Raises
    ------
    ValueError
        If `width` or the length of `out` do not fit.

    Cost
    ----
    ``(n - width + 1) (width - 1)`` additions, each waiting for the one before it.
    """
    if width < 1 or out.size != max(x.size - width + 1, 0):
        raise ValueError("window_sum: out must have n - width + 1 elements, width at least 1")
    for i in range(out.size):
        total = x[i]
        for j in range(1, width):
            total += x[i + j]
        out[i] = total


@register(
    "window_sum",
    instrument="compiled",
    story="neighbouring windows side by side in vector registers: removes the waiting",
    tags=("ladder",),
)
@jit
def vector(x, width, out):
    """Sum many neighbouring windows at once, one in each lane of four registers.

    Removes the waiting: additions that belong to different windows do not depend on one
    another. Still the definition, addition for addition, and about as fast as it gets.

    Parameters
    ----------
    x : ndarray, shape (n,), float32 or float64, contiguous
    width : int
        At least 1.
    out : ndarray, shape (n - width + 1,), contiguous
        Same dtype; overwritten.

    Raises
    ------
    ValueError
        If `width` or the length of `out` do not fit.

    Cost
    ----
    ``(n - width + 1) (width - 1)`` additions, as many at a time as four registers hold.
    """
    if width < 1 or out.size != max(x.size - width + 1, 0):
        raise ValueError("window_sum: out must have n - width + 1 elements, width at least 1")
    V = register_for(x)
    lanes = V.lanes
    whole = out.size - out.size % (4 * lanes)
    for i in range(0, whole, 4 * lanes):
        s0, s1, s2, s3 = zeros(V), zeros(V), zeros(V), zeros(V)
        for j in range(i, i + width):
            s0 += load(V, x, j)
            s1 += load(V, x, j + lanes)
            s2 += load(V, x, j + 2 * lanes)
            s3 += load(V, x, j + 3 * lanes)
        store(out, i, s0)
        store(out, i + lanes, s1)
        store(out, i + 2 * lanes, s2)
        store(out, i + 3 * lanes, s3)
    for i in range(whole, out.size, lanes):
        rest = min(lanes, out.size - i)
        total = zeros(V)
        for j in range(i, i + width):
            total += load_first(V, x, j, rest)
        store_first(out, i, total, rest)


@register(
    "window_sum",
    instrument="NumPy",
    story="differences of prefix sums: removes the width from the cost, loses digits",
    tags=("ladder",),
)
def cumulative(x, width, out):
    """Subtract prefix sums: ``out[i] = s[i + width] - s[i]``.

    Removes the width from the cost: two additions per window however wide. Pays in
    digits: prefix sums grow with their place, and so do their rounding errors, which do
    not cancel when the sums do.

    Parameters
    ----------
    x : ndarray, shape (n,), float32 or float64
    width : int
        At least 1.
    out : ndarray, shape (n - width + 1,)
        Same dtype; overwritten.

    Raises
    ------
    ValueError
        If `width` or the length of `out` do not fit.

    Cost
    ----
    ``2 n - width - 1`` additions; a temporary of `n` elements.
    """
    _check("cumulative", x, width, out)
    _differences(np.cumsum(x, dtype=x.dtype), width, out)


@register(
    "window_sum",
    instrument="NumPy",
    story="prefix sums in float64: buys the digits back for float32",
    tags=("ladder",),
)
def cumulative_wide(x, width, out):
    """Subtract prefix sums that are kept in float64.

    Removes the loss of digits for float32: 29 more bits in the prefix sums are more than
    cancellation takes away here. For float64 it is `cumulative`.

    Parameters
    ----------
    x : ndarray, shape (n,), float32 or float64
    width : int
        At least 1.
    out : ndarray, shape (n - width + 1,)
        Same dtype; overwritten.

    Raises
    ------
    ValueError
        If `width` or the length of `out` do not fit.

    Cost
    ----
    ``2 n - width - 1`` additions; a temporary of `n` elements of float64.
    """
    _check("cumulative_wide", x, width, out)
    _differences(np.cumsum(x, dtype=np.float64), width, out)


def _differences(prefix: np.ndarray, width: int, out: np.ndarray) -> None:
    if out.size:
        out[0] = prefix[width - 1]
        # same_kind: from float64 to float32 each difference is rounded once, at the end.
        np.subtract(prefix[width:], prefix[:-width], out=out[1:], casting="same_kind")


@register(
    "window_sum",
    instrument="compiled",
    story="one number in, one number out: removes the prefix sums from memory",
    tags=("ladder",),
)
@jit
def running(x, width, out):
    """Keep one sum: add the number that enters the window, subtract the one that leaves.

    Removes the array of prefix sums and the size of its numbers: the sum stays as small
    as a window's. But its rounding errors are never let go: each window inherits those
    of all before it. And it is a chain again, one addition per window long.

    Parameters
    ----------
    x : ndarray, shape (n,), float32 or float64
    width : int
        At least 1.
    out : ndarray, shape (n - width + 1,)
        Same dtype; overwritten.

    Raises
    ------
    ValueError
        If `width` or the length of `out` do not fit.

    Cost
    ----
    ``2 (n - width) + width - 1`` additions, half of them one after the other.
    """
    if width < 1 or out.size != max(x.size - width + 1, 0):
        raise ValueError("window_sum: out must have n - width + 1 elements, width at least 1")
    if out.size == 0:
        return
    total = x[0]
    for j in range(1, width):
        total += x[j]
    out[0] = total
    for i in range(1, out.size):
        total += x[i + width - 1] - x[i - 1]  # the difference waits for nothing
        out[i] = total


@register(
    "window_sum",
    instrument="NumPy",
    story="windows of 2, 4, 8, ... from pairs of the last: no subtraction, no chain",
    tags=("ladder",),
)
def doubling(x, width, out):
    """Build long windows from pairs of shorter ones.

    Removes chain and cancellation: sums over ``2 p`` numbers are sums of two sums over
    `p`, for all windows at once, and `width` is put together from powers of two. No
    subtraction, so nothing cancels; every result has gone through about
    ``2 log2(width)`` roundings only.

    Parameters
    ----------
    x : ndarray, shape (n,), float32 or float64
    width : int
        At least 1.
    out : ndarray, shape (n - width + 1,)
        Same dtype; overwritten.

    Raises
    ------
    ValueError
        If `width` or the length of `out` do not fit.

    Cost
    ----
    At most ``2 n log2(width)`` additions; a temporary of up to `n` elements per doubling.
    """
    _check("doubling", x, width, out)
    if out.size == 0:
        return
    sums, length, covered = x, 1, 0  # sums[i] = x[i] + ... + x[i + length - 1]
    while True:
        if width & length:
            part = sums[covered : covered + out.size]
            if covered:
                out += part
            else:
                out[...] = part
            covered += length
        if covered == width:
            return
        sums = sums[:-length] + sums[length:]
        length *= 2
