"""NumPy's loops over elements: in parts on all cores, into memory that is at hand.

A ufunc applied to parts of its arrays gives the parts of its result. Most run on the threads of
parallel kernels, by `inner_loops`; what those cannot take goes to the threads of `chunks`, which
take longer to wake. How long a loop takes per element differs by a factor of a thousand from
one function and element type to another, so it is measured: on a few thousand elements, once,
when a function first meets an element type.
"""

from __future__ import annotations

import contextvars
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from accel.arrays import chunks
from accel.arrays.errors import tell, told_once
from accel.arrays.inner_loops import KINDS, inner_loop
from accel.arrays.leaving import LONG, ND, NUMBERS, SHORT, Left, long_from
from accel.arrays.memory import LEAST_BYTES, store
from accel.backend.dispatch import Policy

#: Time of a loop on one core from which a second one is woken, in ns. To wake a thread, and to
#: wait for it, takes tens of microseconds, on a busy machine a hundred and more.
WORTH_SHARING_NS = 200_000

#: The same for a loop that the threads of parallel kernels can run, which mostly are awake.
WORTH_WAKING_NS = 50_000

#: Time of a part that is still worth a call of its own, and most parts for each thread. With
#: several parts each, a thread that the system keeps waiting leaves most of its own to others.
PART_NS, MOST_PARTS = 30_000, 4

#: Elements that a loop is timed on. They and their results fit a second-level cache.
SAMPLE = 16_384

#: Elements that parts are multiples of, where they can be: whole cache lines and pages.
GRAIN = 4096

#: Backends under whose name these loops run. To others, NumPy's loops are not theirs.
LOOPING = frozenset({"auto", "numba", "numba-threads"})


def short(policy: Policy, amount: int, least: int) -> bool:
    """Tell whether a call is too short for a kernel: never, where a backend was named."""
    return policy.name == "auto" and amount < least


