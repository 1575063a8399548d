"""Pooling by loops, by NumPy and by the compiler: the first steps of both ladders."""

from __future__ import annotations

import math

import numpy as np

from accel.kernels.convolution.pooling import definition as _definition  # noqa: F401
from accel.kernels.convolution.shapes import nested
from accel.kernels.registry import register
from accel.simd import jit

# ---------------------------------------------------------------------------
# The interpreter
# ---------------------------------------------------------------------------


def _seen(plane, top: int, left: int, kernel: int) -> list:
    """Return the numbers of a plane under a window, without padding."""
    rows = plane[max(top, 0) : top + kernel]
    return [value for row in rows for value in row[max(left, 0) : left + kernel]]


def _largest(values) -> float:
    """Return the largest number, or NaN where there is one."""
    largest = -math.inf
    for value in values:
        if not value <= largest:  # also if it is NaN
            largest = value
        if math.isnan(largest):
            break
    return largest


@register(
    "max_pool2d",
    name="loop",
    instrument="interpreter",
    story="Python loops over nested lists",
    adapt=nested,
    tags=("ladder",),
)
def max_pool2d_loop(x, kernel, stride, padding, out):
    """Take the largest number under each window, with loops over nested lists.

    The starting point.

    Parameters
    ----------
    x, out : nested lists of float, of the shapes named above
        `out` is overwritten.
    kernel, stride, padding : int
        Side of the window, distance between places, numbers on each side.

    Cost
    ----
    ``kernel**2 - 1`` comparisons per result, each some dozens of instructions of the
    interpreter.
    """
    for image, results in zip(x, out, strict=True):
        for plane, result in zip(image, results, strict=True):
            for i, row in enumerate(result):
                for j in range(len(row)):
                    top, left = i * stride - padding, j * stride - padding
                    row[j] = _largest(_seen(plane, top, left, kernel))


@register(
    "avg_pool2d",
    name="loop",
    instrument="interpreter",
    story="Python loops over nested lists",
    adapt=nested,
    tags=("ladder",),
)
def avg_pool2d_loop(x, kernel, stride, padding, out):
    """Take the mean of the numbers under each window, with loops over nested lists.

    The starting point. Parameters and cost as for `max_pool2d_loop`, with additions and a
    division for comparisons.
    """
    for image, results in zip(x, out, strict=True):
        for plane, result in zip(image, results, strict=True):
            for i, row in enumerate(result):
                for j in range(len(row)):
                    top, left = i * stride - padding, j * stride - padding
                    row[j] = sum(_seen(plane, top, left, kernel)) / kernel**2


# ---------------------------------------------------------------------------
# NumPy: all windows at once, first down, then across
# ---------------------------------------------------------------------------


def _fold(combine, x, kernel, stride, padding, out, border):
    """Combine the rows of all windows, then the columns of what that gave."""
    height, width = x.shape[2:]
    if padding:
        wide = np.full((*x.shape[:2], height + 2 * padding, width + 2 * padding), border, x.dtype)
        wide[:, :, padding:-padding, padding:-padding] = x
        x = wide
    down, across = out.shape[2:]
    rows = [x[:, :, i : i + stride * down : stride] for i in range(kernel)]
    folded = rows[0] if kernel == 1 else combine(rows[0], rows[1])
    for row in rows[2:]:
        combine(folded, row, out=folded)
    out[...] = folded[..., 0 : stride * across : stride]
    for j in range(1, kernel):
        combine(out, folded[..., j : j + stride * across : stride], out=out)


@register(
    "max_pool2d",
    name="numpy",
    instrument="NumPy",
    story="rows of all windows at once, then columns: removes the interpreter",
    tags=("ladder",),
)
def max_pool2d_numpy(x, kernel, stride, padding, out):
    """Take the larger of whole arrays: first down the windows, then across.

    Removes the interpreter. Two directions one after another take ``2 (kernel - 1)``
    comparisons instead of ``kernel**2 - 1``, at the price of a temporary.

    Parameters
    ----------
    x, out : ndarray of the shapes named above, float32 or float64
        `out` is overwritten.
    kernel, stride, padding : int
        Side of the window, distance between places, numbers on each side.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Cost
    ----
    ``2 kernel`` passes over arrays as large as `out`, up to `stride` times as wide.
    """
    _fold(np.maximum, x, kernel, stride, padding, out, -np.inf)


