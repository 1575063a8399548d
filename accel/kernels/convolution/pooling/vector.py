"""Pooling with vector registers, on one core and on all: the last steps of both ladders."""

from __future__ import annotations

import numpy as np
from numba import get_num_threads, prange

from accel.kernels.convolution.pooling.plain import check_pool
from accel.kernels.convolution.pooling.registers import max_planes, mean_planes
from accel.kernels.registry import register
from accel.simd import jit

#: Below so many numbers threads cost more than they save.
THREADS_PAY_NUMBERS = 1 << 18


@register(
    "max_pool2d",
    name="vector",
    instrument="compiled",
    story="explicit vector registers, first down, then across: removes the loop over windows",
    tags=("ladder", "best"),
)
@jit
def max_pool2d_vector(x, kernel, stride, padding, out):
    """Take the largest number under each window, with vector registers.

    Removes the innermost loops, too short for the compiler to vectorise: a register takes as
    many columns as it holds down all rows of a window at once. Columns are combined in a second
    step, on one line that the first cache holds.

    Parameters
    ----------
    x, out : ndarray of the shapes named above, float32 or float64, contiguous
        `out` is overwritten.
    kernel, stride, padding : int
        Side of the window, distance between places, numbers on each side.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Cost
    ----
    ``stride (kernel - 1)`` comparisons per result down, ``kernel - 1`` across; one pass that
    reads `x` and writes `out`.
    """
    check_pool(x, kernel, stride, padding, out)
    if out.size > 0:
        max_planes(x, kernel, stride, padding, out, np.int64(0), x.shape[0] * x.shape[1])


@register(
    "avg_pool2d",
    name="vector",
    instrument="compiled",
    story="explicit vector registers, first down, then across: removes the loop over windows",
    tags=("ladder", "best"),
)
@jit
def avg_pool2d_vector(x, kernel, stride, padding, out):
    """Take the mean of the numbers under each window, with vector registers.

    Removes the innermost loops, too short for the compiler to vectorise. Parameters and errors
    as for `max_pool2d_vector`.

    Cost
    ----
    ``stride (kernel - 1)`` additions per result down, ``kernel - 1`` across, and a division;
    one pass that reads `x` and writes `out`.
    """
    check_pool(x, kernel, stride, padding, out)
    if out.size > 0:
        mean_planes(x, kernel, stride, padding, out, np.int64(0), x.shape[0] * x.shape[1])


# ---------------------------------------------------------------------------
# All cores
# ---------------------------------------------------------------------------


def parts_of(x) -> int:
    """Return into how many groups of planes to cut the work; one if threads do not pay."""
    threads = get_num_threads()
    if threads == 1 or x.size < THREADS_PAY_NUMBERS:
        return 1
    return min(4 * threads, x.shape[0] * x.shape[1])


@register(
    "max_pool2d",
    name="threads",
    instrument="compiled",
    story="channels spread over all cores",
    tags=("threads",),
)
def max_pool2d_threads(x, kernel, stride, padding, out):
    """Take the largest number under each window, channels spread over all cores.

    Removes the wait for one core. Small images stay on one.

    Parameters, errors and cost as for `max_pool2d_vector`.
    """
    parts = parts_of(x)
    if parts == 1:
        max_pool2d_vector(x, kernel, stride, padding, out)
    else:
        max_pool2d_in_parts(x, kernel, stride, padding, out, parts)


@register(
    "avg_pool2d",
    name="threads",
    instrument="compiled",
    story="channels spread over all cores",
    tags=("threads",),
)
def avg_pool2d_threads(x, kernel, stride, padding, out):
    """Take the mean of the numbers under each window, channels spread over all cores.

    Removes the wait for one core. Small images stay on one.

    Parameters, errors and cost as for `avg_pool2d_vector`.
    """
    parts = parts_of(x)
    if parts == 1:
        avg_pool2d_vector(x, kernel, stride, padding, out)
    else:
        avg_pool2d_in_parts(x, kernel, stride, padding, out, parts)


@jit(parallel=True)
def max_pool2d_in_parts(x, kernel, stride, padding, out, parts):
    """Pool each of `parts` groups of planes on a core that is free."""
    check_pool(x, kernel, stride, padding, out)
    planes = x.shape[0] * x.shape[1]
    for task in prange(parts):
        part = np.int64(task)
        first, stop = part * planes // parts, (part + 1) * planes // parts
        max_planes(x, kernel, stride, padding, out, first, stop)


@jit(parallel=True)
def avg_pool2d_in_parts(x, kernel, stride, padding, out, parts):
    """Pool each of `parts` groups of planes on a core that is free."""
    check_pool(x, kernel, stride, padding, out)
    planes = x.shape[0] * x.shape[1]
    for task in prange(parts):
        part = np.int64(task)
        first, stop = part * planes // parts, (part + 1) * planes // parts
        mean_planes(x, kernel, stride, padding, out, first, stop)