@dataclass(frozen=True)
class LoopPlan:
    """How a loop of NumPy was to be run, for `accel.explain`.

    Parameters
    ----------
    name : str
        Of the function.
    dtype : str
        Of the result.
    shape : tuple of int
        Of the loop: the result's, or what is reduced.
    threads : int
    predicted_ns : float
        On one core, by the time per element that was measured.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    threads: int
    predicted_ns: float


@dataclass
class Watch:
    """What `accel.explain` sees of loops: their plans, and whether they are run."""

    compute: bool
    plans: list[LoopPlan] = field(default_factory=list)


#: The watch that is kept in this context, if any.
watched: contextvars.ContextVar[Watch | None] = contextvars.ContextVar(
    "accel_loops", default=None
)


def to_be_run(name: str, x: ND, threads: int, ns: float) -> bool:
    """Tell a watch of a loop over an array, and return whether to run it."""
    watch = watched.get()
    if watch is not None:
        watch.plans.append(LoopPlan(name, x.dtype.name, x.shape, threads, ns))
    return watch is None or watch.compute


#: (function, method, dtypes) -> ns per element on one core.
_rates: dict[tuple, float] = {}

#: (ufunc, dtypes) -> dtype of the result.
_results: dict[tuple, np.dtype] = {}


def loop(
    policy: Policy, ufunc: np.ufunc, inputs: Sequence, out: tuple | None, keywords: dict[str, Any]
) -> ND | Left:
    """Apply a ufunc, in parts on several cores if that pays.

    Parameters
    ----------
    policy : Policy
    ufunc : np.ufunc
        One that works element by element, with one result.
    inputs : sequence
        Plain arrays and numbers.
    out : tuple of ndarray, or None
    keywords : dict
        Those of the call but `out`.

    Returns
    -------
    ndarray or Left
        A result in new memory, or `out`'s array; or why NumPy is to compute it.
    """
    sizes = [x.size for x in (*inputs, *(out or ())) if isinstance(x, ND)]
    if max(sizes, default=0) < LONG and policy.name in LOOPING:
        return SHORT
    reason = _not_taken(policy, ufunc, inputs, out, keywords)
    if reason:
        return Left(reason)
    where = keywords.get("where", True)
    inner = inner_loop(ufunc, inputs) if where is True else None
    taken = inner.taken(inputs, out) if inner is not None else None
    if taken is None:
        inner = None
    operands = [*(taken or inputs), where]
    arrays = [x for x in operands if type(x) is ND]
    shape = _shape(arrays, out)
    if not shape:
        return SHORT  # NumPy will refuse it, or return a number
    size = math.prod(shape)
    ns = size * rate(ufunc, inputs)
    least_ns = WORTH_SHARING_NS if inner is None else WORTH_WAKING_NS
    threads = chunks.cores(policy.name) if ns >= least_ns else 1
    if out is not None:
        result = out[0]
        shown_twice = 0 in result.strides  # a broadcast array, which parts would share
        if threads == 1 or shown_twice or any(in_the_way(result, x) for x in arrays):
            return SHORT
        _apply(ufunc, inner, operands, result, threads, ns)
        return result
    dtype = _result_dtype(ufunc, inputs)
    nbytes = size * dtype.itemsize
    if threads == 1 and nbytes < LEAST_BYTES:
        return SHORT
    order = _order(arrays, shape)
    if order is not None:
        shape = tuple([shape[axis] for axis in order])
        operands = [_reordered(x, order) for x in operands]
    result = room(shape, dtype, nbytes)
    _apply(ufunc, inner, operands, result, threads, ns)
    return result if order is None else result.transpose(np.argsort(order))


def room(shape: tuple[int, ...], dtype: np.dtype, nbytes: int) -> ND:
    """Return an array to be written: large ones in memory that was in use before."""
    if nbytes < LEAST_BYTES:
        return np.empty(shape, dtype)
    return store.empty(Borrowed, shape, dtype, nbytes).view(ND)


class Borrowed(ND):
    """An array in a buffer of the store; what is returned to users are views of it."""

    __slots__ = ()


def _not_taken(policy, ufunc, inputs, out, keywords) -> str | None:
    """Return why a call cannot be run in parts, or None if it can."""
    if policy.name not in LOOPING:
        return f"{policy.name} has no kernel of it"
    if ufunc.nout != 1:
        return "it has several results"
    if keywords and (out is None or list(keywords) != ["where"]):
        return f"of the keyword {', '.join(sorted(keywords))}"
    for x in (*inputs, *(out or ()), *keywords.values()):
        kind = type(x)
        if kind is ND:
            if x.dtype.kind not in KINDS:
                return f"of elements of {x.dtype}"
        elif kind not in NUMBERS:
            return f"an argument is a {kind.__name__}"
    return None


def _shape(arrays: list[ND], out: tuple | None) -> tuple[int, ...] | None:
    """Return the shape of a call, or None if NumPy will refuse it."""
    if out is not None:
        arrays = [*arrays, out[0]]
    first = arrays[0].shape
    if all(x.shape == first for x in arrays[1:]):
        return first
    try:
        shape = np.broadcast_shapes(*[x.shape for x in arrays])
    except ValueError:
        return None
    return None if out is not None and out[0].shape != shape else shape


def rate(ufunc: np.ufunc, inputs: Sequence) -> float:
    """Return how long a ufunc takes per element, in ns; timed if that is not known."""
    key = (ufunc, *[x.dtype if type(x) is ND else type(x) for x in inputs])
    known = _rates.get(key)
    if known is None:
        sample = [np.resize(x.flat[:SAMPLE], SAMPLE) if type(x) is ND else x for x in inputs]
        with np.errstate(all="ignore"):
            known = _rates[key] = timed(lambda: ufunc(*sample), SAMPLE)
        shared = int((WORTH_WAKING_NS if inner_loop(ufunc, inputs) else WORTH_SHARING_NS) / known)
        fresh = min(shared, LEAST_BYTES // np.dtype("float32").itemsize)
        for place, least in ((ufunc, fresh), ((ufunc, "out"), shared)):
            long_from[place] = min(long_from.get(place, least), least)
    return known


def timed(call, elements: int) -> float:
    """Return the shortest of a few times of a call, in ns per element."""
    shortest = math.inf
    for _ in range(5):
        begun = time.perf_counter_ns()
        call()
        shortest = min(shortest, time.perf_counter_ns() - begun)
    return shortest / elements


def _result_dtype(ufunc: np.ufunc, inputs: Sequence) -> np.dtype:
    """Return the element type of a result, as NumPy has it for no elements at all."""
    key = (ufunc, *[(x.dtype, x.ndim == 0) if type(x) is ND else type(x) for x in inputs])
    known = _results.get(key)
    if known is None:
        none = [np.empty(0, x.dtype) if type(x) is ND else x for x in inputs]
        with np.errstate(all="ignore"):
            known = _results[key] = ufunc(*none).dtype
    return known


def memory_order(strides: Sequence[Sequence[int]]) -> list[int] | None:
    """Return the axes of a new result, those far apart in memory first; None for C order.

    As NumPy finds them with ``order="K"``, so that the sum of transposed arrays is transposed
    too: axes are sorted by their strides, and where operands disagree C order wins.

    Parameters
    ----------
    strides : sequence of sequence of int
        Of each operand, one for each axis; 0 where it is broadcast.
    """
    order: list[int] = []  # nearest together first
    for axis in reversed(range(len(strides[0]))):
        place = len(order)
        for earlier in reversed(range(len(order))):
            farther = _is_farther(strides, order[earlier], axis)
            if farther is False:
                break
            if farther:
                place = earlier
        order.insert(place, axis)
    order.reverse()
    return None if order == sorted(order) else order


def _is_farther(strides: Sequence[Sequence[int]], axis: int, than: int) -> bool | None:
    """Tell whether one axis is to lie outside another; None if no operand has both."""
    pairs = [(abs(each[axis]), abs(each[than])) for each in strides if each[axis] and each[than]]
    return None if not pairs else all(first > second for first, second in pairs)


def _order(arrays: list[ND], shape: tuple[int, ...]) -> list[int] | None:
    if all(x.flags.c_contiguous for x in arrays):
        return None
    return memory_order([_strides(x, len(shape)) for x in arrays])


def _strides(x: ND, ndim: int) -> list[int]:
    """Return the strides of an operand in a loop of more dimensions."""
    own = [0 if length == 1 else step for step, length in zip(x.strides, x.shape, strict=True)]
    return [0] * (ndim - x.ndim) + own


def _reordered(x, order: list[int]):
    """Return an operand with the axes of the result in another order."""
    if type(x) is not ND or x.ndim == 0:
        return x
    return x.reshape((1,) * (len(order) - x.ndim) + x.shape).transpose(order)


def in_the_way(out: ND, x: ND) -> bool:
    """Tell whether one part could overwrite what another has still to read."""
    if not np.may_share_memory(out, x):
        return False
    same = out.shape == x.shape and out.strides == x.strides
    return not (same and out.__array_interface__["data"] == x.__array_interface__["data"])


def _apply(ufunc, inner, operands: Sequence, result: ND, threads: int, ns: float) -> None:
    """Run a ufunc over the parts of its operands, by its inner loop if that is known."""
    if not to_be_run(ufunc.__name__, result, threads, ns):
        return
    *inputs, where = operands
    if threads == 1:
        ufunc(*inputs, out=result, where=where)
        return
    if inner is not None:
        tell(ufunc.__name__, inner.run([*inputs, result], threads))
        return
    parts = parts_for(threads, ns)
    (*inputs, where, result), cuts = in_parts([*inputs, where, result], parts)

    def part(cut):
        own = [cut(x) for x in inputs]
        ufunc(*own, out=cut(result), where=cut(where))

    with told_once(ufunc.__name__):
        chunks.together(part, cuts, threads)


def parts_for(threads: int, ns: float) -> int:
    """Return how many parts to make of a loop that takes so long on one core."""
    each = int(min(MOST_PARTS, max(1, ns / threads / PART_NS)))
    return threads * each if threads > 1 else 1


def in_parts(operands: Sequence, parts: int) -> tuple[Sequence, list]:
    """Return operands of a loop, and functions that cut a part from any of them.

    Parameters
    ----------
    operands : sequence
        Arrays that broadcast to the shape of the last of them, and numbers.
    parts : int

    Returns
    -------
    operands : sequence
        The same, or as lines of elements where all lie so.
    cuts : list of callable
        Each takes an operand, and returns its share.
    """
    shape = operands[-1].shape
    arrays = [x for x in operands if type(x) is ND and x.ndim]
    if all(x.shape == shape and x.flags.c_contiguous for x in arrays):
        operands = [x.reshape(-1) if type(x) is ND and x.ndim else x for x in operands]
        return operands, _cuts(1, 0, bounds(operands[-1].size, parts, GRAIN))
    enough = [axis for axis, length in enumerate(shape) if length >= 4 * parts]
    even = [axis for axis, length in enumerate(shape) if length and length % parts == 0]
    axis = min([*enough, *even], default=int(np.argmax(shape)))
    return operands, _cuts(len(shape), axis, bounds(shape[axis], parts))


def bounds(length: int, parts: int, grain: int = 1) -> list[slice]:
    """Return slices of nearly one length that follow each other, multiples of a grain."""
    step = -(-length // parts)
    step = max(grain, -(-step // grain) * grain)
    return [slice(start, min(start + step, length)) for start in range(0, length, step)]


def _cuts(ndim: int, axis: int, slices: list[slice]) -> list:
    def cutter(piece: slice):
        def cut(x):
            if type(x) is not ND:
                return x
            own = axis - (ndim - x.ndim)
            if own < 0 or x.shape[own] == 1:
                return x
            return x[(slice(None),) * own + (piece,)]

        return cut

    return [cutter(piece) for piece in slices]
