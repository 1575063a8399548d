"""Functions of elements that this library has kernels for, or a shorter way: exp, relu, powers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from accel import ops
from accel.arrays import chunks
from accel.arrays.errors import reported, told_once
from accel.arrays.leaving import ND, Left
from accel.arrays.loops import (
    LOOPING,
    WORTH_SHARING_NS,
    bounds,
    in_parts,
    in_the_way,
    loop,
    parts_for,
    rate,
    room,
    short,
    to_be_run,
)
from accel.backend.base import BackendError
from accel.backend.dispatch import Policy

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))

#: Largest number whose exponential is finite, rounded down.
LARGEST_EXPONENT = {FLOATS[0]: 88.72, FLOATS[1]: 709.78}

#: Elements below which NumPy has computed a function before a kernel would begin.
LEAST_ELEMENTS = 1 << 15

#: Exponents that become products. Each product adds an error of half a unit in the last place.
AS_PRODUCTS = (3, 4)

#: Elements of a piece of a power: three pieces fit a second-level cache.
PIECE = 1 << 14


def exp(policy: Policy, ufunc, inputs: Sequence, out: tuple | None, keywords: dict) -> ND | Left:
    """Compute ``np.exp``; parameters and result as for `loops.loop`.

    The kernel notices no overflow: where there may be one, NumPy's loop computes, and warns.
    """
    x = inputs[0]
    if keywords or not kernel_takes(x, out) or short(policy, x.size, LEAST_ELEMENTS):
        return loop(policy, ufunc, inputs, out, keywords)
    if reported("under"):
        return Left("underflow is to be reported")
    if reported("over") and not ops.max(x) <= LARGEST_EXPONENT[x.dtype]:
        return loop(policy, ufunc, inputs, out, keywords)
    return _by("exp", x, out)


def maximum(policy, ufunc, inputs: Sequence, out: tuple | None, keywords: dict) -> ND | Left:
    """Compute ``np.maximum``, of zero by `accel.relu`; parameters as for `loops.loop`."""
    for x, other in (inputs, inputs[::-1]):
        if keywords or not _is_zero(other, x) or short(policy, x.size, LEAST_ELEMENTS):
            continue
        if kernel_takes(x, out):
            return _by("relu", x, out)
    return loop(policy, ufunc, inputs, out, keywords)


def power(policy, ufunc, inputs: Sequence, out: tuple | None, keywords: dict) -> ND | Left:
    """Compute ``np.power``, third and fourth powers as products; parameters as for `loops.loop`.

    NumPy takes a logarithm and an exponential of each element. The products of a third power
    are off by at most 1.5 units in the last place, those of a fourth by at most 2.5.
    """
    x, exponent = inputs
    takes = type(x) is ND and x.ndim and x.dtype in FLOATS and x.dtype.isnative and not keywords
    if policy.name not in LOOPING or not takes or not _is_small(exponent):
        return loop(policy, ufunc, inputs, out, keywords)
    if out is not None:
        result = out[0]
        fits = type(result) is ND and result.dtype == x.dtype and result.shape == x.shape
        if not fits or in_the_way(result, x):
            return loop(policy, ufunc, inputs, out, keywords)
    elif not x.flags.c_contiguous:
        return loop(policy, ufunc, inputs, out, keywords)
    else:
        result = room(x.shape, x.dtype, x.nbytes)
    _products(policy, x, int(exponent), result)
    return result


def kernel_takes(x, out: tuple | None) -> bool:
    """Tell whether a kernel of one argument can read an array, and write `out`, as they are."""
    if not _plain(x):
        return False
    if out is None:
        return True
    y = out[0]
    return _plain(y) and y.dtype == x.dtype and y.shape == x.shape and not in_the_way(y, x)


def _plain(x) -> bool:
    """Tell whether a kernel can read an array as it is."""
    return (
        type(x) is ND
        and x.dtype in FLOATS
        and x.dtype.isnative
        and x.flags.c_contiguous
        and x.flags.aligned
        and x.size > 0
        and x.ndim > 0  # of a number NumPy makes a number
    )


def _by(operation: str, x: ND, out: tuple | None) -> ND | Left:
    y = room(x.shape, x.dtype, x.nbytes) if out is None else out[0]
    try:
        return getattr(ops, operation)(x, out=y)
    except BackendError as error:
        return Left(str(error))


def _is_zero(number: Any, x) -> bool:
    """Tell whether an argument is a zero that leaves the element type of `x` as it is."""
    if type(x) is not ND:
        return False
    return type(number) in (int, float, x.dtype.type) and number == 0


def _is_small(exponent) -> bool:
    return type(exponent) in (int, float) and exponent in AS_PRODUCTS


def _products(policy: Policy, x: ND, exponent: int, result: ND) -> None:
    """Write a power of each element, piece by piece, so that its square stays in cache."""
    ns = 2 * x.size * rate(np.multiply, (x, x))
    threads = chunks.cores(policy.name) if ns >= WORTH_SHARING_NS else 1
    if not to_be_run(f"power {exponent}", x, threads, ns):
        return
    (x, result), cuts = in_parts([x, result], parts_for(threads, ns))

    def part(cut):
        base, raised = cut(x), cut(result)
        if base.size == 0:
            return
        pieces = bounds(len(base), max(1, -(-base.size // PIECE)))
        square = np.empty((pieces[0].stop, *base.shape[1:]), x.dtype)
        for piece in pieces:
            own = square[: piece.stop - piece.start]
            np.multiply(base[piece], base[piece], out=own)
            np.multiply(own, base[piece] if exponent == 3 else own, out=raised[piece])

    with told_once("power"):
        chunks.together(part, cuts, threads)
