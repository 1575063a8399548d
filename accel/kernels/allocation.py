"""Where an answer is put: in new memory, in memory that is there, or over an input.

One operation, the larger of two numbers, done by the same NumPy loop three times; only the
place of the answer differs. An addition would do as well, but ``x += y`` gives another
answer each time it is repeated, and what is measured is repeated. The larger of two numbers
stays the larger, and moves the same bytes.

Source
------
NumPy documentation, "Universal functions (ufunc) basics", on ``out``.
"""

from __future__ import annotations

import numpy as np

from accel.kernels.inputs import blank, normal
from accel.kernels.registry import Operation, register, register_operation


class Kept:
    """Holds the newest answer, as a variable of a program would, until the next replaces it."""

    def __init__(self) -> None:
        self.answer = np.empty(0)

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        return np.asarray(self.answer, dtype=dtype)


def keep(x, y, out) -> tuple:
    """Return the arguments of a step that makes its own array."""
    return x, y, Kept()


def over_first(x, y, out) -> tuple:
    """Return the arguments of a step that overwrites its first input: a copy of `x` in `out`."""
    np.copyto(out, x)
    return y, out


def larger_inputs(n: int, dtype: str = "float32") -> tuple:
    """Return seeded `x` and `y`, and a blank `out`, each of shape (n,)."""
    return normal((n,), dtype, 111), normal((n,), dtype, 112), blank((n,), dtype)


def larger_oracle(x, y, out) -> tuple:
    """Return the larger of each pair, and no tolerance."""
    return np.where(x > y, x, y).astype(np.float64), 0.0


def larger_flops(n: int, **_) -> int:
    """One comparison for each element."""
    return n


def larger_bytes(n: int, dtype: str = "float32") -> int:
    """Read two arrays, write one."""
    return 3 * n * np.dtype(dtype).itemsize


register_operation(
    Operation(
        "larger",
        larger_inputs,
        larger_oracle,
        larger_flops,
        larger_bytes,
        tuple({"n": n} for n in (0, 1, 7, 127, 128, 129, 1000)),
        sizes=lambda working_set: {"n": max(1, working_set // 12)},
    )
)


@register(
    "larger",
    name="fresh",
    instrument="NumPy",
    story="a new array for each answer: z = maximum(x, y)",
    adapt=keep,
    tags=("ladder",),
)
def larger_fresh(x, y, kept):
    """Put each answer into a new array, and let go of the one before.

    The starting point, and what an expression does. Memory comes from the allocator, which
    gives back what was let go of a moment ago, or asks the operating system, which hands
    out pages that are not there yet: each is made, and filled with zeros, when it is first
    touched.

    Parameters
    ----------
    x, y : ndarray, shape (n,)
    kept : Kept
        Where the answer is kept.

    Cost
    ----
    Reads two arrays, writes one, and has it made.
    """
    kept.answer = np.maximum(x, y)


@register(
    "larger",
    name="out",
    instrument="NumPy",
    story="an array that is there already: removes the allocation",
    tags=("ladder",),
)
def larger_out(x, y, out):
    """Put each answer into the same array.

    Removes the allocation, and with it the first touch of new pages.

    Parameters
    ----------
    x, y : ndarray, shape (n,)
    out : ndarray, shape (n,)
        Overwritten.

    Cost
    ----
    Reads two arrays, writes one; a cache reads the lines that it overwrites first.
    """
    np.maximum(x, y, out=out)


@register(
    "larger",
    name="in_place",
    instrument="NumPy",
    story="over an input: removes the third array",
    adapt=over_first,
    tags=("ladder",),
)
def larger_in_place(y, x):
    """Put each answer over the first input.

    Removes the third array: what is overwritten was read a moment ago, so its lines are
    in the cache, and fewer arrays have to fit there.

    Parameters
    ----------
    y : ndarray, shape (n,)
    x : ndarray, shape (n,)
        First input, overwritten by the answer.

    Cost
    ----
    Reads two arrays, writes one of them.
    """
    np.maximum(x, y, out=x)