@register(
    "avg_pool2d",
    name="numpy",
    instrument="NumPy",
    story="rows of all windows at once, then columns: removes the interpreter",
    tags=("ladder",),
)
def avg_pool2d_numpy(x, kernel, stride, padding, out):
    """Add whole arrays: first down the windows, then across; then divide.

    Removes the interpreter. Parameters, errors and cost as for `max_pool2d_numpy`, and a pass
    for the division.
    """
    _fold(np.add, x, kernel, stride, padding, out, 0)
    np.divide(out, x.dtype.type(kernel**2), out=out)


# ---------------------------------------------------------------------------
# Compiled
# ---------------------------------------------------------------------------


@jit
def check_pool(x, kernel, stride, padding, out):
    """Refuse shapes that do not fit together."""
    batch, channels, height, width = x.shape
    if kernel < 1 or stride < 1:
        raise ValueError("pool2d: kernel and stride must be at least 1")
    if padding < 0 or 2 * padding > kernel:
        raise ValueError("pool2d: padding must be from 0 to half of kernel")
    if x.size == 0 and out.size > 0:
        raise ValueError("pool2d: x must have a height and a width")
    down = max(0, (height + 2 * padding - kernel) // stride + 1)
    across = max(0, (width + 2 * padding - kernel) // stride + 1)
    if out.shape != (batch, channels, down, across):
        raise ValueError(
            "pool2d: out must be of shape (batch, channels, places down, places across)"
        )


@register(
    "max_pool2d",
    name="compiled",
    instrument="compiled",
    story="a loop over windows, compiled: removes the temporary arrays",
    tags=("ladder",),
)
@jit
def max_pool2d_compiled(x, kernel, stride, padding, out):
    """Take the largest number under each window by compiled loops.

    Removes the temporary and the passes over memory.

    Parameters
    ----------
    x, out : ndarray of the shapes named above, float32 or float64
        `out` is overwritten.
    kernel, stride, padding : int
        Side of the window, distance between places, numbers on each side.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Cost
    ----
    ``kernel**2`` comparisons per result; one pass that reads `x` and writes `out`.
    """
    check_pool(x, kernel, stride, padding, out)
    height, width = x.shape[2:]
    for b, c, i, j in np.ndindex(out.shape):
        top, left = i * stride - padding, j * stride - padding
        largest = x.dtype.type(-np.inf)
        for r in range(max(top, 0), min(top + kernel, height)):
            for s in range(max(left, 0), min(left + kernel, width)):
                value = x[b, c, r, s]
                if not (math.isnan(largest) or value <= largest):  # a NaN stays
                    largest = value
        out[b, c, i, j] = largest


@register(
    "avg_pool2d",
    name="compiled",
    instrument="compiled",
    story="a loop over windows, compiled: removes the temporary arrays",
    tags=("ladder",),
)
@jit
def avg_pool2d_compiled(x, kernel, stride, padding, out):
    """Take the mean of the numbers under each window by compiled loops.

    Removes the temporary and the passes over memory. Parameters and errors as for
    `max_pool2d_compiled`.

    Cost
    ----
    ``kernel**2`` additions and a division per result; one pass that reads `x` and writes `out`.
    """
    check_pool(x, kernel, stride, padding, out)
    height, width = x.shape[2:]
    count = x.dtype.type(kernel * kernel)
    for b, c, i, j in np.ndindex(out.shape):
        top, left = i * stride - padding, j * stride - padding
        total = x.dtype.type(0)
        for r in range(max(top, 0), min(top + kernel, height)):
            for s in range(max(left, 0), min(left + kernel, width)):
                total += x[b, c, r, s]
        out[b, c, i, j] = total / count
