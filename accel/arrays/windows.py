"""Windows over images, found by their strides: convolutions and pooling written in NumPy.

``sliding_window_view`` copies nothing: its result shows each pixel many times, which is to be
read off its strides. A sum of products over such windows is a convolution, and need not be
multiplied out; a maximum over the axes that ``reshape`` split off is pooling.
"""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from accel import ops
from accel.arrays.functions import FLOATS
from accel.arrays.leaving import ND, Left
from accel.arrays.loops import room
from accel.backend.base import BackendError

#: Reductions over windows side by side that there is a kernel for.
POOLED = {np.maximum: "max_pool2d"}

#: Elements from which windows are worth looking for.
LEAST_ELEMENTS = 4096


class Windows(NamedTuple):
    """Axes of an array that shows windows over images, and the images.

    Attributes
    ----------
    images : ndarray, shape (batch, channels, height, width)
        The same memory, each pixel once.
    down, across, rows, columns : int
        Axes of places, and of what is under a window there.
    stride : int
    """

    images: ND
    down: int
    across: int
    rows: int
    columns: int
    stride: int


def windows(x: ND, free: list[int], summed: list[int]) -> Windows | None:
    """Find windows in an array by its strides.

    Parameters
    ----------
    x : ndarray, 6 dimensions
    free, summed : list of int
        Axes that are kept, and those that are summed over: three each.

    Returns
    -------
    Windows or None
        None if an element is not shown by windows that move along two axes alike.
    """
    if len(free) != 3 or len(summed) != 3 or x.size == 0:
        return None
    for (down, across), (rows, columns) in itertools.product(
        itertools.permutations(free, 2), itertools.permutations(summed, 2)
    ):
        stride = _stride(x, down, rows)
        if stride is None or stride != _stride(x, across, columns):
            continue
        if x.strides[rows] <= x.strides[columns] or x.shape[rows] * x.shape[columns] == 1:
            continue
        batch = next(axis for axis in free if axis not in (down, across))
        channels = next(axis for axis in summed if axis not in (rows, columns))
        height = (x.shape[down] - 1) * stride + x.shape[rows]
        width = (x.shape[across] - 1) * stride + x.shape[columns]
        images = as_strided(
            x,
            (x.shape[batch], x.shape[channels], height, width),
            tuple([x.strides[axis] for axis in (batch, channels, rows, columns)]),
            writeable=False,
        )
        return Windows(images, down, across, rows, columns, stride)
    return None


def _stride(x: ND, places: int, inside: int) -> int | None:
    """Return by how many elements a window moves from place to place along an axis.

    None where windows leave elements out between them: it would be a convolution too, but of
    images that are mostly not seen.
    """
    if x.strides[inside] <= 0 or x.strides[places] % x.strides[inside]:
        return None
    stride = x.strides[places] // x.strides[inside]
    return stride if 1 <= stride <= x.shape[inside] or x.shape[inside] == 1 else None


def convolved(
    x: ND, weight: ND, free: list[int], shared: list[tuple[int, int]], filters: int
) -> ND | Left | None:
    """Compute a sum of products of windows and filters as a convolution.

    Parameters
    ----------
    x : ndarray
        Perhaps of windows.
    weight : ndarray, 4 dimensions
    free : list of int
        Axes of `x` that are kept.
    shared : list of (int, int)
        Axes of `x` and of `weight` that are summed over together.
    filters : int
        The axis of `weight` that is kept.

    Returns
    -------
    ndarray
        With the axes `free` in their order, then that of the filters.
    Left or None
        Why NumPy is to compute it; None if there are no windows.
    """
    found = windows(x, free, [axis for axis, _ in shared])
    if found is None or x.dtype not in FLOATS or weight.dtype != x.dtype:
        return None
    partner = dict(shared)
    channels = next(a for a, _ in shared if a not in (found.rows, found.columns))
    batch = next(axis for axis in free if axis not in (found.down, found.across))
    order = filters, partner[channels], partner[found.rows], partner[found.columns]
    shape = x.shape[batch], weight.shape[filters], x.shape[found.down], x.shape[found.across]
    y = room(shape, x.dtype, math.prod(shape) * x.itemsize)
    try:
        ops.conv2d(found.images, weight.transpose(order), stride=found.stride, out=y)
    except BackendError as error:
        return Left(str(error))
    place = {batch: 0, found.down: 2, found.across: 3}
    return y.transpose(*[place[axis] for axis in free], 1)


def pooled(ufunc: np.ufunc, x: ND, axes: set[int]) -> ND | Left | None:
    """Compute a reduction over windows that lie side by side, or None if it is none.

    Parameters
    ----------
    ufunc : np.ufunc
    x : ndarray, shape (..., down, size, across, size)
        As ``reshape`` makes it of images of shape (..., down size, across size).
    axes : set of int
        Those that are reduced.
    """
    ndim = x.ndim
    if ufunc not in POOLED or ndim < 4 or axes != {ndim - 3, ndim - 1}:
        return None
    down, size, across, columns = x.shape[-4:]
    if size != columns or x.size < LEAST_ELEMENTS or x.dtype not in FLOATS:
        return None
    if not x.flags.c_contiguous or not x.flags.aligned or not x.dtype.isnative:
        return None
    images = x.reshape(1, math.prod(x.shape[:-4]), down * size, across * size)
    y = np.empty((1, images.shape[1], down, across), x.dtype)
    try:
        getattr(ops, POOLED[ufunc])(images, size, out=y)
    except BackendError as error:
        return Left(str(error))
    return y.reshape(*x.shape[:-4], down, across)
