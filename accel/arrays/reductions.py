"""Reductions and running sums: whole arrays by kernels, rows in parts on all cores.

Kernels add in another order than NumPy, which is neither better nor worse for a sum's digits;
`accel.sum` says how large its error can be. What is not finite NumPy computes again, for it
tells what happened and a kernel does not.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from accel import ops
from accel.arrays import chunks
from accel.arrays.errors import reported, tell, told_once
from accel.arrays.functions import kernel_takes
from accel.arrays.inner_loops import inner_loop
from accel.arrays.leaving import ND, SHORT, Left
from accel.arrays.loops import (
    KINDS,
    LOOPING,
    SAMPLE,
    WORTH_SHARING_NS,
    WORTH_WAKING_NS,
    bounds,
    memory_order,
    parts_for,
    short,
    timed,
    to_be_run,
)
from accel.arrays.windows import pooled
from accel.backend.base import BackendError
from accel.backend.dispatch import Policy

#: Reductions of whole arrays that there is a kernel for.
WHOLE = {np.add: ops.sum, np.maximum: ops.max}

#: Function -> elements from which its kernel is asked: below, NumPy is done before that begins.
LEAST_ELEMENTS = {
    np.add: 1 << 17,
    np.maximum: 1 << 18,
    np.argmax: 1 << 19,
    np.cumsum: 1 << 13,
    np.var: 1 << 13,
}

#: Functions whose loops reduce rows. NumPy begins with their identity, or the first element.
OF_ROWS = frozenset({np.add, np.multiply, np.maximum, np.minimum})

#: Elements from which the time of any other reduction is worth a thought.
LEAST_ROWS = 1 << 13

#: Functions and element types -> ns per element on one core.
_rates: dict[tuple, float] = {}


def reduce(policy: Policy, ufunc: np.ufunc, x, out: tuple | None, keywords: dict[str, Any]):
    """Compute ``ufunc.reduce``.

    Parameters
    ----------
    policy : Policy
    ufunc : np.ufunc
    x : ndarray
        Anything else is left to NumPy.
    out : tuple of ndarray, or None
    keywords : dict
        Those of the call but `out`.

    Returns
    -------
    ndarray, scalar or Left
    """
    reason = _not_taken(x)
    if reason:
        return Left(reason)
    axes = _axes(keywords.get("axis", 0), x.ndim)
    if axes is None or x.size == 0 or short(policy, x.size, LEAST_ROWS):
        return SHORT  # NumPy will refuse it, or have done it soon
    plain = _says_nothing(keywords, x)
    if plain and out is None and len(axes) == x.ndim and ufunc in WHOLE and kernel_takes(x, None):
        if short(policy, x.size, LEAST_ELEMENTS[ufunc]):
            return SHORT
        return _whole(ufunc, x, keywords)
    if plain and out is None and not keywords.get("keepdims"):
        result = pooled(ufunc, x, axes)
        if result is not None:
            return result
    if type(keywords.get("where", True)) is not bool:
        return Left("of the keyword where")
    kept = [axis for axis in range(x.ndim) if axis not in axes]
    if plain and out is None and kept and axes == {x.ndim - 1}:
        result = _rows(policy, ufunc, x)
        if result is not None:
            return result if keywords.get("keepdims") else result[..., 0]
    call = lambda own, to: ufunc.reduce(own, out=to, **keywords)  # noqa: E731
    shape = tuple([1 if axis in axes else length for axis, length in enumerate(x.shape)])
    if not keywords.get("keepdims"):
        shape = tuple([x.shape[axis] for axis in kept])
    kind = (ufunc, "reduce", x.dtype, 0 in axes, x.ndim - 1 in axes)
    dropped = 0 if keywords.get("keepdims") else None
    return _in_parts(policy, ufunc.__name__, kind, x, kept, dropped, shape, out, call)


def _rows(policy: Policy, ufunc: np.ufunc, x: ND) -> ND | None:
    """Reduce each row by NumPy's inner loop, on all cores; None if that cannot be or not pay.

    Returns
    -------
    ndarray, shape (..., 1), or None
    """
    inner = inner_loop(ufunc, [x, x]) if ufunc in OF_ROWS else None
    taken = inner is not None and inner.taken([x, x], None) is not None
    if not taken or x.dtype.kind not in "fc" or not x.flags.c_contiguous:
        return None
    kind = (ufunc, "reduce", x.dtype, False, True)
    call = lambda own, to: ufunc.reduce(own, axis=-1, out=to)  # noqa: E731
    ns = x.size * _rate(kind, x, list(range(x.ndim - 1)), call)
    threads = chunks.cores(policy.name) if ns >= WORTH_WAKING_NS else 1
    if policy.name not in LOOPING or threads == 1:
        return None
    result = np.empty((*x.shape[:-1], 1), x.dtype)
    if to_be_run(f"{ufunc.__name__} of rows", x, threads, ns):
        from_first = ufunc.identity is None
        result[...] = x[..., :1] if from_first else ufunc.identity
        left = x[..., 1:] if from_first else x
        tell("reduce", inner.reduce_rows(left, result, threads) if left.size else 0)
    return result


def accumulate(policy: Policy, ufunc: np.ufunc, x, out: tuple | None, keywords: dict[str, Any]):
    """Compute ``ufunc.accumulate``; parameters and result as for `reduce`."""
    reason = _not_taken(x)
    if reason:
        return Left(reason)
    axes = _axes(keywords.get("axis", 0), x.ndim)
    if short(policy, x.size, LEAST_ELEMENTS[np.cumsum]) or axes is None or len(axes) != 1:
        return SHORT
    plain = keywords.get("dtype") in (None, x.dtype)
    if plain and ufunc is np.add and x.ndim == 1 and kernel_takes(x, out):
        return _running_sum(x, out)
    kept = [axis for axis in range(x.ndim) if axis not in axes]
    call = lambda own, to: ufunc.accumulate(own, out=to, **keywords)  # noqa: E731
    kind = (ufunc, "accumulate", x.dtype, 0 in axes, x.ndim - 1 in axes)
    return _in_parts(policy, ufunc.__name__, kind, x, kept, 0, x.shape, out, call)


def argmax(policy: Policy, x: ND, axis, out: ND | None, keepdims: bool):
    """Compute ``x.argmax(axis)``; parameters and result as for `reduce`."""
    if _not_taken(x):
        return Left(_not_taken(x))
    axes = _axes(axis, x.ndim)
    least = LEAST_ELEMENTS[np.argmax]
    if axes is None or x.size == 0 or short(policy, x.size, least):
        return SHORT
    if len(axes) == x.ndim and out is None and not keepdims and kernel_takes(x, None):
        return _asked(lambda: np.intp(ops.argmax(x)))
    if len(axes) != 1 or keepdims:
        return Left("of the keyword keepdims" if keepdims else "of the order of elements")
    kept = [each for each in range(x.ndim) if each not in axes]
    shape = tuple([x.shape[each] for each in kept])
    call = lambda own, to: ND.argmax(own, axis, out=to)  # noqa: E731
    outs = (np.empty(shape, np.intp) if out is None else out,)  # in C order, as NumPy's is
    kind = (np.argmax, "argmax", x.dtype, 0 in axes, x.ndim - 1 in axes)
    return _in_parts(policy, "argmax", kind, x, kept, None, shape, outs, call)


def variance(policy: Policy, x: ND, ddof: float):
    """Compute ``x.var(ddof=ddof)`` of a whole array; a scalar, or why NumPy is to do it."""
    takes = not _not_taken(x) and kernel_takes(x, None)
    if not takes or short(policy, x.size, LEAST_ELEMENTS[np.var]) or ddof >= x.size:
        return SHORT
    found = _asked(lambda: ops.mean_variance(x))
    if type(found) is Left:
        return found
    if reported("over", "invalid") and not math.isfinite(found[1]):
        return Left("the result is not finite")
    return found[1] * x.dtype.type(x.size / (x.size - ddof)) if ddof else found[1]


def _whole(ufunc: np.ufunc, x: ND, keywords: dict[str, Any]):
    found = _asked(lambda: WHOLE[ufunc](x))
    if type(found) is Left:
        return found
    if ufunc is np.add and reported("over", "invalid") and not math.isfinite(found):
        return Left("the result is not finite")
    return np.full((1,) * x.ndim, found) if keywords.get("keepdims") else found


def _running_sum(x: ND, out: tuple | None):
    found = _asked(lambda: ops.prefix_sum(x, out=None if out is None else out[0]))
    in_place = out is not None and np.may_share_memory(out[0], x)
    if type(found) is Left or in_place:
        return found
    if reported("over", "invalid") and not math.isfinite(found[-1]):
        return Left("the result is not finite")
    return found


def _asked(call: Callable[[], Any]):
    try:
        return call()
    except BackendError as error:
        return Left(str(error))


def _not_taken(x) -> str | None:
    if type(x) is not ND:
        return f"an argument is a {type(x).__name__}"
    if x.dtype.kind not in KINDS:
        return f"of elements of {x.dtype}"
    return None


def _axes(axis, ndim: int) -> set[int] | None:
    """Return the axes that a call names, counted from the first; None if there are not all."""
    if axis is None:
        return set(range(ndim))
    named = axis if isinstance(axis, tuple) else (axis,)
    if not all(isinstance(each, int | np.integer) and -ndim <= each < ndim for each in named):
        return None
    found = {int(each) % ndim for each in named}
    return found if len(found) == len(named) else None


def _says_nothing(keywords: dict[str, Any], x: ND) -> bool:
    """Tell whether the keywords leave element type, first value and choice as they are."""
    return (
        keywords.get("dtype") in (None, x.dtype)
        and keywords.get("initial", np._NoValue) is np._NoValue
        and keywords.get("where", True) is True
    )


def _in_parts(policy, name, kind, x: ND, kept, shift, shape, out, call) -> ND | Left:
    """Run a reduction in parts along an axis that is kept.

    Parameters
    ----------
    policy : Policy
    name : str
    kind : tuple
        What the time per element depends on.
    x : ndarray
    kept : list of int
        Axes that are not reduced.
    shift : 0 or None
        0 if the result has the axes of `x`, None if only those kept.
    shape : tuple of int
        Of the result.
    out : tuple of ndarray, or None
    call : callable
        ``call(part of x, part of the result)``.
    """
    if policy.name not in LOOPING:
        return Left(f"{policy.name} has no kernel of it")
    if not kept:
        return Left("there is no kernel of it")
    if out is not None and type(out[0]) is not ND:
        return Left(f"out is a {type(out[0]).__name__}")
    if out is not None and (out[0].shape != shape or np.may_share_memory(out[0], x)):
        return SHORT
    ns = x.size * _rate(kind, x, kept, call)
    threads = chunks.cores(policy.name) if ns >= WORTH_SHARING_NS else 1
    axis = max(kept, key=lambda each: (x.shape[each] >= threads, -each))
    if threads == 1 or x.shape[axis] < threads:
        return SHORT
    place = axis if shift == 0 else kept.index(axis)
    with np.errstate(all="ignore"):
        dtype = call(x[(slice(0, 1),) * x.ndim], None).dtype
    result = _room(x, list(range(x.ndim)) if shift == 0 else kept, shape, dtype, out)
    if not to_be_run(f"{name} of rows", x, threads, ns):
        return result

    def part(piece):
        call(x[(slice(None),) * axis + (piece,)], result[(slice(None),) * place + (piece,)])

    with told_once(kind[1]):
        pieces = bounds(x.shape[axis], parts_for(threads, ns))
        chunks.together(part, pieces, threads)
    return result


def _room(x: ND, axes: list[int], shape: tuple[int, ...], dtype, out: tuple | None) -> ND:
    """Return an array to be written, with its axes ordered in memory as those of `x` are."""
    if out is not None:
        return out[0]
    steps = [0 if x.shape[axis] == 1 else x.strides[axis] for axis in axes]
    order = None if x.flags.c_contiguous else memory_order([steps])
    if order is None:
        return np.empty(shape, dtype)
    return np.empty([shape[axis] for axis in order], dtype).transpose(np.argsort(order))


def _rate(kind: tuple, x: ND, kept: list[int], call) -> float:
    """Return how long a reduction takes per element, in ns; timed if that is not known."""
    length = math.prod(x.shape[axis] for axis in range(x.ndim) if axis not in kept)
    kind = (*kind, min(length, 64))
    known = _rates.get(kind)
    if known is None:
        few = x
        for axis in kept:  # as few rows as make a sample
            take = max(1, SAMPLE * few.shape[axis] // max(1, few.size))
            few = few[(slice(None),) * axis + (slice(0, take),)]
        few = few.copy()
        with np.errstate(all="ignore"):
            known = _rates[kind] = timed(lambda: call(few, None), max(1, few.size))
    return known
