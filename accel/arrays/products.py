"""Products: ``@``, `numpy.matmul`, `numpy.dot`, and what `numpy.tensordot` comes down to.

Kernels read operands by their strides, so a transposed one is not copied. They notice no
floating-point error; whoever asks for exceptions by `numpy.errstate` gets NumPy's product.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from accel import ops
from accel.arrays.errors import demanded
from accel.arrays.leaving import ND, SHORT, Left
from accel.arrays.loops import room, short
from accel.backend import dispatch
from accel.backend.base import BackendError
from accel.backend.dispatch import Policy

#: Element types that there are kernels for.
NUMBERS = (np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.int64))

#: FLOPs below which NumPy's product is done before another one would pay.
LEAST_FLOPS = 1 << 22


def matmul(
    policy: Policy, ufunc: np.ufunc, inputs: Sequence, out: tuple | None, keywords: dict[str, Any]
) -> ND | Left:
    """Compute ``np.matmul``; parameters and result as for `loops.loop`."""
    if keywords:
        return Left(f"of the keyword {', '.join(sorted(keywords))}")
    return product(policy, *inputs, None if out is None else out[0])


def product(policy: Policy, a, b, out: ND | None = None) -> ND | Left:
    """Multiply matrices, stacks of matrices, or a matrix and a vector.

    Returns
    -------
    ndarray or Left
        As ``np.matmul(a, b)``, or why NumPy is to compute it.
    """
    reason = not_taken(a, b, out)
    if reason is not None:
        return reason
    shape = _shape(a, b)
    if shape is None or (out is not None and out.shape != shape):
        return SHORT  # NumPy will refuse it, or it is a number
    flops = 2 * math.prod(shape) * a.shape[-1]
    if flops == 0 or short(policy, flops, LEAST_FLOPS):
        return SHORT
    if demanded():
        return Left("floating-point errors are to be reported")
    result = room(shape, a.dtype, math.prod(shape) * a.itemsize) if out is None else out
    try:
        if b.ndim == 1:
            return _by_vector(a, b, result)
        if a.ndim == 1:
            return _by_vector(b.swapaxes(-1, -2), a, result)
        if out is None and a.ndim == b.ndim == 2:
            dispatch.runner("matmul", a.dtype)(a, b, result)
            return result
        if out is None and a.ndim == b.ndim == 3 and len(a) == len(b):
            dispatch.runner("matmul_batched", a.dtype)(a, b, result)
            return result
        return ops.matmul(a, b, out=result)
    except BackendError as error:
        return Left(str(error))


def not_taken(a, b, out: ND | None = None) -> Left | None:
    """Return why no kernel multiplies two operands, or None if one does."""
    for x in (a, b) if out is None else (a, b, out):
        if type(x) is not ND:
            return Left(f"an argument is a {type(x).__name__}")
        if x.dtype not in NUMBERS or not x.dtype.isnative:
            return Left(f"of elements of {x.dtype}")
        if not x.flags.aligned:
            return Left("elements are not at their alignment")
    if a.dtype != b.dtype or (out is not None and out.dtype != a.dtype):
        return Left("element types differ")
    if a.ndim == 0 or b.ndim == 0 or a.ndim == b.ndim == 1:
        return SHORT
    return None


def _shape(a: ND, b: ND) -> tuple[int, ...] | None:
    """Return the shape of a product, or None if there is none."""
    if a.shape[-1] != b.shape[-2 if b.ndim > 1 else 0]:
        return None
    if a.ndim <= 2 and b.ndim <= 2:
        return a.shape[:-1] + b.shape[1:]
    try:
        stack = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    except ValueError:
        return None
    return (*stack, *a.shape[-2:-1][a.ndim == 1 :], *b.shape[-1:][b.ndim == 1 :])


def _by_vector(a: ND, x: ND, out: ND) -> ND:
    """Multiply a matrix, or each of a stack, and a vector."""
    lines = a.dtype.kind == "f" and a.itemsize in a.strides and out.flags.c_contiguous
    if a.ndim == 2 and lines and x.flags.c_contiguous:
        return ops.matvec(a, x, out=out)
    return ops.matmul(a, x, out=out)


def dot(policy: Policy, a, b, out=None) -> ND | Left:
    """Compute ``np.dot``: as `product`, but of what has more dimensions it makes other sums."""
    if type(b) is ND and b.ndim > 2:
        return Left("b has more than two dimensions")
    if out is not None and not (type(out) is ND and out.flags.c_contiguous):
        return SHORT  # NumPy will refuse it
    return product(policy, a, b, out)


def contracted(
    policy: Policy, a: ND, b: ND, batch: Sequence, shared: Sequence
) -> ND | Left:
    """Sum products of two arrays over the axes that they share, by a product of matrices.

    Parameters
    ----------
    policy : Policy
    a, b : ndarray
        Of one element type.
    batch : sequence of (int, int)
        Axes of `a` and of `b` that go along with each other, and are kept.
    shared : sequence of (int, int)
        Axes that go along with each other, and are summed over.

    Returns
    -------
    ndarray or Left
        Axes of the batch, then the rest of `a`, then the rest of `b`, each in order.
    """
    rows = _rest(a, [axis for axis, _ in (*batch, *shared)])
    columns = _rest(b, [axis for _, axis in (*batch, *shared)])
    left = _joined(a, [axis for axis, _ in batch], rows, [axis for axis, _ in shared])
    right = _joined(b, [axis for _, axis in batch], [axis for _, axis in shared], columns)
    if right.ndim == 2 and right.shape[1] == 1:
        result = product(policy, left, right[:, 0])
    elif left.ndim == 2 and left.shape[0] == 1:
        result = product(policy, left[0], right)
    else:
        result = product(policy, left, right)
    if type(result) is Left:
        return result
    shape = [a.shape[axis] for axis, _ in batch]
    shape += [a.shape[axis] for axis in rows] + [b.shape[axis] for axis in columns]
    return result.reshape(shape)


def _rest(x: ND, named: list[int]) -> list[int]:
    return [axis for axis in range(x.ndim) if axis not in named]


def _joined(x: ND, batch: list[int], first: list[int], second: list[int]) -> ND:
    """Return an array as matrices, with some axes joined; a copy only where strides ask for it."""
    sizes = [math.prod([x.shape[axis] for axis in group]) for group in (first, second)]
    stack = [x.shape[axis] for axis in batch]
    return x.transpose(*batch, *first, *second).reshape(*stack, *sizes)
