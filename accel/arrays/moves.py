"""Copies: rows of a table that indices name, and transposed arrays put in order."""

from __future__ import annotations

import math

import numpy as np

from accel import ops
from accel.arrays.functions import FLOATS
from accel.arrays.leaving import ND, SHORT, Left
from accel.arrays.loops import room, short
from accel.backend.base import BackendError
from accel.backend.dispatch import Policy

#: Bytes of a result below which NumPy has copied it before a kernel would begin.
LEAST_BYTES = 1 << 16

#: Axes of a contiguous array as they lie in a transposed one -> operation that puts it in order.
_IN_ORDER = {(1, 0): "transpose", (0, 2, 3, 1): "nchw_to_nhwc", (0, 3, 1, 2): "nhwc_to_nchw"}


def take(policy: Policy, a, indices, axis=None, out=None, mode="raise") -> ND | Left:
    """Compute ``np.take(table, indices, axis=0)``; the rows, or why NumPy is to copy them."""
    table = a  # NumPy's name for it
    if type(table) is not ND or table.dtype not in FLOATS or table.ndim != 2:
        return Left("the table is no matrix of floats")
    if axis not in (0, -2) or out is not None or mode != "raise":
        return Left("of the keywords axis, out or mode")
    chosen = np.asarray(indices)
    if chosen.dtype.kind not in "iu":
        return SHORT  # NumPy will refuse it
    nbytes = chosen.size * table.shape[1] * table.itemsize
    fits = table.flags.c_contiguous and table.dtype.isnative
    if nbytes == 0 or short(policy, nbytes, LEAST_BYTES) or not fits:
        return SHORT
    result = room((*chosen.shape, table.shape[1]), table.dtype, nbytes)
    try:
        return ops.embedding(table, chosen, out=result)
    except IndexError:
        return Left("an index is negative, or there is no such row")
    except BackendError as error:
        return Left(str(error))


def copy(policy: Policy, x: ND, order: str) -> ND | Left:
    """Compute ``x.copy(order)`` of a transposed array; the copy, or why NumPy is to make it."""
    if order != "C" or short(policy, x.nbytes, LEAST_BYTES) or x.flags.c_contiguous:
        return SHORT
    if x.dtype not in FLOATS or not x.dtype.isnative or not x.flags.aligned:
        return SHORT
    for axes, operation in _IN_ORDER.items():
        if len(axes) == x.ndim:
            straight = x.transpose(np.argsort(axes))
            if straight.flags.c_contiguous:
                result = room(x.shape, x.dtype, math.prod(x.shape) * x.itemsize)
                try:
                    return getattr(ops, operation)(straight, out=result)
                except BackendError as error:
                    return Left(str(error))
    return SHORT
