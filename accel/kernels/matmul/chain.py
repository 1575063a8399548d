"""Products of several matrices: the order decides the cost, not the answer.

A product of matrices may be bracketed in any way. Multiplying from the left,
``((A B) C) x`` with n x n matrices and one column takes ``4 n**3`` FLOPs; from the right,
``A (B (C x))`` takes ``6 n**2``. This is how ``O(n**3)`` becomes ``O(n**2)``: not by a
faster product of matrices, but by never making one.

`accel.kernels.matmul.orders` says what an order is, what it costs, and which is the cheapest;
`work` counts what each step does.

Source
------
Godbole, "On efficient computation of matrix chain products", *IEEE Transactions on
Computers* C-22 (1973).
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence

import numpy as np

from accel.kernels.inputs import blank, normal
from accel.kernels.matmul.orders import best_order, cost_of, left_order
from accel.kernels.registry import Operation, register, register_operation

#: Sides of each shape of chain: matrix i has ``sides[i]`` rows and ``sides[i + 1]`` columns.
SHAPES: dict[str, Callable[[int], tuple[int, ...]]] = {
    "vector": lambda n: (n, n, n, n, 1),
    "narrow": lambda n: (n, -(-n // 16), n, -(-n // 16), n),
    "square": lambda n: (n, n, n, n, n),
}

EDGES = (
    {"n": 0},
    {"n": 1},
    {"n": 2},
    {"n": 33},
    {"n": 127},
    {"n": 129},
    {"n": 1, "shape": "narrow"},
    {"n": 129, "shape": "narrow"},
    {"n": 7, "shape": "square"},
)


def sides_of(n: int, shape: str = "vector") -> tuple[int, ...]:
    """Return the sides of a chain, one more than it has matrices.

    Raises
    ------
    ValueError
        If the shape is unknown.
    """
    if shape not in SHAPES:
        raise ValueError(f"chain: expected a shape of {', '.join(SHAPES)}, got {shape!r}")
    return SHAPES[shape](n)


def inputs(n: int, shape: str = "vector", dtype: str = "float32") -> tuple[np.ndarray, ...]:
    """Return the matrices of a chain and a blank `out`.

    They are scaled by the root of their columns, so that long chains neither grow nor
    shrink.
    """
    sides = sides_of(n, shape)
    matrices = [
        normal(pair, dtype, seed=1 + place) / np.dtype(dtype).type(max(1.0, pair[1] ** 0.5))
        for place, pair in enumerate(itertools.pairwise(sides))
    ]
    return *matrices, blank((sides[0], sides[-1]), dtype)


def oracle(*arguments: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the product in float64, and the error that any order may make.

    Each product on the way errs by some ``u (8 + 2 sqrt(k))`` times the product of
    magnitudes, with u half the distance from 1 to the next number and k the sum it
    takes; the errors of all of them add up, relative to the product of all magnitudes.

    Source
    ------
    Higham, *Accuracy and Stability of Numerical Algorithms*, 2nd ed. (2002), section 3.5
    for products of matrices, section 2.8 for the rule of thumb.
    """
    *matrices, out = arguments
    unit = np.finfo(out.dtype).eps / 2
    wide = [matrix.astype(np.float64) for matrix in matrices]
    order = best_order([matrix.shape[0] for matrix in matrices] + [out.shape[1]])
    magnitude = multiply([np.abs(matrix) for matrix in wide], order)
    share = sum(8 + 2 * np.sqrt(matrix.shape[1]) for matrix in matrices[:-1])
    return multiply(wide, order), unit * share * magnitude


def flops(n: int, shape: str = "vector", **_) -> int:
    """FLOPs from left to right, as the product is written, whoever does with fewer."""
    sides = sides_of(n, shape)
    return cost_of(left_order(len(sides) - 1), sides)


def compulsory_bytes(n: int, shape: str = "vector", dtype: str = "float32") -> int:
    """Read all matrices, write `out`."""
    sides = sides_of(n, shape)
    elements = sum(a * b for a, b in itertools.pairwise(sides)) + sides[0] * sides[-1]
    return elements * np.dtype(dtype).itemsize


def work(step: str, n: int, shape: str = "vector", **_) -> int:
    """Return how many FLOPs a step of the ladder does.

    Raises
    ------
    ValueError
        If the step is unknown.
    """
    sides = sides_of(n, shape)
    if step == "left_to_right":
        return cost_of(left_order(len(sides) - 1), sides)
    if step in ("best", "multi_dot"):
        return cost_of(best_order(sides), sides)
    raise ValueError(f"chain has no step {step!r} whose FLOPs are counted")


register_operation(Operation("chain", inputs, oracle, flops, compulsory_bytes, EDGES))


def multiply(matrices: Sequence[np.ndarray], order) -> np.ndarray:
    """Multiply matrices in a given order."""
    if isinstance(order, int):
        return matrices[order]
    return multiply(matrices, order[0]) @ multiply(matrices, order[1])


def _check(kernel: str, matrices: Sequence[np.ndarray], out: np.ndarray) -> None:
    shapes = [np.shape(matrix) for matrix in matrices]
    ends = (shapes[0][:1] + shapes[-1][1:]) if shapes else ()
    fits = all(len(shape) == 2 for shape in shapes) and all(
        a[1] == b[0] for a, b in itertools.pairwise(shapes)
    )
    if not shapes or not fits or np.shape(out) != ends:
        raise ValueError(
            f"chain.{kernel}: expected matrices that can be multiplied and an out of the "
            f"first one's rows and the last one's columns, got {shapes} and {np.shape(out)}"
        )


@register(
    "chain",
    instrument="NumPy",
    story="from left to right, as it is written: matrix after matrix",
    tags=("ladder",),
)
def left_to_right(*arguments):
    """Multiply as the product is written.

    The starting point: what ``A @ B @ C @ x`` does in Python.

    Parameters
    ----------
    *arguments : ndarray
        The matrices, and last `out`, which is overwritten.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Cost
    ----
    ``2 m k n`` FLOPs for each product; a temporary for each but the last.
    """
    *matrices, out = arguments
    _check("left_to_right", matrices, out)
    out[...] = functools.reduce(np.matmul, matrices)


@register(
    "chain",
    instrument="NumPy",
    story="the cheapest order: removes products of matrices that nobody asked for",
    tags=("ladder",),
)
def best(*arguments):
    """Multiply in the cheapest order.

    Removes products that the answer does not need. The order is found once for each
    tuple of sides, and remembered; walking it costs a few calls of Python.

    Parameters
    ----------
    *arguments : ndarray
        The matrices, and last `out`, which is overwritten.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Cost
    ----
    The fewest FLOPs of any order; temporaries for what is multiplied on the way.

    Source
    ------
    Godbole (1973).
    """
    *matrices, out = arguments
    _check("best", matrices, out)
    sides = (*(matrix.shape[0] for matrix in matrices), out.shape[1])
    out[...] = multiply(matrices, best_order(sides))


@register(
    "chain",
    instrument="NumPy",
    story="numpy.linalg.multi_dot: the same order, found anew in every call",
    tags=("ladder",),
)
def multi_dot(*arguments):
    """Multiply by `numpy.linalg.multi_dot`.

    Removes nothing over `best`: the library finds the same order, in Python, every time.

    Parameters
    ----------
    *arguments : ndarray
        The matrices, two or more, and last `out`, which is overwritten.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Cost
    ----
    The fewest FLOPs of any order, and ``O(k**3)`` steps of the interpreter for k matrices.
    """
    *matrices, out = arguments
    _check("multi_dot", matrices, out)
    np.linalg.multi_dot(matrices, out=out)
