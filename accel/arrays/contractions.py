"""`numpy.einsum` and `numpy.tensordot` of two arrays: convolutions, or products of matrices."""

from __future__ import annotations

import math
import string
from collections.abc import Sequence
from typing import Any

import numpy as np

from accel.arrays.errors import demanded
from accel.arrays.leaving import ND, SHORT, Left
from accel.arrays.loops import short
from accel.arrays.products import LEAST_FLOPS, contracted, not_taken
from accel.arrays.windows import convolved
from accel.backend.dispatch import Policy


def einsum(policy: Policy, *operands, out=None, optimize=False, **keywords: Any) -> ND | Left:
    """Compute ``np.einsum(subscripts, a, b)``; the result, or why NumPy is to compute it.

    ``optimize`` makes no difference: there is one way to multiply two arrays.
    """
    if out is not None or keywords:
        names = ["out"] * (out is not None) + sorted(keywords)
        return Left(f"of the keyword {', '.join(names)}")
    if len(operands) != 3 or not isinstance(operands[0], str):
        return Left("it has not two operands and their subscripts")
    subscripts, a, b = operands
    named = _named(subscripts, a, b)
    if type(named) is Left:
        return named
    result = _summed(policy, a, b, *named[:2], kept=set(named[2]))
    if type(result) is Left:
        return result
    answer, letters = result
    if answer.ndim == 0:
        return answer[()]
    order = [letters.index(each) for each in named[2]]
    return answer if order == sorted(order) else answer.transpose(order)


def tensordot(policy: Policy, a, b, axes=2) -> ND | Left:
    """Compute ``np.tensordot``; the result, or why NumPy is to compute it."""
    if type(a) is not ND or type(b) is not ND:
        return not_taken(a, b) or SHORT
    pairs = _pairs(axes, a, b)
    if pairs is None or a.ndim + b.ndim > 52:
        return SHORT  # NumPy will refuse it
    letters = iter(string.ascii_letters)
    first = [next(letters) for _ in range(a.ndim)]
    second = [next(letters) for _ in range(b.ndim)]
    for i, j in pairs:
        second[j] = first[i]
    shared = {first[i] for i, _ in pairs}
    order = [each for each in (*first, *second) if each not in shared]
    result = _summed(policy, a, b, "".join(first), "".join(second), kept=set(order))
    if type(result) is Left:
        return result
    return result[0].transpose([result[1].index(each) for each in order])


def _named(subscripts: str, a, b) -> tuple[str, str, str] | Left:
    """Return the letters of two operands and of the result, or why that cannot be done."""
    inputs, arrow, output = subscripts.replace(" ", "").partition("->")
    first, comma, second = inputs.partition(",")
    if "." in subscripts:
        return Left("of an ellipsis")
    if type(a) is not ND or type(b) is not ND:
        return Left("an operand is a list or a number")
    if not comma or len(first) != a.ndim or len(second) != b.ndim:
        return SHORT  # NumPy will refuse it
    if not arrow:
        both = first + second
        output = "".join(sorted(each for each in set(both) if both.count(each) == 1))
    if len({*first}) != len(first) or len({*second}) != len(second):
        return Left("of a diagonal")
    if len({*output}) != len(output) or not {*output} <= {*first, *second}:
        return SHORT
    alone = ({*first} ^ {*second}) - {*output}
    if alone:
        return Left(f"{', '.join(sorted(alone))} is summed over in one operand alone")
    both = {*first} & {*second}
    if any(a.shape[first.index(each)] != b.shape[second.index(each)] for each in both):
        return Left("of broadcasting")
    return first, second, output


def _summed(policy, a: ND, b: ND, first: str, second: str, kept: set) -> tuple[ND, str] | Left:
    """Sum products over letters that are not kept; the result and the letters of its axes."""
    reason = not_taken(a, b)
    if reason is not None:
        return reason
    both = [each for each in first if each in second]
    pairs = {each: (first.index(each), second.index(each)) for each in both}
    batch = [pairs[each] for each in both if each in kept]
    shared = [pairs[each] for each in both if each not in kept]
    if not shared:
        return Left("nothing is summed over")
    flops = 2 * a.size * math.prod([b.shape[at] for at in range(b.ndim) if second[at] not in first])
    if flops == 0 or short(policy, flops, LEAST_FLOPS):
        return SHORT
    if demanded():
        return Left("floating-point errors are to be reported")
    if not batch:
        for x, y, names, others, swap in ((a, b, first, second, 0), (b, a, second, first, 1)):
            found = _as_convolution(x, y, names, others, shared, swap)
            if found is not None:
                return found
    answer = contracted(policy, a, b, batch, shared)
    if type(answer) is Left:
        return answer
    letters = [each for each in both if each in kept]
    letters += [each for each in first if each not in both]
    letters += [each for each in second if each not in both]
    return answer, "".join(letters)


def _as_convolution(x: ND, weight: ND, names: str, others: str, shared: Sequence, swap: int):
    """Return a convolution of windows `x` and the letters of its axes, or None."""
    if x.ndim != 6 or weight.ndim != 4 or len(shared) != 3:
        return None
    pairs = [pair[::-1] if swap else pair for pair in shared]
    free = [axis for axis in range(6) if axis not in [mine for mine, _ in pairs]]
    filters = next(axis for axis in range(4) if axis not in [theirs for _, theirs in pairs])
    answer = convolved(x, weight, free, pairs, filters)
    if answer is None or type(answer) is Left:
        return answer
    return answer, "".join([names[axis] for axis in free]) + others[filters]


def _pairs(axes, a: ND, b: ND) -> list[tuple[int, int]] | None:
    """Return the axes that ``tensordot`` sums over, or None if NumPy will refuse them."""
    if isinstance(axes, int | np.integer):
        first, second = range(a.ndim - axes, a.ndim), range(axes)
    else:
        first, second = ([each] if isinstance(each, int | np.integer) else [*each] for each in axes)
    if len(first) != len(second):
        return None
    fits = all(-a.ndim <= i < a.ndim and -b.ndim <= j < b.ndim for i, j in zip(first, second))
    if not fits:
        return None
    pairs = [(i % a.ndim, j % b.ndim) for i, j in zip(first, second, strict=True)]
    distinct = all(len({*each}) == len(pairs) for each in zip(*pairs, strict=True))
    equal = all(a.shape[i] == b.shape[j] for i, j in pairs)
    return pairs if distinct and equal else None
