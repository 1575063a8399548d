"""Calls to try a backend with: the edges of every operation, each with its right answer.

For `accel.backend.contract`. A call's arrays are tried amid other bytes, so that an element
written before their beginning, after their end or between their strides is noticed.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from accel.backend.base import Call
from accel.backend.dispatch import failures
from accel.kernels import registry
from accel.kernels.registry import difference

#: Elements at least on each side of an array that belong to nobody, and the byte that they are
#: made of: as a floating-point number it is NaN, which spoils every result that it gets into.
FENCE, NOBODYS = 64, 0xFF

#: What a backend may raise if arguments do not fit each other.
REFUSALS = (ValueError, IndexError, TypeError)


@dataclass(frozen=True)
class Fenced:
    """An array amid bytes that belong to nobody.

    Parameters
    ----------
    view : ndarray
        The array, of the shape, strides and numbers of another.
    host : ndarray of uint8
        The memory it lies in.
    outside : ndarray of bool
        Which bytes of that are not the array's.
    """

    view: np.ndarray
    host: np.ndarray
    outside: np.ndarray

    @classmethod
    def copy_of(cls, x: np.ndarray) -> Fenced:
        """Return a copy of an array whose strides are positive."""
        spans = [(n - 1) * stride for n, stride in zip(x.shape, x.strides, strict=True)]
        margin = (FENCE + 2 * x.size) * x.itemsize  # also for what is written as if it were larger
        extent = x.itemsize + sum(spans) if x.size else 0
        host = np.full(extent + 2 * margin, NOBODYS, np.uint8)
        own = np.zeros(host.shape, np.uint8)
        mark = np.ndarray(x.shape, f"V{x.itemsize}", own, margin, x.strides)
        mark[...] = np.void(b"\1" * x.itemsize)
        view = np.ndarray(x.shape, x.dtype, host, margin, x.strides)
        view[...] = x
        return cls(view, host, own == 0)

    def spilled(self) -> bool:
        """Tell whether something was written beside the array."""
        return bool((self.host[self.outside] != NOBODYS).any())


@dataclass(frozen=True)
class Case:
    """A call with its right answer.

    Parameters
    ----------
    where : str
        Its parameters, for messages.
    call : Call
        Its arguments are never passed to a backend, but copies of them.
    expected : mapping
        Position of each argument that is written to ``(value, error allowed)``.
    """

    where: str
    call: Call
    expected: dict[int, tuple[np.ndarray, Any]]

    def fault(self, function: Callable[..., None]) -> str | None:
        """Say what is wrong with a function of the arguments, or None if nothing is."""
        fences, arguments = fenced(self.call.arguments)
        try:
            answer = function(*arguments)
        except (*REFUSALS, AttributeError, AssertionError, LookupError, *failures()) as error:
            return f"{self.where}: raised {type(error).__name__}: {error}"
        if answer is not None:
            return f"{self.where}: returned {type(answer).__name__}, expected None"
        for place, each in fences.items():
            if each.spilled():
                return f"{self.where}: wrote beside the array of argument {place}"
            if place not in self.expected and _bytes(each.view) != _bytes(
                self.call.arguments[place]
            ):
                return f"{self.where}: changed argument {place}, which it may only read"
        for place, (expected, tolerance) in self.expected.items():
            wrong = difference(arguments[place], expected, tolerance)
            if wrong:
                return f"{self.where}: argument {place}: {wrong}"
        return None

    def harm(self, function: Callable[..., None]) -> str | None:
        """Say what harm a function does that gets results of other shapes, or None if none.

        It refuses them before it updates anything in place, or what it writes is theirs.
        """
        *others, out = self.call.arguments
        updates = bool(registry.operation(self.call.operation).mutates)
        for shape in _other_shapes(out.shape):
            given = (*others, np.full(shape, np.resize(out, 1)[0] if out.size else 0, out.dtype))
            fences, arguments = fenced(given)
            where = f"{self.where}, with a result of shape {shape} for {out.shape}"
            may_write = set(self.expected)
            try:
                function(*arguments)
            except REFUSALS:
                may_write = set() if updates else may_write
            except (AttributeError, AssertionError, *failures()) as error:
                return f"{where}: raised {type(error).__name__}, expected ValueError: {error}"
            for place, each in fences.items():
                if each.spilled():
                    return f"{where}: wrote beside the array of argument {place}"
                if place not in may_write and _bytes(each.view) != _bytes(given[place]):
                    return f"{where}: changed argument {place}"
        return None


def _other_shapes(shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Yield shapes that are longer or shorter by one in one direction."""
    for axis, length in enumerate(shape):
        for other in (length + 1, length - 1):
            if other >= 0:
                yield (*shape[:axis], other, *shape[axis + 1 :])


def fenced(arguments: tuple) -> tuple[dict[int, Fenced], tuple]:
    """Return copies of the arrays among arguments by their positions, and all arguments so."""
    fences = {
        place: Fenced.copy_of(each)
        for place, each in enumerate(arguments)
        if isinstance(each, np.ndarray)
    }
    own = tuple(
        fences[place].view if place in fences else each for place, each in enumerate(arguments)
    )
    return fences, own


def _bytes(x: np.ndarray) -> bytes:
    return x.tobytes()  # NaN is then equal to itself, and -0.0 differs from 0.0


def operations() -> list[tuple[str, str]]:
    """Return the operations that backends are asked for, each with each element type."""
    return [
        (name, dtype)
        for name in registry.FAMILIES
        if registry.operation(name).sizes is not None
        for dtype in sorted({each for step in registry.ladder(name) for each in step.dtypes})
    ]


def cases(operation: str, dtype: str, most_flops: float = math.inf) -> Iterator[Case]:
    """Yield the edges of an operation that take at most so many FLOPs, smallest first."""
    op = registry.operation(operation)
    edges = [{**each, "dtype": dtype} for each in op.edges]
    flops = {at: op.flops(**each) for at, each in enumerate(edges)}
    for at in sorted(flops, key=flops.get):
        if flops[at] <= most_flops:
            yield _case(operation, dtype, at)


@functools.cache
def _case(operation: str, dtype: str, edge: int) -> Case:
    op = registry.operation(operation)
    parameters = {**op.edges[edge], "dtype": dtype}
    call = Call(operation, dtype, op.inputs(**parameters))
    expected = {len(call.arguments) - 1: op.oracle(*call.arguments)}
    words = ", ".join(f"{key}={value}" for key, value in parameters.items())
    return Case(f"{operation}({words})", call, _states(call) | expected)


def _states(call: Call) -> dict[int, tuple[np.ndarray, Any]]:
    """Return what an optimizer leaves beside its result, as its step in float64 leaves it.

    Each number is a sum of two or three terms, none larger than what was there before and
    what is there afterwards together; each rounds a few times.
    """
    last = len(call.arguments) - 1
    places = [at for at in registry.operation(call.operation).mutates if at != last]
    if not places:
        return {}
    steps = registry.ladder(call.operation, dtype="float64", tag="ladder")
    truth = [step for step in steps if step.instrument == "NumPy" and step.adapt is None][-1]
    wide = [
        each.astype(np.float64) if isinstance(each, np.ndarray) else each
        for each in call.arguments
    ]
    with np.errstate(all="ignore"):
        truth.function(*wide)
        about = np.finfo(call.dtype)
        sizes = {at: np.abs(wide[at]) + np.abs(call.arguments[at]) for at in places}
        slack = {at: 8 * about.eps * sizes[at] + 4 * about.smallest_subnormal for at in places}
    return {at: (wide[at], np.nan_to_num(slack[at], posinf=0.0)) for at in places}
